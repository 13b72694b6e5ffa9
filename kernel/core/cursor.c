// SPDX-License-Identifier: GPL-2.0
#include "cursor.h"

/* The cursor, if it holds the leaf that key is in or belongs into. */
static struct sosnap_cursor *covers(const struct sosnap_tree *t, const struct sosnap_txn *txn,
				    const struct sosnap_key *key)
{
	struct sosnap_cursor *c = txn->cursor;

	if (!c || c->t != t || sosnap_key_cmp(key, &c->first) < 0 ||
	    (c->bounded && sosnap_key_cmp(key, &c->end) >= 0))
		return NULL;
	return c;
}

/* Whether i is what sosnap_node_search() would return. */
static bool fits(const struct sosnap_cursor *c, u32 i, const struct sosnap_key *key)
{
	u32 count = sosnap_node_count(&c->n);
	struct sosnap_key k;

	if (i > count)
		return false;
	if (i) {
		sosnap_node_key(c->t, &c->n, i - 1, &k);
		if (sosnap_key_cmp(&k, key) > 0)
			return false;
	}
	if (i == count)
		return true;
	sosnap_node_key(c->t, &c->n, i, &k);
	return sosnap_key_cmp(&k, key) > 0;
}

static u32 search(struct sosnap_cursor *c, const struct sosnap_key *key)
{
	if (!fits(c, c->at, key))
		c->at = sosnap_node_search(c->t, &c->n, key);
	return c->at;
}

/* Whether the item before slot i has this key. */
static bool is_before(const struct sosnap_cursor *c, u32 i, const struct sosnap_key *key)
{
	struct sosnap_key k;

	if (!i)
		return false;
	sosnap_node_key(c->t, &c->n, i - 1, &k);
	return !sosnap_key_cmp(&k, key);
}

static void item(const struct sosnap_cursor *c, u32 i, struct sosnap_key *found, void *val)
{
	sosnap_node_key(c->t, &c->n, i, found);
	memcpy(val, sosnap_node_value(c->t, &c->n, i), c->t->val_bytes);
}

/* The first item behind the leaf, which stays the same while the leaf is held. */
static int behind(struct sosnap_cursor *c, struct sosnap_key *found, void *val)
{
	int r;

	if (c->next == SOSNAP_NEXT_UNKNOWN) {
		r = c->bounded ? sosnap_btree_ge(c->t, &c->end, &c->next_key, c->next_val) :
				 -ENOENT;
		if (r && r != -ENOENT)
			return r;
		c->next = r ? SOSNAP_NEXT_NONE : SOSNAP_NEXT_KNOWN;
	}
	if (c->next == SOSNAP_NEXT_NONE)
		return -ENOENT;
	*found = c->next_key;
	memcpy(val, c->next_val, c->t->val_bytes);
	return 0;
}

/**
 * sosnap_cursor_ge() - find the first item at or after a key, as the writer
 * @t:     the tree
 * @txn:   the checkpoint that changes it
 * @key:   where to start
 * @found: filled with the key of the item
 * @val:   filled with its value
 * Context: may sleep; the only writer.
 * Return: as sosnap_btree_ge().
 */
int sosnap_cursor_ge(const struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, struct sosnap_key *found, void *val)
{
	struct sosnap_cursor *c = covers(t, txn, key);
	u32 i;

	if (!c)
		return sosnap_btree_ge(t, key, found, val);
	i = search(c, key);
	if (is_before(c, i, key))
		i--;
	if (i == sosnap_node_count(&c->n))
		return behind(c, found, val);
	item(c, i, found, val);
	return 0;
}

/**
 * sosnap_cursor_le() - find the last item at or before a key, as the writer
 * @t:     the tree
 * @txn:   the checkpoint that changes it
 * @key:   where to start
 * @found: filled with the key of the item
 * @val:   filled with its value
 * Context: may sleep; the only writer.
 * Return: as sosnap_btree_le().
 */
int sosnap_cursor_le(const struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, struct sosnap_key *found, void *val)
{
	struct sosnap_cursor *c = covers(t, txn, key);
	u32 i = c ? search(c, key) : 0;

	if (!i)
		return sosnap_btree_le(t, key, found, val);
	item(c, i - 1, found, val);
	return 0;
}

/**
 * sosnap_cursor_put() - put an item where the cursor is
 * @t:   the tree
 * @txn: the checkpoint
 * @key: of the item
 * @val: its value
 * Context: the only writer.
 * Return: false if the cursor cannot; then nothing is changed.
 */
bool sosnap_cursor_put(struct sosnap_tree *t, struct sosnap_txn *txn,
		       const struct sosnap_key *key, const void *val)
{
	struct sosnap_cursor *c = covers(t, txn, key);
	u32 i = c ? search(c, key) : 0;

	if (!i)
		return false;
	if (is_before(c, i, key)) {
		i--;
	} else {
		if (sosnap_node_count(&c->n) >= sosnap_node_max(t, 0))
			return false;
		sosnap_node_insert(t, &c->n, i, key);
		t->root.nr_items++;
		c->at = i + 1;
	}
	memcpy(sosnap_node_value(t, &c->n, i), val, t->val_bytes);
	return true;
}

/**
 * sosnap_cursor_del() - remove an item where the cursor is
 * @t:     the tree
 * @txn:   the checkpoint
 * @key:   of the item
 * @least: items that have to stay in the leaf
 * Context: the only writer.
 * Return: false if the cursor cannot; then nothing is changed.
 */
bool sosnap_cursor_del(struct sosnap_tree *t, struct sosnap_txn *txn,
		       const struct sosnap_key *key, u32 least)
{
	struct sosnap_cursor *c = covers(t, txn, key);
	u32 i = c ? search(c, key) : 0;

	if (!i || !is_before(c, i, key) || sosnap_node_count(&c->n) <= least)
		return false;
	sosnap_node_remove(t, &c->n, i - 1);
	t->root.nr_items--;
	c->at = i - 1;
	return true;
}

/**
 * sosnap_cursor_open() - leave the cursor, if there is one, at a leaf
 * @t:   the tree
 * @txn: the checkpoint; its cursor is closed
 * @ref: the bounds of the leaf
 * @n:   the leaf, own and dirty; taken over, or put
 * Context: the only writer.
 */
void sosnap_cursor_open(const struct sosnap_tree *t, struct sosnap_txn *txn,
			const struct sosnap_node_ref *ref, struct sosnap_buf *n)
{
	struct sosnap_cursor *c = txn->cursor;

	if (!c) {
		t->io->ops->put(t->io, n);
		return;
	}
	c->t = t;
	c->n = *n;
	c->first = ref->first;
	c->end = ref->end;
	c->bounded = ref->bounded;
	c->next = SOSNAP_NEXT_UNKNOWN;
	c->at = 0;
}

/**
 * sosnap_cursor_close() - let go of the leaf, if one is held
 * @txn: the checkpoint
 * Context: the only writer.
 */
void sosnap_cursor_close(struct sosnap_txn *txn)
{
	struct sosnap_cursor *c = txn->cursor;

	if (!c || !c->t)
		return;
	c->t->io->ops->put(c->t->io, &c->n);
	c->t = NULL;
}
