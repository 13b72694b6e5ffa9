/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving up cache objects, a bounded number of extents with each checkpoint.
 *
 * An object that is dying, or frozen without a live child (lineage.h, L4), is
 * dropped: its extents leave the tree and their blocks are freed. A frozen one
 * with a single live child is merged into that, its heir: extents that the heir
 * has nothing over change their key, the others are freed.
 *
 * R1  After every step a lookup that asks the heir first and the object then
 *     finds what it found before: what was moved is found earlier, what was
 *     freed had been hidden.
 * R2  The tree is the progress. A step is part of a checkpoint, so a crash
 *     leaves it done or not begun.
 * R3  Nothing is merged before the trees know every record of the object: a
 *     later one would bring content back that the heir now hides. That is when
 *     the commit that froze it (entry->seq) is before the checkpoint's tail.
 * R4  Records of the heir may come meanwhile. They replace extents of the heir,
 *     moved ones too, which frees the blocks below them like any others.
 * R5  A checkpoint alone changes the parent of an object. Replay keeps the
 *     tree's (meta.c, apply_put).
 * R6  A step never takes what a later checkpoint could need. Dropping adds nothing
 *     to the tree. Merging may cut an extent in two for each one that the heir has
 *     in it, and frees nothing by that where the object reads as zeros: in a store
 *     without space a large discarded range could eat up the whole reserve. So
 *     merging stops while there is hardly any beyond the reserve, and goes on with
 *     the first checkpoint that finds some.
 */
#ifndef SOSNAP_REAP_H
#define SOSNAP_REAP_H

#include "meta.h"
#include "platform.h"

int sosnap_reap(struct sosnap_meta *m, u64 tail_seq, u32 budget, bool merges);
bool sosnap_reap_pending(struct sosnap_meta *m, u64 *blocks);

#endif /* SOSNAP_REAP_H */
