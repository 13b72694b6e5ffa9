// SPDX-License-Identifier: GPL-2.0
/*
 * Counts of what a snapshot owns, against a model that knows each block and in
 * which commit its record is: whatever commits and checkpoints are under way.
 */
#include "own.h"
#include "io_ram.h"
#include "testlib.h"

#define BLKS	200U
#define SEQS	4096U
#define OTHERS	1000U		/* kept for other snapshots */

struct model {
	struct sosnap_own o;
	bool own[BLKS];
	bool claimed[BLKS];
	u32 nr;			/* that are own */
	u32 nr_claimed;
	u32 at[SEQS];		/* own behind the last record of a commit */
	u32 blind[SEQS];	/* freed by records of it without being counted */
	u64 next_seq;
	u64 durable;
	u64 merging;		/* commit that the checkpoint goes up to, 0: none */
	u64 merged;
	u32 most;		/* claims and own together since the quota was set */
	u64 kept;		/* for all snapshots */
};

static u32 below(u64 *seed, u32 n)
{
	return io_ram_random(seed) % n;
}

static void some_blocks(u64 *seed, u32 *first, u32 *end)
{
	*first = below(seed, BLKS);
	*end = min_t(u32, BLKS, *first + 1 + below(seed, 8));
}

static void judge(const struct model *m)
{
	u32 over = 0;
	u64 seq;

	for (seq = m->merged + 1; seq <= m->next_seq; seq++)
		over += m->blind[seq];
	assert_int_equal(sosnap_own_count(&m->o), m->nr + over);
	assert_int_equal(m->o.claimed, m->nr_claimed);
	if (m->o.quota && m->nr + m->nr_claimed > m->most)
		assert_in_range(m->nr + m->nr_claimed, 0, m->o.quota);
	assert_int_equal(m->kept, OTHERS + sosnap_own_lacks(m->o.reservation, m->nr + over +
							    m->nr_claimed));
	assert_in_range(m->kept + m->nr + over + m->nr_claimed, m->o.reservation, U64_MAX);
}

static void first_write(struct model *m, u64 *seed)
{
	u32 first, end, i, room, n;

	some_blocks(seed, &first, &end);
	for (i = first; i < end && !m->own[i] && !m->claimed[i]; i++)
		;
	room = sosnap_own_room(&m->o) > BLKS ? BLKS : sosnap_own_room(&m->o);
	n = sosnap_own_claim(&m->o, i - first);
	assert_int_equal(n, min(i - first, room));
	for (i = first; i < first + n; i++)
		m->claimed[i] = true;
	m->nr_claimed += n;
}

static void first_write_end(struct model *m, bool ok)
{
	u32 first, n;

	for (first = 0; first < BLKS && !m->claimed[first]; first++)
		;
	for (n = 0; first + n < BLKS && m->claimed[first + n]; n++) {
		m->claimed[first + n] = false;
		m->own[first + n] = ok;
	}
	m->nr_claimed -= n;
	if (!n)
		return;
	if (!ok) {
		sosnap_own_unclaim(&m->o, n);
		return;
	}
	sosnap_own_record(&m->o, m->next_seq, n, n);
	m->nr += n;
	m->at[m->next_seq] = m->nr;
}

static void discard(struct model *m, u64 *seed, bool blind)
{
	u32 first, end, i, n = 0;

	some_blocks(seed, &first, &end);
	for (i = first; i < end; i++) {
		n += m->own[i];
		m->own[i] = false;
	}
	sosnap_own_record(&m->o, m->next_seq, blind ? 0 : -(s64)n, 0);
	if (blind)
		m->blind[m->next_seq] += n;
	m->nr -= n;
	m->at[m->next_seq] = m->nr;
}

static void commit_step(struct model *m)
{
	if (m->next_seq - 1 > m->durable) {
		m->durable++;
		return;
	}
	m->next_seq++;
	m->at[m->next_seq] = m->nr;
}

static void checkpoint_step(struct model *m)
{
	if (!m->merging) {
		m->merging = m->durable;
		sosnap_own_merge(&m->o, m->durable);
		return;
	}
	sosnap_own_merged(&m->o, m->at[m->merging]);
	m->merged = m->merging;
	m->merging = 0;
}

static void step(struct model *m, u64 *seed)
{
	switch (below(seed, 10)) {
	case 0: case 1: case 2:
		first_write(m, seed);
		break;
	case 3: case 4:
		first_write_end(m, below(seed, 8));
		break;
	case 5:
		discard(m, seed, below(seed, 2));
		break;
	case 6: case 7:
		commit_step(m);
		break;
	case 8:
		checkpoint_step(m);
		break;
	default:
		if (below(seed, 10))
			break;
		if (below(seed, 2)) {
			sosnap_own_reserve(&m->o, below(seed, 2) * below(seed, 2 * BLKS), &m->kept);
			break;
		}
		m->o.quota = below(seed, BLKS);
		m->most = m->nr + m->nr_claimed;
	}
}

