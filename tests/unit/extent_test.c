// SPDX-License-Identifier: GPL-2.0
/*
 * Extents against a model: an array that says for each block of each object
 * where it is. What a write or a drop takes out is freed exactly once.
 */
#include "btree_env.h"
#include "extent.h"
#include "testlib.h"

#define OBJECTS	3U
#define BLKS	300U
#define STORES	(ENV_BLOCKS - 1)

struct model {
	struct env *e;
	u64 map[OBJECTS + 1][BLKS];
	bool owned[ENV_BLOCKS];
	u64 freed;
};

static int freed(void *ctx, u64 store, u32 len)
{
	struct model *m = ctx;

	m->freed += len;
	while (len--) {
		assert_true(store < ENV_BLOCKS && m->owned[store]);
		m->owned[store++] = false;
	}
	return 0;
}

/* As a checkpoint does it. */
static int write_run(struct env *e, u32 object, const struct sosnap_extent *run, struct model *m)
{
	struct sosnap_extent_near near;
	int r = sosnap_extent_probe(&e->t, &e->txn, object, run, &near);

	return r ? r : sosnap_extent_write(&e->t, &e->txn, object, run, &near, freed, m);
}

/* A run of store blocks that nobody has; they are numbers only. */
static u64 take(struct model *m, u32 *len)
{
	u32 at = env_random(m->e, STORES), n;

	while (m->owned[at])
		at = (at + 1) % STORES;
	for (n = 0; n < *len && at + n < STORES && !m->owned[at + n]; n++)
		m->owned[at + n] = true;
	*len = n;
	return at;
}

static void write(struct model *m, u32 object, u32 blk, u32 len, bool zero)
{
	struct sosnap_extent e = { .blk = blk, .store = SOSNAP_STORE_ZERO };
	u64 before = m->freed, replaced = 0;
	u32 i;

	if (!zero)
		e.store = take(m, &len);
	e.len = len;
	for (i = 0; i < len; i++) {
		u64 *at = &m->map[object][blk + i];

		replaced += *at && *at != SOSNAP_STORE_ZERO;
		*at = zero ? SOSNAP_STORE_ZERO : e.store + i + SOSNAP_MAX_BLK;
	}
	assert_int_equal(write_run(m->e, object, &e, m), 0);
	assert_int_equal(m->freed - before, replaced);
}

static void compare(struct model *m)
{
	u32 object, blk;

	for (object = 1; object <= OBJECTS; object++) {
		u64 map[BLKS] = { 0 }, end = 0, before;
		struct sosnap_extent e, last = { 0 };
		int r;

		while (!(r = sosnap_extent_find(&m->e->t, object, end, &e))) {
			assert_true(e.blk >= end && e.len && e.blk + e.len <= BLKS);
			for (blk = 0; blk < e.len; blk++)
				map[e.blk + blk] = e.store == SOSNAP_STORE_ZERO ? e.store :
						   e.store + blk + SOSNAP_MAX_BLK;
			/* I2: zeros beside zeros are one */
			if (last.len && last.blk + last.len == e.blk)
				assert_false(last.store == SOSNAP_STORE_ZERO &&
					     e.store == SOSNAP_STORE_ZERO);
			assert_int_equal(sosnap_extent_before(&m->e->t, object, e.blk, &before), 0);
			assert_int_equal(before, last.blk + last.len);
			assert_int_equal(sosnap_extent_before(&m->e->t, object, e.blk + 1,
							      &before), 0);
			assert_int_equal(before, e.blk + e.len);
			last = e;
			end = e.blk + e.len;
		}
		assert_int_equal(r, -ENOENT);
		assert_memory_equal(map, m->map[object], sizeof(map));
	}
}

static void random_writes(void **state)
{
	u32 round, i;

	for (round = 0; round < 40; round++) {
		struct model *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		m->e = env_new(sizeof(struct sosnap_disk_extent), round & 1 ? 4 : 0, round + 1);
		if (round & 2)
			env_use_cursor(m->e);
		for (i = 0; i < 300; i++) {
			u32 blk = env_random(m->e, BLKS), len = 1 + env_random(m->e, 40);

			write(m, 1 + env_random(m->e, OBJECTS), blk, min(len, BLKS - blk),
			      env_random(m->e, 4) == 0);
			if (i % 20 == 0) {
				compare(m);
				/* the model of the keys is not used here */
				m->e->nr_items = m->e->t.root.nr_items;
			}
		}
		compare(m);
		sosnap_cursor_close(&m->e->txn);
		m->e->ram->lazy = 0;
		assert_int_equal(io_ram_free(m->e->ram), 0);
		free(m->e);
		free(m);
	}
}

