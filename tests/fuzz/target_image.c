// SPDX-License-Identifier: GPL-2.0
/*
 * A store is activated, used, closed, and activated again, as the module does.
 * What could be checkpointed can be opened once more.
 */
#include "check.h"
#include "fuzz.h"
#include "meta.h"

static void nothing(struct sosnap_meta *m)
{
}

static void fence(struct sosnap_meta *m, u32 object)
{
}

static void lost(struct sosnap_meta *m, u32 region)
{
}

static const struct sosnap_meta_host host = {
	.lock = nothing,
	.unlock = nothing,
	.fence = fence,
	.lost = lost,
};

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	if (!detail[0])
		abort();
}

static const struct sosnap_check_ops check_ops = { .found = found };

static int checkpoint(struct sosnap_meta *m, struct sosnap_batch *batch)
{
	int r = sosnap_meta_checkpoint(m, batch, m->journal.head, m->journal.seq, 0);

	if (r)
		return r;
	m->journal.tail = m->journal.head;
	batch->nr = 0;
	sosnap_meta_publish(m);
	sosnap_meta_release(m, NULL, NULL);
	return 0;
}

/* First writes, as far as there is room for them. */
static int write(struct sosnap_meta *m, struct sosnap_batch *batch, struct fuzz_in *in)
{
	struct sosnap_disk_record rec;
	u64 store, blk = fuzz_take(in, 2);
	u32 object = fuzz_take(in, 1) % 8 + 1, len;
	int r = 0;

	if (sosnap_space_alloc(&m->space, 8, 1, &store, &len))
		return 0;
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, object, blk, len, store);
	if (sosnap_journal_write(m->io, &m->super, &m->journal, &rec, 1)) {
		r = checkpoint(m, batch);
		if (!r)
			r = sosnap_journal_write(m->io, &m->super, &m->journal, &rec, 1);
	}
	return r ? r : sosnap_meta_apply(m, batch, &rec, 1);
}

static void activate(struct fuzz_in *in)
{
	struct sosnap_batch batch;
	struct sosnap_meta m;
	u32 i;
	int r;

	if (sosnap_meta_open(&m, &fuzz_mem.io, &host))
		return;
	if (m.doubt) {
		sosnap_meta_close(&m);
		io_mem_drop_verified(&fuzz_mem);
		return;
	}
	if (sosnap_batch_init(&batch, 64))
		abort();
	r = sosnap_meta_replay(&m, &batch, &(u64){ 0 });
	if (!r)
		r = checkpoint(&m, &batch);
	for (i = 0; !r && i < 3; i++)
		r = write(&m, &batch, in);
	for (i = 0; !r && i < 2; i++)
		r = checkpoint(&m, &batch);
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&m);
	io_mem_drop_verified(&fuzz_mem);
	if (r)
		return;
	r = sosnap_meta_open(&m, &fuzz_mem.io, &host);
	if (r) {
		fprintf(stderr, "cannot be opened again: %s, block %llu\n",
			sosnap_fault_name(fuzz_mem.io.fault.what),
			(unsigned long long)fuzz_mem.io.fault.blk);
		abort();
	}
	sosnap_meta_close(&m);
	io_mem_drop_verified(&fuzz_mem);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sosnap_check_result result;

	fuzz_edit(&in);
	activate(&in);
	sosnap_check(&fuzz_mem.io, &check_ops, NULL, &result);
	return 0;
}
