/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Emptying the tail of a store, so that it can become smaller.
 *
 * Nothing fixed is in the tail but the slots of its own regions. What else is
 * there are blocks of cache objects and tree nodes. Until the last step the store
 * is one like any other, on media and in memory: there is only a limit on where
 * space is taken (space.h, I6). A crash, or giving up, forgets the limit; what
 * was moved stays moved.
 *
 * E1  Blocks are moved by a record like that of a first write: the same blocks of
 *     the same object now live elsewhere. It is logged when the copy is at the new
 *     place, so a commit that makes the record durable has made the copy durable.
 *     The old place is freed by the checkpoint that merges the record, as that of
 *     any block that is mapped anew; until then it holds what the trees refer to.
 * E2  What the trees say of an object is moved only while they are all there is:
 *     the host has merged the records of a frozen or inactive one, and compares
 *     its map for one that is written to. Else a move could bring old content back.
 *     A frozen one is not merged into its heir before its moves are (reap.h, R3).
 * E3  Each checkpoint gives a bounded number of nodes that are beyond the limit a
 *     new place. That needs no more blocks than the reserve has: no node is copied
 *     twice by one checkpoint.
 * E4  The store becomes smaller with the superblock of one checkpoint (space.h,
 *     I5): only when a whole pass over the trees has met nothing beyond the end,
 *     and the bitmaps know of nothing there either.
 * E5  Moves leave a checkpoint's reserve alone. When there is no space before
 *     the limit, for a move or for a guest, emptying ends: nobody waits for it.
 *
 * Locking: meta lock; space lock taken inside.
 */
#ifndef SOSNAP_EVACUATE_H
#define SOSNAP_EVACUATE_H

#include "meta.h"
#include "platform.h"

#define SOSNAP_MOVE_BLOCKS	64U	/* a move does not cross a multiple of so many */

/* Blocks @blk.. of @object are to be copied from store block @from to @to. */
struct sosnap_move {
	u64 blk;
	u64 from;
	u64 to;
	u32 object;
	u32 len;
};

/**
 * struct sosnap_evacuation_need - what stands in the way
 * @used:   blocks in use beyond the end
 * @before: free ones before it that moves may take
 */
struct sosnap_evacuation_need {
	u64 used;
	u64 before;
};

u64 sosnap_evacuate_least(const struct sosnap_super *s);
int sosnap_evacuate_begin(struct sosnap_meta *m, u64 nr_blocks, u64 records,
			  struct sosnap_evacuation_need *need);
void sosnap_evacuate_cancel(struct sosnap_meta *m);
int sosnap_evacuate_left(struct sosnap_meta *m, u64 records, struct sosnap_evacuation_need *need);
int sosnap_evacuate_find(struct sosnap_meta *m, u64 records, struct sosnap_move *list, u32 most,
			 u32 blocks, u32 *nr);
void sosnap_evacuate_logged(struct sosnap_meta *m, const struct sosnap_move *move, u64 seq);
void sosnap_evacuate_again(struct sosnap_meta *m, const struct sosnap_move *move);
int sosnap_evacuate_nodes(struct sosnap_meta *m);
int sosnap_evacuate_end(struct sosnap_meta *m, u64 records);

#endif /* SOSNAP_EVACUATE_H */
