// SPDX-License-Identifier: GPL-2.0
/*
 * Which nodes a younger one has replaced, as far as that can be told when the bitmap
 * is lost: those that overlap one of the same level that comes before them (S3).
 *
 * The keys of a level are numbered. Nodes come in order, the sure ones first, then the
 * younger ones; each asks whether one of its numbers was taken before, and takes all of
 * them. A number is taken once: union-find leads from each to the next that is free
 * (Tarjan, 1975), and how many are taken below one is a Fenwick tree (1994). So n nodes
 * take n log n steps, however they overlap.
 */
#include "salvage_internal.h"

struct taken {
	struct sosnap_key *key;
	u64 nr;
	u64 *free;		/* the next free one, or a step towards it */
	u64 *sum;
};

static int by_key(const void *a, const void *b)
{
	return sosnap_key_cmp(a, b);
}

static u64 number_of(const struct taken *t, const struct sosnap_key *key)
{
	u64 lo = 0, hi = t->nr;

	while (lo < hi) {
		u64 mid = lo + (hi - lo) / 2;

		if (sosnap_key_cmp(&t->key[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static u64 next_free(struct taken *t, u64 i)
{
	while (t->free[i] != i) {
		t->free[i] = t->free[t->free[i]];
		i = t->free[i];
	}
	return i;
}

/* How many are taken before number i. */
static u64 taken_before(const struct taken *t, u64 i)
{
	u64 n = 0;

	for (; i; i &= i - 1)
		n += t->sum[i];
	return n;
}

static bool any_taken(const struct taken *t, const struct salvage_block *b)
{
	return taken_before(t, number_of(t, &b->last) + 1) >
	       taken_before(t, number_of(t, &b->first));
}

static void take(struct taken *t, const struct salvage_block *b)
{
	u64 last = number_of(t, &b->last), i, k;

	for (i = next_free(t, number_of(t, &b->first)); i <= last; i = next_free(t, i)) {
		t->free[i] = i + 1;
		for (k = i + 1; k <= t->nr; k += k & -k)
			t->sum[k]++;
	}
}

static void taken_exit(struct taken *t)
{
	kvfree(t->key);
	kvfree(t->free);
	kvfree(t->sum);
}

static int taken_init(struct taken *t, struct salvage_block *const *v, u64 nr)
{
	u64 i;

	memset(t, 0, sizeof(*t));
	t->key = kvmalloc_array(2 * nr, sizeof(*t->key), GFP_KERNEL);
	t->free = kvmalloc_array(2 * nr + 1, sizeof(*t->free), GFP_KERNEL);
	t->sum = kvcalloc(2 * nr + 1, sizeof(*t->sum), GFP_KERNEL);
	if (!t->key || !t->free || !t->sum) {
		taken_exit(t);
		return -ENOMEM;
	}
	for (i = 0; i < nr; i++) {
		t->key[2 * i] = v[i]->first;
		t->key[2 * i + 1] = v[i]->last;
	}
	sort(t->key, 2 * nr, sizeof(*t->key), by_key, NULL);
	for (i = 0; i < 2 * nr; i++)
		if (!t->nr || sosnap_key_cmp(&t->key[t->nr - 1], &t->key[i]))
			t->key[t->nr++] = t->key[i];
	for (i = 0; i <= t->nr; i++)
		t->free[i] = i;
	return 0;
}

/* Those of one level, the younger first. */
static int one_level(struct salvage_block *const *v, u64 nr)
{
	struct taken t;
	u64 i, k, end;
	int r = taken_init(&t, v, nr);

	if (r)
		return r;
	for (i = 0; i < nr; i++)
		if (v[i]->class == SALVAGE_SURE)
			take(&t, v[i]);
	for (i = 0; i < nr; i = end) {
		/* of one age none replaces another */
		for (end = i; end < nr && v[end]->gen == v[i]->gen; end++)
			if (v[end]->class == SALVAGE_UNSURE)
				v[end]->replaced = any_taken(&t, v[end]);
		for (k = i; k < end; k++)
			if (v[k]->class == SALVAGE_UNSURE)
				take(&t, v[k]);
	}
	taken_exit(&t);
	return 0;
}

/**
 * salvage_replaced() - find the nodes that a younger one has replaced
 * @v:  nodes of one tree with their classes, by level, of one level the younger first
 * @nr: how many
 *
 * Sets @replaced of those that are not sure. Those of older states replace nothing.
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_replaced(struct salvage_block *const *v, u64 nr)
{
	u64 i, end;
	int r = 0;

	for (i = 0; i < nr && !r; i = end) {
		for (end = i; end < nr && v[end]->level == v[i]->level; end++)
			;
		r = one_level(v + i, end - i);
	}
	return r;
}
