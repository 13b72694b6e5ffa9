// SPDX-License-Identifier: GPL-2.0
/*
 * The tree against a model, over many checkpoints, and with calls that fail.
 */
#include "btree_env.h"
#include "node.h"
#include "testlib.h"

/* What a stretch of operations does, out of ten puts or deletes. */
static const struct {
	u32 puts;
	enum { ANY, UP, DOWN } order;
} stretches[] = {
	{ 10, ANY }, { 5, ANY }, { 10, UP }, { 3, ANY }, { 10, DOWN }, { 0, UP },
	{ 6, ANY }, { 9, UP }, { 0, ANY }, { 7, ANY }, { 0, DOWN }, { 8, DOWN },
};

static void churn_one(u16 val_bytes, u16 max_items, u32 keys, u32 lazy, u64 seed, bool cursor)
{
	struct env *e = env_new(val_bytes, max_items, seed);
	u32 s, round, op;

	if (cursor)
		env_use_cursor(e);

	e->ram->lazy = lazy;
	for (s = 0; s < 3 * ARRAY_SIZE(stretches); s++) {
		u32 puts = stretches[s % ARRAY_SIZE(stretches)].puts;
		u32 order = stretches[s % ARRAY_SIZE(stretches)].order;
		u32 at = env_random(e, keys);

		for (round = 0; round < 8; round++) {
			u32 ops = 1 + env_random(e, keys / 6);

			e->ram->most_held = 0;
			for (op = 0; op < ops; op++) {
				u32 rank = order == ANY ? env_random(e, keys) :
					   order == UP ? at++ % keys : at-- % keys;

				/* The ends of what keys there are, now and then. */
				if (rank == 1)
					rank = ENV_KEYS - 1;
				if (env_random(e, 10) < puts)
					env_put(e, rank);
				else
					env_del(e, rank);
				if (cursor && !env_random(e, 3))
					env_look_near(e, rank);
			}
			assert_true(e->ram->most_held <= 4);
			env_verify(e);
			env_commit(e);
			if (!env_random(e, 3))
				io_ram_drop_cache(e->ram);
			env_verify(e);
		}
	}
	while (e->nr_items) {
		for (op = 0; op < keys; op++)
			env_del(e, op);
		env_del(e, ENV_KEYS - 1);
	}
	env_verify(e);
	assert_int_equal(e->t.root.blk, 0);
	assert_int_equal(e->t.root.nr_nodes, 0);
	env_free(e);
}

static void churn(u16 val_bytes, u16 max_items, u32 keys, u32 lazy, u64 seed)
{
	churn_one(val_bytes, max_items, keys, lazy, seed, false);
	churn_one(val_bytes, max_items, keys, lazy, seed, true);
}

static void churn_small_nodes(void **state)
{
	churn(12, 4, 700, 0, 1);
	churn(12, 5, 900, 0, 2);
}

static void churn_small_nodes_written_early(void **state)
{
	churn(12, 4, 300, 2, 3);
}

static void churn_extents(void **state)
{
	churn(12, 0, ENV_KEYS - 1, 0, 4);
	churn(12, 9, ENV_KEYS - 1, 7, 5);
}

static void churn_catalogue(void **state)
{
	churn(240, 0, 2000, 0, 6);
	churn(240, 4, 60, 0, 7);
}

static void empty_tree(void **state)
{
	struct env *e = env_new(12, 0, 1);
	struct sosnap_btree_walk w = { };

	env_verify(e);
	env_del(e, 5);
	assert_int_equal(sosnap_btree_walk(&e->t, &w), 0);
	env_put(e, 5);
	env_verify(e);
	env_del(e, 5);
	env_verify(e);
	assert_int_equal(e->t.root.depth, 0);
	env_free(e);
}

static void del_of_missing_key_changes_nothing(void **state)
{
	struct env *e = env_new(12, 4, 1);
	struct sosnap_root root;
	u32 i;

	for (i = 0; i < 500; i += 2)
		env_put(e, i);
	env_commit(e);
	root = e->t.root;
	for (i = 1; i < 600; i += 2)
		env_del(e, i);
	assert_memory_equal(&root, &e->t.root, sizeof(root));
	assert_int_equal(e->allocs, e->t.root.nr_nodes);
	env_free(e);
}

