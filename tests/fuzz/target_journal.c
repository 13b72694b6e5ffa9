// SPDX-License-Identifier: GPL-2.0
/*
 * Any records behind right checksums, over a store that is whole: they are
 * refused, or what a checkpoint makes of them is whole too. So no record can
 * give a block two owners, or let a block be free that has one.
 */
#include "check.h"
#include "fuzz.h"
#include "meta.h"

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	switch (fault->what) {
	case SOSNAP_FAULT_OBJECT_UNUSED:	/* that much records may say */
	case SOSNAP_FAULT_OBJECT_PARENT:
	case SOSNAP_FAULT_SNAPSHOT_REF:
	case SOSNAP_FAULT_NAME_TWICE:
	case SOSNAP_FAULT_OBJECT_ORPHAN:
	case SOSNAP_FAULT_OBJECT_COUNT:
	case SOSNAP_FAULT_BITMAP_LEAK:
	case SOSNAP_FAULT_RECORD_VALUE:
	case SOSNAP_FAULT_SUPER_COUNT:
		return;
	}
	fprintf(stderr, "%s: block %llu, %s\n", sosnap_fault_name(fault->what),
		(unsigned long long)fault->blk, detail);
	abort();
}

static const struct sosnap_check_ops check_ops = { .found = found };

static void write_commits(struct sosnap_meta *m, struct fuzz_in *in)
{
	struct sosnap_disk_record slot[64];
	u32 nr, i;

	while (in->left > 1) {
		nr = fuzz_take(in, 1) % ARRAY_SIZE(slot) + 1;
		memset(slot, 0, sizeof(slot));
		for (i = 0; i < nr; i++) {
			u64 kind = fuzz_take(in, 1);

			/* one in eight is taken as it comes, the others are near to sense */
			slot[i].object = cpu_to_le32(fuzz_take(in, kind & 7 ? 1 : 4) % 20);
			slot[i].len = cpu_to_le32(fuzz_take(in, kind & 7 ? 1 : 4));
			slot[i].blk = cpu_to_le64(kind & 7 ? fuzz_take(in, 2) |
						  (1 + kind % 4) << SOSNAP_RECORD_BLK_BITS :
						  fuzz_take(in, 8));
			slot[i].store = cpu_to_le64(fuzz_take(in, kind & 7 ? 2 : 8));
		}
		if (sosnap_journal_write(m->io, &m->super, &m->journal, slot, nr))
			break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct sosnap_check_result result;
	struct fuzz_in in = { data, size };
	struct sosnap_batch batch;
	struct sosnap_meta m;
	u64 commits;
	int r;

	io_mem_reset(&fuzz_mem);
	if (sosnap_meta_open(&m, &fuzz_mem.io, NULL) || sosnap_batch_init(&batch, 64))
		abort();
	if (sosnap_meta_replay(&m, &batch, &commits))
		abort();
	m.journal.seq--;	/* goes on where the last commit ends */
	write_commits(&m, &in);
	sosnap_meta_close(&m);
	batch.nr = 0;

	io_mem_drop_verified(&fuzz_mem);
	if (sosnap_meta_open(&m, &fuzz_mem.io, NULL))
		abort();
	r = sosnap_meta_replay(&m, &batch, &commits);
	if (!r) {
		r = sosnap_meta_checkpoint(&m, &batch, m.journal.head, m.journal.seq, 0);
		if (!r) {
			sosnap_meta_publish(&m);
			sosnap_meta_release(&m, NULL, NULL);
		}
	}
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&m);
	io_mem_drop_verified(&fuzz_mem);
	if (!r && sosnap_check(&fuzz_mem.io, &check_ops, NULL, &result))
		abort();
	return 0;
}
