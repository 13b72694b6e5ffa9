// SPDX-License-Identifier: GPL-2.0
/*
 * The order of things: find a state, put the journal on top of it, decide who
 * owns what, make the catalogue consistent, tell what is lost; and then, when it
 * is wanted, build it.
 */
#include "batch.h"
#include "rebuild.h"
#include "salvage_internal.h"

/* What is known of the trees and after; what the scan found stays. */
static void forget(struct sosnap_salvage *s)
{
	u64 k;
	u32 i;

	salvage_bitmaps_exit(s);
	sosnap_catalog_exit(&s->meta.catalog);
	for (i = 0; i < SOSNAP_NR_TREES; i++) {
		kvfree(s->tree[i].lost);
		kvfree(s->tree[i].merged);
		memset(&s->tree[i], 0, sizeof(s->tree[i]));
	}
	s->extents.nr = 0;
	s->extents.found = 0;
	s->records.nr = 0;
	for (k = 0; k < s->nr_blocks; k++) {
		s->block[k].done = false;
		s->block[k].class = SALVAGE_OLDER;
	}
}

/**
 * sosnap_salvage_free() - free the memory
 * @s: found, or NULL
 */
void sosnap_salvage_free(struct sosnap_salvage *s)
{
	if (!s)
		return;
	forget(s);
	kvfree(s->extents.v);
	kvfree(s->records.v);
	kvfree(s->block);
	kvfree(s->object);
	kvfree(s->bad);
	kvfree(s->contested);
	kfree(s);
}

/* The state that a superblock leads to, and what has lost its way to it. */
static int find_with_super(struct sosnap_salvage *s)
{
	u32 i;
	int r = salvage_bitmaps(s);

	/* a salvage without superblocks was cut short: see write_super() */
	s->guessed = s->meta.super.data_blocks == s->meta.super.nr_blocks;
	s->result->older_state = s->guessed &&
				 s->meta.super.node_blocks == s->meta.super.nr_blocks;
	s->next_object = s->meta.super.next_object;
	if (!r)
		r = salvage_walk_roots(s);
	s->most_gen = max(s->most_gen, s->meta.super.gen);
	if (r || (s->tree[0].whole && s->tree[1].whole))
		return r;
	r = salvage_own_first(s);
	if (!r)
		r = salvage_scan(s);
	for (i = 1; i <= SOSNAP_NR_TREES && !r; i++)
		r = salvage_walk_orphans(s, i, SALVAGE_SURE);
	return r;
}

/* Take a generation for the state, and see how well it fits. */
static int try_gen(struct sosnap_salvage *s, u64 gen, u64 *mismatch)
{
	u32 i;
	int r;

	forget(s);
	s->result->nodes = 0;
	s->result->orphans = 0;
	s->meta.super.gen = gen;
	r = salvage_bitmaps(s);
	if (!r)
		r = salvage_walk_roots(s);
	for (i = 1; i <= SOSNAP_NR_TREES && !r; i++)
		r = salvage_walk_orphans(s, i, SALVAGE_SURE);
	if (r)
		return r;
	salvage_super_journal(s, 0);
	r = salvage_own(s, false);
	return r ? r : salvage_mismatch(s, mismatch);
}

/* The root of a tree that was found; of one that was not, a block that is no node. */
static void found_root(const struct salvage_tree *t, const struct sosnap_super *super,
		       struct sosnap_root *root)
{
	memset(root, 0, sizeof(*root));
	if (!t->tops && t->whole)
		return;
	*root = t->top;
	/* the only one that is left of many is no root: nobody would miss the others */
	if (t->tops != 1 || !t->whole) {
		root->blk = SOSNAP_BITMAP_SLOT;
		root->gen = super->gen;
		root->depth = 2;
	}
	root->nr_items = t->whole ? t->nr_items : U64_MAX;
}

