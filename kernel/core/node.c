// SPDX-License-Identifier: GPL-2.0
/*
 * Nodes are verified in two steps. What a node says of itself (checksum, uuid,
 * address, order) is checked once for each time its block is read. What its
 * parent says of it (kind, tree, generation, level, bounds) is checked on each
 * visit, since one cached block may be reached from several roots, only some
 * of which may be right.
 */
#include "node.h"

static u32 capacity(const struct sosnap_tree *t, u8 level)
{
	return (SOSNAP_BLOCK_SIZE - sizeof(struct sosnap_disk_header)) /
	       sosnap_node_item_bytes(t, level);
}

static void set_count(const struct sosnap_tree *t, struct sosnap_buf *n, u32 count)
{
	struct sosnap_disk_header *h = n->data;
	struct sosnap_key key = { };

	if (count)
		sosnap_node_key(t, n, 0, &key);
	h->count = cpu_to_le32(count);
	h->hint = cpu_to_le64(key.hi);
}

/**
 * sosnap_node_max() - how many items the writer puts into a node
 * @t:     the tree
 * @level: of the node
 * Context: any.
 * Return: at least 4.
 */
u32 sosnap_node_max(const struct sosnap_tree *t, u8 level)
{
	u32 max_items = capacity(t, level);

	return t->max_items ? clamp_t(u32, t->max_items, 4, max_items) : max_items;
}

/**
 * sosnap_node_root() - reference to the root of a tree that is not empty
 * @t:   the tree
 * @ref: filled
 * Context: any.
 * Return: 0, or -EUCLEAN if the root record cannot be right.
 */
int sosnap_node_root(const struct sosnap_tree *t, struct sosnap_node_ref *ref)
{
	if (!t->root.depth || t->root.depth > SOSNAP_MAX_DEPTH)
		return sosnap_fault_set(&t->io->fault, SOSNAP_FAULT_NODE_MANY, t->root.blk,
					t->root.depth);
	memset(ref, 0, sizeof(*ref));
	ref->blk = t->root.blk;
	ref->gen = t->root.gen;
	ref->max_gen = t->root.gen;
	ref->level = t->root.depth - 1;
	return 0;
}

/**
 * sosnap_node_child() - step a reference down to a child
 * @t:   the tree
 * @n:   a node of level > 0
 * @i:   slot of the child
 * @ref: what led to @n; changed to lead to the child
 * Context: any.
 */
void sosnap_node_child(const struct sosnap_tree *t, const struct sosnap_buf *n, u32 i,
		       struct sosnap_node_ref *ref)
{
	const struct sosnap_disk_child *c = sosnap_node_item(t, n, i);

	if (i + 1 < sosnap_node_count(n)) {
		sosnap_node_key(t, n, i + 1, &ref->end);
		ref->bounded = true;
	}
	/* The first acts as -inf: nothing is between it and the bound of n. */
	if (i)
		sosnap_node_key(t, n, i, &ref->first);
	ref->blk = le64_to_cpu(c->blk);
	ref->gen = le64_to_cpu(c->gen);
	ref->max_gen = sosnap_node_gen(n);
	ref->level = sosnap_node_level(n) - 1;
}

/* What the node says of itself, but for its header, which is verified. */
static int verify_items(const struct sosnap_tree *t, const struct sosnap_buf *n)
{
	const struct sosnap_disk_header *h = n->data;
	u32 i, count = sosnap_node_count(n);
	struct sosnap_key last, key;

	if (!count)
		return 0;
	sosnap_node_key(t, n, 0, &last);
	if (le64_to_cpu(h->hint) != last.hi)
		return -1;
	for (i = 1; i < count; i++, last = key) {
		sosnap_node_key(t, n, i, &key);
		if (sosnap_key_cmp(&last, &key) >= 0)
			return -1;
	}
	return 0;
}

static int out_of_bounds(const struct sosnap_tree *t, const struct sosnap_node_ref *ref,
			 const struct sosnap_buf *n)
{
	u32 count = sosnap_node_count(n);
	struct sosnap_key key;

	if (!count)
		return 0;
	sosnap_node_key(t, n, 0, &key);
	if (sosnap_key_cmp(&key, &ref->first) < 0)
		return -1;
	if (!ref->bounded)
		return 0;
	sosnap_node_key(t, n, count - 1, &key);
	return sosnap_key_cmp(&key, &ref->end) < 0 ? 0 : -1;
}