static void random_lives(void **state)
{
	u32 seed, i;

	for (seed = 1; seed <= 200; seed++) {
		struct model *m = calloc(1, sizeof(*m));
		u64 rng = seed;

		m->next_seq = 1;
		m->o.quota = 50;
		m->kept = OTHERS;
		for (i = 0; i < 4000; i++) {
			step(m, &rng);
			judge(m);
		}
		free(m);
	}
}

static void records_of_later_commits_stay(void **state)
{
	struct sosnap_own o = { .blocks = 100 };

	sosnap_own_record(&o, 7, 1, 0);
	sosnap_own_record(&o, 8, 2, 0);
	sosnap_own_record(&o, 9, 4, 0);
	sosnap_own_merge(&o, 7);
	assert_int_equal(o.merging, 1);
	assert_int_equal(o.delta, 6);
	sosnap_own_merged(&o, 101);
	sosnap_own_record(&o, 9, 8, 0);
	sosnap_own_merge(&o, 8);
	assert_int_equal(o.merging, 2);
	sosnap_own_merged(&o, 103);
	assert_int_equal(sosnap_own_count(&o), 115);
	sosnap_own_merge(&o, 9);
	sosnap_own_merged(&o, 115);
	assert_int_equal(sosnap_own_count(&o), 115);
	assert_int_equal(o.delta, 0);
}

/* A merge of an ancestor brings more than the quota allows. */
static void more_than_allowed(void **state)
{
	struct sosnap_own o = { .quota = 10 };

	assert_int_equal(sosnap_own_claim(&o, 8), 8);
	sosnap_own_record(&o, 1, 8, 8);
	sosnap_own_merge(&o, 1);
	sosnap_own_merged(&o, 15);
	assert_int_equal(sosnap_own_claim(&o, 1), 0);
	sosnap_own_record(&o, 2, -6, 0);
	assert_int_equal(sosnap_own_claim(&o, 4), 1);
	sosnap_own_unclaim(&o, 1);
	o.quota = 0;
	assert_int_equal(sosnap_own_claim(&o, 400), 400);
}

/* What comes from media may be wrong. */
static void impossible_counts(void **state)
{
	struct sosnap_own o = { .quota = 10 };

	sosnap_own_record(&o, 1, -5, 0);
	assert_int_equal(sosnap_own_count(&o), 0);
	assert_int_equal(sosnap_own_claim(&o, 20), 10);
	sosnap_own_unclaim(&o, 10);
	sosnap_own_new_top(&o, 9);
	assert_int_equal(sosnap_own_claim(&o, 20), 1);
}

static void what_is_kept(void **state)
{
	u64 kept = 7;
	struct sosnap_own o = { .blocks = 10 };

	assert_int_equal(sosnap_own_lacks(0, 0), 0);
	assert_int_equal(sosnap_own_lacks(10, 11), 0);
	assert_int_equal(sosnap_own_lacks(10, 9), 1);
	assert_int_equal(sosnap_own_metadata(0), 0);
	assert_int_equal(sosnap_own_metadata(1), 64);
	assert_int_equal(sosnap_own_metadata(1600), 164);

	sosnap_own_reserve(&o, 26, &kept);
	assert_int_equal(kept, 7 + 16);
	assert_int_equal(sosnap_own_claim(&o, 15), 15);
	assert_int_equal(kept, 7 + 1);
	sosnap_own_record(&o, 1, 15, 15);
	assert_int_equal(kept, 7 + 1);
	sosnap_own_record(&o, 1, -15, 0);
	assert_int_equal(kept, 7 + 16);
	/* an ancestor was merged into it; a snapshot of it was taken */
	sosnap_own_merge(&o, 1);
	sosnap_own_merged(&o, 26);
	assert_int_equal(kept, 7);
	sosnap_own_new_top(&o, 0);
	assert_int_equal(kept, 7 + 26);
	sosnap_own_reserve(&o, 0, &kept);
	assert_int_equal(kept, 7);
	sosnap_own_record(&o, 2, 5, 0);
	assert_int_equal(kept, 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_lives),
		cmocka_unit_test(records_of_later_commits_stay),
		cmocka_unit_test(more_than_allowed),
		cmocka_unit_test(impossible_counts),
		cmocka_unit_test(what_is_kept),
	};

	return cmocka_run_group_tests_name("sosnap_own", tests, NULL, NULL);
}
