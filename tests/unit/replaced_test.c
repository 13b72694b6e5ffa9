// SPDX-License-Identifier: GPL-2.0
/*
 * Which nodes a younger one has replaced, against the definition; and many that all
 * overlap, which must not take time that grows with their square.
 */
#include "io_ram.h"
#include "salvage_internal.h"
#include "testlib.h"

static bool overlap(const struct salvage_block *a, const struct salvage_block *b)
{
	return sosnap_key_cmp(&a->first, &b->last) <= 0 && sosnap_key_cmp(&b->first, &a->last) <= 0;
}

static bool replaced(struct salvage_block **v, u64 nr, const struct salvage_block *b)
{
	u64 i;

	for (i = 0; i < nr; i++)
		if (v[i] != b && v[i]->level == b->level && v[i]->class != SALVAGE_OLDER &&
		    (v[i]->class == SALVAGE_SURE || v[i]->gen > b->gen) && overlap(v[i], b))
			return true;
	return false;
}

static int by_level(const void *a, const void *b)
{
	const struct salvage_block *x = *(struct salvage_block *const *)a;
	const struct salvage_block *y = *(struct salvage_block *const *)b;

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	return x->gen > y->gen ? -1 : x->gen < y->gen;
}

static void as_defined(void **state)
{
	static const u8 class[] = { SALVAGE_SURE, SALVAGE_UNSURE, SALVAGE_UNSURE, SALVAGE_OLDER };
	u32 round, i, nr, met = 0, not_met = 0;
	u64 seed = 1;

	for (round = 0; round < 3000; round++) {
		struct salvage_block b[40], *v[40];

		nr = io_ram_random(&seed) % 41;
		memset(b, 0, sizeof(b));
		for (i = 0; i < nr; i++) {
			u32 first = io_ram_random(&seed) % 60, len = io_ram_random(&seed) % 12;

			b[i].first = (struct sosnap_key){ first / 20, first % 20 };
			b[i].last = (struct sosnap_key){ (first + len) / 20, (first + len) % 20 };
			b[i].level = io_ram_random(&seed) % 3;
			b[i].gen = io_ram_random(&seed) % 8;
			b[i].class = class[io_ram_random(&seed) % 4];
			v[i] = &b[i];
		}
		qsort(v, nr, sizeof(v[0]), by_level);
		assert_int_equal(salvage_replaced(v, nr), 0);
		for (i = 0; i < nr; i++) {
			if (v[i]->class != SALVAGE_UNSURE)
				continue;
			assert_int_equal(v[i]->replaced, replaced(v, nr, v[i]));
			met += v[i]->replaced;
			not_met += !v[i]->replaced;
		}
	}
	assert_in_range(met, 5000, U32_MAX);
	assert_in_range(not_met, 5000, U32_MAX);
}

/* 200,000 nodes that each span half of all keys: 10^10 pairs. */
static void many(void **state)
{
	const u32 nr = 200000;
	struct salvage_block *b = calloc(nr, sizeof(*b)), **v = calloc(nr, sizeof(*v));
	u32 i;

	for (i = 0; i < nr; i++) {
		b[i].gen = nr - i;
		b[i].class = SALVAGE_UNSURE;
		b[i].first.lo = i;
		b[i].last.lo = i + nr;
		v[i] = &b[i];
	}
	assert_int_equal(salvage_replaced(v, nr), 0);
	assert_false(b[0].replaced);
	for (i = 1; i < nr; i++)
		assert_true(b[i].replaced);
	free(b);
	free(v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_defined),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("salvage_replaced", tests, NULL, NULL);
}
