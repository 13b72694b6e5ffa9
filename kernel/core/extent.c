// SPDX-License-Identifier: GPL-2.0
#include "cursor.h"
#include "extent.h"

static int decode(const struct sosnap_tree *t, const struct sosnap_key *key,
		  const struct sosnap_disk_extent *d, struct sosnap_extent *e)
{
	e->blk = key->lo;
	e->store = le64_to_cpu(d->store);
	e->len = le32_to_cpu(d->len);
	if (!e->len || e->len > SOSNAP_MAX_EXTENT || e->blk >= SOSNAP_MAX_BLK ||
	    (e->store != SOSNAP_STORE_ZERO &&
	     (e->store >= t->io->nr_blocks || e->len > t->io->nr_blocks - e->store ||
	      (t->fits && !t->fits(t->ctx, e->store, e->len)))))
		return sosnap_fault_set(&t->io->fault, SOSNAP_FAULT_EXTENT_VALUE, 0, e->blk);
	return 0;
}

static int put(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object,
	       const struct sosnap_extent *e)
{
	struct sosnap_key key = { .hi = object, .lo = e->blk };
	struct sosnap_disk_extent d = {
		.store = cpu_to_le64(e->store),
		.len = cpu_to_le32(e->len),
	};

	return sosnap_btree_put(t, txn, &key, &d);
}

static int del(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u64 blk)
{
	struct sosnap_key key = { .hi = object, .lo = blk };

	return sosnap_btree_del(t, txn, &key);
}

/* The first extent of the object that starts at or after blk. txn: the writer's, or NULL. */
static int find_ge(const struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u64 blk,
		   struct sosnap_extent *e)
{
	struct sosnap_key key = { .hi = object, .lo = blk }, found;
	struct sosnap_disk_extent d;
	int r = txn ? sosnap_cursor_ge(t, txn, &key, &found, &d) :
		      sosnap_btree_ge(t, &key, &found, &d);

	if (r)
		return r;
	return found.hi == object ? decode(t, &found, &d, e) : -ENOENT;
}

/* The last extent of the object that starts at or before blk. */
static int find_le(const struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u64 blk,
		   struct sosnap_extent *e)
{
	struct sosnap_key key = { .hi = object, .lo = blk }, found;
	struct sosnap_disk_extent d;
	int r = txn ? sosnap_cursor_le(t, txn, &key, &found, &d) :
		      sosnap_btree_le(t, &key, &found, &d);

	if (r)
		return r;
	return found.hi == object ? decode(t, &found, &d, e) : -ENOENT;
}

static void cut_head(struct sosnap_extent *e, u64 to)
{
	u32 n = to - e->blk;

	e->blk = to;
	e->len -= n;
	if (e->store != SOSNAP_STORE_ZERO)
		e->store += n;
}

static bool joins(const struct sosnap_extent *a, const struct sosnap_extent *b)
{
	if (a->blk + a->len != b->blk || a->len >= SOSNAP_MAX_EXTENT - b->len)
		return false;
	if (a->store == SOSNAP_STORE_ZERO)
		return b->store == SOSNAP_STORE_ZERO;
	return b->store != SOSNAP_STORE_ZERO && a->store + a->len == b->store;
}

/* The extent that covers a block, or the next one. txn: the writer's, or NULL. */
static int find(const struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u64 blk,
		struct sosnap_extent *e)
{
	int r = find_le(t, txn, object, blk, e);

	if (!r && e->blk + e->len > blk)
		return 0;
	if (r && r != -ENOENT)
		return r;
	return find_ge(t, txn, object, blk, e);
}

/**
 * sosnap_extent_find() - the extent that covers a block, or the next one
 * @t:      the extent tree
 * @object: whose
 * @blk:    the block
 * @e:      filled
 * Context: any that may sleep; no lock.
 * Return: 0, -ENOENT when there is none at or after @blk, -EIO or -EUCLEAN.
 */
int sosnap_extent_find(const struct sosnap_tree *t, u32 object, u64 blk,
		       struct sosnap_extent *e)
{
	return find(t, NULL, object, blk, e);
}

