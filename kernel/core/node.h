/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One tree node in a buffer: the way to it, verification, search, and the
 * edits that the tree is made of. Items are packed after the header: a key,
 * then the value (leaf) or the place of a child (level > 0).
 *
 * I1  sosnap_node_get() is the only way to a node that was written before.
 * I2  A node of level > 0 has at least one child. A leaf is without items only
 *     where it lost its last one beside a leaf that could not be read.
 * I3  The key of a child is not above any key below it, and the key of the
 *     next child is above all of them. The bounds of a node never change but
 *     for splits of the node and merges with nodes that can be read.
 * I4  header.hint is key.hi of the first item.
 *
 * Edits need a node that sosnap_node_create() or a shadow of this txn made.
 */
#ifndef SOSNAP_NODE_H
#define SOSNAP_NODE_H

#include "btree.h"
#include "format.h"
#include "ops.h"
#include "platform.h"

/**
 * struct sosnap_node_ref - what a parent, or the root record, says of a node
 * @blk:     where it is
 * @gen:     generation it must have
 * @max_gen: generation of the parent; no child can be younger
 * @first:   no key of it is below this
 * @end:     all keys of it are below this, if @bounded
 * @bounded: whether @end counts
 * @level:   level it must have
 */
struct sosnap_node_ref {
	u64 blk;
	u64 gen;
	u64 max_gen;
	struct sosnap_key first;
	struct sosnap_key end;
	bool bounded;
	u8 level;
};

static inline u32 sosnap_node_count(const struct sosnap_buf *n)
{
	return le32_to_cpu(((const struct sosnap_disk_header *)n->data)->count);
}

static inline u64 sosnap_node_gen(const struct sosnap_buf *n)
{
	return le64_to_cpu(((const struct sosnap_disk_header *)n->data)->gen);
}

static inline u8 sosnap_node_level(const struct sosnap_buf *n)
{
	return ((const struct sosnap_disk_header *)n->data)->level;
}

static inline u32 sosnap_node_item_bytes(const struct sosnap_tree *t, u8 level)
{
	return level ? sizeof(struct sosnap_disk_child) :
		       sizeof(struct sosnap_disk_key) + t->val_bytes;
}

static inline void *sosnap_node_item(const struct sosnap_tree *t, const struct sosnap_buf *n,
				     u32 i)
{
	return (u8 *)n->data + sizeof(struct sosnap_disk_header) +
	       i * sosnap_node_item_bytes(t, sosnap_node_level(n));
}

static inline void sosnap_node_key(const struct sosnap_tree *t, const struct sosnap_buf *n,
				   u32 i, struct sosnap_key *key)
{
	const struct sosnap_disk_key *d = sosnap_node_item(t, n, i);

	key->hi = le32_to_cpu(d->hi);
	key->lo = le64_to_cpu(d->lo);
}

/* Of a leaf; not aligned. */
static inline void *sosnap_node_value(const struct sosnap_tree *t, const struct sosnap_buf *n,
				      u32 i)
{
	return (u8 *)sosnap_node_item(t, n, i) + sizeof(struct sosnap_disk_key);
}

u32 sosnap_node_max(const struct sosnap_tree *t, u8 level);
int sosnap_node_root(const struct sosnap_tree *t, struct sosnap_node_ref *ref);
void sosnap_node_child(const struct sosnap_tree *t, const struct sosnap_buf *n, u32 i,
		       struct sosnap_node_ref *ref);
int sosnap_node_get(const struct sosnap_tree *t, const struct sosnap_node_ref *ref,
		    struct sosnap_buf *n);
int sosnap_node_create(const struct sosnap_tree *t, u64 blk, u64 gen, u8 level,
		       struct sosnap_buf *n);
void sosnap_node_copy(struct sosnap_buf *dst, const struct sosnap_buf *src);

u32 sosnap_node_search(const struct sosnap_tree *t, const struct sosnap_buf *n,
		       const struct sosnap_key *key);

void sosnap_node_insert(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			const struct sosnap_key *key);
void sosnap_node_remove(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i);
void sosnap_node_append(const struct sosnap_tree *t, struct sosnap_buf *dst,
			const struct sosnap_buf *src, bool in_front);
void sosnap_node_move(const struct sosnap_tree *t, struct sosnap_buf *dst, u32 to,
		      struct sosnap_buf *src, u32 from, u32 nr);
void sosnap_node_set_key(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			 const struct sosnap_key *key);
void sosnap_node_set_child(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			   u64 blk, u64 gen);

#endif /* SOSNAP_NODE_H */