static int find_without_super(struct sosnap_salvage *s)
{
	u64 journal = s->want->journal_blocks, last = 0, before = 0, mismatch[2] = { 0, 0 };
	int r = salvage_scan(s);
	u64 i;
	u32 t;

	s->guessed = true;
	if (!r)
		r = salvage_super_guess(s);
	if (r)
		return r;
	for (i = 0; i < s->nr_blocks; i++)
		last = max(last, s->block[i].gen);
	for (i = 0; i < s->nr_blocks; i++)
		if (s->block[i].gen < last)
			before = max(before, s->block[i].gen);
	s->most_gen = last;
	journal = s->meta.super.journal_blocks;
	r = try_gen(s, max_t(u64, before, 1), &mismatch[1]);
	s->meta.super.journal_blocks = journal;
	if (!r)
		r = try_gen(s, max_t(u64, last, 1), &mismatch[0]);
	/* of two that are damaged, blocks of the earlier one may be somebody else's now */
	s->result->older_state = before && mismatch[0] && !mismatch[1] && !s->unfinished;
	if (!r && (s->result->older_state || s->unfinished)) {
		s->meta.super.journal_blocks = journal;
		r = try_gen(s, max_t(u64, before, 1), &mismatch[0]);
	}
	s->found_gen = s->meta.super.gen;
	/* every block accounted for: nothing is lost, and nothing else is needed */
	for (t = 0; t < SOSNAP_NR_TREES && !r; t++) {
		if (!mismatch[0]) {
			s->tree[t].whole = true;
			s->tree[t].nr_lost = 0;
		}
		found_root(&s->tree[t], &s->meta.super, &s->found_root[t]);
	}
	return r;
}

/* Ids that were ever used, as far as anything is left that tells. */
static void seen_ids(struct sosnap_salvage *s)
{
	struct sosnap_super *super = &s->meta.super;
	u64 i;
	u32 k;

	for (i = 0; i < s->nr_blocks && s->result->super_lost; i++)
		if (s->block[i].magic == SOSNAP_MAGIC_NODE &&
		    s->block[i].owner == SOSNAP_TREE_EXTENT && s->block[i].last.hi < U32_MAX)
			super->next_object = max(super->next_object,
						 (u64)s->block[i].last.hi + 1);
	for (k = 0; k < s->meta.catalog.nr; k++) {
		const struct sosnap_entry *e = s->meta.catalog.entry[k];
		u64 *next = e->type == SOSNAP_CATALOG_GOLD ? &super->next_gold :
			    e->type == SOSNAP_CATALOG_OBJECT ? &super->next_object :
			    &super->next_snapshot;

		*next = max(*next, (u64)e->id + 1);
	}
}

/* Losses */

struct tell {
	struct sosnap_salvage *s;
	struct sosnap_salvage_loss loss;
	u64 end;		/* of the snapshot, in blocks */
	bool any;
};

static void tell_range(struct tell *t, const struct salvage_range *range)
{
	u32 object = t->loss.object;
	u64 from = 0, to = t->end;

	if (object == range->first.hi)
		from = range->first.lo;
	if (range->bounded && object == range->end.hi)
		to = min(to, range->end.lo);
	if (object < range->first.hi || (range->bounded && object > range->end.hi) || from >= to)
		return;
	t->any = true;
	t->loss.blk = from;
	t->loss.len = to - from;
	if (t->s->ops->lost)
		t->s->ops->lost(t->s->ctx, &t->loss);
}

/* A count that fits says nothing of vague ranges: zeros take no blocks. */
static void tell_object(struct tell *t, u32 object)
{
	const struct salvage_tree *tree = &t->s->tree[SOSNAP_TREE_EXTENT - 1];
	const struct salvage_object *o = salvage_object(t->s, object);
	u64 have = o ? o->sure : 0, i;

	/* made by the journal, so the trees never had anything of it */
	if (!t->s->result->super_lost && object >= t->s->next_object)
		return;
	t->loss.object = object;
	t->loss.counted = o && o->known;
	t->loss.blocks = o && o->want > have ? o->want - have : 0;
	for (i = 0; i < tree->nr_lost && !tree->whole; i++)
		tell_range(t, &tree->lost[i]);
}

/* Entries of this catalogue are fenced when they may not be what they were. */
static void mark(struct sosnap_salvage *s, struct sosnap_entry *e, bool doubtful)
{
	if (doubtful || e->fenced || s->result->lost_commits || s->all_doubtful)
		e->item.snapshot.flags |= cpu_to_le32(SOSNAP_SNAPSHOT_LOSSY);
	if (le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY)
		s->result->marked++;
}