/* Returns enum sosnap_fault_what; *arg is what was found. */
static u32 verify(const struct sosnap_tree *t, const struct sosnap_node_ref *ref,
		  const struct sosnap_buf *n, u64 *arg)
{
	const struct sosnap_disk_header *h = n->data;
	bool verified = READ_ONCE(*n->verified);

	*arg = le32_to_cpu(h->magic);
	if (*arg != SOSNAP_MAGIC_NODE)
		return SOSNAP_FAULT_BLOCK_MAGIC;
	*arg = le32_to_cpu(h->crc);
	if (!verified && !sosnap_sealed(h, SOSNAP_BLOCK_SIZE))
		return SOSNAP_FAULT_BLOCK_CRC;
	*arg = 0;
	if (!verified && memcmp(h->uuid, t->io->uuid, sizeof(h->uuid)))
		return SOSNAP_FAULT_BLOCK_UUID;
	*arg = le64_to_cpu(h->blk);
	if (*arg != ref->blk)
		return SOSNAP_FAULT_BLOCK_ADDRESS;
	*arg = sosnap_node_gen(n);
	if (*arg != ref->gen || *arg > ref->max_gen)
		return SOSNAP_FAULT_BLOCK_GENERATION;
	*arg = le64_to_cpu(h->owner);
	if (*arg != t->id)
		return SOSNAP_FAULT_BLOCK_OWNER;
	*arg = h->level;
	if (*arg != ref->level)
		return SOSNAP_FAULT_NODE_LEVEL;
	*arg = sosnap_node_count(n);
	if ((!*arg && h->level) || *arg > capacity(t, h->level))
		return SOSNAP_FAULT_NODE_COUNT;
	if (!verified && verify_items(t, n))
		return SOSNAP_FAULT_NODE_ORDER;
	if (out_of_bounds(t, ref, n))
		return SOSNAP_FAULT_NODE_BOUNDS;
	if (verified)
		return SOSNAP_FAULT_NONE;
	if (t->seen)
		t->seen(t->ctx, ref->blk);
	WRITE_ONCE(*n->verified, true);
	return SOSNAP_FAULT_NONE;
}

/**
 * sosnap_node_get() - read and verify a node
 * @t:   the tree
 * @ref: what leads to it
 * @n:   the node, to be put after use when this returns 0
 * Context: may sleep. Takes no lock; may run beside the writer.
 * Return: 0, -EUCLEAN with io->fault set, or what the host says.
 */
int sosnap_node_get(const struct sosnap_tree *t, const struct sosnap_node_ref *ref,
		    struct sosnap_buf *n)
{
	struct sosnap_io *io = t->io;
	u64 arg;
	u32 what;
	int r;

	if (!ref->blk || ref->blk >= io->nr_blocks)
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_RANGE, ref->blk, 0);
	r = io->ops->get(io, ref->blk, n);
	if (r)
		return r;
	what = verify(t, ref, n, &arg);
	if (what == SOSNAP_FAULT_NONE)
		return 0;
	io->ops->put(io, n);
	return sosnap_fault_set(&io->fault, what, ref->blk, arg);
}

/**
 * sosnap_node_create() - make a node without items
 * @t:     the tree
 * @blk:   a free block
 * @gen:   of the txn
 * @level: of the node
 * @n:     the node, dirty, to be put after use when this returns 0
 * Context: may sleep.
 * Return: 0 or what the host says.
 */
int sosnap_node_create(const struct sosnap_tree *t, u64 blk, u64 gen, u8 level,
		       struct sosnap_buf *n)
{
	struct sosnap_disk_header *h;
	int r;

	r = t->io->ops->create(t->io, blk, n);
	if (r)
		return r;
	t->io->ops->dirty(t->io, n);
	memset(n->data, 0, SOSNAP_BLOCK_SIZE);
	h = n->data;
	h->magic = cpu_to_le32(SOSNAP_MAGIC_NODE);
	memcpy(h->uuid, t->io->uuid, sizeof(h->uuid));
	h->blk = cpu_to_le64(blk);
	h->gen = cpu_to_le64(gen);
	h->owner = cpu_to_le64(t->id);
	h->level = level;
	return 0;
}

/**
 * sosnap_node_copy() - copy all items of a node
 * @dst: created with the level of @src
 * @src: a node of the same tree
 * Context: the writer.
 */
void sosnap_node_copy(struct sosnap_buf *dst, const struct sosnap_buf *src)
{
	const struct sosnap_disk_header *from = src->data;
	struct sosnap_disk_header *to = dst->data;

	to->hint = from->hint;
	to->count = from->count;
	memcpy(to + 1, from + 1, SOSNAP_BLOCK_SIZE - sizeof(*to));
}

/**
 * sosnap_node_search() - find the place of a key
 * @t:   the tree
 * @n:   a node
 * @key: what to look for
 * Context: any.
 * Return: how many items have a key that is not above @key.
 */
