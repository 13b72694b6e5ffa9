// SPDX-License-Identifier: GPL-2.0
/*
 * Copy on write. The first time a txn touches a node, the node is copied to a
 * new block and its parent, which was copied before it, is told. So what the
 * last checkpoint refers to stays as it is, and one pass down is enough.
 */
#include "btree_internal.h"

/**
 * sosnap_btree_new() - make an own node without items
 * @t:     the tree
 * @txn:   the checkpoint
 * @level: of the node
 * @n:     the node, to be put when this returns 0
 * Context: may sleep.
 * Return: 0, or what alloc or the host says.
 */
int sosnap_btree_new(struct sosnap_tree *t, struct sosnap_txn *txn, u8 level,
		     struct sosnap_buf *n)
{
	u64 blk;
	int r;

	r = txn->alloc(txn, &blk);
	if (r)
		return r;
	r = sosnap_node_create(t, blk, txn->gen, level, n);
	if (r) {
		/* A failed put or delete ends the txn: nothing to make good. */
		txn->free(txn, blk);
		return r;
	}
	t->root.nr_nodes++;
	return 0;
}

/**
 * sosnap_btree_drop() - free a node that the tree no longer refers to
 * @t:   the tree
 * @txn: the checkpoint
 * @blk: its block; no buffer of it is held
 * @gen: its generation
 * Context: may sleep.
 * Return: 0, or what free says.
 */
int sosnap_btree_drop(struct sosnap_tree *t, struct sosnap_txn *txn, u64 blk, u64 gen)
{
	if (t->root.nr_nodes)	/* what media says may be wrong */
		t->root.nr_nodes--;
	/* Readers of an older root may still want an older node. */
	if (gen == txn->gen)
		t->io->ops->forget(t->io, blk);
	return txn->free(txn, blk);
}

/**
 * sosnap_btree_own() - get a node to edit it
 * @t:      the tree
 * @txn:    the checkpoint
 * @ref:    what leads to the node
 * @parent: its parent, own; NULL for the root
 * @i:      slot of the node in @parent
 * @n:      the node, own and dirty, to be put when this returns 0
 * Context: may sleep.
 * Return: 0, -EUCLEAN with io->fault set, or what alloc, free or the host says.
 */
int sosnap_btree_own(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_node_ref *ref, struct sosnap_buf *parent, u32 i,
		     struct sosnap_buf *n)
{
	struct sosnap_buf copy;
	int r;

	r = sosnap_node_get(t, ref, n);
	if (r)
		return r;
	if (ref->gen == txn->gen) {
		t->io->ops->dirty(t->io, n);
		return 0;
	}
	r = sosnap_btree_new(t, txn, ref->level, &copy);
	if (r) {
		t->io->ops->put(t->io, n);
		return r;
	}
	sosnap_node_copy(&copy, n);
	t->io->ops->put(t->io, n);
	*n = copy;
	if (parent) {
		sosnap_node_set_child(t, parent, i, n->blk, txn->gen);
	} else {
		t->root.blk = n->blk;
		t->root.gen = txn->gen;
	}
	r = sosnap_btree_drop(t, txn, ref->blk, ref->gen);
	if (r)
		t->io->ops->put(t->io, n);
	return r;
}