static void tell_contested(struct sosnap_salvage *s)
{
	u64 i;

	for (i = 0; i < s->nr_contested && s->ops->changed; i++)
		s->ops->changed(s->ctx, SOSNAP_CATALOG_OBJECT, s->contested[i],
				"has blocks that are claimed twice: what they hold may be wrong");
}

static void tell_losses(struct sosnap_salvage *s)
{
	struct sosnap_entry *e, *o;
	u32 id = 0, object, steps, k;

	while ((e = sosnap_catalog_next(&s->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, id))) {
		struct tell t = { .s = s };
		bool doubtful = false;

		id = e->id + 1;
		t.loss.snapshot = e->item.snapshot.name;
		t.loss.id = e->id;
		t.end = DIV_ROUND_UP(le64_to_cpu(e->item.snapshot.sectors), SOSNAP_BLOCK_SECTORS);
		object = le32_to_cpu(e->item.snapshot.object);
		for (steps = 0; object && steps <= s->meta.catalog.nr; steps++) {
			tell_object(&t, object);
			doubtful |= salvage_is_contested(s, object);
			o = sosnap_catalog_get(&s->meta.catalog, SOSNAP_CATALOG_OBJECT, object);
			object = o ? le32_to_cpu(o->item.object.parent) : 0;
			doubtful |= !o || o->fenced;
		}
		s->result->lost_snapshots += t.any;
		mark(s, e, doubtful || t.any);
	}
	for (k = 0; k < s->nr_objects; k++) {
		const struct salvage_object *ob = &s->object[k];

		if (ob->known && ob->want > ob->sure)
			s->result->lost_blocks += ob->want - ob->sure;
	}
}

/* An object that the state has anything of was not made by the journal. */
static void state_objects(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e;
	u64 i;

	for (i = 0; i < s->meta.catalog.nr; i++) {
		e = s->meta.catalog.entry[i];
		if (e->type == SOSNAP_CATALOG_OBJECT)
			s->next_object = max(s->next_object, (u64)e->id + 1);
	}
	for (i = 0; i < s->extents.nr; i++)
		s->next_object = max(s->next_object, (u64)s->extents.v[i].object + 1);
}

/* The state is not the youngest one: what that one has freed may be somebody else's. */
static int journal_and_freed(struct sosnap_salvage *s)
{
	bool two = s->result->older_state && s->result->super_lost;
	int r = two ? salvage_bitmaps_later(s) : 0;

	if (!r)
		r = salvage_journal(s);
	if (!r && two)
		salvage_bitmaps_switch(s);
	return r || !s->result->older_state ? r : salvage_doubt_freed(s);
}

static int find(struct sosnap_salvage *s)
{
	u64 i;
	u32 t, k;
	int r = salvage_super(s);

	if (!r)
		r = s->result->super_lost ? find_without_super(s) : find_with_super(s);
	for (t = 1; t <= SOSNAP_NR_TREES && !r; t++) {
		r = salvage_walk_orphans(s, t, SALVAGE_UNSURE);
		if (!r)
			r = salvage_walk_orphans(s, t, SALVAGE_OLDER);
	}
	for (i = 0; i < s->nr_blocks; i++)
		s->most_gen = max(s->most_gen, s->block[i].gen);
	state_objects(s);
	if (!r)
		r = journal_and_freed(s);
	if (!r)
		r = salvage_own(s, true);
	if (r)
		return r;
	seen_ids(s);
	for (k = 0; k < s->meta.catalog.nr && s->result->older_state; k++)
		s->meta.catalog.entry[k]->fenced = true;
	r = salvage_catalog(s);
	if (!r)
		tell_contested(s);
	if (!r)
		tell_losses(s);
	for (i = 0; i < s->extents.nr; i++)
		if (!s->extents.v[i].drop && s->extents.v[i].store != SOSNAP_STORE_ZERO)
			s->result->data_blocks += s->extents.v[i].len;
	s->result->super = s->meta.super;
	return r;
}

