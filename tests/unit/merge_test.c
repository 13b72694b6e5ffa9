// SPDX-License-Identifier: GPL-2.0
/*
 * What a checkpoint of scattered first writes into a large tree writes, beside
 * the data they cover. MERGE_RECORDS sets how many records there are (default
 * 65,536; the tree holds four times as many extents).
 */
#include "io_ram.h"
#include "many_snapshots.h"
#include "meta.h"
#include "testlib.h"

#define SNAPS		16U
#define PERCENT		5U

static struct sosnap_meta meta;
static struct sosnap_batch batch;

static u64 nr_records(void)
{
	const char *given = getenv("MERGE_RECORDS");

	return given ? strtoull(given, NULL, 0) : 65536;
}

static void checkpoint(void)
{
	assert_int_equal(sosnap_meta_checkpoint(&meta, &batch, 0, 1, 0), 0);
	sosnap_meta_publish(&meta);
	assert_int_equal(sosnap_meta_release(&meta, NULL, NULL), 0);
}

/*
 * First writes number [from, to) of all, which go to every second block of the
 * snapshots, in an order without order; never two to one block.
 */
static void first_writes(u64 from, u64 to, u64 all)
{
	u64 i;

	for (i = from; i < to; i++) {
		u64 at = i * 0x9e3779b1 & (all - 1);	/* odd factor: a permutation */
		u64 store;
		u32 len;

		assert_int_equal(sosnap_space_alloc(&meta.space, 1, 1, &store, &len), 0);
		assert_int_equal(sosnap_batch_add(&batch, 1 + at % SNAPS, at / SNAPS * 2, 1, store),
				 0);
	}
}

static void scattered_records_cost_little(void **state)
{
	u64 records = nr_records(), all = records * 8, commits, before, blocks;
	struct io_ram *ram = io_ram_new(records * 7);
	struct sosnap_super super;
	u32 i;

	sosnap_super_init(&super, "s", ram->io.nr_blocks, 0, 1);
	assert_int_equal(sosnap_meta_format(&ram->io, &super), 0);
	assert_int_equal(sosnap_meta_open(&meta, &ram->io, NULL), 0);
	assert_int_equal(sosnap_batch_init(&batch, records), 0);
	assert_int_equal(sosnap_meta_replay(&meta, &batch, &commits), 0);
	many_snapshots(&meta, &batch, SNAPS, all / SNAPS * 2 * SOSNAP_BLOCK_SECTORS);
	for (i = 0; i < 4; i++) {
		first_writes(records * i, records * (i + 1), all);
		checkpoint();
	}
	first_writes(records * 4, records * 5, all);
	before = ram->written;
	checkpoint();
	blocks = ram->written - before;
	print_message("# %llu records into %llu extents: %llu blocks written, %llu.%02llu%% of the data\n",
		      (unsigned long long)records, (unsigned long long)records * 4,
		      (unsigned long long)blocks, (unsigned long long)(blocks * 100 / records),
		      (unsigned long long)(blocks * 10000 / records % 100));
	assert_int_equal(meta.work[SOSNAP_TREE_EXTENT - 1].root.nr_items, records * 5);
	assert_true(blocks * 100 <= records * PERCENT);
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&meta);
	assert_int_equal(io_ram_free(ram), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scattered_records_cost_little),
	};

	return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
