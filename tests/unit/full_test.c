// SPDX-License-Identifier: GPL-2.0
/*
 * A store without space, at every step.
 *
 * Ballast takes all blocks but so many, as reservations of writers would: in
 * memory only. With what is left, a checkpoint runs:
 *
 *  - with 0, 1, 2... blocks, until one succeeds. Each that does not leaves the
 *    state before it on the disk, complete;
 *  - with exactly the reserve, which always has to do. Also in a tree that is
 *    cut up by scattered writes and discards, time after time, with the journal
 *    full, and with removals that have most of the tree to drop;
 *  - with what data leaves free, while an ancestor that is one large range of zeros
 *    is merged into an heir that cuts it into as many pieces as there are extents.
 */
#include "change.h"
#include "extent.h"
#include "store_env.h"
#include "reap.h"
#include "testlib.h"

#define STORE_BLOCKS	2048U

struct ballast {
	struct { u64 blk; u32 len; } *part;
	u32 nr;
	u32 max;
};

/* Take blocks until so many are left. */
static void ballast_take(struct ballast *b, struct sosnap_space *sp, u64 left)
{
	while (sp->free > left) {
		u64 blk;
		u32 len;

		assert_int_equal(sosnap_space_alloc(sp, min_t(u64, sp->free - left, 4096), 1, &blk,
						    &len), 0);
		if (b->nr == b->max) {
			b->max = b->max * 2 + 64;
			b->part = realloc(b->part, b->max * sizeof(*b->part));
			assert_non_null(b->part);
		}
		b->part[b->nr].blk = blk;
		b->part[b->nr++].len = len;
	}
	assert_int_equal(sp->free, left);
}

static void ballast_drop(struct ballast *b, struct sosnap_space *sp)
{
	u32 i;

	for (i = 0; sp && i < b->nr; i++)
		assert_int_equal(sosnap_space_give_back(sp, b->part[i].blk, b->part[i].len), 0);
	free(b->part);
	memset(b, 0, sizeof(*b));
}

static u64 reserve(struct se *se)
{
	return sosnap_meta_reserve(&se->m, se->batch.nr + se->nr_slots);
}

/* One block runs out after the other. */

static void op_first_write(struct se *se)
{
	se_write(se, &se->now.snap[SE_SNAPS - 1], 5, 1);
}

static void op_many_first_writes(struct se *se)
{
	u32 blk;

	for (blk = 0; blk < SE_BLKS; blk += 3)
		se_write(se, &se->now.snap[SE_SNAPS - 2], blk, 2);
}

static void op_discard(struct se *se)
{
	se_zero(se, &se->now.snap[SE_SNAPS - 1], 1, 40);
	se_zero(se, &se->now.snap[SE_SNAPS - 2], 7, 1);
}

static void op_create(struct se *se)
{
	se_create(se);
}

static void op_remove(struct se *se)
{
	se_remove(se, &se->now.snap[SE_SNAPS - 1]);
}

static void op_all(struct se *se)
{
	op_many_first_writes(se);
	op_discard(se);
	op_remove(se);
	op_create(se);
	op_first_write(se);
}

static void op_none(struct se *se)
{
}

static struct se *prepared(u64 seed)
{
	struct se *se = se_new(STORE_BLOCKS, seed);
	u32 i;

	for (i = 0; i < SE_SNAPS - 1; i++)
		se_create(se);
	for (i = 0; i < 60; i++) {
		se_write(se, &se->now.snap[SE_SNAPS - 1 - i % (SE_SNAPS - 1)],
			 se_random(se, SE_BLKS), 1 + i % 4);
		if (i == 30)
			se_checkpoint(se, 0);
	}
	se_checkpoint(se, 0);
	return se;
}

static void old_state_is_whole(struct se *se)
{
	struct io_ram_point point = io_ram_now(se->ram);
	struct io_ram *after = io_ram_crash(se->ram, point, NULL);
	struct sosnap_meta m;
	const char *why;
	u32 which;

	assert_int_equal(se_recover(&after->io, &m, SE_PLANT_NONE), 0);
	why = se_judge(se, point, after, &m, &which);
	sosnap_meta_close(&m);
	io_ram_drop_cache(after);
	if (!why)
		why = se_check(&after->io, NULL);
	if (why)
		fail_msg("%s", why);
	assert_int_equal(io_ram_free(after), 0);
}

