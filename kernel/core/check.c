// SPDX-License-Identifier: GPL-2.0
/*
 * One pass: walk the catalogue, check it; walk the extents, note what they own;
 * compare with the bitmaps and with every count. Each step goes on with what
 * the one before could still read.
 */
#include "check_internal.h"
#include "extent.h"
#include "journal.h"
#include "meta.h"
#include "salvage.h"
#include "space.h"

/**
 * sosnap_check_found() - tell a damage, with c->text as its detail
 * @c:    the pass
 * @what: enum sosnap_fault_what
 * @blk:  the block it was found in
 * @arg:  what it is about
 * Context: any.
 */
void sosnap_check_found(struct sosnap_check *c, u32 what, u64 blk, u64 arg)
{
	struct sosnap_fault fault = { .what = what, .blk = blk, .arg = arg };

	c->result->damages++;
	c->ops->found(c->ctx, &fault, c->text);
}

/**
 * sosnap_check_fault() - tell why a block could not be used
 * @c:     the pass; c->text says what is lost with it
 * @error: -EUCLEAN: io->fault says why; else the error of the device
 * @blk:   the block
 * Context: any.
 */
void sosnap_check_fault(struct sosnap_check *c, int error, u64 blk)
{
	const struct sosnap_fault *f = &c->io->fault;

	if (error == -EUCLEAN)
		sosnap_check_found(c, f->what, f->blk, f->arg);
	else
		sosnap_check_found(c, SOSNAP_FAULT_BLOCK_READ, blk, -error);
}

/**
 * sosnap_check_step() - one more node or region is done
 * @c: the pass
 * Context: any.
 */
void sosnap_check_step(struct sosnap_check *c)
{
	c->done++;
	if (c->ops->progress)
		c->ops->progress(c->ctx, min(c->done, c->total), c->total);
}

/* Walks of the trees. */

struct walk {
	struct sosnap_btree_walk w;
	struct sosnap_check *c;
	u64 nr_nodes;
	u64 nr_items;
	bool damaged;
	bool catalog;
};

static struct walk *to_walk(struct sosnap_btree_walk *w)
{
	return container_of(w, struct walk, w);
}

static int walk_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	struct walk *walk = to_walk(w);
	struct sosnap_check *c = walk->c;

	walk->nr_nodes++;
	walk->nr_items += level ? 0 : count;
	c->leaf = blk;
	c->result->nodes++;
	sosnap_check_step(c);
	snprintf(c->text, sizeof(c->text), "a node of the %s tree",
		 walk->catalog ? "catalogue" : "extent");
	return sosnap_check_mark(c, blk, 1);
}

static void name_key(char *to, size_t bytes, const struct walk *walk,
		     const struct sosnap_key *key)
{
	if (!key)
		strscpy(to, "the end", bytes);
	else if (walk->catalog)
		snprintf(to, bytes, "%s %llu", sosnap_check_type(key->hi),
			 (unsigned long long)key->lo);
	else
		snprintf(to, bytes, "cache object %u block %llu", key->hi,
			 (unsigned long long)key->lo);
}

static int walk_bad(struct sosnap_btree_walk *w, u64 blk, int error,
		    const struct sosnap_key *first, const struct sosnap_key *end)
{
	struct walk *walk = to_walk(w);
	struct sosnap_check *c = walk->c;
	char from[64], to[64];

	if (error == -ENOMEM)
		return error;
	walk->damaged = true;
	c->result->incomplete = true;
	name_key(from, sizeof(from), walk, first);
	name_key(to, sizeof(to), walk, end);
	snprintf(c->text, sizeof(c->text), "%s from %s up to %s %s lost",
		 walk->catalog ? "the catalogue" : "extents", from, to,
		 walk->catalog ? "is" : "are");
	sosnap_check_fault(c, error, blk);
	return 0;
}

static int catalog_item(struct sosnap_btree_walk *w, const struct sosnap_key *key,
			const void *val)
{
	struct sosnap_check *c = to_walk(w)->c;
	union sosnap_item item;

	memcpy(&item, val, sizeof(item));
	if (!sosnap_catalog_sane(key->hi, key->lo, &item)) {
		c->lost_items = true;
		sosnap_check_say(c, SOSNAP_FAULT_CATALOG_VALUE, c->leaf, key->lo, "%s %llu",
				 sosnap_check_type(key->hi), (unsigned long long)key->lo);
		return 0;
	}
	if (key->hi == SOSNAP_CATALOG_GOLD)
		c->result->golds++;
	else if (key->hi == SOSNAP_CATALOG_OBJECT)
		c->result->objects++;
	else
		c->result->snapshots++;
	return sosnap_catalog_put(&c->catalog, key->hi, key->lo, &item);
}

