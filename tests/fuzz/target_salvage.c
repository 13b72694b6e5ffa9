// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever a store holds, the salvage ends, and what it has written is a store
 * that the check finds nothing wrong with.
 */
#include "check.h"
#include "fuzz.h"
#include "salvage.h"

static void lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
	if (!loss->snapshot[0] || !loss->len)
		abort();
}

static void changed(void *ctx, u32 type, u32 id, const char *what)
{
	if (!what[0])
		abort();
}

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	fprintf(stderr, "after the salvage: %s (block %llu): %s\n", sosnap_fault_name(fault->what),
		(unsigned long long)fault->blk, detail);
	abort();
}

static const struct sosnap_salvage_ops ops = { .lost = lost, .changed = changed };
static const struct sosnap_check_ops check_ops = { .found = found };

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sosnap_salvage_want want = { .name = "found", .now = 1 };
	struct sosnap_salvage_result res;
	struct sosnap_check_result check;
	struct sosnap_salvage *s;
	u64 how;

	fuzz_edit(&in);
	how = fuzz_take(&in, 1);
	want.doubtful = how & 1;
	/* without superblocks now and then */
	if (!(how & 6)) {
		u8 zero[SOSNAP_BLOCK_SIZE] = { 0 };

		fuzz_mem.io.ops->write(&fuzz_mem.io, SOSNAP_SUPER_BLK0, 1, zero);
		fuzz_mem.io.ops->write(&fuzz_mem.io, SOSNAP_SUPER_BLK1, 1, zero);
	}
	if (sosnap_salvage_find(&fuzz_mem.io, &want, &ops, NULL, &res, &s))
		return 0;
	if (!sosnap_salvage_write(s, &fuzz_mem.io)) {
		io_mem_drop_verified(&fuzz_mem);
		if (sosnap_check(&fuzz_mem.io, &check_ops, NULL, &check))
			abort();
	}
	sosnap_salvage_free(s);
	return 0;
}
