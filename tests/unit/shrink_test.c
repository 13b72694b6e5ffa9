// SPDX-License-Identifier: GPL-2.0
/*
 * Stores that become smaller: what they hold, and what is left of them on a device
 * that was cut off.
 */
#include "evacuate.h"
#include "store_env.h"
#include "testlib.h"

#define R	SOSNAP_REGION_BLOCKS
#define AT	32100U	/* in a region, behind the largest journal */

/* The store on a device that ends where it does, other content behind it gone. */
static void judge_on_a_cut_device(struct se *se)
{
	u64 blocks = se->m.super.nr_blocks, i;
	struct io_ram *cut = io_ram_new(blocks);
	struct sosnap_check_result result;
	struct sosnap_meta m;
	const char *why;

	se_reopen(se);
	for (i = 0; i < blocks; i++)
		io_ram_read(se->ram, i, io_ram_disk(cut, i));
	why = se_check(&cut->io, &result);
	if (why)
		fail_msg("%s", why);
	assert_int_equal(se_recover(&cut->io, &m, SE_PLANT_NONE), 0);
	why = se_compare(&se->now, &m);
	if (why)
		fail_msg("%s", why);
	assert_true(m.super.nr_blocks == blocks);
	assert_true(m.space.free + m.super.data_blocks + m.super.node_blocks == m.space.total);
	sosnap_meta_close(&m);
	assert_int_equal(io_ram_free(cut), 0);
}

static void life(struct se *se, u32 steps)
{
	u32 i;

	for (i = 0; i < 3; i++)
		se_create(se);
	for (i = 0; i < steps; i++) {
		se_step(se);
		if (i % 20 == 0)
			se_push_up(se);
	}
}

static void shrinks(u64 from, u64 to, u64 seed)
{
	struct se *se = se_new_shrinking(from, seed);

	se->concurrent = seed & 1 ? 0 : 5;
	life(se, 60);
	sosnap_evacuate_cancel(&se->m);
	if (se->m.super.nr_blocks > to) {
		se_push_up(se);
		if (!se_shrink(se, to))
			fail_msg("from %llu to %llu blocks, seed %llu", (unsigned long long)from,
				 (unsigned long long)to, (unsigned long long)seed);
	}
	judge_on_a_cut_device(se);
	/* what was cut off comes back as new */
	se_grow(se, from);
	life(se, 20);
	judge_on_a_cut_device(se);
	se_free(se);
}

static void random_stores_become_smaller(void **state)
{
	u64 seed;

	for (seed = 1; seed <= 40; seed++)
		shrinks(4096, 2048 + seed * 31, seed);
}

static void the_end_is_near_a_border_of_regions(void **state)
{
	static const int near[] = { -1, 0, 1, 2, 5, 15, 16, 17, 700 };
	u64 seed = 100;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(near); i++) {
		shrinks(R + 1500, R + near[i], seed++);
		shrinks(2 * R + 9, R + near[i], seed++);
	}
	shrinks(2 * R + 9, 2 * R - 300, seed++);
	shrinks(2 * R + 9, SOSNAP_MIN_BLOCKS * 4, seed++);
}

static void no_shrink(struct sosnap_space *sp, struct sosnap_super *s, struct io_ram *ram)
{
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
}

/* A block of a region is used and freed again, so that its bitmap gets written. */
static void touch(struct sosnap_space *sp, struct sosnap_super *s, struct io_ram *ram, u64 blk)
{
	assert_int_equal(sosnap_space_take(sp, blk, 1), 0);
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_set(sp, blk, 1), 0);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_clear(sp, blk, 1, NULL, NULL), 0);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
}

/* Shrink at a border of summaries, lose what was behind the end, grow again. */
static void at_border(u64 from, u64 to)
{
	struct io_ram *ram = io_ram_new(from);
	struct sosnap_super s;
	struct sosnap_space sp;
	u64 blk, free, total, first = (to / R - 1) * R + AT;
	u32 i;

	sosnap_super_init(&s, "store", from, 0, 1);
	assert_int_equal(sosnap_space_init(&sp, &ram->io, &s, NULL), 0);
	for (blk = first; blk < sosnap_space_end(from); blk += R)
		touch(&sp, &s, ram, blk);
	touch(&sp, &s, ram, sosnap_space_end(from) - 1);
	sosnap_space_limit(&sp, sosnap_space_end(to));
	assert_int_equal(sosnap_space_shrink(&sp, to), 0);
	assert_int_equal(sosnap_space_shrink(&sp, to), -EINVAL);
	assert_int_equal(sosnap_space_grow(&sp, from), -EINVAL);
	no_shrink(&sp, &s, ram);
	assert_true(s.nr_blocks == to);
	assert_true(sp.free == sp.total);
	free = sp.free;
	sosnap_space_exit(&sp);
	io_ram_drop_cache(ram);
	/* the slots, which is all that was written there */
	for (blk = to / R * R; blk < from; blk += R)
		for (i = 2; i < 6; i++)
			if (blk + i >= to && blk + i < from)
				memset(io_ram_disk(ram, blk + i), 0xee, SOSNAP_BLOCK_SIZE);
	assert_int_equal(sosnap_space_init(&sp, &ram->io, &s, NULL), 0);
	assert_true(sp.free == free);
	touch(&sp, &s, ram, sosnap_space_end(to) - 1);
	assert_int_equal(sosnap_space_grow(&sp, from), 0);
	no_shrink(&sp, &s, ram);
	total = sp.total;
	assert_true(sp.free == total);
	sosnap_space_exit(&sp);
	io_ram_drop_cache(ram);
	assert_int_equal(sosnap_space_init(&sp, &ram->io, &s, NULL), 0);
	assert_true(sp.free == total);
	for (blk = first; blk < sosnap_space_end(from); blk += R)
		touch(&sp, &s, ram, blk);
	assert_true(sp.free == total);
	sosnap_space_exit(&sp);
	assert_int_equal(io_ram_free(ram), 0);
}

