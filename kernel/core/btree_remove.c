// SPDX-License-Identifier: GPL-2.0
/*
 * Down with every node made own, the item out of its leaf, and up again as long
 * as the node below became less than a quarter full. Such a node takes in a
 * neighbour, or shares evenly with it when both do not fit into one.
 *
 * A neighbour that cannot be read is no reason to fail. The node then stays
 * small, a leaf even without items: if its place went to a lost neighbour, keys
 * that were never lost could not be put any more.
 */
#include "btree_internal.h"
#include "cursor.h"

static u32 least(const struct sosnap_tree *t, u8 level)
{
	return max_t(u32, sosnap_node_max(t, level) / 4, 2);
}

/* So that a merged node has some room and a shared one is not small at once. */
static u32 merge_limit(const struct sosnap_tree *t, u8 level)
{
	u32 max_items = sosnap_node_max(t, level);

	return max(max_items - max_items / 4, 2 * least(t, level));
}

/* Whether key is in the tree, without a look at any leaf but its own. */
static int find(const struct sosnap_tree *t, const struct sosnap_key *key)
{
	struct sosnap_node_ref ref;
	struct sosnap_key found;
	struct sosnap_buf n;
	u32 i;
	int r;

	r = sosnap_node_root(t, &ref);
	while (!r) {
		u8 level = ref.level;

		r = sosnap_node_get(t, &ref, &n);
		if (r)
			return r;
		i = sosnap_node_search(t, &n, key);
		if (!i)
			r = -ENOENT;
		else if (level)
			sosnap_node_child(t, &n, i - 1, &ref);
		else
			sosnap_node_key(t, &n, i - 1, &found);
		t->io->ops->put(t->io, &n);
		if (!r && !level)
			return sosnap_key_cmp(&found, key) ? -ENOENT : 0;
	}
	return r;
}

/* Get the node of a level that key leads to; it and all above it become own. */
static int reach(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		 u8 level, struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	struct sosnap_buf child;
	u32 i;
	int r;

	r = sosnap_node_root(t, ref);
	if (!r)
		r = sosnap_btree_own(t, txn, ref, NULL, 0, n);
	while (!r && ref->level > level) {
		/* Not 0 items: the key is, or was before it was removed, below. */
		i = sosnap_node_search(t, n, key) - 1;
		sosnap_node_child(t, n, i, ref);
		r = sosnap_btree_own(t, txn, ref, n, i, &child);
		t->io->ops->put(t->io, n);
		if (!r)
			*n = child;
	}
	return r;
}

/* Even out n, which is child i of parent, and its neighbour s, child j. Both own. */
static void share(struct sosnap_tree *t, struct sosnap_buf *parent, u32 i, struct sosnap_buf *n,
		  u32 j, struct sosnap_buf *s)
{
	u32 have = sosnap_node_count(n), theirs = sosnap_node_count(s);
	u32 nr = (have + theirs + 1) / 2 - have;
	struct sosnap_key key;

	if (j < i) {
		sosnap_node_move(t, n, 0, s, theirs - nr, nr);
		sosnap_node_key(t, n, 0, &key);
		sosnap_node_set_key(t, parent, i, &key);
	} else {
		sosnap_node_move(t, n, have, s, 0, nr);
		sosnap_node_key(t, s, 0, &key);
		sosnap_node_set_key(t, parent, j, &key);
	}
}

/*
 * Help n, which is child i of parent, with its neighbour at slot j. Both n and
 * parent are own; up leads to parent. *helped stays false if the neighbour
 * cannot be read.
 */
static int help(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_node_ref *up,
		struct sosnap_buf *parent, u32 i, struct sosnap_buf *n, u32 j, bool *helped)
{
	struct sosnap_node_ref ref = *up;
	struct sosnap_buf s;
	int r;

	sosnap_node_child(t, parent, j, &ref);
	if (sosnap_node_get(t, &ref, &s))
		return 0;
	*helped = true;
	if (sosnap_node_count(&s) + sosnap_node_count(n) > merge_limit(t, ref.level)) {
		t->io->ops->put(t->io, &s);
		r = sosnap_btree_own(t, txn, &ref, parent, j, &s);
		if (r)
			return r;
		share(t, parent, i, n, j, &s);
		t->io->ops->put(t->io, &s);
		return 0;
	}
	sosnap_node_append(t, n, &s, j < i);
	t->io->ops->put(t->io, &s);
	/* The left one of the two slots stays, for its key. */
	sosnap_node_set_child(t, parent, min(i, j), n->blk, txn->gen);
	sosnap_node_remove(t, parent, max(i, j));
	return sosnap_btree_drop(t, txn, ref.blk, ref.gen);
}

