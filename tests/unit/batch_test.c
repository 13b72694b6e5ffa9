// SPDX-License-Identifier: GPL-2.0
/*
 * Batches against a model: an array that says for each block which record wrote
 * it last. Every store block of a record is emitted once or lost once.
 */
#include "batch.h"
#include "io_ram.h"
#include "testlib.h"

#define OBJECTS	3U
#define BLKS	512U
#define STORES	65536U

struct model {
	u64 map[OBJECTS + 1][BLKS];	/* 0: not written, else store or ZERO */
	u64 got[OBJECTS + 1][BLKS];
	u8 given[STORES];		/* 1: in a record, 2: emitted or lost */
	u32 next;			/* store block */
	u32 last_object;
	u64 last_end;
	u32 runs;
	u64 fail_at;
};

static int emit(void *ctx, u32 object, u64 blk, u32 len, u64 store)
{
	struct model *m = ctx;
	u32 i;

	if (m->fail_at && !--m->fail_at)
		return -ENOSPC;
	assert_true(len > 0 && object && object <= OBJECTS);
	/* sorted, and apart */
	assert_true(object > m->last_object || (object == m->last_object && blk >= m->last_end));
	m->last_object = object;
	m->last_end = blk + len;
	m->runs++;
	for (i = 0; i < len; i++) {
		assert_int_equal(m->got[object][blk + i], 0);
		m->got[object][blk + i] = store == SOSNAP_STORE_ZERO ? store : store + i;
		if (store != SOSNAP_STORE_ZERO)
			assert_int_equal(m->given[store + i]++, 1);
	}
	return 0;
}

static int lost(void *ctx, u32 object, u64 store, u32 len)
{
	struct model *m = ctx;

	while (len--)
		assert_int_equal(m->given[store++]++, 1);
	return 0;
}

static const struct sosnap_batch_ops ops = { .emit = emit, .lost = lost };

static void add(struct model *m, struct sosnap_batch *b, u32 object, u32 blk, u32 len, bool zero)
{
	u64 store = zero ? SOSNAP_STORE_ZERO : m->next;
	u32 i;

	assert_int_equal(sosnap_batch_add(b, object, blk, len, store), 0);
	for (i = 0; i < len; i++) {
		m->map[object][blk + i] = zero ? store : store + i;
		if (!zero)
			m->given[m->next++] = 1;
	}
	/* sometimes a gap, so that not all that touches is one run */
	m->next += blk & 1;
}

static void compare(struct model *m)
{
	u32 i;

	assert_memory_equal(m->map, m->got, sizeof(m->map));
	for (i = 0; i < STORES; i++)
		assert_int_not_equal(m->given[i], 1);
}

static struct model *model_new(void)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->next = 1;
	return m;
}

static void random_records(void **state)
{
	u64 seed = 7;
	u32 round;

	for (round = 0; round < 3000; round++) {
		u32 n = io_ram_random(&seed) % 60, longest = 1U << io_ram_random(&seed) % 9;
		struct model *m = model_new();
		struct sosnap_batch b;

		assert_int_equal(sosnap_batch_init(&b, 1 + round % 5), 0);
		while (n--) {
			u32 blk = io_ram_random(&seed) % BLKS;
			u32 len = 1 + io_ram_random(&seed) % longest;

			add(m, &b, 1 + io_ram_random(&seed) % OBJECTS, blk, min(len, BLKS - blk),
			    io_ram_random(&seed) % 3 == 0);
		}
		assert_int_equal(sosnap_batch_run(&b, &ops, m), 0);
		assert_int_equal(b.nr, 0);
		compare(m);
		sosnap_batch_exit(&b);
		free(m);
	}
}

static void nested_and_adjacent(void **state)
{
	struct model *m = model_new();
	struct sosnap_batch b;
	u32 i;

	assert_int_equal(sosnap_batch_init(&b, 4), 0);
	/* each inside the one before, then all hidden but the rims */
	for (i = 0; i < 100; i++)
		add(m, &b, 1, i, BLKS - 2 * i, i & 1);
	add(m, &b, 1, 1, BLKS - 2, false);
	/* the same block again and again */
	for (i = 0; i < 100; i++)
		add(m, &b, 2, 5, 1, false);
	/* neighbours in the store and in the snapshot are one run */
	m->next = 40000;
	for (i = 0; i < 100; i += 2)
		add(m, &b, 3, 100 + i, 2, false);
	assert_int_equal(sosnap_batch_run(&b, &ops, m), 0);
	compare(m);
	assert_int_equal(m->runs, 3 + 1 + 1);
	sosnap_batch_exit(&b);
	free(m);
}

struct sum {
	u64 blocks;
	u64 end;
	u32 runs;
	u32 longest;
};

static int sum_emit(void *ctx, u32 object, u64 blk, u32 len, u64 store)
{
	struct sum *s = ctx;

	assert_true(blk >= s->end && len <= SOSNAP_MAX_EXTENT);
	s->end = blk + len;
	s->blocks += len;
	s->runs++;
	s->longest = max(s->longest, len);
	return 0;
}

static int sum_lost(void *ctx, u32 object, u64 store, u32 len)
{
	fail_msg("nothing is lost here");
	return 0;
}

static void huge_zero(void **state)
{
	static const struct sosnap_batch_ops sum_ops = { .emit = sum_emit, .lost = sum_lost };
	struct sosnap_batch b;
	struct sum s = { 0 };
	u64 blk = 0;
	u32 i;

	assert_int_equal(sosnap_batch_init(&b, 1), 0);
	for (i = 0; i < 8; i++, blk += SOSNAP_MAX_EXTENT)
		assert_int_equal(sosnap_batch_add(&b, 1, blk, SOSNAP_MAX_EXTENT,
						  SOSNAP_STORE_ZERO), 0);
	assert_int_equal(sosnap_batch_add(&b, 1, 3, SOSNAP_MAX_EXTENT, SOSNAP_STORE_ZERO), 0);
	assert_int_equal(sosnap_batch_add(&b, 1, SOSNAP_MAX_BLK - 1, 1, SOSNAP_STORE_ZERO), 0);
	assert_int_equal(sosnap_batch_add(&b, 1, 77, 1, 99), 0);
	assert_int_equal(sosnap_batch_run(&b, &sum_ops, &s), 0);
	assert_int_equal(s.blocks, 8ULL * SOSNAP_MAX_EXTENT + 1);
	assert_true(s.runs < 16);
	sosnap_batch_exit(&b);
}

static void an_error_ends_it(void **state)
{
	u64 at;

	for (at = 1; at < 10; at++) {
		struct model *m = model_new();
		struct sosnap_batch b;
		u32 i;

		assert_int_equal(sosnap_batch_init(&b, 16), 0);
		for (i = 0; i < 10; i++)
			add(m, &b, 1, i * 4, 2, false);
		m->fail_at = at;
		assert_int_equal(sosnap_batch_run(&b, &ops, m), -ENOSPC);
		sosnap_batch_exit(&b);
		free(m);
	}
}

static void empty(void **state)
{
	struct model *m = model_new();
	struct sosnap_batch b;

	assert_int_equal(sosnap_batch_init(&b, 1), 0);
	assert_int_equal(sosnap_batch_run(&b, &ops, m), 0);
	assert_int_equal(m->runs, 0);
	sosnap_batch_exit(&b);
	free(m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_records),
		cmocka_unit_test(nested_and_adjacent),
		cmocka_unit_test(huge_zero),
		cmocka_unit_test(an_error_ends_it),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests_name("sosnap_batch", tests, NULL, NULL);
}
