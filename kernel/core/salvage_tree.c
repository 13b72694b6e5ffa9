// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes and what is in them: from the roots down, then from each node that has
 * lost its parents, and last from nodes of older states.
 */
#include "node.h"
#include "salvage_internal.h"

struct walk {
	struct sosnap_btree_walk w;
	struct sosnap_salvage *s;
	struct salvage_tree *tree;
	u32 id;
	u8 class;
	bool skip;	/* the leaf was met before */
	u64 gen;	/* of the leaf */
};

/**
 * salvage_lose() - note that a range of keys is lost
 * @t:     of which tree
 * @first: its first key
 * @end:   the key after it, NULL: to the last one
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_lose(struct salvage_tree *t, const struct sosnap_key *first,
		 const struct sosnap_key *end)
{
	struct salvage_range *range;
	int r = salvage_room((void **)&t->lost, t->nr_lost, &t->max_lost, sizeof(*t->lost));

	if (r)
		return r;
	range = &t->lost[t->nr_lost++];
	memset(range, 0, sizeof(*range));
	range->first = *first;
	range->bounded = end;
	if (end)
		range->end = *end;
	t->whole = false;
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct salvage_range *x = a, *y = b;

	return sosnap_key_cmp(&x->first, &y->first);
}

static bool reaches(const struct salvage_range *range, const struct sosnap_key *key)
{
	return !range->bounded || sosnap_key_cmp(&range->end, key) >= 0;
}

/* As many ranges may be lost as there are leaves, and each item of old ones is looked up. */
static int merge_lost(struct salvage_tree *t)
{
	struct salvage_range *v = kvmalloc_array(max_t(u64, t->nr_lost, 1), sizeof(*v), GFP_KERNEL);
	u64 i, nr = 0;

	if (!v)
		return -ENOMEM;
	kvfree(t->merged);
	t->merged = v;
	if (t->nr_lost) {
		memcpy(v, t->lost, t->nr_lost * sizeof(*v));
		sort(v, t->nr_lost, sizeof(*v), by_first, NULL);
	}
	for (i = 0; i < t->nr_lost; i++) {
		if (!nr || !reaches(&v[nr - 1], &v[i].first))
			v[nr++] = v[i];
		else if (!v[i].bounded)
			v[nr - 1].bounded = false;
		else if (v[nr - 1].bounded && sosnap_key_cmp(&v[i].end, &v[nr - 1].end) > 0)
			v[nr - 1].end = v[i].end;
	}
	t->nr_merged = nr;
	return 0;
}

/**
 * salvage_is_lost() - whether a key is in a range that was lost when it was merged
 * @t:   of which tree
 * @key: which
 */
