/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Emptying the tail of a store while guests use it. What is moved, and when the
 * store becomes smaller, is decided by core/evacuate.h; here is how the maps of
 * active snapshots follow, which are read and written to meanwhile.
 *
 * A step holds resize_lock and meta_lock from its first look at the trees until its
 * last checkpoint is released. So no snapshot is activated, deactivated or resized,
 * none gets another top, and no other checkpoint merges half of it.
 *
 * S1  Blocks of the top of an active snapshot: where its map agrees with the
 *     trees they are made pending, own as they are. Readers go on to read the old
 *     place; writes and discards wait, as for a first write. Overwrites that looked
 *     the map up before are drained before the copy begins. When it has ended the
 *     record is logged, the map names the new place, and they are let go.
 * S2  Blocks of any other object are written by nobody. All records of it are
 *     merged before the step looks at the trees. They are copied and logged. Maps
 *     that were loaded through it name the old place until the checkpoint that
 *     merges the record: it publishes its trees, has the maps follow, and only then
 *     drains the I/O for which the old places are kept (window.h, M3). What is
 *     loaded after the trees were published has the new place already.
 * S3  A map follows by place, not by owner: whatever object a block was inherited
 *     from, it is found by where it was. One that is pending for a first write,
 *     whose base is at the old place, is waited for, with meta_lock alone.
 * S4  Guests come first: a step moves few blocks, no allocation of theirs waits or
 *     fails for the limit, and a step that finds no room in the log does less.
 */
#ifndef SOSNAP_SHRINK_H
#define SOSNAP_SHRINK_H

#include "types.h"

/**
 * struct sosnap_shrink_reply - how far it is
 * @blocks: size of the store now
 * @left:   blocks in use beyond the new end
 */
struct sosnap_shrink_reply {
	u64 blocks;
	u64 left;
};

int sosnap_shrink(struct sosnap_store *store, u64 blocks, struct sosnap_shrink_reply *reply,
		  char *why, size_t why_bytes);
void __sosnap_shrink_cancel(struct sosnap_store *store);
void sosnap_shrink_follow(struct sosnap_store *store);

#endif /* SOSNAP_SHRINK_H */