static void the_end_is_near_a_border_of_summaries(void **state)
{
	static const int near[] = { -1, 0, 1, 15, 16, 3000, R, R + 700 };
	const u64 border = (u64)SOSNAP_SUMMARY_REGIONS * R;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(near); i++)
		at_border(border + 2 * R + 17, border + near[i]);
	at_border(border + 20, border - R - 20);
	at_border(border + R + 20, border - 3 * R - 5);
}

static void a_limit_is_for_the_last(void **state)
{
	struct se *se = se_new_shrinking(4096, 7);
	struct sosnap_space *sp = &se->m.space;
	u64 blk, most = 0, used, before;
	u32 len, n = 0;

	sosnap_space_limit(sp, 3000);
	assert_int_equal(sosnap_space_beyond(sp, 3000, &used, &before), 0);
	assert_int_equal(used, 0);
	assert_true(before + 4096 - 3000 == sp->free);
	while (sp->limit && !sosnap_space_alloc(sp, 64, 1, &blk, &len)) {
		if (blk + len > 3000)
			break;
		n += len;
		most = max(most, blk + len);
	}
	assert_int_equal(n, before);
	assert_int_equal(most, 3000);
	assert_true(blk >= 3000);
	assert_int_equal(sp->limit, 0);
	assert_int_equal(len, 64);
	assert_int_equal(sosnap_space_beyond(sp, 3000, &used, &before), 0);
	assert_int_equal(used, 64);
	assert_int_equal(before, 0);
	/* a longer run is not worth it */
	sosnap_space_limit(sp, 3000);
	assert_int_equal(sosnap_space_alloc_more(sp, 64, 64, &blk, &len), -ENOSPC);
	assert_int_equal(sosnap_space_alloc_before(sp, 1, &blk, &len), -ENOSPC);
	assert_int_equal(sp->limit, 3000);
	assert_int_equal(sosnap_space_shrink(sp, 3000), -EBUSY);
	sosnap_space_limit(sp, 0);
	se_free(se);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct se *se = se_new_shrinking(4096, 9);
	struct sosnap_evacuation_need need;
	u64 least = sosnap_evacuate_least(&se->m.super), blk;

	assert_int_equal(se_shrink_begin(se, 4096), -EINVAL);
	assert_int_equal(se_shrink_begin(se, 5000), -EINVAL);
	assert_int_equal(se_shrink_begin(se, least - 1), -EINVAL);
	assert_int_equal(sosnap_evacuate_end(&se->m, 0), -EAGAIN);
	for (blk = 0; blk < 2600; blk++)
		sosnap_space_take(&se->m.space, blk, 1);
	for (blk = 3000; blk < 3500; blk++)
		sosnap_space_take(&se->m.space, blk, 1);
	assert_int_equal(sosnap_evacuate_begin(&se->m, 3000, 64, &need), -ENOSPC);
	assert_int_equal(need.used, 500);
	assert_true(need.before < 400 && need.before > 200);
	assert_int_equal(se->m.space.limit, 0);
	assert_int_equal(se_shrink_begin(se, 3600), 0);
	assert_int_equal(se->m.space.limit, 3600);
	/* somebody needs the space: then there is no limit, and no shrinking */
	sosnap_space_limit(&se->m.space, 0);
	while (!se_shrink_step(se))
		;
	assert_int_equal(se->m.super.nr_blocks, 4096);
	se_free(se);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_for_the_last),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(the_end_is_near_a_border_of_summaries),
		cmocka_unit_test(random_stores_become_smaller),
		cmocka_unit_test(the_end_is_near_a_border_of_regions),
	};

	return cmocka_run_group_tests_name("sosnap_shrink", tests, NULL, NULL);
}
