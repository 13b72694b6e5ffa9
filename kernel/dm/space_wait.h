/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks for first writes: runs kept ready for windows, single runs for the
 * slow path, and what happens when there are none.
 *
 * W1  Data never takes what a checkpoint of all records in memory could need
 *     (sosnap_meta_reserve), nor what is kept for another snapshot (reserve.h).
 * W2  Reservations are soft: before a first write waits or fails for lack of
 *     space, all of them are given back, pending frees are checkpointed, and so are
 *     records, which need less of the reserve then.
 * W3  A first write that gets no space is parked, or fails with no-space, by
 *     policy; nothing else is held up.
 * W4  A parked write is driven again whenever there may be space. It ends with
 *     no-space when the timeout has passed since it was first parked, however
 *     often it was driven again meanwhile: not before, and, unless the timeout
 *     is 0, not much later; but one of a snapshot that lacks blocks kept for it
 *     waits for the checkpoint that finds them.
 * W5  No waking is lost: a write that is parked while something could be freed
 *     is driven again by a checkpoint that begins after it was parked, or ends
 *     after that.
 *
 * W6  A discard never costs what a checkpoint could need. It takes no block, but
 *     its record may cut an extent in three. So each asks first, and one that does
 *     not find room waits for a checkpoint as a first write does, for the records
 *     that are merged by it and the blocks that it frees. Data leaves room for
 *     so many that those which free something never come to an end: each gives
 *     back more than it costs. Those that free nothing, of blocks that nobody owns,
 *     must leave half of that room, and may meet the end.
 *     Those of what is not in memory, which may free something, leave what is kept for
 *     other snapshots (reserve.h).
 *
 * W4: whenever the list is not empty and there is a timeout, the timer is due
 * at the earliest deadline in the list or before: who adds a write sees to it
 * (__look_at), and the timer, which always finds no_space_set, clears it and
 * goes through all of the list, does so for what it leaves, but for what a checkpoint
 * will drive again. Nobody else stops
 * it; an early look does no harm. A write that is in the workers' hands when its
 * time is up is ended when it comes back to the list.
 *
 * W5: a checkpoint sets reclaiming, clears freeing, hands space out, and then, in one
 * section of parked_lock, counts up store->freed, clears reclaiming and empties the
 * list to drive it again. A write reads the count, looks for space, and in one
 * section of parked_lock compares the count, reads freeing, then reclaiming, and is
 * added to the list. If the count is the same and it has seen neither, no checkpoint
 * has ended or begun since it looked: there was nothing that one would have freed,
 * and nothing that one had taken for as long as it ran (copies of nodes). If it has
 * seen reclaiming, it is in the list that this very checkpoint will empty. And
 * either it sees freeing once it is in the list, and asks for a checkpoint, or who
 * sets freeing later sees the list, and does. A checkpoint that fails ends all
 * waiting, by the state of the store.
 */
#ifndef SOSNAP_SPACE_WAIT_H
#define SOSNAP_SPACE_WAIT_H

#include "types.h"

/* What a discard is expected to give back. */
enum sosnap_frees {
	SOSNAP_FREES_NOTHING,
	SOSNAP_FREES_PERHAPS,
	SOSNAP_FREES_SOME,
};

void sosnap_space_wait_init(struct sosnap_store *store);
bool sosnap_stretch_pop(struct sosnap_store *store, u64 *blk);
int sosnap_space_get(struct sosnap_snap *snap, u32 want, u64 *blk, u32 *len, bool *claimed);
void sosnap_space_put(struct sosnap_store *store, u64 blk, u64 len);
void sosnap_space_put_mask(struct sosnap_store *store, u64 base, u64 mask);
u64 sosnap_space_records(struct sosnap_store *store);
u64 sosnap_space_left(struct sosnap_store *store);
int sosnap_space_keep(struct sosnap_store *store, s64 more, s64 metadata);
void sosnap_space_kept(struct sosnap_store *store);
u64 sosnap_space_watch(struct sosnap_store *store, u64 low_water);
void sosnap_stretch_drain(struct sosnap_store *store);
void sosnap_space_park(struct sosnap_snap *snap, struct bio *bio, u64 freed);
bool sosnap_space_record(struct sosnap_snap *snap, enum sosnap_frees what);
bool sosnap_space_drain(struct sosnap_store *store);
bool sosnap_space_awaited(struct sosnap_store *store);
void sosnap_space_freed(struct sosnap_store *store);
void sosnap_space_reclaimed(struct sosnap_store *store);
void sosnap_space_unpark(struct sosnap_snap *snap);

#endif /* SOSNAP_SPACE_WAIT_H */