/* A checkpoint after op with so many free blocks. Return: whether it succeeds. */
static bool with_blocks(void (*op)(struct se *se), u64 seed, u64 left, u64 *most)
{
	struct se *se = prepared(seed);
	struct ballast b = { 0 };
	int r;

	se_log_begin(se);
	op(se);
	se_flush(se);
	*most = reserve(se);
	ballast_take(&b, &se->m.space, left);
	r = sosnap_meta_checkpoint(&se->m, &se->batch, se->m.journal.head, se->m.journal.seq, 0);
	assert_true(!r || r == -ENOSPC);
	old_state_is_whole(se);
	if (!r) {
		se->m.journal.tail = se->m.journal.head;
		sosnap_meta_publish(&se->m);
		assert_int_equal(sosnap_meta_release(&se->m, NULL, NULL), 0);
		assert_null(se_compare(&se->now, &se->m));
	}
	ballast_drop(&b, NULL);
	se_free(se);
	return !r;
}

static void space_ends_at_every_step_of_a_checkpoint(void **state)
{
	static const struct {
		const char *name;
		void (*op)(struct se *se);
	} ops[] = {
		{ "nothing", op_none }, { "first write", op_first_write },
		{ "many first writes", op_many_first_writes }, { "discard", op_discard },
		{ "create", op_create }, { "remove", op_remove }, { "all", op_all },
	};
	u32 i, steps = 0;
	u64 seed;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		for (seed = 1; seed <= 4; seed++) {
			u64 left = 0, most;

			while (!with_blocks(ops[i].op, seed, left, &most)) {
				left++;
				steps++;
				if (left > most)
					fail_msg("%s: the reserve of %llu blocks is too small",
						 ops[i].name, (unsigned long long)most);
			}
		}
	print_message("# a checkpoint ran out of space at %u steps\n", steps);
	assert_true(steps > 20);
}

/* A random life of which only the reserve is left. */
static void life_in_a_full_store(void **state)
{
	u32 i, checkpoints, steps = 0;
	u64 seed;

	for (seed = 1; seed <= 6; seed++) {
		struct se *se = prepared(seed);
		struct ballast b = { 0 };

		se->concurrent = seed & 1 ? 4 : 0;
		checkpoints = se->checkpoints;
		for (i = 0; i < 400; i++) {
			if (se->m.space.free > reserve(se) + seed)
				ballast_take(&b, &se->m.space, reserve(se) + seed);
			se_write(se, &se->now.snap[SE_SNAPS - 1], se_random(se, SE_BLKS), 2);
			se_zero(se, &se->now.snap[SE_SNAPS - 2], se_random(se, SE_BLKS), 3);
			if (i % 50 == 10)
				se_remove(se, &se->now.snap[SE_SNAPS - 3]);
			if (i % 50 == 20)
				se_create(se);
			/* 256 blocks of journal: these fill it */
			se_flush(se);
			steps++;
		}
		assert_true(se->checkpoints > checkpoints + 1);
		se->concurrent = 0;
		se_flush(se);
		se_checkpoint(se, 0);
		assert_null(se_compare(&se->now, &se->m));
		ballast_drop(&b, &se->m.space);
		assert_int_equal(se->m.space.free + se->m.super.data_blocks +
				 se->m.super.node_blocks, se->m.space.total);
		se_reopen(se);
		assert_null(se_compare(&se->now, &se->m));
		assert_null(se_check(&se->ram->io, NULL));
		se_free(se);
	}
	print_message("# %u steps with nothing but the reserve\n", steps);
}

/* A large tree that scattered records cut up. */

#define BIG_STORE	65536U
#define BIG_OBJECTS	3U
#define BIG_BLKS	200000U

struct big {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;
	struct ballast ballast;
	u32 object[BIG_OBJECTS];
	u64 seed;
	u64 least;		/* blocks of the reserve that were left over, at worst */
	u64 most;		/* that were used, at most */
};

static u32 below(struct big *g, u32 n)
{
	return io_ram_random(&g->seed) % n;
}

static void big_commit(struct big *g, const struct sosnap_disk_record *slots, u32 nr)
{
	assert_int_equal(sosnap_meta_apply(&g->m, &g->batch, slots, nr), 0);
}

/* With exactly the reserve. */
static void big_checkpoint(struct big *g)
{
	u64 most = sosnap_meta_reserve(&g->m, g->batch.nr);

	if (g->m.space.free > most)
		ballast_take(&g->ballast, &g->m.space, most);
	assert_int_equal(sosnap_meta_checkpoint(&g->m, &g->batch, g->m.journal.head,
						g->m.journal.seq, 0), 0);
	g->least = min_t(u64, g->least, g->m.space.free);
	g->most = max_t(u64, g->most, most - g->m.space.free);
	g->m.journal.tail = g->m.journal.head;
	sosnap_meta_publish(&g->m);
	assert_int_equal(sosnap_meta_release(&g->m, NULL, NULL), 0);
	ballast_drop(&g->ballast, &g->m.space);
}

