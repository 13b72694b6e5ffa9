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
void sosnap_stretch_drain(struct sosnap_store *store);
void sosnap_space_park(struct sosnap_snap *snap, struct bio *bio, u64 freed);
void sosnap_space_freed(struct sosnap_store *store);
void sosnap_space_unpark(struct sosnap_snap *snap);

#endif /* SOSNAP_SPACE_WAIT_H */
