/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a block device has to hold, sector by sector, and the log that tells
 * after a crash how far each thread had got.
 *
 * A version names the write that a sector comes from; 0 is the gold image,
 * VERSION_ZERO zeros. The model file is the header and one version a sector.
 *
 * The log (a device or file of its own) makes the run repeatable:
 *
 *	page 0		the run
 *	page 1 + 2 * thread, and the next, in turn:
 *			limit: the thread has started no operation from this one on
 *			durable[i]: operations of thread i below this are durable
 *
 * limit is written before an operation is started, durable after a flush has
 * returned: what thread i had finished when the flush was issued.
 */
#ifndef SOSNAP_TEST_MODEL_H
#define SOSNAP_TEST_MODEL_H

#include <stdint.h>

#include "ops.h"
#include "pattern.h"

#define MODEL_MAGIC	0x6c65646f6d706e73ULL
#define LOG_MAGIC	0x676f6c646f6d6e73ULL
#define LOG_PAGE	4096U
#define LOG_BATCH	16U	/* operations that one limit covers */

#define VERSION_GOLD	0ULL
#define VERSION_ZERO	1ULL

struct model_header {
	uint64_t magic;
	uint64_t sectors;
	uint64_t gold_sectors;
	uint64_t seed;
	uint64_t epoch;		/* of the last run */
};

struct model {
	struct model_header h;
	uint64_t *version;
};

struct log_run {
	uint64_t magic;
	uint64_t seed;
	uint64_t sectors;
	uint32_t epoch;
	uint32_t threads;
	uint64_t crc;
};

struct log_thread {
	uint64_t magic;
	uint64_t run;		/* seed + epoch, so that old pages are not taken */
	uint64_t seq;
	uint64_t limit;
	uint64_t durable[OPS_MAX_THREADS];
	uint64_t crc;
};

uint64_t version_of(uint32_t epoch, uint32_t thread, uint64_t op);
void version_tag(const struct model *m, uint64_t version, uint64_t sector, struct tag *tag);

void model_new(struct model *m, uint64_t sectors, uint64_t gold_sectors, uint64_t seed);
void model_load(struct model *m, const char *path);
void model_save(const struct model *m, const char *path);
bool model_is(const struct model *m, uint64_t sector, const void *data);
unsigned int model_compare(const struct model *m, int fd, uint64_t first, uint64_t end);

uint64_t log_sum(const void *data, size_t bytes);
int crash_verify(const char *dev, const char *path, const char *log, bool save);

#endif /* SOSNAP_TEST_MODEL_H */
