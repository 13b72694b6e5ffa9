// SPDX-License-Identifier: GPL-2.0
/*
 * Claims that cannot both be right. One of them gets the blocks, but nobody knows
 * whether it is the right one: so all objects that have such a claim are noted.
 */
#include "salvage_internal.h"

static int contest(struct sosnap_salvage *s, u32 id)
{
	int r;

	if (s->nr_contested && s->contested[s->nr_contested - 1] == id)
		return 0;
	r = salvage_room((void **)&s->contested, s->nr_contested, &s->max_contested,
			 sizeof(*s->contested));
	if (!r)
		s->contested[s->nr_contested++] = id;
	return r;
}

/* In the order in which they were given: what this leaves out, that has left out. */
static int contest_shared(struct sosnap_salvage *s, const struct salvage_claims *claims, u32 laps)
{
	u64 i, k;
	int r = 0;

	s->budget = laps * s->meta.super.nr_blocks;
	for (i = claims->found; i-- > 0 && !r;) {
		const struct salvage_claim *c = &claims->v[i];

		if (c->store == SOSNAP_STORE_ZERO ||
		    (claims == &s->extents && c->class != SALVAGE_SURE))
			continue;
		for (k = salvage_spend(s, c->len) ? 0 : c->len; k < c->len; k++)
			if (salvage_test(s, s->shared, c->store + k))
				break;
		if (k < c->len)
			r = contest(s, c->object);
	}
	return r;
}

static int by_place(const void *a, const void *b)
{
	const struct salvage_claim *x = *(struct salvage_claim *const *)a;
	const struct salvage_claim *y = *(struct salvage_claim *const *)b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->blk < y->blk ? -1 : x->blk > y->blk;
}

/* Two extents of the state for one block of an object: the younger one is taken. */
static int contest_overlaps(struct sosnap_salvage *s)
{
	struct salvage_claim **v = kvmalloc_array(max_t(u64, s->extents.found, 1), sizeof(*v),
						  GFP_KERNEL);
	u64 i, nr = 0, end = 0;
	int r = v ? 0 : -ENOMEM;

	for (i = 0; i < s->extents.found && !r; i++)
		if (s->extents.v[i].class == SALVAGE_SURE)
			v[nr++] = &s->extents.v[i];
	if (nr)
		sort(v, nr, sizeof(*v), by_place, NULL);
	for (i = 0; i < nr && !r; i++) {
		u64 to = v[i]->blk + v[i]->len;

		if (i && v[i - 1]->object != v[i]->object)
			end = 0;
		if (v[i]->blk < end) {
			s->result->shared_blocks += min(end, to) - v[i]->blk;
			r = contest(s, v[i]->object);
		}
		end = max(end, to);
	}
	kvfree(v);
	return r;
}

static int by_id(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/**
 * salvage_contest() - note the objects whose claims contradict others
 * @s: the state and the journal were given their blocks
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_contest(struct sosnap_salvage *s)
{
	u64 i, nr = 0;
	int r = contest_overlaps(s);

	if (!r)
		r = contest_shared(s, &s->extents, SALVAGE_LAPS_SURE);
	if (!r)
		r = contest_shared(s, &s->records, SALVAGE_LAPS);
	if (s->nr_contested)
		sort(s->contested, s->nr_contested, sizeof(*s->contested), by_id, NULL);
	for (i = 0; i < s->nr_contested; i++)
		if (!nr || s->contested[nr - 1] != s->contested[i])
			s->contested[nr++] = s->contested[i];
	s->nr_contested = nr;
	return r;
}

/**
 * salvage_is_contested() - whether claims of an object contradict others
 * @s:  after salvage_own()
 * @id: of the object
 */
bool salvage_is_contested(const struct sosnap_salvage *s, u32 id)
{
	u64 lo = 0, hi = s->nr_contested;

	while (lo < hi) {
		u64 mid = lo + (hi - lo) / 2;

		if (s->contested[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nr_contested && s->contested[lo] == id;
}