static void put_of_same_key_replaces(void **state)
{
	struct env *e = env_new(12, 0, 1);
	u32 i;

	for (i = 0; i < 168; i++)
		env_put(e, i);
	/* A full leaf takes new values without a split. */
	for (i = 0; i < 168; i++)
		env_put(e, i);
	assert_int_equal(e->t.root.nr_nodes, 1);
	env_verify(e);
	env_free(e);
}

static void depth_is_bounded(void **state)
{
	struct env *e = env_new(12, 4, 1);
	u32 i = ENV_KEYS;
	int r = 0;

	/* Descending keys leave nodes half full: with 4 items, depth is log2. */
	while (i > ENV_KEYS / 2 + 500)
		env_put(e, --i);
	env_verify(e);
	env_commit(e);
	assert_int_equal(e->t.root.depth, SOSNAP_MAX_DEPTH);
	while (i && !r)
		r = env_try_put(e, --i, 1);
	assert_int_equal(r, -EFBIG);
	env_abandon(e);
	env_verify(e);
	for (i = ENV_KEYS; i--;)
		env_del(e, i);
	env_verify(e);
	env_free(e);
}

struct leaf_walk {
	struct sosnap_btree_walk w;
	u32 leaves;
};

static int count_leaf(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	container_of(w, struct leaf_walk, w)->leaves += !level;
	return 0;
}

/* Items for each hundred that would fit into the leaves. */
static u32 fill_percent(const struct env *e)
{
	struct leaf_walk l = { .w.node = count_leaf };

	assert_int_equal(sosnap_btree_walk(&e->t, &l.w), 0);
	return e->nr_items * 100 / (l.leaves * sosnap_node_max(&e->t, 0));
}

static void ascending_puts_fill_nodes(void **state)
{
	struct env *e = env_new(12, 0, 1);
	u32 i;

	for (i = 0; i < ENV_KEYS; i++)
		env_put(e, i);
	env_verify(e);
	assert_in_range(fill_percent(e), 90, 100);
	env_free(e);
}

/* Many cache objects that grow, a few blocks in each checkpoint. */
static void ascending_runs_fill_nodes(void **state)
{
	struct env *e = env_new(12, 12, 1);
	u32 step, object;

	for (step = 0; step < 97; step += 3) {
		for (object = 0; object < ENV_KEYS / 97; object++) {
			u32 i;

			for (i = step; i < min(97U, step + 3); i++)
				env_put(e, object * 97 + i);
		}
	}
	env_verify(e);
	assert_in_range(fill_percent(e), 80, 100);
	env_free(e);
}

static void random_puts_fill_nodes(void **state)
{
	struct env *e = env_new(12, 0, 1);
	u32 i, swaps[ENV_KEYS];

	for (i = 0; i < ENV_KEYS; i++) {
		u32 j = env_random(e, i + 1);

		swaps[i] = swaps[j];
		swaps[j] = i;
	}
	for (i = 0; i < ENV_KEYS; i++)
		env_put(e, swaps[i]);
	env_verify(e);
	assert_in_range(fill_percent(e), 60, 100);
	env_free(e);
}

struct least_walk {
	struct sosnap_btree_walk w;
	const struct sosnap_tree *t;
};

static int at_least_a_quarter(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	const struct sosnap_tree *t = container_of(w, struct least_walk, w)->t;

	if (blk != t->root.blk)
		assert_true(count >= sosnap_node_max(t, level) / 4);
	return 0;
}

static void deletes_keep_nodes_a_quarter_full(void **state)
{
	struct env *e = env_new(12, 16, 1);
	struct least_walk l = { .w.node = at_least_a_quarter, .t = &e->t };
	u32 i;

	for (i = 0; i < ENV_KEYS; i++)
		env_put(e, i);
	/* From the end, so that every node has been a neighbour. */
	for (i = ENV_KEYS; i--;)
		if (env_random(e, 8))
			env_del(e, i);
	env_verify(e);
	assert_int_equal(sosnap_btree_walk(&e->t, &l.w), 0);
	env_free(e);
}

