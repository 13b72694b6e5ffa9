/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cursor: the leaf that the one writer of a tree has changed last.
 *
 * The records of a checkpoint come in key order, so the next change nearly
 * always meets the leaf of the last one. While the cursor holds it, that change
 * and the lookups before it cost no descent and no call of the host.
 *
 * I1  The leaf is own and dirty, and the tree refers to it. While it is held,
 *     nobody else changes it, and no other node of the tree is changed.
 * I2  @first and @end are bounds that the descent to it has met: every key of
 *     the tree from @first up to but without @end is in this leaf.
 * I3  The cursor gives an answer only where I2 proves it. It makes a change only
 *     where no other node needs to know: a new item goes behind another one (so
 *     what the parents say of the first key stays true) into a leaf that is not
 *     full, and an item goes only from a leaf that stays large enough.
 * I4  Everything else closes the cursor and goes the ordinary way down, which
 *     leaves the cursor at its leaf if that leaf is still bounded as met.
 * I5  It is closed before a flush and before a txn ends, however it ends: the
 *     host learns of the last changes at the put (ops.h).
 *
 * Readers are not concerned: a leaf that is own is in no tree they know.
 *
 * Use: a txn whose owner closes it points to one; the others leave
 * txn->cursor NULL, and each change goes the ordinary way.
 */
#ifndef SOSNAP_CURSOR_H
#define SOSNAP_CURSOR_H

#include "btree.h"
#include "node.h"
#include "ops.h"
#include "platform.h"

enum sosnap_cursor_next {
	SOSNAP_NEXT_UNKNOWN,
	SOSNAP_NEXT_NONE,
	SOSNAP_NEXT_KNOWN,
};

/**
 * struct sosnap_cursor - see above; all zero: it holds nothing
 * @t:        the tree; NULL: no leaf is held
 * @n:        the leaf
 * @first:    no key below it is in the leaf
 * @end:      nor one from here on, if @bounded
 * @bounded:  whether @end counts
 * @at:       where the last search ended: the next one ends there, or nearby
 * @next:     whether it is known what comes behind the leaf; stays true by I1
 * @next_key: the first item behind the leaf, if known
 * @next_val: and its value
 */
struct sosnap_cursor {
	const struct sosnap_tree *t;
	struct sosnap_buf n;
	struct sosnap_key first;
	struct sosnap_key end;
	bool bounded;
	enum sosnap_cursor_next next;
	u32 at;
	struct sosnap_key next_key;
	u8 next_val[SOSNAP_MAX_VALUE];
};

int sosnap_cursor_ge(const struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, struct sosnap_key *found, void *val);
int sosnap_cursor_le(const struct sosnap_tree *t, struct sosnap_txn *txn,
		     const struct sosnap_key *key, struct sosnap_key *found, void *val);
bool sosnap_cursor_put(struct sosnap_tree *t, struct sosnap_txn *txn,
		       const struct sosnap_key *key, const void *val);
bool sosnap_cursor_del(struct sosnap_tree *t, struct sosnap_txn *txn,
		       const struct sosnap_key *key, u32 least);
void sosnap_cursor_open(const struct sosnap_tree *t, struct sosnap_txn *txn,
			const struct sosnap_node_ref *ref, struct sosnap_buf *n);
void sosnap_cursor_close(struct sosnap_txn *txn);

#endif /* SOSNAP_CURSOR_H */
