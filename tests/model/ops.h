/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stream of operations of one thread: a function of (seed, epoch, thread,
 * number of threads, size) alone, so that it can be made again after a crash.
 *
 * Every sector has one owner, the only thread that changes it. The device is
 * cut into areas; in each, units of one size go round the threads, from single
 * sectors (eight writers in one block) over 12 KiB off the block grid to 2 MiB.
 */
#ifndef SOSNAP_TEST_OPS_H
#define SOSNAP_TEST_OPS_H

#include <stdbool.h>
#include <stdint.h>

#define OPS_MAX_THREADS	64U
#define OPS_MAX_SECTORS	2048U	/* 1 MiB */

enum op_kind { OP_WRITE, OP_DISCARD, OP_ZEROOUT, OP_READ, OP_READ_ANY, OP_FLUSH };

struct op {
	enum op_kind kind;
	bool dsync;
	uint64_t first;
	uint32_t sectors;
};

struct ops {
	uint64_t state;
	uint64_t sectors;
	uint32_t thread;
	uint32_t threads;
};

void ops_init(struct ops *o, uint64_t seed, uint32_t epoch, uint32_t thread, uint32_t threads,
	      uint64_t sectors);
void ops_next(struct ops *o, struct op *op);
uint32_t ops_owner(uint64_t sectors, uint32_t threads, uint64_t sector);

static inline bool op_changes(const struct op *op)
{
	return op->kind <= OP_ZEROOUT;
}

#endif /* SOSNAP_TEST_OPS_H */