/**
 * sosnap_salvage_find() - find what is left of a store; nothing is written
 * @io:      the device; its uuid is set
 * @want:    what the user says; stays until the end
 * @ops:     who is told
 * @ctx:     for @ops
 * @result:  filled; stays until the end
 * @salvage: set to what was found, to be freed
 * Context: may sleep, very long: the whole device may be read.
 * Return: 0, -ENOMEM, -EOVERFLOW when an item is to be made and no number is left,
 * -EUCLEAN with io->fault set when there is a superblock that this code must not
 * touch; and without any superblock -ENOENT: no store is there,
 * -ENOTUNIQ: several are, -EINVAL: no valid name is given, -ENOSPC: too small.
 */
int sosnap_salvage_find(struct sosnap_io *io, const struct sosnap_salvage_want *want,
			const struct sosnap_salvage_ops *ops, void *ctx,
			struct sosnap_salvage_result *result, struct sosnap_salvage **salvage)
{
	struct sosnap_salvage *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int r;

	*salvage = NULL;
	if (!s)
		return -ENOMEM;
	memset(result, 0, sizeof(*result));
	s->io = io;
	s->want = want;
	s->ops = ops;
	s->ctx = ctx;
	s->result = result;
	s->meta.io = io;
	r = find(s);
	if (r)
		sosnap_salvage_free(s);
	else
		*salvage = s;
	return r;
}

/* Building */

static int emit(void *ctx, u32 object, u64 blk, u32 len, u64 store)
{
	return sosnap_rebuild_extent(ctx, object, blk, len, store);
}

static int overridden(void __always_unused *ctx, u32 __always_unused object,
		      u64 __always_unused store, u32 __always_unused len)
{
	return 0;
}

/* Extents of several states may overlap: the later ones win. */
static int give_extents(struct sosnap_salvage *s, struct sosnap_rebuild *rb)
{
	static const struct sosnap_batch_ops ops = { .emit = emit, .lost = overridden };
	struct sosnap_batch batch;
	u64 i;
	int r = sosnap_batch_init(&batch, 4096);

	if (r)
		return r;
	/* pieces stand behind the others: bring all in order of age, but once */
	if (s->extents.nr)
		sort(s->extents.v, s->extents.nr, sizeof(*s->extents.v), salvage_by_age, NULL);
	s->extents.found = 0;
	for (i = 0; i < s->extents.nr && !r; i++) {
		const struct salvage_claim *c = &s->extents.v[i];

		if (!c->drop)
			r = sosnap_batch_add(&batch, c->object, c->blk, c->len, c->store);
	}
	if (!r)
		r = sosnap_batch_run(&batch, &ops, rb);
	sosnap_batch_exit(&batch);
	return r;
}

static int give_records(struct sosnap_salvage *s, struct sosnap_rebuild *rb)
{
	u64 i;
	int r = 0;

	if (s->records.nr)
		sort(s->records.v, s->records.nr, sizeof(*s->records.v), salvage_by_age, NULL);
	for (i = 0; i < s->records.nr && !r; i++) {
		const struct salvage_claim *c = &s->records.v[i];

		if (!c->drop)
			r = sosnap_batch_add(&rb->batch, c->object, c->blk, c->len, c->store);
	}
	return r;
}

static int give_items(struct sosnap_salvage *s, struct sosnap_rebuild *rb)
{
	u32 i;
	int r = 0;

	for (i = 0; i < s->meta.catalog.nr && !r; i++) {
		const struct sosnap_entry *e = s->meta.catalog.entry[i];

		if (!e->gone)
			r = sosnap_rebuild_item(rb, e->type, e->id, &e->item);
	}
	return r;
}

static int busy_bits(struct sosnap_salvage *s, struct sosnap_rebuild *rb, u8 *const *map)
{
	u64 base, left;
	u32 i, bit;
	int r = 0;

	for (i = 0; i < s->nr_regions && !r; i++) {
		base = (u64)i * SOSNAP_REGION_BLOCKS;
		left = s->meta.super.nr_blocks - base;
		for (bit = 0; map[i] && bit < min_t(u64, left, SOSNAP_REGION_BLOCKS) && !r; bit++)
			if (test_bit_le(bit, map[i]))
				r = sosnap_rebuild_busy(rb, base + bit, 1);
		cond_resched();
	}
	return r;
}