/**
 * sosnap_extent_before() - where the last extent that starts before a block ends
 * @t:      the extent tree
 * @object: whose
 * @blk:    the block
 * @end:    set to the block behind it, 0 when there is no such extent
 * Context: any that may sleep; no lock.
 * Return: 0, -EIO or -EUCLEAN.
 */
int sosnap_extent_before(const struct sosnap_tree *t, u32 object, u64 blk, u64 *end)
{
	struct sosnap_extent e;
	int r = blk ? find_le(t, NULL, object, blk - 1, &e) : -ENOENT;

	*end = r ? 0 : e.blk + e.len;
	return r == -ENOENT ? 0 : r;
}

/**
 * sosnap_extent_probe() - whether all that a write will touch can be read
 * @t:      the extent tree
 * @txn:    the checkpoint
 * @object: whose
 * @e:      the run to be written
 * @near:   filled for the write, which is next
 *
 * A write that fails half-way spoils the checkpoint for everybody; this finds
 * damage while nothing has been changed yet. Most runs go where nothing is: then
 * the neighbours found here are all that the write needs to know.
 * Context: the one writer of the tree; may sleep.
 * Return: 0, -EIO or -EUCLEAN.
 */
int sosnap_extent_probe(const struct sosnap_tree *t, struct sosnap_txn *txn, u32 object,
			const struct sosnap_extent *e, struct sosnap_extent_near *near)
{
	u64 end = e->blk + e->len, at = e->blk;
	int r = at ? find_le(t, txn, object, at - 1, &near->left) : -ENOENT;

	near->has_left = !r;
	if (!r)
		at = max(at, near->left.blk + near->left.len);
	near->clear = at == e->blk;
	while (!r || r == -ENOENT) {
		r = find_ge(t, txn, object, at, &near->right);
		if (r || near->right.blk >= end)
			break;
		near->clear = false;
		at = near->right.blk + near->right.len;
	}
	near->has_right = !r;
	return r == -ENOENT ? 0 : r;
}

static int free_piece(const struct sosnap_extent *e, u64 from, u64 to,
		      sosnap_extent_freed_fn freed, void *ctx)
{
	if (e->store == SOSNAP_STORE_ZERO)
		return 0;
	return freed(ctx, e->store + (from - e->blk), to - from);
}

/* Take [from, to) out of the tree; near->left is what remains of an extent before it. */
static int punch(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u64 from, u64 to,
		 struct sosnap_extent_near *near, sosnap_extent_freed_fn freed, void *ctx)
{
	struct sosnap_extent e, tail;
	int r;

	near->has_left = false;
	r = from ? find_le(t, txn, object, from - 1, &e) : -ENOENT;
	if (r && r != -ENOENT)
		return r;
	if (!r) {
		u64 end = e.blk + e.len;

		near->has_left = true;
		near->left = e;
		if (end > from) {
			near->left.len = from - e.blk;
			r = free_piece(&e, from, min(end, to), freed, ctx);
			if (!r)
				r = put(t, txn, object, &near->left);
			if (!r && end > to) {
				tail = e;
				cut_head(&tail, to);
				return put(t, txn, object, &tail);
			}
			if (r)
				return r;
		}
	}
	for (;;) {
		r = find_ge(t, txn, object, from, &e);
		if (r == -ENOENT || (!r && e.blk >= to))
			return 0;
		if (!r)
			r = free_piece(&e, e.blk, min(e.blk + e.len, to), freed, ctx);
		if (!r)
			r = del(t, txn, object, e.blk);
		if (r)
			return r;
		if (e.blk + e.len > to) {
			cut_head(&e, to);
			return put(t, txn, object, &e);
		}
	}
}

/**
 * sosnap_extent_write() - give a run of blocks a new place, or zeros
 * @t:      the extent tree
 * @txn:    the checkpoint
 * @object: whose
 * @e:      the run
 * @near:   what sosnap_extent_probe() has found, with nothing written since
 * @freed:  told what the run owned before
 * @ctx:    for @freed
 * Context: the one writer of the tree; may sleep.
 * Return: 0 or an error that ends the checkpoint.
 */