static void big_change(struct big *g, const char *name, u32 *object)
{
	struct sosnap_create one = { .name = name, .gold = "g", .sectors = BIG_BLKS * 8ULL };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &g->m, why, sizeof(why));
	if (object) {
		*object = g->m.super.next_object;
		assert_int_equal(sosnap_change_create(&c, &one, 1, 1), 0);
	} else {
		assert_int_equal(sosnap_change_remove(&c, name), 0);
	}
	big_commit(g, c.slots, c.nr);
	sosnap_change_exit(&c);
}

static void big_init(struct big *g, u64 seed)
{
	struct sosnap_change c;
	struct sosnap_super s;
	char why[128], name[8];
	u64 commits;
	u32 i;

	memset(g, 0, sizeof(*g));
	g->seed = seed;
	g->least = U64_MAX;
	g->ram = io_ram_new(BIG_STORE);
	sosnap_super_init(&s, "store", BIG_STORE, 0, 1);
	assert_int_equal(sosnap_meta_format(&g->ram->io, &s), 0);
	assert_int_equal(sosnap_meta_open(&g->m, &g->ram->io, NULL), 0);
	assert_int_equal(sosnap_batch_init(&g->batch, 64), 0);
	assert_int_equal(sosnap_meta_replay(&g->m, &g->batch, &commits), 0);
	sosnap_change_init(&c, &g->m, why, sizeof(why));
	assert_int_equal(sosnap_change_gold_add(&c, "g", BIG_BLKS * 8ULL, 1, NULL, 1), 0);
	big_commit(g, c.slots, c.nr);
	sosnap_change_exit(&c);
	for (i = 0; i < BIG_OBJECTS; i++) {
		snprintf(name, sizeof(name), "b%u", i);
		big_change(g, name, &g->object[i]);
	}
	big_checkpoint(g);
}

/* A discard or a first write of a few blocks somewhere: holes in what was one extent. */
static void big_scatter(struct big *g)
{
	u32 object = g->object[below(g, BIG_OBJECTS)], blk = below(g, BIG_BLKS - 8);
	struct sosnap_disk_record d;
	u64 store;
	u32 len;

	if (below(g, 2) && !sosnap_space_alloc(&g->m.space, 1 + below(g, 4), 1, &store, &len))
		sosnap_record_fill(&d, SOSNAP_RECORD_MAP, object, blk, len, store);
	else
		sosnap_record_fill(&d, SOSNAP_RECORD_ZERO, object, blk, 1 + below(g, 4), 0);
	big_commit(g, &d, 1);
}

static void the_reserve_is_enough_for_a_large_tree(void **state)
{
	static const u32 amounts[] = { 0, 1, 20, 300, 2000 };
	u32 i, k, checkpoints = 0;
	char name[8];
	struct big g;
	u64 data;

	big_init(&g, 1);
	/* long extents to begin with */
	for (i = 0; i < BIG_OBJECTS; i++) {
		struct sosnap_disk_record d;

		sosnap_record_fill(&d, SOSNAP_RECORD_ZERO, g.object[i], 0, BIG_BLKS, 0);
		big_commit(&g, &d, 1);
	}
	for (i = 0; i < 40; i++) {
		for (k = 0; k < amounts[i % ARRAY_SIZE(amounts)]; k++)
			big_scatter(&g);
		big_checkpoint(&g);
		checkpoints++;
	}
	print_message("# %llu tree nodes; %u checkpoints with exactly the reserve, %llu blocks used at"
		      " most, %llu left at least\n", (unsigned long long)g.m.super.node_blocks,
		      checkpoints, (unsigned long long)g.most, (unsigned long long)g.least);
	assert_true(g.m.super.node_blocks > 150);
	/* and they go again */
	for (i = 0; i < BIG_OBJECTS; i++) {
		snprintf(name, sizeof(name), "b%u", i);
		big_change(&g, name, NULL);
	}
	for (i = 0; i < 100 && sosnap_reap_pending(&g.m, &data); i++)
		big_checkpoint(&g);
	assert_false(sosnap_reap_pending(&g.m, &data));
	assert_int_equal(g.m.super.data_blocks, 0);
	sosnap_batch_exit(&g.batch);
	sosnap_meta_close(&g.m);
	io_ram_drop_cache(g.ram);
	assert_null(se_check(&g.ram->io, NULL));
	assert_int_equal(io_ram_free(g.ram), 0);
}

