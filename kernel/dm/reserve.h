/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reservations: blocks of the store that others leave for a snapshot, active or not.
 *
 * V1  What is kept (meta.kept, see O4 in core/own.h), the metadata of that, and what a
 *     checkpoint could need are free, or are about to be: a reservation that does not
 *     fit is refused, and no first write of others, no message and no emptying takes
 *     of it. Merging, and discards of what is not in memory, may take what is kept for
 *     metadata; discards that surely free something give back more than they take.
 * V2  What an active snapshot lacks follows each of its records. Of one that is not,
 *     all is in the trees, and the catalogue says it. Who changes which of them is
 *     active, or the catalogue, counts all anew (__sosnap_reserve_count) before
 *     meta_lock and list_lock are dropped.
 * V3  Whoever looks for blocks sees what is free and what is kept under space_lock. So
 *     a snapshot that is given blocks of those kept for it claims them in the same
 *     section: in between the others would take them for theirs.
 * V4  A snapshot for which blocks are kept may find none for a while: what a checkpoint
 *     is writing, what it has discarded itself, records that need more of the reserve
 *     than they will when they are merged. So it gets no verdict before a whole
 *     checkpoint has passed (sosnap_space_park).
 * V5  From when blocks are kept for a change until that is done or refused, nobody gets
 *     a verdict for lack of space (store->keeping): it may be they are not kept.
 *
 * V1 has an end where a bitmap turns out to be lost. And a refresh, a rollback or a
 * discard makes a snapshot lack again what is not freed yet: until it is, first writes
 * of others find no space.
 */
#ifndef SOSNAP_RESERVE_H
#define SOSNAP_RESERVE_H

#include "types.h"

void __sosnap_reserve_count(struct sosnap_store *store);
void sosnap_reserve_count(struct sosnap_store *store);
void sosnap_reserve_more(struct sosnap_store *store, u32 id, u64 reservation, bool anew,
			 s64 *more, s64 *metadata);
bool sosnap_reserve_any(struct sosnap_snap *snap);
void sosnap_reserve_share(struct sosnap_snap *snap, u64 *others, u64 *lacks);

#endif /* SOSNAP_RESERVE_H */
