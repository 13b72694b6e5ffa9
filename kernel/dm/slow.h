/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The slow path: bios that need a window loaded, a place that no window has
 * reserved, or another bio to end first, and discards. A worker takes the bio
 * piece by piece, each piece synchronously, and ends it.
 */
#ifndef SOSNAP_SLOW_H
#define SOSNAP_SLOW_H

#include "types.h"

void sosnap_slow_queue(struct bio *bio);

/* One block or a run of blocks of a bio in the slow path. */
struct sosnap_piece {
	u64 blk;
	u64 index;
	u32 bit;
	u32 off;	/* sectors into the first block */
	u32 sectors;	/* left of the bio */
};

int sosnap_slow_write_zeros(struct sosnap_snap *snap, sector_t sector, u32 sectors);
int sosnap_discard(struct sosnap_snap *snap, sector_t sector, sector_t sectors);
void sosnap_copy_in(struct bio *bio, void *to, u32 bytes);
bool sosnap_slow_busy(struct sosnap_snap *snap, u64 index, u64 mask);

#endif /* SOSNAP_SLOW_H */