u32 sosnap_node_search(const struct sosnap_tree *t, const struct sosnap_buf *n,
		       const struct sosnap_key *key)
{
	u32 lo = 0, hi = sosnap_node_count(n);

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		struct sosnap_key k;

		sosnap_node_key(t, n, mid, &k);
		if (sosnap_key_cmp(&k, key) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * sosnap_node_insert() - make room for an item and set its key
 * @t:   the tree
 * @n:   a node that is not full
 * @i:   slot of the new item; its value is for the caller to fill
 * @key: its key
 * Context: the writer.
 */
void sosnap_node_insert(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			const struct sosnap_key *key)
{
	u32 count = sosnap_node_count(n), bytes = sosnap_node_item_bytes(t, sosnap_node_level(n));

	if (WARN_ON_ONCE(i > count || count >= capacity(t, sosnap_node_level(n))))
		return;
	memmove(sosnap_node_item(t, n, i + 1), sosnap_node_item(t, n, i), (count - i) * bytes);
	memset(sosnap_node_item(t, n, i), 0, bytes);
	sosnap_node_set_key(t, n, i, key);
	set_count(t, n, count + 1);
}

/**
 * sosnap_node_remove() - take an item out
 * @t: the tree
 * @n: a node
 * @i: slot
 * Context: the writer.
 */
void sosnap_node_remove(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i)
{
	u32 count = sosnap_node_count(n), bytes = sosnap_node_item_bytes(t, sosnap_node_level(n));

	if (WARN_ON_ONCE(i >= count))
		return;
	memmove(sosnap_node_item(t, n, i), sosnap_node_item(t, n, i + 1), (count - i - 1) * bytes);
	memset(sosnap_node_item(t, n, count - 1), 0, bytes);
	set_count(t, n, count - 1);
}

/**
 * sosnap_node_append() - copy all items of a neighbour
 * @t:        the tree
 * @dst:      takes the items
 * @src:      stays as it is
 * @in_front: whether @src is the left neighbour of @dst
 * Context: the writer.
 */
void sosnap_node_append(const struct sosnap_tree *t, struct sosnap_buf *dst,
			const struct sosnap_buf *src, bool in_front)
{
	u32 have = sosnap_node_count(dst), nr = sosnap_node_count(src);
	u32 bytes = sosnap_node_item_bytes(t, sosnap_node_level(dst));

	if (WARN_ON_ONCE(have + nr > capacity(t, sosnap_node_level(dst))))
		return;
	if (in_front)
		memmove(sosnap_node_item(t, dst, nr), sosnap_node_item(t, dst, 0), have * bytes);
	memcpy(sosnap_node_item(t, dst, in_front ? 0 : have), sosnap_node_item(t, src, 0),
	       nr * bytes);
	set_count(t, dst, have + nr);
}

/**
 * sosnap_node_move() - move items between two nodes of one level
 * @t:    the tree
 * @dst:  takes the items
 * @to:   slot there of the first of them
 * @src:  loses the items
 * @from: slot there of the first of them
 * @nr:   how many
 * Context: the writer.
 */
void sosnap_node_move(const struct sosnap_tree *t, struct sosnap_buf *dst, u32 to,
		      struct sosnap_buf *src, u32 from, u32 nr)
{
	u32 have = sosnap_node_count(dst), left = sosnap_node_count(src);
	u32 bytes = sosnap_node_item_bytes(t, sosnap_node_level(dst));

	if (WARN_ON_ONCE(to > have || from + nr > left ||
			 have + nr > capacity(t, sosnap_node_level(dst))))
		return;
	left -= nr;
	memmove(sosnap_node_item(t, dst, to + nr), sosnap_node_item(t, dst, to),
		(have - to) * bytes);
	memcpy(sosnap_node_item(t, dst, to), sosnap_node_item(t, src, from), nr * bytes);
	memmove(sosnap_node_item(t, src, from), sosnap_node_item(t, src, from + nr),
		(left - from) * bytes);
	memset(sosnap_node_item(t, src, left), 0, nr * bytes);
	set_count(t, dst, have + nr);
	set_count(t, src, left);
}

/**
 * sosnap_node_set_key() - change the key of an item
 * @t:   the tree
 * @n:   a node
 * @i:   slot
 * @key: new key; keeps the order
 * Context: the writer.
 */
void sosnap_node_set_key(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			 const struct sosnap_key *key)
{
	struct sosnap_disk_key *d = sosnap_node_item(t, n, i);

	d->hi = cpu_to_le32(key->hi);
	d->lo = cpu_to_le64(key->lo);
	set_count(t, n, sosnap_node_count(n));
}

/**
 * sosnap_node_set_child() - change where a child is
 * @t:   the tree
 * @n:   a node of level > 0
 * @i:   slot
 * @blk: block of the child
 * @gen: generation of the child
 * Context: the writer.
 */
void sosnap_node_set_child(const struct sosnap_tree *t, struct sosnap_buf *n, u32 i,
			   u64 blk, u64 gen)
{
	struct sosnap_disk_child *c = sosnap_node_item(t, n, i);

	c->blk = cpu_to_le64(blk);
	c->gen = cpu_to_le64(gen);
}
