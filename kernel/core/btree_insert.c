// SPDX-License-Identifier: GPL-2.0
/*
 * One pass down. A node on the way that is full is split before it is entered,
 * so its parent always has room for one more child, and never more than three
 * nodes are held.
 *
 * Where a full node is split decides how full nodes stay. Checkpoints insert
 * runs of ascending keys, often one run for each cache object. A key at the end
 * of a node, or behind the last item of its object there, is taken for part of
 * such a run: what is before it stays together and the run goes on in a node
 * that fills up. Any other key splits the node in the middle.
 */
#include "btree_internal.h"
#include "cursor.h"

static u32 split_place(const struct sosnap_tree *t, const struct sosnap_buf *n,
		       const struct sosnap_key *key)
{
	u32 count = sosnap_node_count(n), i = sosnap_node_search(t, n, key);
	u32 slack = max(1U, count / 16);
	struct sosnap_key before, after;

	if (i == count)
		return count - slack;
	if (i <= count / 2 || (sosnap_node_level(n) && i > count - slack))
		return count / 2;
	sosnap_node_key(t, n, i - 1, &before);
	sosnap_node_key(t, n, i, &after);
	return before.hi == key->hi && after.hi != key->hi ? i : count / 2;
}

/*
 * Split n, which is child i of parent and own. On return n is the half that
 * key belongs to, and ref has its bounds; on error nothing but the parent is held.
 */
static int split(struct sosnap_tree *t, struct sosnap_txn *txn, struct sosnap_buf *parent,
		 u32 i, const struct sosnap_key *key, struct sosnap_node_ref *ref,
		 struct sosnap_buf *n)
{
	u32 at = split_place(t, n, key);
	struct sosnap_key first;
	struct sosnap_buf right;
	int r;

	r = sosnap_btree_new(t, txn, sosnap_node_level(n), &right);
	if (r) {
		t->io->ops->put(t->io, n);
		return r;
	}
	sosnap_node_move(t, &right, 0, n, at, sosnap_node_count(n) - at);
	sosnap_node_key(t, &right, 0, &first);
	sosnap_node_insert(t, parent, i + 1, &first);
	sosnap_node_set_child(t, parent, i + 1, right.blk, txn->gen);
	if (sosnap_key_cmp(key, &first) >= 0) {
		swap(*n, right);
		ref->first = first;
	} else {
		ref->end = first;
		ref->bounded = true;
	}
	t->io->ops->put(t->io, &right);
	return 0;
}

/* Whether a put of key could add an item to n that has no room. */
static bool full(const struct sosnap_tree *t, const struct sosnap_buf *n,
		 const struct sosnap_key *key)
{
	u8 level = sosnap_node_level(n);
	struct sosnap_key k;
	u32 i;

	if (sosnap_node_count(n) < sosnap_node_max(t, level))
		return false;
	i = sosnap_node_search(t, n, key);
	if (level || !i)
		return true;
	sosnap_node_key(t, n, i - 1, &k);
	return sosnap_key_cmp(&k, key) != 0;
}

/* Put a new root above the full root n; n becomes its half that takes key. */
static int grow(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	struct sosnap_key first;
	struct sosnap_buf top;
	int r = -EFBIG;

	if (t->root.depth < SOSNAP_MAX_DEPTH)
		r = sosnap_btree_new(t, txn, t->root.depth, &top);
	if (r) {
		t->io->ops->put(t->io, n);
		return r;
	}
	sosnap_node_key(t, n, 0, &first);
	sosnap_node_insert(t, &top, 0, sosnap_key_cmp(key, &first) < 0 ? key : &first);
	sosnap_node_set_child(t, &top, 0, n->blk, txn->gen);
	t->root.blk = top.blk;
	t->root.gen = txn->gen;
	t->root.depth++;
	r = split(t, txn, &top, 0, key, ref, n);
	t->io->ops->put(t->io, &top);
	return r;
}

/* Step from n, own and with room, to its child on the way to key; n is put. */
static int step_down(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		     struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	u32 i = sosnap_node_search(t, n, key);
	struct sosnap_buf child;
	int r;

	if (i)
		i--;
	else
		sosnap_node_set_key(t, n, 0, key);
	sosnap_node_child(t, n, i, ref);
	r = sosnap_btree_own(t, txn, ref, n, i, &child);
	if (!r && full(t, &child, key))
		r = split(t, txn, n, i, key, ref, &child);
	t->io->ops->put(t->io, n);
	if (!r)
		*n = child;
	return r;
}

static int first_item(struct sosnap_tree *t, struct sosnap_txn *txn,
		      struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	int r = sosnap_btree_new(t, txn, 0, n);

	if (r)
		return r;
	memset(ref, 0, sizeof(*ref));
	t->root.blk = n->blk;
	t->root.gen = txn->gen;
	t->root.depth = 1;
	return 0;
}

static int own_root(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		    struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	int r = sosnap_node_root(t, ref);

	if (!r)
		r = sosnap_btree_own(t, txn, ref, NULL, 0, n);
	if (!r && full(t, n, key))
		r = grow(t, txn, key, ref, n);
	return r;
}

/**
 * sosnap_btree_put() - insert an item or replace its value
 * @t:   the tree; its root changes
 * @txn: the checkpoint. One put allocates at most two blocks a level and one
 *       more, and frees at most one a level
 * @key: of the item
 * @val: its value, t->val_bytes long
 * Context: may sleep; the only writer. After an error the txn has to be given
 *          up (I4).
 * Return: 0, -ENOSPC, -EFBIG if the tree cannot get deeper, -EUCLEAN with
 *         io->fault set, or what the host says.
 */
int sosnap_btree_put(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, const void *val)
{
	struct sosnap_node_ref ref;
	struct sosnap_key found;
	struct sosnap_buf n;
	bool is_new = true;
	u32 i;
	int r;

	if (sosnap_cursor_put(t, txn, key, val))
		return 0;
	sosnap_cursor_close(txn);
	if (t->root.blk)
		r = own_root(t, txn, key, &ref, &n);
	else
		r = first_item(t, txn, &ref, &n);
	while (!r && sosnap_node_level(&n))
		r = step_down(t, txn, key, &ref, &n);
	if (r)
		return r;
	i = sosnap_node_search(t, &n, key);
	if (i) {
		sosnap_node_key(t, &n, i - 1, &found);
		is_new = sosnap_key_cmp(&found, key) != 0;
	}
	if (is_new) {
		sosnap_node_insert(t, &n, i, key);
		t->root.nr_items++;
	} else {
		i--;
	}
	memcpy(sosnap_node_value(t, &n, i), val, t->val_bytes);
	sosnap_cursor_open(t, txn, &ref, &n);
	return 0;
}