/* The object whose extents were last seen is through. */
static void object_end(struct sosnap_check *c)
{
	if (c->orphans && !c->lost_items)
		sosnap_check_say(c, SOSNAP_FAULT_OBJECT_ORPHAN, c->leaf, c->object,
				 "cache object %u does not exist, but has %llu extents",
				 c->object, (unsigned long long)c->orphans);
	c->orphans = 0;
}

static int extent_item(struct sosnap_btree_walk *w, const struct sosnap_key *key,
		       const void *val)
{
	struct sosnap_check *c = to_walk(w)->c;
	struct sosnap_disk_extent d;
	unsigned long long blk = key->lo;
	u64 store;
	u32 len;

	memcpy(&d, val, sizeof(d));
	store = le64_to_cpu(d.store);
	len = le32_to_cpu(d.len);
	c->result->extents++;
	if (key->hi != c->object) {
		object_end(c);
		c->object = key->hi;
		c->slot = sosnap_check_slot(c, key->hi);
		c->end = 0;
	}
	c->orphans += c->slot == U32_MAX;
	if (!len || len > SOSNAP_MAX_EXTENT || key->lo >= SOSNAP_MAX_BLK ||
	    (store != SOSNAP_STORE_ZERO &&
	     (store >= c->super.nr_blocks || len > c->super.nr_blocks - store))) {
		c->lost_extents = true;
		sosnap_check_say(c, SOSNAP_FAULT_EXTENT_VALUE, c->leaf, key->lo,
				 "cache object %u block %llu: %u blocks at %llu", key->hi, blk,
				 len, (unsigned long long)store);
		return 0;
	}
	if (key->lo < c->end)
		sosnap_check_say(c, SOSNAP_FAULT_EXTENT_OVERLAP, c->leaf, key->lo,
				 "cache object %u block %llu: the extent before it ends at %llu",
				 key->hi, blk, (unsigned long long)c->end);
	c->end = max(c->end, key->lo + len);
	if (store == SOSNAP_STORE_ZERO)
		return 0;
	c->result->data_blocks += len;
	if (c->slot != U32_MAX)
		c->owned[c->slot] += len;
	snprintf(c->text, sizeof(c->text), "cache object %u block %llu, %u blocks", key->hi, blk,
		 len);
	return sosnap_check_mark(c, store, len);
}

/* Returns whether something of the tree is lost, or an error that ends the check. */
static int walk_tree(struct sosnap_check *c, u32 id)
{
	const struct sosnap_root *root = &c->super.root[id - 1];
	struct sosnap_tree tree = {
		.io = c->io,
		.root = *root,
		.id = id,
		.val_bytes = id == SOSNAP_TREE_CATALOG ? SOSNAP_CATALOG_BYTES :
			     sizeof(struct sosnap_disk_extent),
	};
	struct walk walk = {
		.w = {
			.node = walk_node,
			.item = id == SOSNAP_TREE_CATALOG ? catalog_item : extent_item,
			.bad = walk_bad,
		},
		.c = c,
		.catalog = id == SOSNAP_TREE_CATALOG,
	};
	int r = sosnap_btree_walk(&tree, &walk.w);

	if (r)
		return r;
	if (!walk.damaged && (walk.nr_nodes != root->nr_nodes || walk.nr_items != root->nr_items))
		sosnap_check_say(c, SOSNAP_FAULT_SUPER_COUNT, 0, id,
				 "the %s tree has %llu nodes and %llu items, not %llu and %llu",
				 walk.catalog ? "catalogue" : "extent",
				 (unsigned long long)walk.nr_nodes,
				 (unsigned long long)walk.nr_items,
				 (unsigned long long)root->nr_nodes,
				 (unsigned long long)root->nr_items);
	return walk.damaged;
}

