/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What test programs write: sectors that say who wrote them.
 *
 * The content of a sector is a function of its tag alone, so that one sector
 * read from a device tells which write it comes from, and every bit of it can
 * be compared.
 */
#ifndef SOSNAP_TEST_PATTERN_H
#define SOSNAP_TEST_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR		512U
#define SECTOR_SHIFT	9

/* Threads number from 0; these are none. */
#define THREAD_GOLD	0xffffffffU
#define THREAD_FIXED	0xfffffffeU	/* blk write: op is the tag given */

struct tag {
	uint64_t seed;
	uint32_t epoch;
	uint32_t thread;
	uint64_t op;
	uint64_t sector;
};

enum content { CONTENT_TAG, CONTENT_ZERO, CONTENT_GARBAGE };

void pattern_fill(void *sector, const struct tag *tag);
bool pattern_is(const void *sector, const struct tag *tag);
bool pattern_zero(const void *sector);
enum content pattern_read(const void *sector, struct tag *tag);
void pattern_describe(const void *sector, char *out, size_t bytes);

#endif /* SOSNAP_TEST_PATTERN_H */