int sosnap_extent_write(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object,
			const struct sosnap_extent *e, struct sosnap_extent_near *near,
			sosnap_extent_freed_fn freed, void *ctx)
{
	u64 end = e->blk + e->len;
	struct sosnap_extent add = *e;
	int r;

	if (!near->clear) {
		r = punch(t, txn, object, e->blk, end, near, freed, ctx);
		if (r)
			return r;
		r = find_ge(t, txn, object, end, &near->right);
		if (r && r != -ENOENT)
			return r;
		near->has_right = !r;
	}
	if (near->has_left && joins(&near->left, &add)) {
		add.blk = near->left.blk;
		add.store = near->left.store;
		add.len += near->left.len;
	}
	if (near->has_right && joins(&add, &near->right)) {
		r = del(t, txn, object, near->right.blk);
		if (r)
			return r;
		add.len += near->right.len;
	}
	return put(t, txn, object, &add);
}

/**
 * sosnap_extent_drop() - take the first extents of an object out of the tree
 * @t:      the extent tree
 * @txn:    the checkpoint
 * @object: whose
 * @most:   how many at most
 * @freed:  told what they owned
 * @ctx:    for @freed
 * Context: the one writer of the tree; may sleep.
 * Return: how many were dropped, or an error that ends the checkpoint.
 */
int sosnap_extent_drop(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u32 most,
		       sosnap_extent_freed_fn freed, void *ctx)
{
	struct sosnap_extent e;
	u32 n;
	int r;

	for (n = 0; n < most; n++) {
		r = find_ge(t, txn, object, 0, &e);
		if (r == -ENOENT)
			break;
		if (!r)
			r = del(t, txn, object, e.blk);
		if (!r)
			r = free_piece(&e, e.blk, e.blk + e.len, freed, ctx);
		if (r)
			return r;
	}
	return n;
}

/*
 * Move or free the first piece of e, the first extent of object: as much as the
 * heir has nothing over, or has all of. All reading is done before any change.
 */
static int merge_piece(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u32 heir,
		       const struct sosnap_extent *e, u64 *moved, sosnap_extent_freed_fn freed,
		       void *ctx)
{
	struct sosnap_extent head = *e, tail = *e, over;
	u64 end = e->blk + e->len, to = end;
	struct sosnap_extent_near near;
	bool hidden;
	int r;

	r = find(t, txn, heir, e->blk, &over);
	if (r && r != -ENOENT)
		return r;
	hidden = !r && over.blk <= e->blk;
	if (hidden)
		to = min(end, over.blk + over.len);
	else if (!r)
		to = min(end, over.blk);
	head.len = to - e->blk;
	r = hidden ? 0 : sosnap_extent_probe(t, txn, heir, &head, &near);
	if (!r)
		r = del(t, txn, object, e->blk);
	if (!r && to < end) {
		cut_head(&tail, to);
		r = put(t, txn, object, &tail);
	}
	if (r)
		return r;
	if (hidden)
		return free_piece(e, e->blk, to, freed, ctx);
	if (head.store != SOSNAP_STORE_ZERO)
		*moved += head.len;
	return sosnap_extent_write(t, txn, heir, &head, &near, freed, ctx);
}

/**
 * sosnap_extent_merge() - give the first extents of an object to its heir
 * @t:      the extent tree
 * @txn:    the checkpoint
 * @object: whose
 * @heir:   object that is asked before it; what it has hides @object's
 * @most:   how many pieces at most
 * @moved:  the store blocks that have changed their owner are added
 * @freed:  told of those that the heir hides
 * @ctx:    for @freed
 *
 * Whoever asks @heir first and @object then finds the same before, between and
 * after the pieces.
 * Context: the one writer of the tree; may sleep.
 * Return: how many pieces were moved or freed, or an error that ends the
 * checkpoint; -EUCLEAN when something could not be read, which changes nothing.
 */
int sosnap_extent_merge(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u32 heir,
			u32 most, u64 *moved, sosnap_extent_freed_fn freed, void *ctx)
{
	struct sosnap_extent e;
	u32 n;
	int r;

	for (n = 0; n < most; n++) {
		r = find_ge(t, txn, object, 0, &e);
		if (r == -ENOENT)
			break;
		if (!r)
			r = merge_piece(t, txn, object, heir, &e, moved, freed, ctx);
		if (r)
			return r;
		cond_resched();
	}
	return n;
}