static void check_counts(struct sosnap_check *c)
{
	u64 nodes = 0;
	u32 i;

	for (i = 0; i < SOSNAP_NR_TREES; i++)
		nodes += c->super.root[i].nr_nodes;
	if (c->super.node_blocks != nodes)
		sosnap_check_say(c, SOSNAP_FAULT_SUPER_COUNT, 0, c->super.node_blocks,
				 "node blocks: %llu, the trees have %llu",
				 (unsigned long long)c->super.node_blocks,
				 (unsigned long long)nodes);
	if (c->lost_extents)
		return;
	if (c->super.data_blocks != c->result->data_blocks)
		sosnap_check_say(c, SOSNAP_FAULT_SUPER_COUNT, 0, c->super.data_blocks,
				 "data blocks: %llu, the extents have %llu",
				 (unsigned long long)c->super.data_blocks,
				 (unsigned long long)c->result->data_blocks);
	for (i = 0; i < c->catalog.nr; i++) {
		const struct sosnap_entry *e = c->catalog.entry[i];
		u64 blocks = le64_to_cpu(e->item.object.blocks);

		if (e->type != SOSNAP_CATALOG_OBJECT || blocks == c->owned[i])
			continue;
		sosnap_check_say(c, SOSNAP_FAULT_OBJECT_COUNT, 0, e->id,
				 "cache object %u: %llu blocks, its extents have %llu", e->id,
				 (unsigned long long)blocks, (unsigned long long)c->owned[i]);
	}
}

static void pass_exit(struct sosnap_check *c)
{
	u32 i;

	for (i = 0; c->used && i < c->nr_regions; i++)
		kvfree(c->used[i]);
	kvfree(c->used);
	kvfree(c->owned);
	sosnap_catalog_exit(&c->catalog);
	c->used = NULL;
	c->owned = NULL;
}

static int pass_init(struct sosnap_check *c)
{
	struct sosnap_check_result *res = c->result;

	c->nr_regions = sosnap_space_regions(&c->super);
	c->used = kvcalloc(c->nr_regions, sizeof(*c->used), GFP_KERNEL);
	if (!c->used)
		return -ENOMEM;
	c->marked = 0;
	c->lost_items = false;
	c->lost_extents = false;
	c->object = 0;
	c->slot = U32_MAX;
	c->end = 0;
	c->orphans = 0;
	c->done = 0;
	c->total = c->super.root[0].nr_nodes + c->super.root[1].nr_nodes + c->nr_regions;
	res->golds = 0;
	res->snapshots = 0;
	res->objects = 0;
	res->extents = 0;
	res->nodes = 0;
	res->data_blocks = 0;
	res->free_blocks = 0;
	return 0;
}

/* Check the state that c->super describes. */
static int pass(struct sosnap_check *c)
{
	int r = pass_init(c);

	if (!r)
		r = walk_tree(c, SOSNAP_TREE_CATALOG);
	if (r < 0)
		goto out;
	c->lost_items |= r;
	r = sosnap_check_catalog(c);
	if (r)
		goto out;
	c->owned = kvcalloc(max(c->catalog.nr, 1U), sizeof(*c->owned), GFP_KERNEL);
	r = c->owned ? walk_tree(c, SOSNAP_TREE_EXTENT) : -ENOMEM;
	if (r < 0)
		goto out;
	c->lost_extents |= r;
	object_end(c);
	check_counts(c);
	r = sosnap_check_bitmaps(c);
out:
	pass_exit(c);
	return r;
}

/* The copy that cannot be used, or is older. */
static int check_copies(struct sosnap_check *c)
{
	static const u64 place[2] = { SOSNAP_SUPER_BLK0, SOSNAP_SUPER_BLK1 };
	struct sosnap_disk_super *d;
	struct sosnap_super *other;
	struct sosnap_fault fault;
	u64 blk;
	int r;

	if (!c->super.bad_copies)
		return 0;
	blk = place[c->super.bad_copies >> 1];
	d = kmalloc(sizeof(*d), GFP_KERNEL);
	other = kmalloc(sizeof(*other), GFP_KERNEL);
	if (!d || !other) {
		r = -ENOMEM;
		goto out;
	}
	r = c->io->ops->read(c->io, blk, 1, d);
	if (r)
		snprintf(c->text, sizeof(c->text), "block %llu cannot be read",
			 (unsigned long long)blk);
	else if (sosnap_super_decode(d, blk, c->io->nr_blocks, other, &fault))
		snprintf(c->text, sizeof(c->text), "block %llu: %s (%s)",
			 (unsigned long long)blk, sosnap_fault_text(fault.what),
			 sosnap_fault_name(fault.what));
	else
		snprintf(c->text, sizeof(c->text), "block %llu: is of generation %llu, not %llu",
			 (unsigned long long)blk, (unsigned long long)other->gen,
			 (unsigned long long)c->super.gen);
	c->result->mended++;
	sosnap_check_found(c, SOSNAP_FAULT_SUPER_COPY, blk, 0);
	r = 0;
out:
	kfree(other);
	kfree(d);
	return r;
}

