/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the writing halves of the tree share: nodes of the txn under way.
 *
 * A node is *own* when its generation is that of the txn; only own nodes are
 * edited. The parent of an own node is own, up to the root.
 */
#ifndef SOSNAP_BTREE_INTERNAL_H
#define SOSNAP_BTREE_INTERNAL_H

#include "btree.h"
#include "node.h"
#include "platform.h"

int sosnap_btree_new(struct sosnap_tree *t, struct sosnap_txn *txn, u8 level,
		     struct sosnap_buf *n);
int sosnap_btree_drop(struct sosnap_tree *t, struct sosnap_txn *txn, u64 blk, u64 gen);
int sosnap_btree_own(struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_node_ref *ref, struct sosnap_buf *parent, u32 i,
		     struct sosnap_buf *n);

#endif /* SOSNAP_BTREE_INTERNAL_H */
