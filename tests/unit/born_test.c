// SPDX-License-Identifier: GPL-2.0
/*
 * Extents that one checkpoint writes in part and frees as a whole: what an ancestor
 * has got last goes to where the rest of its run is, and is hidden at once.
 */
#include "change.h"
#include "evacuate.h"
#include "extent.h"
#include "io_ram.h"
#include "meta.h"
#include "space_sane.h"
#include "testlib.h"

#define SECTORS	80000U

static struct sosnap_meta meta;
static struct sosnap_batch batch;
static char why[200];

static void checkpoint(void)
{
	u64 seq = ++meta.journal.seq;

	assert_int_equal(sosnap_meta_checkpoint(&meta, &batch, 0, seq, 0), 0);
	sosnap_meta_publish(&meta);
	assert_int_equal(sosnap_meta_release(&meta, NULL, NULL), 0);
	space_sane(&meta.space);
}

static void change_begin(struct sosnap_change *c)
{
	sosnap_change_init(c, &meta, why, sizeof(why));
	c->seq = meta.journal.seq;
}

static struct io_ram *store(u64 blocks)
{
	struct sosnap_create one = { .name = "a", .gold = "gold", .sectors = SECTORS };
	struct io_ram *ram = io_ram_new(blocks);
	struct sosnap_super super;
	struct sosnap_change c;
	u64 commits;

	sosnap_super_init(&super, "s", blocks, 0, 1);
	assert_int_equal(sosnap_meta_format(&ram->io, &super), 0);
	assert_int_equal(sosnap_meta_open(&meta, &ram->io, NULL), 0);
	assert_int_equal(sosnap_batch_init(&batch, 1000), 0);
	assert_int_equal(sosnap_meta_replay(&meta, &batch, &commits), 0);
	change_begin(&c);
	assert_int_equal(sosnap_change_gold_add(&c, "gold", SECTORS, 1, NULL, 1), 0);
	assert_int_equal(sosnap_change_create(&c, &one, 1, 1), 0);
	sosnap_change_exit(&c);
	return ram;
}

static void end(struct io_ram *ram)
{
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&meta);
	assert_int_equal(io_ram_free(ram), 0);
}

/* a's first object becomes that of b as well, and b goes. */
static void snapshot(void)
{
	struct sosnap_pair pair = { .origin = "a", .name = "b" };
	struct sosnap_change c;

	change_begin(&c);
	assert_int_equal(sosnap_change_snapshot(&c, &pair, 1, 1), 0);
	sosnap_change_exit(&c);
}

static void remove_b(void)
{
	struct sosnap_change c;

	change_begin(&c);
	assert_int_equal(sosnap_change_remove(&c, "b"), 0);
	sosnap_change_exit(&c);
}

static u64 get(u32 nr)
{
	u64 blk;
	u32 len;

	assert_int_equal(sosnap_space_alloc(&meta.space, nr, nr, &blk, &len), 0);
	return blk;
}

static void written_frozen_and_hidden_at_once(void **state)
{
	struct io_ram *ram = store(8192);
	u64 old = get(64), new = get(64), blk;
	u32 i;

	assert_int_equal(sosnap_batch_add(&batch, 1, 0, 10, old), 0);
	checkpoint();
	assert_int_equal(sosnap_batch_add(&batch, 1, 10, 10, old + 10), 0);
	snapshot();
	remove_b();
	assert_int_equal(sosnap_batch_add(&batch, 2, 0, 20, new), 0);
	for (i = 0; i < 4; i++)
		checkpoint();
	/* ten of what was got are in use by nobody, and out */
	assert_int_equal(sosnap_space_give_back(&meta.space, old + 20, 44), 0);
	assert_int_equal(sosnap_space_give_back(&meta.space, new + 20, 34), 0);
	space_sane(&meta.space);
	sosnap_space_trim(&meta.space, 0);
	meta.space.cursor = 0;
	for (i = 0; i < 200; i++) {
		blk = get(1);
		assert_false(blk >= new + 54 && blk < new + 64);
	}
	end(ram);
}

static void moved_in_parts_while_it_is_merged(void **state)
{
	struct io_ram *ram = store(8192);
	struct sosnap_evacuation_need need;
	struct sosnap_move list[8];
	u32 i, nr, step, moves = 0;

	meta.reap_extents = 25;		/* as the store is small, so are the steps */
	for (i = 0; i < 40; i++)
		assert_int_equal(sosnap_batch_add(&batch, 1, 2 * i, 1, get(1)), 0);
	assert_int_equal(sosnap_space_take(&meta.space, 7500, 400), 0);
	assert_int_equal(sosnap_batch_add(&batch, 1, 1024, 400, 7500), 0);
	checkpoint();
	snapshot();
	checkpoint();
	assert_int_equal(sosnap_batch_add(&batch, 2, 1024, 400, get(400)), 0);
	checkpoint();
	remove_b();
	get(512);
	assert_int_equal(sosnap_evacuate_begin(&meta, 7000, 1100, &need), 0);
	for (step = 0; step < 8; step++) {
		assert_int_equal(sosnap_evacuate_find(&meta, 1100, list, 8, 100, &nr), 0);
		for (i = 0; i < nr; i++) {
			assert_int_equal(sosnap_batch_add(&batch, list[i].object, list[i].blk,
							  list[i].len, list[i].to), 0);
			sosnap_evacuate_logged(&meta, &list[i], meta.journal.seq);
		}
		moves += nr;
		checkpoint();
	}
	assert_true(moves > 1);
	end(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_frozen_and_hidden_at_once),
		cmocka_unit_test(moved_in_parts_while_it_is_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
