// SPDX-License-Identifier: GPL-2.0
/*
 * Bitmaps and summaries that say anything: no block outside of the store is
 * ever given out, and none that has a fixed use.
 */
#include "fuzz.h"
#include "space.h"
#include "super.h"

static void freed(void *ctx, u64 blk, u32 len)
{
	const struct sosnap_super *super = ctx;

	if (blk + len > super->nr_blocks)
		abort();
}

static bool usable(const struct sosnap_super *super, u64 blk, u32 len)
{
	u64 journal_end = super->journal_blk + super->journal_blocks, i;

	if (!len || blk + len > super->nr_blocks)
		return false;
	for (i = blk; i < blk + len; i++)
		if (i == SOSNAP_SUPER_BLK0 || (i >= SOSNAP_SUPER_BLK1 && i < journal_end) ||
		    i % SOSNAP_REGION_BLOCKS - SOSNAP_BITMAP_SLOT < 2 ||
		    i - SOSNAP_SUMMARY_SLOT < 2)
			return false;
	return true;
}

static void one(struct sosnap_space *sp, struct fuzz_in *in)
{
	/* who asks has verified that they are blocks of the store */
	u64 blk = fuzz_take(in, 2) % (sp->super->nr_blocks - 256), got;
	u32 len = fuzz_take(in, 1) + 1, n;

	switch (fuzz_take(in, 1) % 6) {
	case 0:
		if (!sosnap_space_alloc(sp, len, 1, &got, &n) &&
		    (n > len || !usable(sp->super, got, n)))
			abort();
		break;
	case 1:
		sosnap_space_take(sp, blk, len);
		break;
	case 2:
		sosnap_space_set(sp, blk, len);
		break;
	case 3:
		sosnap_space_clear(sp, blk, len, NULL, NULL);
		break;
	case 4:
		sosnap_space_give_back(sp, blk, len);
		break;
	case 5:
		sosnap_space_trim(sp, len % 3);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sosnap_super super;
	struct sosnap_space sp;
	u32 round, i;

	fuzz_edit(&in);
	if (sosnap_super_read(&fuzz_mem.io, &super))
		return 0;
	if (sosnap_space_init(&sp, &fuzz_mem.io, &super, NULL))
		return 0;
	for (round = 0; round < 3 && in.left; round++) {
		sosnap_space_begin(&sp, ++super.gen);
		for (i = 0; i < 24 && in.left; i++)
			one(&sp, &in);
		if (sosnap_space_write(&sp))
			break;
		sosnap_space_release(&sp, freed, &super);
	}
	sosnap_space_exit(&sp);
	return 0;
}
