// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes out of a part of the device. A parent says where its children are, so
 * leaves need not be read to be found. Each one found is made own with the path
 * to it, as a put would, and has a new place by that.
 */
#include "btree_internal.h"
#include "cursor.h"

/* Whether a node has to move. One of this txn was given its place just now. */
static bool is_beyond(const struct sosnap_txn *txn, const struct sosnap_node_ref *ref, u64 limit)
{
	return ref->blk >= limit && ref->gen != txn->gen;
}

/* The first child from slot i on that has to move. Return: whether there is one. */
static bool child_beyond(const struct sosnap_tree *t, const struct sosnap_txn *txn,
			 const struct sosnap_buf *n, u32 i, u64 limit,
			 struct sosnap_node_ref *ref)
{
	const struct sosnap_node_ref parent = *ref;

	for (; i < sosnap_node_count(n); i++) {
		*ref = parent;
		sosnap_node_child(t, n, i, ref);
		if (is_beyond(txn, ref, limit))
			return true;
	}
	*ref = parent;
	return false;
}

/*
 * Look at one way down to key at. Return: 1 with ref of a node that has to move,
 * 0 with ref of what was looked at, or an error with ref of what cannot be read.
 */
static int look(const struct sosnap_tree *t, const struct sosnap_txn *txn, u64 limit,
		const struct sosnap_key *at, struct sosnap_node_ref *ref)
{
	struct sosnap_buf n;
	bool found;
	u32 i;
	int r;

	r = sosnap_node_root(t, ref);
	if (r) {
		ref->bounded = false;
		return r;
	}
	while (!is_beyond(txn, ref, limit)) {
		if (!ref->level)
			return 0;
		r = sosnap_node_get(t, ref, &n);
		if (r)
			return r;
		i = sosnap_node_search(t, &n, at);
		if (i)
			i--;
		if (ref->level == 1) {
			found = child_beyond(t, txn, &n, i, limit, ref);
			t->io->ops->put(t->io, &n);
			return found;
		}
		sosnap_node_child(t, &n, i, ref);
		t->io->ops->put(t->io, &n);
	}
	return 1;
}

static bool can_read(const struct sosnap_tree *t, const struct sosnap_node_ref *ref)
{
	struct sosnap_buf n;

	if (sosnap_node_get(t, ref, &n))
		return false;
	t->io->ops->put(t->io, &n);
	return true;
}

/* Make the node at a level on the way to a key own. */
static int own_path(struct sosnap_tree *t, struct sosnap_txn *txn, const struct sosnap_key *key,
		    u8 level)
{
	struct sosnap_buf n, child;
	struct sosnap_node_ref ref;
	u32 i;
	int r;

	r = sosnap_node_root(t, &ref);
	if (!r)
		r = sosnap_btree_own(t, txn, &ref, NULL, 0, &n);
	while (!r && ref.level > level) {
		i = sosnap_node_search(t, &n, key);
		if (i)
			i--;
		sosnap_node_child(t, &n, i, &ref);
		r = sosnap_btree_own(t, txn, &ref, &n, i, &child);
		t->io->ops->put(t->io, &n);
		if (!r)
			n = child;
	}
	if (!r)
		t->io->ops->put(t->io, &n);
	return r;
}

/**
 * sosnap_btree_evacuate() - give nodes that lie beyond a limit another place
 * @t:     the tree
 * @txn:   the checkpoint; its alloc gives places before the limit
 * @limit: the block
 * @most:  how many nodes at most
 * @found: how many there were is added, those that could not be read too
 *
 * What cannot be read stays where it is, and so does what is below it.
 * Context: may sleep, long; the only writer.
 * Return: 0, or an error that ends the checkpoint.
 */
int sosnap_btree_evacuate(struct sosnap_tree *t, struct sosnap_txn *txn, u64 limit, u32 most,
			  u32 *found)
{
	struct sosnap_key at = { }, *key;
	struct sosnap_node_ref ref;
	bool readable;
	int r;

	sosnap_cursor_close(txn);
	while (t->root.blk) {
		r = look(t, txn, limit, &at, &ref);
		if (r && !most--)
			return 0;
		if (r)
			(*found)++;
		/* all reading is done before any change */
		readable = r == 1 && can_read(t, &ref);
		if (readable) {
			/* it may begin behind where the way to it was looked for */
			key = sosnap_key_cmp(&ref.first, &at) < 0 ? &at : &ref.first;
			r = own_path(t, txn, key, ref.level);
			if (r)
				return r;
		}
		/* what is below it comes next */
		if (readable && ref.level)
			continue;
		if (!ref.bounded)
			break;
		at = ref.end;
		cond_resched();
	}
	return 0;
}