/* What is left out is there for a repair that is cut short and then wants it after all. */
static int keep_doubtful(struct sosnap_salvage *s, struct sosnap_rebuild *rb)
{
	u64 end = (u64)s->nr_regions * SOSNAP_REGION_BLOCKS, i;
	int r = 0;

	s->budget = SALVAGE_LAPS * s->meta.super.nr_blocks;
	for (i = 0; i < s->extents.nr && !r; i++) {
		const struct salvage_claim *c = &s->extents.v[i];

		if (c->drop && c->class != SALVAGE_SURE && c->store != SOSNAP_STORE_ZERO &&
		    c->store + c->len <= end && salvage_spend(s, c->len))
			r = sosnap_rebuild_busy(rb, c->store, c->len);
	}
	return r;
}

/* Everything that was found, of use or not, stays as it is as long as there is room. */
static int keep_all(struct sosnap_salvage *s, struct sosnap_rebuild *rb, bool tight)
{
	int r = busy_bits(s, rb, s->node);
	u64 i;

	if (!r && !tight)
		r = busy_bits(s, rb, s->bits);
	for (i = 0; i < s->nr_blocks && !r && !tight; i++)
		if (s->block[i].blk < s->meta.super.nr_blocks &&
		    s->block[i].blk / SOSNAP_REGION_BLOCKS < s->nr_regions)
			r = sosnap_rebuild_busy(rb, s->block[i].blk, 1);
	return r || tight ? r : keep_doubtful(s, rb);
}

static int build(struct sosnap_salvage *s, struct sosnap_io *io, bool tight)
{
	struct sosnap_rebuild rb;
	int r;

	r = sosnap_rebuild_init(&rb, io, &s->meta.super);
	if (r)
		return r;
	r = give_items(s, &rb);
	if (!r)
		r = give_extents(s, &rb);
	if (!r)
		r = give_records(s, &rb);
	if (!r)
		r = keep_all(s, &rb, tight);
	if (!r)
		r = sosnap_rebuild_write(&rb, s->most_gen + 1, s->most_seq + 2);
	sosnap_rebuild_exit(&rb);
	return r;
}

/*
 * Superblocks that lead to the state as it was found, damaged or not. Were the
 * salvage cut short without them, what it has written would be taken for a state
 * that is younger than that.
 */
static int write_super(struct sosnap_salvage *s, struct sosnap_io *io)
{
	struct sosnap_super *super = kmalloc(sizeof(*super), GFP_KERNEL);
	u32 i;
	int r;

	if (!super)
		return -ENOMEM;
	*super = s->meta.super;
	super->gen = s->found_gen;
	super->tail = s->tail;
	super->tail_seq = s->tail_seq;
	super->flags = 0;
	/* no store has these counts: until the salvage has ended it is not in use */
	super->data_blocks = super->nr_blocks;
	super->node_blocks = s->result->older_state ? super->nr_blocks : 0;
	for (i = 0; i < SOSNAP_NR_TREES; i++)
		super->root[i] = s->found_root[i];
	r = sosnap_super_write(io, super);
	kfree(super);
	return r;
}

/**
 * sosnap_salvage_write() - make the store anew
 * @s:  what was found; may be written more than once
 * @io: the same device, maybe by another way
 * Context: may sleep, long.
 * Return: 0, -ENOSPC when too few blocks are free, -ENOMEM, -EUCLEAN with
 * io->fault set, or the error of the device. Superblocks are written last, but for
 * what cannot be read of the journal: were it wiped before them and the salvage cut
 * short, the next one would not know that a commit may be lost.
 */
int sosnap_salvage_write(struct sosnap_salvage *s, struct sosnap_io *io)
{
	int r = 0;

	memcpy(io->uuid, s->io->uuid, sizeof(io->uuid));
	if (s->result->super_lost)
		r = write_super(s, io);
	if (!r)
		r = build(s, io, false);
	/* what nothing refers to has to give way */
	if (r == -ENOSPC)
		r = build(s, io, true);
	return r ? r : salvage_journal_wipe(s, io);
}