static void big_snapshot(struct big *g, const char *origin, const char *name)
{
	struct sosnap_pair pair = { .origin = origin, .name = name, .merged = true };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &g->m, why, sizeof(why));
	assert_int_equal(sosnap_change_snapshot(&c, &pair, 1, 1), 0);
	big_commit(g, c.slots, c.nr);
	g->m.journal.seq++;	/* as a commit does: what was frozen before it may be merged */
	sosnap_change_exit(&c);
}

/* With what there is. Return: what the checkpoint says. */
static int big_checkpoint_as_is(struct big *g)
{
	int r = sosnap_meta_checkpoint(&g->m, &g->batch, g->m.journal.head, g->m.journal.seq, 0);

	if (r)
		return r;
	g->m.journal.tail = g->m.journal.head;
	sosnap_meta_publish(&g->m);
	assert_int_equal(sosnap_meta_release(&g->m, NULL, NULL), 0);
	return 0;
}

static void big_record(struct big *g, u32 type, u32 object, u32 blk, u32 len)
{
	struct sosnap_disk_record d;
	u64 store = 0;
	u32 got;

	if (type == SOSNAP_RECORD_MAP)
		assert_int_equal(sosnap_space_alloc(&g->m.space, len, len, &store, &got), 0);
	sosnap_record_fill(&d, type, object, blk, len, store);
	big_commit(g, &d, 1);
}

/* One block of every leaf: each has to be copied. */
static void big_touch_all(struct big *g, u32 object, u32 blk)
{
	for (; blk < BIG_BLKS; blk += 5 * 60)
		big_record(g, SOSNAP_RECORD_ZERO, object, blk, 1);
}

static void merging_zeros_leaves_the_reserve(void **state)
{
	u32 i, round, stopped = 0;
	struct big g;
	u64 before;

	big_init(&g, 2);
	big_record(&g, SOSNAP_RECORD_ZERO, g.object[0], 0, BIG_BLKS);
	big_checkpoint(&g);
	big_snapshot(&g, "b0", "other");
	g.object[0] = g.m.super.next_object - 2;
	for (i = 0; i < BIG_BLKS; i += 5)
		big_record(&g, SOSNAP_RECORD_MAP, g.object[0], i, 1);
	big_checkpoint(&g);
	/* data takes all but the reserve, and what the module keeps for records to come */
	ballast_take(&g.ballast, &g.m.space, sosnap_meta_reserve(&g.m, 1024));
	before = g.m.super.node_blocks;
	big_change(&g, "other", NULL);
	for (round = 0; round < 600; round++) {
		assert_int_equal(big_checkpoint_as_is(&g), 0);
		stopped += g.m.reap_waits;
		/* whatever comes next finds its reserve */
		assert_true(g.m.space.free >= sosnap_meta_reserve(&g.m, 0));
	}
	assert_true(stopped);
	assert_false(sosnap_reap_pending(&g.m, NULL));
	print_message("# %llu nodes before, %llu when merging stopped\n", (unsigned long long)before,
		      (unsigned long long)g.m.super.node_blocks);
	big_touch_all(&g, g.object[0], 0);
	assert_int_equal(big_checkpoint_as_is(&g), 0);
	/* it goes on when there is space, to its end */
	ballast_drop(&g.ballast, &g.m.space);
	for (i = 0; i < 100; i++)
		assert_int_equal(big_checkpoint_as_is(&g), 0);
	assert_false(g.m.reap_waits);
	assert_false(sosnap_reap_pending(&g.m, NULL));
	assert_true(g.m.super.node_blocks > before + 100);
	sosnap_batch_exit(&g.batch);
	sosnap_meta_close(&g.m);
	io_ram_drop_cache(g.ram);
	assert_null(se_check(&g.ram->io, NULL));
	assert_int_equal(io_ram_free(g.ram), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(space_ends_at_every_step_of_a_checkpoint),
		cmocka_unit_test(life_in_a_full_store),
		cmocka_unit_test(the_reserve_is_enough_for_a_large_tree),
		cmocka_unit_test(merging_zeros_leaves_the_reserve),
	};

	return cmocka_run_group_tests_name("sosnap_full", tests, NULL, NULL);
}
