/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks for first writes: runs kept ready for windows, single runs for the
 * slow path, and what happens when there are none.
 *
 * W1  Data never takes what a checkpoint of all records in memory could need
 *     (sosnap_meta_reserve).
 * W2  Reservations are soft: before a first write waits or fails for lack of
 *     space, all of them are given back and pending frees are checkpointed.
 * W3  A first write that gets no space is parked, or fails with no-space, by
 *     policy; nothing else is held up.
 * W4  A parked write is driven again whenever there may be space. It ends with
 *     no-space when the timeout has passed since it was first parked, however
 *     often it was driven again meanwhile: not before, and, unless the timeout
 *     is 0, not much later.
 * W5  No waking is lost: a write that is parked while something could be freed
 *     is driven again by a checkpoint that begins after it was parked, or ends
 *     after that.
 *
 * W4: whenever the list is not empty and there is a timeout, the timer is due
 * at the earliest deadline in the list or before: who adds a write sees to it
 * (__look_at), and the timer, which always finds no_space_set, clears it and
 * goes through all of the list, does so for what it leaves. Nobody else stops
 * it; an early look does no harm. A write that is in the workers' hands when its
 * time is up is ended when it comes back to the list.
 *
 * W5: a checkpoint takes freeing over into reclaiming, hands space out, counts up
 * store->freed and drives the list again, and then clears reclaiming. A write
 * reads the count, looks for space, reads freeing, then reclaiming, and compares
 * the count under parked_lock. If it has seen neither, and the count is the same,
 * there was nothing that a checkpoint would have freed. If the count is the same,
 * it is in the list that the next counting empties. And either it sees freeing
 * once it is in the list, and asks for a checkpoint, or who sets freeing later
 * sees the list, and does.
 */
#ifndef SOSNAP_SPACE_WAIT_H
#define SOSNAP_SPACE_WAIT_H

#include "types.h"

void sosnap_space_wait_init(struct sosnap_store *store);
bool sosnap_stretch_pop(struct sosnap_store *store, u64 *blk);
int sosnap_space_get(struct sosnap_store *store, u32 want, u64 *blk, u32 *len);
void sosnap_space_put(struct sosnap_store *store, u64 blk, u64 len);
void sosnap_space_put_mask(struct sosnap_store *store, u64 base, u64 mask);
u64 sosnap_space_left(struct sosnap_store *store);
u64 sosnap_space_watch(struct sosnap_store *store, u64 low_water);
void sosnap_stretch_drain(struct sosnap_store *store);
void sosnap_space_park(struct sosnap_snap *snap, struct bio *bio, u64 freed);
bool sosnap_space_awaited(struct sosnap_store *store);
void sosnap_space_freed(struct sosnap_store *store);
void sosnap_space_unpark(struct sosnap_snap *snap);

#endif /* SOSNAP_SPACE_WAIT_H */
