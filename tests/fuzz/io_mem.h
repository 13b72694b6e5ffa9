/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device in memory over an image: what is changed is kept beside it, so one
 * image serves any number of runs. Every block is an allocation of its own,
 * for the address sanitizer to see each step beyond it. A hostile store can
 * make two users of one block; as in the module they then share its memory.
 */
#ifndef SOSNAP_FUZZ_IO_MEM_H
#define SOSNAP_FUZZ_IO_MEM_H

#include "image.h"
#include "ops.h"

struct io_mem {
	struct sosnap_io io;
	const struct image *base;
	u8 **blk;
	bool *verified;
	u32 *touched;
	u32 nr_touched;
	u64 steps;
	u32 held;
};

void io_mem_init(struct io_mem *m, const struct image *base);
void io_mem_reset(struct io_mem *m);
void io_mem_drop_verified(struct io_mem *m);
void io_mem_exit(struct io_mem *m);
u8 *io_mem_block(void *ctx, u64 blk);

#endif /* SOSNAP_FUZZ_IO_MEM_H */
