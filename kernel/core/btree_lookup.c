// SPDX-License-Identifier: GPL-2.0
/*
 * Both lookups go down to one leaf. When the item is not in it, it is at the
 * near edge of the leaf beside it, and the bound that the descent has met says
 * with which key to go down again. That key only ever moves one way, past one
 * leaf each time, and all but very few leaves have an item.
 */
#include "btree.h"
#include "node.h"

static void take(const struct sosnap_tree *t, const struct sosnap_buf *n, u32 i,
		 struct sosnap_key *found, void *val)
{
	if (found)
		sosnap_node_key(t, n, i, found);
	if (val)
		memcpy(val, sosnap_node_value(t, n, i), t->val_bytes);
}

/**
 * sosnap_btree_ge() - find the first item at or after a key
 * @t:     the tree; a reader passes its own copy
 * @key:   where to start
 * @found: filled with the key of the item; may be NULL or @key
 * @val:   filled with its value; may be NULL
 * Context: may sleep. Takes no lock, allocates nothing, may run beside the writer.
 * Return: 0, -ENOENT, -EUCLEAN with io->fault set, or what the host says.
 */
int sosnap_btree_ge(const struct sosnap_tree *t, const struct sosnap_key *key,
		    struct sosnap_key *found, void *val)
{
	struct sosnap_key from = *key, k;
	struct sosnap_node_ref ref;
	struct sosnap_buf n;
	u32 i;
	int r;

	if (!t->root.blk)
		return -ENOENT;
restart:
	r = sosnap_node_root(t, &ref);
	if (r)
		return r;
	for (;;) {
		r = sosnap_node_get(t, &ref, &n);
		if (r)
			return r;
		i = sosnap_node_search(t, &n, &from);
		if (!ref.level)
			break;
		sosnap_node_child(t, &n, i ? i - 1 : 0, &ref);
		t->io->ops->put(t->io, &n);
	}
	if (i) {
		sosnap_node_key(t, &n, i - 1, &k);
		if (!sosnap_key_cmp(&k, &from))
			i--;
	}
	if (i < sosnap_node_count(&n)) {
		take(t, &n, i, found, val);
		t->io->ops->put(t->io, &n);
		return 0;
	}
	t->io->ops->put(t->io, &n);
	if (!ref.bounded)
		return -ENOENT;
	from = ref.end;
	goto restart;
}

/**
 * sosnap_btree_le() - find the last item at or before a key
 * @t:     the tree; a reader passes its own copy
 * @key:   where to start
 * @found: filled with the key of the item; may be NULL or @key
 * @val:   filled with its value; may be NULL
 * Context: may sleep. Takes no lock, allocates nothing, may run beside the writer.
 * Return: 0, -ENOENT, -EUCLEAN with io->fault set, or what the host says.
 */
int sosnap_btree_le(const struct sosnap_tree *t, const struct sosnap_key *key,
		    struct sosnap_key *found, void *val)
{
	struct sosnap_key from = *key;
	struct sosnap_node_ref ref;
	struct sosnap_buf n;
	u32 i;
	int r;

	if (!t->root.blk)
		return -ENOENT;
restart:
	r = sosnap_node_root(t, &ref);
	if (r)
		return r;
	for (;;) {
		r = sosnap_node_get(t, &ref, &n);
		if (r)
			return r;
		i = sosnap_node_search(t, &n, &from);
		if (!i || !ref.level)
			break;
		sosnap_node_child(t, &n, i - 1, &ref);
		t->io->ops->put(t->io, &n);
	}
	if (i) {
		take(t, &n, i - 1, found, val);
		t->io->ops->put(t->io, &n);
		return 0;
	}
	t->io->ops->put(t->io, &n);
	/* The descent went by keys at or before from: so is ref.first. */
	if (!ref.first.hi && !ref.first.lo)
		return -ENOENT;
	from = ref.first;
	if (!from.lo--)
		from.hi--;
	goto restart;
}