static int count_commit(void *ctx, u64 __always_unused seq,
			const struct sosnap_disk_record __always_unused *slots,
			u32 __always_unused nr)
{
	struct sosnap_check *c = ctx;

	c->result->commits++;
	return 0;
}

/* What an activation does, into the overlay. */
static int replay(struct sosnap_check *c)
{
	struct sosnap_batch batch;
	struct sosnap_meta m;
	u64 commits;
	int r;

	r = sosnap_batch_init(&batch, 4096);
	if (r)
		return r;
	r = sosnap_meta_open(&m, c->io, NULL);
	if (r)
		goto out_batch;
	r = sosnap_meta_replay(&m, &batch, &commits);
	if (!r)
		r = sosnap_meta_checkpoint(&m, &batch, m.journal.head, m.journal.seq, 0);
	if (!r) {
		sosnap_meta_publish(&m);
		r = sosnap_meta_release(&m, NULL, NULL);
	}
	sosnap_meta_close(&m);
out_batch:
	sosnap_batch_exit(&batch);
	return r;
}

/*
 * Numbers are given out one by one, and one commit at most is in flight: what
 * comes after a missing one says that the missing one was whole.
 */
static int check_missing(struct sosnap_check *c, u64 expected)
{
	struct sosnap_salvage_commit *commits;
	u32 nr, i, after = 0;
	u64 bad;
	int r = sosnap_salvage_commits(c->io, c->super.journal_blk, c->super.journal_blocks,
				       c->super.tail_seq, &commits, &nr, &bad);

	if (bad)
		sosnap_check_say(c, SOSNAP_FAULT_BLOCK_READ, bad, 0, "a block of the journal");

	for (i = 0; i < nr && !r; i++)
		after += commits[i].seq >= expected;
	if (after)
		sosnap_check_say(c, SOSNAP_FAULT_JOURNAL_LOST, c->super.journal_blk, expected,
				 "commit %llu is missing, %u come after it",
				 (unsigned long long)expected, after);
	kvfree(commits);
	return r;
}

static int check_journal(struct sosnap_check *c)
{
	struct sosnap_journal j;
	int r;

	r = sosnap_journal_scan(c->io, &c->super, &j, count_commit, c);
	if (!r)
		r = check_missing(c, j.seq);
	if (!r && c->result->commits && c->result->damages == c->result->mended) {
		r = replay(c);
		if (!r) {
			c->result->replayed = true;
			r = sosnap_super_read(c->io, &c->super);
			return r ? r : pass(c);
		}
	}
	if (!r || r == -ENOMEM || r == -ENOSPC)
		return r;
	c->result->incomplete = true;
	strscpy(c->text, "met while the journal was replayed", sizeof(c->text));
	sosnap_check_fault(c, r, c->super.journal_blk);
	return 0;
}

/**
 * sosnap_check() - find everything that is wrong with a store
 * @io:     the device, an overlay that keeps what is written in memory
 * @ops:    who is told
 * @ctx:    for @ops
 * @result: filled
 * Context: may sleep, long; nothing else uses the store.
 * Return: 0 when the check got through, whatever it found; -EUCLEAN with io->fault
 * set when there is no superblock to start from; -ENOSPC when the journal needs
 * more blocks than are free; -ENOMEM; or the error of the device.
 */
int sosnap_check(struct sosnap_io *io, const struct sosnap_check_ops *ops, void *ctx,
		 struct sosnap_check_result *result)
{
	struct sosnap_check *c = kzalloc(sizeof(*c), GFP_KERNEL);
	int r;

	memset(result, 0, sizeof(*result));
	if (!c)
		return -ENOMEM;
	c->io = io;
	c->ops = ops;
	c->ctx = ctx;
	c->result = result;
	r = sosnap_super_read(io, &c->super);
	if (!r)
		r = check_copies(c);
	if (!r)
		r = pass(c);
	if (!r)
		r = check_journal(c);
	kfree(c);
	return r;
}