bool salvage_is_lost(const struct salvage_tree *t, const struct sosnap_key *key)
{
	u64 lo = 0, hi = t->nr_merged;

	/* the last one that does not begin behind it */
	while (lo < hi) {
		u64 mid = lo + (hi - lo) / 2;

		if (sosnap_key_cmp(&t->merged[mid].first, key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && (!t->merged[lo - 1].bounded ||
		      sosnap_key_cmp(key, &t->merged[lo - 1].end) < 0);
}

static struct salvage_block *block_of(const struct sosnap_salvage *s, u64 blk)
{
	u64 lo = 0, hi = s->nr_blocks;

	while (lo < hi) {
		u64 mid = lo + (hi - lo) / 2;

		if (s->block[mid].blk < blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nr_blocks && s->block[lo].blk == blk ? &s->block[lo] : NULL;
}

static int walk_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 __always_unused count)
{
	struct walk *walk = container_of(w, struct walk, w);
	struct sosnap_salvage *s = walk->s;
	struct salvage_block *b = block_of(s, blk);
	struct sosnap_buf n;
	int r;

	walk->skip = walk->class != SALVAGE_OLDER && salvage_test(s, s->node, blk);
	if (walk->skip)
		return 0;
	/* it is in the cache: the walk holds it */
	r = s->io->ops->get(s->io, blk, &n);
	if (r)
		return r;
	walk->gen = sosnap_node_gen(&n);
	s->io->ops->put(s->io, &n);
	if (walk->class == SALVAGE_OLDER)
		return 0;
	if (b) {
		b->done = true;
		b->class = walk->class;
	}
	s->result->nodes++;
	return salvage_mark(s, s->node, blk);
}

static int walk_bad(struct sosnap_btree_walk *w, u64 __always_unused blk, int error,
		    const struct sosnap_key *first, const struct sosnap_key *end)
{
	struct walk *walk = container_of(w, struct walk, w);

	if (error == -ENOMEM)
		return error;
	if (walk->class != SALVAGE_SURE)
		return 0;
	return salvage_lose(walk->tree, first, end);
}

/* An older item where there is none; sure ones come first. */
static int take_item(struct walk *walk, const struct sosnap_key *key, const void *val)
{
	struct sosnap_salvage *s = walk->s;
	union sosnap_item item;
	struct sosnap_entry *e;
	int r;

	memcpy(&item, val, sizeof(item));
	if (!sosnap_catalog_sane(key->hi, key->lo, &item)) {
		if (walk->class == SALVAGE_SURE && s->ops->changed)
			s->ops->changed(s->ctx, key->hi, key->lo,
					"makes no sense and is left out");
		return walk->class == SALVAGE_SURE ?
		       salvage_lose(walk->tree, key,
				    &(struct sosnap_key){ key->hi, key->lo + 1 }) : 0;
	}
	e = sosnap_catalog_get(&s->meta.catalog, key->hi, key->lo);
	if (walk->class != SALVAGE_SURE && (e || !salvage_is_lost(walk->tree, key)))
		return 0;
	r = sosnap_catalog_put(&s->meta.catalog, key->hi, key->lo, &item);
	e = sosnap_catalog_get(&s->meta.catalog, key->hi, key->lo);
	if (e)	/* in this catalogue: it may be out of date */
		e->fenced = walk->class != SALVAGE_SURE;
	s->result->older_items += walk->class != SALVAGE_SURE;
	return r;
}

static int take_extent(struct walk *walk, const struct sosnap_key *key, const void *val)
{
	struct sosnap_salvage *s = walk->s;
	u64 blocks = s->meta.super.nr_blocks;
	struct sosnap_disk_extent d;
	struct salvage_claim *c;
	u64 store;
	u32 len;
	int r;

	memcpy(&d, val, sizeof(d));
	store = le64_to_cpu(d.store);
	len = le32_to_cpu(d.len);
	if (walk->class != SALVAGE_SURE && !salvage_is_lost(walk->tree, key))
		return 0;
	if (!key->hi || !len || len > SOSNAP_MAX_EXTENT || key->lo >= SOSNAP_MAX_BLK ||
	    len > SOSNAP_MAX_BLK - key->lo ||
	    (store != SOSNAP_STORE_ZERO && (store >= blocks || len > blocks - store)))
		return walk->class == SALVAGE_SURE ?
		       salvage_lose(walk->tree, key,
				    &(struct sosnap_key){ key->hi, key->lo + 1 }) : 0;
	salvage_uncut(&s->extents);
	r = salvage_room((void **)&s->extents.v, s->extents.nr, &s->extents.max,
			 sizeof(*s->extents.v));
	if (r)
		return r;
	c = &s->extents.v[s->extents.nr++];
	memset(c, 0, sizeof(*c));
	c->object = key->hi;
	c->blk = key->lo;
	c->len = len;
	c->store = store;
	c->order = walk->gen;
	c->class = walk->class;
	return 0;
}

static int walk_item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	struct walk *walk = container_of(w, struct walk, w);

	if (walk->skip)
		return 0;
	walk->tree->nr_items += walk->class == SALVAGE_SURE;
	return walk->id == SOSNAP_TREE_CATALOG ? take_item(walk, key, val) :
						 take_extent(walk, key, val);
}

static int walk_from(struct sosnap_salvage *s, u32 id, const struct sosnap_root *root, u8 class)
{
	struct sosnap_tree tree = {
		.io = s->io,
		.root = *root,
		.id = id,
		.val_bytes = id == SOSNAP_TREE_CATALOG ? SOSNAP_CATALOG_BYTES :
			     sizeof(struct sosnap_disk_extent),
	};
	struct walk walk = {
		.w = { .node = walk_node, .item = walk_item, .bad = walk_bad },
		.s = s, .tree = &s->tree[id - 1], .id = id, .class = class,
	};

	return sosnap_btree_walk(&tree, &walk.w);
}

/**
 * salvage_walk_roots() - take what the superblock leads to
 * @s: with a superblock or a guess, which has no roots
 * Context: may sleep, long.
 * Return: 0 or -ENOMEM.
 */
int salvage_walk_roots(struct sosnap_salvage *s)
{
	u32 i;
	int r = 0;

	for (i = 0; i < SOSNAP_NR_TREES && !r; i++) {
		s->tree[i].whole = true;
		if (s->result->super_lost)
			r = salvage_lose(&s->tree[i], &(struct sosnap_key){ 0 }, NULL);
		else
			r = walk_from(s, i + 1, &s->meta.super.root[i], SALVAGE_SURE);
	}
	return r;
}

/* Parents before children, and of one level the younger first. */
static int by_level(const void *a, const void *b)
{
	const struct salvage_block *x = *(struct salvage_block *const *)a;
	const struct salvage_block *y = *(struct salvage_block *const *)b;

	if (x->level != y->level)
		return x->level > y->level ? -1 : 1;
	if (x->gen != y->gen)
		return x->gen > y->gen ? -1 : 1;
	return x->blk < y->blk ? -1 : x->blk > y->blk;
}

/* Sets the class of each node of a tree that is not done; NULL: no memory. */
static struct salvage_block **classify(struct sosnap_salvage *s, u32 id, u64 *nr)
{
	struct salvage_block **v = kvmalloc_array(max_t(u64, s->nr_blocks, 1), sizeof(*v),
						  GFP_KERNEL);
	u64 i;

	*nr = 0;
	for (i = 0; v && i < s->nr_blocks; i++) {
		struct salvage_block *b = &s->block[i];

		if (b->magic != SOSNAP_MAGIC_NODE || b->owner != id ||
		    b->gen > s->meta.super.gen || memcmp(s->uuid[b->uuid], s->io->uuid, 16))
			continue;
		/* what is known to be data only looks like a node */
		if (!b->done && salvage_test(s, s->owned, b->blk))
			continue;
		if (!b->done && salvage_is_free(s, b->blk))
			b->class = SALVAGE_OLDER;
		else if (!b->done)
			b->class = salvage_is_used(s, b->blk) ? SALVAGE_SURE : SALVAGE_UNSURE;
		v[(*nr)++] = b;
	}
	if (*nr)
		sort(v, *nr, sizeof(*v), by_level, NULL);
	return v;
}

static int walk_class(struct sosnap_salvage *s, u32 id, struct salvage_block **v, u64 nr, u8 class)
{
	u64 i;
	int r = 0;

	for (i = 0; i < nr && !r; i++) {
		struct sosnap_root root = { .blk = v[i]->blk, .gen = v[i]->gen,
					    .depth = v[i]->level + 1 };

		if (v[i]->done || v[i]->class != class ||
		    (class == SALVAGE_UNSURE && v[i]->replaced))
			continue;
		/* of older ones, what is below them is met as well */
		if (class == SALVAGE_OLDER && v[i]->level)
			continue;
		s->result->orphans += class != SALVAGE_OLDER;
		if (class == SALVAGE_SURE && !s->tree[id - 1].tops++)
			s->tree[id - 1].top = root;
		r = walk_from(s, id, &root, class);
		cond_resched();
	}
	return r;
}

/**
 * salvage_walk_orphans() - take what has lost its parents
 * @s:     scanned, and what is more sure was taken
 * @id:    of which tree
 * @class: how sure; for SALVAGE_OLDER, all nodes that were not taken
 * Context: may sleep, long.
 * Return: 0 or -ENOMEM.
 */
int salvage_walk_orphans(struct sosnap_salvage *s, u32 id, u8 class)
{
	struct salvage_tree *t = &s->tree[id - 1];
	struct salvage_block **v;
	u64 nr, i;
	int r;

	if (t->whole)
		return 0;
	/* the walks below lose nothing more, but for sure ones, which do not ask */
	r = merge_lost(t);
	if (r)
		return r;
	v = classify(s, id, &nr);
	if (!v)
		return -ENOMEM;
	for (i = 0; class == SALVAGE_OLDER && i < nr; i++)
		if (!v[i]->done)
			v[i]->class = SALVAGE_OLDER;
	r = class == SALVAGE_UNSURE ? salvage_replaced(v, nr) : 0;
	if (!r)
		r = walk_class(s, id, v, nr, class);
	if (class == SALVAGE_SURE && !s->result->super_lost &&
	    t->nr_items == s->meta.super.root[id - 1].nr_items)
		t->whole = true;
	kvfree(v);
	return r;
}
