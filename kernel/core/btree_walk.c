// SPDX-License-Identifier: GPL-2.0
/*
 * The walk keeps no stack: it goes down from the root once for each leaf, with
 * the key at which the last leaf, or lost subtree, ended. A node is entered for
 * the first time exactly when it starts at or after that key.
 */
#include "btree.h"
#include "node.h"

static int walk_items(const struct sosnap_tree *t, struct sosnap_btree_walk *w,
		      const struct sosnap_buf *n)
{
	u32 i, count = sosnap_node_count(n);
	struct sosnap_key key;
	int r = 0;

	for (i = 0; w->item && i < count && !r; i++) {
		sosnap_node_key(t, n, i, &key);
		r = w->item(w, &key, sosnap_node_value(t, n, i));
	}
	return r;
}

/* Enter the node ref leads to; a leaf is done with, else ref goes to its child. */
static int enter(const struct sosnap_tree *t, struct sosnap_btree_walk *w,
		 const struct sosnap_key *at, struct sosnap_node_ref *ref, bool *done)
{
	const struct sosnap_key *first = &ref->first;
	struct sosnap_buf n;
	u32 i;
	int r;

	if (sosnap_key_cmp(first, at) < 0)
		first = at;
	r = sosnap_node_get(t, ref, &n);
	if (r) {
		*done = true;
		if (!w->bad)
			return r;
		w->level = ref->level;
		return w->bad(w, ref->blk, r, first, ref->bounded ? &ref->end : NULL);
	}
	if (w->node && first == &ref->first)
		r = w->node(w, ref->blk, ref->level, sosnap_node_count(&n));
	*done = !ref->level;
	if (!r && *done)
		r = walk_items(t, w, &n);
	if (!*done) {
		i = sosnap_node_search(t, &n, at);
		sosnap_node_child(t, &n, i ? i - 1 : 0, ref);
	}
	t->io->ops->put(t->io, &n);
	return r;
}

/**
 * sosnap_btree_walk() - visit every node and item of a tree
 * @t: the tree; a reader passes its own copy
 * @w: the visitor. Without @bad, the first damage ends the walk
 * Context: may sleep, long. The visitor is called with one node held, but for
 *          @bad, and must not change the tree.
 * Return: 0, what the visitor said, or without @bad what a lookup would return.
 */
int sosnap_btree_walk(const struct sosnap_tree *t, struct sosnap_btree_walk *w)
{
	struct sosnap_key at = { };
	struct sosnap_node_ref ref;
	bool done;
	int r;

	if (!t->root.blk)
		return 0;
	do {
		r = sosnap_node_root(t, &ref);
		if (r) {
			w->level = SOSNAP_MAX_DEPTH;
			if (w->bad)
				r = w->bad(w, t->root.blk, r, &at, NULL);
			return r;
		}
		done = false;
		while (!done && !r)
			r = enter(t, w, &at, &ref, &done);
		at = ref.end;
		cond_resched();
	} while (!r && ref.bounded);
	return r;
}
