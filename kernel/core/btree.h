/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Copy-on-write B+tree of fixed-size items, kept in 4 KiB nodes.
 *
 * Letters: n node (a verified buffer), i slot in it, key, val.
 *
 * I1  A node that the last complete checkpoint refers to is never changed. A
 *     node whose generation is txn->gen was made by this checkpoint, is
 *     referred to only by nodes of it, and is changed in place.
 * I2  Readers that hold a root (struct sosnap_root by value) see one unchanging
 *     tree for as long as none of its nodes is reused; the host sees to that.
 * I3  Nothing read from disk is used before it is verified: range, magic,
 *     checksum, uuid, address, generation against the parent, tree, level,
 *     count, order, and the bounds its parent gives.
 * I4  A failed put or delete leaves the tree unusable for this txn (the caller
 *     drops the whole checkpoint), never the one on disk.
 * I5  Every node but the root is at least a quarter full after a delete that
 *     touched it or its neighbour; depth never exceeds SOSNAP_MAX_DEPTH.
 *
 * Typical use: lookup with sosnap_btree_ge()/_le(); the checkpoint fills a
 * struct sosnap_txn, calls put/del in key order and then stores tree->root.
 */
#ifndef SOSNAP_BTREE_H
#define SOSNAP_BTREE_H

#include "format.h"
#include "ops.h"
#include "platform.h"

#define SOSNAP_MAX_DEPTH	10
#define SOSNAP_MAX_VALUE	SOSNAP_CATALOG_BYTES

struct sosnap_key {
	u32 hi;
	u64 lo;
};

struct sosnap_root {
	u64 blk;		/* 0: empty */
	u64 gen;
	u64 nr_nodes;
	u64 nr_items;
	u8 depth;		/* levels; 0: empty, 1: the root is a leaf */
};

/**
 * struct sosnap_tree - a tree and its current root
 * @io:        the device
 * @root:      see above; put and del change it
 * @id:        enum sosnap_tree_id
 * @val_bytes: size of a value
 * @max_items: 0, or a lower bound for the items of a node (tests use 4)
 * @seen:      NULL, or told of each node that was read from media and verified
 * @fits:      NULL, or whether data can lie in these blocks (extent tree)
 * @ctx:       for @seen and @fits
 */
struct sosnap_tree {
	struct sosnap_io *io;
	struct sosnap_root root;
	u8 id;
	u16 val_bytes;
	u16 max_items;
	void (*seen)(void *ctx, u64 blk);
	bool (*fits)(void *ctx, u64 blk, u32 len);
	void *ctx;
};

struct sosnap_cursor;

/**
 * struct sosnap_txn - the checkpoint on whose behalf a tree is changed
 * @gen:    its generation, larger than that of every node there is
 * @alloc:  gives a free block for a node, -ENOSPC if there is none
 * @free:   takes back a block; it is not given out again in this txn if it
 *          carries an older generation
 * @cursor: NULL, or the cursor that the txn's owner closes (cursor.h)
 */
struct sosnap_txn {
	u64 gen;
	int (*alloc)(struct sosnap_txn *txn, u64 *blk);
	int (*free)(struct sosnap_txn *txn, u64 blk);
	struct sosnap_cursor *cursor;
};

static inline int sosnap_key_cmp(const struct sosnap_key *a, const struct sosnap_key *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	if (a->lo != b->lo)
		return a->lo < b->lo ? -1 : 1;
	return 0;
}

int sosnap_btree_ge(const struct sosnap_tree *t, const struct sosnap_key *key,
		    struct sosnap_key *found, void *val);
int sosnap_btree_le(const struct sosnap_tree *t, const struct sosnap_key *key,
		    struct sosnap_key *found, void *val);
int sosnap_btree_put(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, const void *val);
int sosnap_btree_del(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key);

/**
 * struct sosnap_btree_walk - visitor of a whole tree, depth first, in key order
 * @node: called for each node that verified, before what is below it; may be NULL
 * @item: called for each item of a leaf; may be NULL
 * @bad:  called for a child that could not be read or verified (io->fault says
 *        why when @error is -EUCLEAN), with the key range that is lost with it:
 *        @first up to but without @end (@end NULL: to the last key). May be NULL
 * @level: set before @bad: the level that the lost node has
 * A callback that returns other than 0 ends the walk with that value.
 */
struct sosnap_btree_walk {
	int (*node)(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count);
	int (*item)(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val);
	int (*bad)(struct sosnap_btree_walk *w, u64 blk, int error,
		   const struct sosnap_key *first, const struct sosnap_key *end);
	u8 level;
};

int sosnap_btree_evacuate(struct sosnap_tree *t, struct sosnap_txn *txn, u64 limit, u32 most,
			  u32 *found);
int sosnap_btree_walk(const struct sosnap_tree *t, struct sosnap_btree_walk *w);

#endif /* SOSNAP_BTREE_H */