/* Child i of parent, to which up leads, is own and has become small. */
static int refill(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_node_ref *up,
		  struct sosnap_buf *parent, u32 i)
{
	struct sosnap_node_ref ref = *up;
	bool helped = false;
	struct sosnap_buf n;
	int r;

	sosnap_node_child(t, parent, i, &ref);
	r = sosnap_btree_own(t, txn, &ref, parent, i, &n);
	if (r)
		return r;
	if (i)
		r = help(t, txn, up, parent, i, &n, i - 1, &helped);
	if (!r && !helped && i + 1 < sosnap_node_count(parent))
		r = help(t, txn, up, parent, i, &n, i + 1, &helped);
	t->io->ops->put(t->io, &n);
	return r;
}

/* On the way up from a leaf that has count items left: 0 is small like any. */
static int go_up(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		 u32 count)
{
	struct sosnap_node_ref ref;
	struct sosnap_buf n;
	u8 level;
	u32 i;
	int r;

	for (level = 1; level < t->root.depth; level++) {
		if (count >= least(t, level - 1))
			return 0;
		r = reach(t, txn, key, level, &ref, &n);
		if (r)
			return r;
		i = sosnap_node_search(t, &n, key) - 1;
		r = refill(t, txn, &ref, &n, i);
		count = sosnap_node_count(&n);
		t->io->ops->put(t->io, &n);
		if (r)
			return r;
	}
	return 0;
}

/* A root with one child, or a leaf without items, is of no use. */
static int shrink(struct sosnap_tree *t, struct sosnap_txn *txn)
{
	struct sosnap_node_ref ref, next;
	struct sosnap_buf n;
	u32 count;
	int r;

	while (t->root.depth) {
		r = sosnap_node_root(t, &ref);
		/* One that cannot be read came up from below, and stays. */
		if (r || sosnap_node_get(t, &ref, &n))
			return r;
		count = sosnap_node_count(&n);
		memset(&next, 0, sizeof(next));
		if (ref.level && count == 1)
			sosnap_node_child(t, &n, 0, &next);
		t->io->ops->put(t->io, &n);
		if (count > 1 || (count && !ref.level))
			return 0;
		t->root.blk = next.blk;
		t->root.gen = next.gen;
		t->root.depth--;
		r = sosnap_btree_drop(t, txn, ref.blk, ref.gen);
		if (r)
			return r;
	}
	/* empty, whatever counts media had: others are no superblock's */
	t->root.nr_nodes = 0;
	t->root.nr_items = 0;
	return 0;
}

/**
 * sosnap_btree_del() - remove an item
 * @t:   the tree; its root changes
 * @txn: the checkpoint. One del allocates at most two blocks a level and frees
 *       at most three
 * @key: of the item
 * Context: may sleep; the only writer. After an error other than -ENOENT the
 *          txn has to be given up (I4).
 * Return: 0, -ENOENT with the tree as it was, -ENOSPC, -EUCLEAN with io->fault
 *         set, or what the host says.
 */
int sosnap_btree_del(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key)
{
	struct sosnap_node_ref ref;
	struct sosnap_buf n;
	u32 count, enough;
	int r;

	if (!t->root.blk)
		return -ENOENT;
	enough = t->root.depth == 1 ? 1 : least(t, 0);
	if (sosnap_cursor_del(t, txn, key, enough))
		return 0;
	sosnap_cursor_close(txn);
	r = find(t, key);
	if (r)
		return r;
	r = reach(t, txn, key, 0, &ref, &n);
	if (r)
		return r;
	sosnap_node_remove(t, &n, sosnap_node_search(t, &n, key) - 1);
	count = sosnap_node_count(&n);
	t->root.nr_items--;
	if (count >= enough) {
		sosnap_cursor_open(t, txn, &ref, &n);
		return 0;
	}
	t->io->ops->put(t->io, &n);
	r = go_up(t, txn, key, count);
	return r ? r : shrink(t, txn);
}