static int some_ops(struct env *e, u64 seed, u32 ops)
{
	int r = 0;

	while (ops-- && !r) {
		u32 rank = io_ram_random(&seed) % 400, value = io_ram_random(&seed) | 1;

		if (value & 2) {
			r = env_try_put(e, rank, value);
		} else {
			r = env_try_del(e, rank);
			if (r == -ENOENT)
				r = 0;
		}
	}
	return r;
}

/* Let call after call fail until a whole txn goes through without. */
static void fail_each(bool alloc, int error, bool cursor)
{
	struct env *e = env_new(12, 4, 9);
	u64 before, nth, failed = 0;
	u32 i;
	int r;

	if (cursor)
		env_use_cursor(e);

	for (i = 0; i < 300; i++)
		env_put(e, env_random(e, 400));
	env_commit(e);
	before = env_hash(e, &e->t);
	for (nth = 1;; nth++) {
		u64 seed = nth / 64;

		io_ram_drop_cache(e->ram);
		e->allocs = 0;
		e->ram->calls = 0;
		e->alloc_fail_at = alloc ? nth : 0;
		e->ram->fail_at = alloc ? 0 : nth;
		e->ram->fail_error = error;
		r = some_ops(e, seed, 60);
		e->alloc_fail_at = 0;
		e->ram->fail_at = 0;
		assert_int_equal(e->ram->held, !!e->at.t);
		if (r)
			assert_int_equal(r, error);
		failed += r != 0;
		/* What is no error is whole: a neighbour that could not be read is. */
		if (!r)
			env_hash(e, &e->t);
		env_abandon(e);
		assert_int_equal(env_hash(e, &e->t), before);
		if (!r && nth > (alloc ? e->allocs : e->ram->calls))
			break;
	}
	assert_true(failed > 50);
	env_verify(e);
	env_free(e);
}

static void failing_reads_abandon_the_txn(void **state)
{
	fail_each(false, -EIO, false);
	fail_each(false, -EIO, true);
}

static void failing_allocs_abandon_the_txn(void **state)
{
	fail_each(true, -ENOSPC, false);
	fail_each(true, -ENOSPC, true);
}

static void failing_reads_of_lookups(void **state)
{
	struct env *e = env_new(12, 4, 9);
	struct sosnap_key key = env_key(200), found;
	struct sosnap_btree_walk w = { };
	u64 nth;

	for (nth = 0; nth < 400; nth += 3)
		env_put(e, nth);
	for (nth = 1; nth < 4; nth++) {
		e->ram->calls = 0;
		e->ram->fail_at = nth;
		assert_int_equal(sosnap_btree_ge(&e->t, &key, &found, NULL), -EIO);
		e->ram->calls = 0;
		assert_int_equal(sosnap_btree_le(&e->t, &key, &found, NULL), -EIO);
		e->ram->calls = 0;
		assert_int_equal(sosnap_btree_walk(&e->t, &w), -EIO);
	}
	e->ram->fail_at = 0;
	env_verify(e);
	env_free(e);
}

static int count_down(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	return env_rank(key) == 77 ? 42 : 0;
}

static void walk_ends_when_told(void **state)
{
	struct env *e = env_new(12, 4, 1);
	struct sosnap_btree_walk w = { .item = count_down };
	u32 i;

	for (i = 0; i < 100; i++)
		env_put(e, i);
	assert_int_equal(sosnap_btree_walk(&e->t, &w), 42);
	env_free(e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_tree),
		cmocka_unit_test(churn_small_nodes),
		cmocka_unit_test(churn_small_nodes_written_early),
		cmocka_unit_test(churn_extents),
		cmocka_unit_test(churn_catalogue),
		cmocka_unit_test(del_of_missing_key_changes_nothing),
		cmocka_unit_test(put_of_same_key_replaces),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(ascending_puts_fill_nodes),
		cmocka_unit_test(ascending_runs_fill_nodes),
		cmocka_unit_test(random_puts_fill_nodes),
		cmocka_unit_test(deletes_keep_nodes_a_quarter_full),
		cmocka_unit_test(failing_reads_abandon_the_txn),
		cmocka_unit_test(failing_allocs_abandon_the_txn),
		cmocka_unit_test(failing_reads_of_lookups),
		cmocka_unit_test(walk_ends_when_told),
	};

	return cmocka_run_group_tests_name("sosnap_btree", tests, NULL, NULL);
}