static void drop_in_steps_one(bool cursor)
{
	struct model *m = calloc(1, sizeof(*m));
	u32 i, owned = 0, left;
	int n;

	assert_non_null(m);
	m->e = env_new(sizeof(struct sosnap_disk_extent), 4, 9);
	if (cursor)
		env_use_cursor(m->e);
	for (i = 0; i < BLKS / 3; i++)
		write(m, 2, i * 3, 1 + i % 2, i % 5 == 0);
	write(m, 1, 7, 5, false);
	write(m, 3, 7, 5, false);
	for (i = 0; i < ENV_BLOCKS; i++)
		owned += m->owned[i];
	left = 100;
	while ((n = sosnap_extent_drop(&m->e->t, &m->e->txn, 2, 7, freed, m)) == 7)
		left -= 7;
	assert_int_equal(n, (int)left);
	assert_int_equal(sosnap_extent_drop(&m->e->t, &m->e->txn, 2, 7, freed, m), 0);
	memset(m->map[2], 0, sizeof(m->map[2]));
	compare(m);
	assert_true(owned > 10);
	owned = 0;
	for (i = 0; i < ENV_BLOCKS; i++)
		owned += m->owned[i];
	assert_true(owned <= 10);
	sosnap_cursor_close(&m->e->txn);
	assert_int_equal(io_ram_free(m->e->ram), 0);
	free(m->e);
	free(m);
}

static void drop_in_steps(void **state)
{
	drop_in_steps_one(false);
	drop_in_steps_one(true);
}

static void huge_zero_costs_one_item(void **state)
{
	struct env *e = env_new(sizeof(struct sosnap_disk_extent), 0, 3);
	struct sosnap_extent zero = { .store = SOSNAP_STORE_ZERO, .len = 1U << 28 }, found;

	assert_int_equal(write_run(e, 1, &zero, NULL), 0);
	assert_int_equal(e->t.root.nr_items, 1);
	assert_int_equal(sosnap_extent_find(&e->t, 1, 1U << 27, &found), 0);
	assert_int_equal(found.blk, 0);
	assert_int_equal(found.len, 1U << 28);
	/* neighbours join up to the bound, not beyond */
	zero.blk = 1U << 28;
	zero.len = SOSNAP_MAX_EXTENT - (1U << 28) - 1;
	assert_int_equal(write_run(e, 1, &zero, NULL), 0);
	assert_int_equal(e->t.root.nr_items, 1);
	zero.blk = SOSNAP_MAX_EXTENT - 1;
	zero.len = 5;
	assert_int_equal(write_run(e, 1, &zero, NULL), 0);
	assert_int_equal(e->t.root.nr_items, 2);
	assert_int_equal(io_ram_free(e->ram), 0);
	free(e);
}

static void bad_values_are_refused(void **state)
{
	const struct sosnap_disk_extent bad[] = {
		{ .store = cpu_to_le64(5), .len = cpu_to_le32(0) },
		{ .store = cpu_to_le64(ENV_BLOCKS), .len = cpu_to_le32(1) },
		{ .store = cpu_to_le64(ENV_BLOCKS - 1), .len = cpu_to_le32(2) },
		{ .store = cpu_to_le64(U64_MAX), .len = cpu_to_le32(2) },
		{ .store = cpu_to_le64(SOSNAP_STORE_ZERO + 1), .len = cpu_to_le32(2) },
		{ .store = cpu_to_le64(5), .len = cpu_to_le32(U32_MAX) },
		{ .store = cpu_to_le64(SOSNAP_STORE_ZERO),
		  .len = cpu_to_le32(SOSNAP_MAX_EXTENT + 1) },
	};
	struct sosnap_key key = { .hi = 1, .lo = 10 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct env *e = env_new(sizeof(struct sosnap_disk_extent), 0, 3);
		struct sosnap_extent found;

		assert_int_equal(sosnap_btree_put(&e->t, &e->txn, &key, &bad[i]), 0);
		assert_int_equal(sosnap_extent_find(&e->t, 1, 0, &found), -EUCLEAN);
		assert_int_equal(e->ram->io.fault.what, SOSNAP_FAULT_EXTENT_VALUE);
		assert_int_equal(io_ram_free(e->ram), 0);
		free(e);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_writes),
		cmocka_unit_test(drop_in_steps),
		cmocka_unit_test(huge_zero_costs_one_item),
		cmocka_unit_test(bad_values_are_refused),
	};

	return cmocka_run_group_tests_name("sosnap_extent", tests, NULL, NULL);
}
