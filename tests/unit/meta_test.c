// SPDX-License-Identifier: GPL-2.0
/*
 * Random life of a store against a model: after each step the store can be
 * checked, and what it holds is what was acknowledged.
 */
#include "reap.h"
#include "store_env.h"
#include "testlib.h"

static void expect_nothing(const char *why)
{
	if (why)
		fail_msg("%s", why);
}

/* What an activation would find now. */
static void check_now(struct se *se)
{
	struct sosnap_check_result result;
	struct io_ram_fate all = { .keep = NULL };
	struct sosnap_meta m;
	struct io_ram *copy;
	u32 which;

	io_ram_sync(se->ram);
	copy = io_ram_crash(se->ram, io_ram_now(se->ram), &all);
	expect_nothing(se_check(&copy->io, &result));
	/* the check has replayed into the copy */
	assert_int_equal(se_recover(&copy->io, &m, SE_PLANT_NONE), 0);
	expect_nothing(se_judge(se, io_ram_now(se->ram), copy, &m, &which));
	assert_int_equal(which, se->nr_commits - 1);
	/* what is being given up, a recovery takes a step further */
	if (!sosnap_reap_pending(&se->m, NULL)) {
		assert_int_equal(result.data_blocks, m.super.data_blocks);
		assert_int_equal(result.free_blocks, m.space.free);
	}
	sosnap_meta_close(&m);
	assert_int_equal(io_ram_free(copy), 0);
}

static void live(u64 nr_blocks, u32 rounds, u32 steps, u32 concurrent, u32 lazy)
{
	u32 round, i;

	for (round = 0; round < rounds; round++) {
		struct se *se = se_new(nr_blocks, 1000 * nr_blocks + round);

		se->concurrent = concurrent;
		se->ram->lazy = lazy;
		for (i = 0; i < steps; i++) {
			if (i % 64 == 0)
				se_log_begin(se);
			se_step(se);
			check_now(se);
		}
		se_free(se);
	}
}

static void each_step_is_clean(void **state)
{
	live(2048, 4, 200, 0, 0);
}

static void each_step_is_clean_beside_writers(void **state)
{
	live(2048, 4, 200, 6, 3);
}

static void each_step_is_clean_in_three_regions(void **state)
{
	live(2 * SOSNAP_REGION_BLOCKS + 300, 1, 60, 6, 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_is_clean),
		cmocka_unit_test(each_step_is_clean_beside_writers),
		cmocka_unit_test(each_step_is_clean_in_three_regions),
	};

	return cmocka_run_group_tests_name("sosnap_meta", tests, NULL, NULL);
}
