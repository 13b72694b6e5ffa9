/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Space: which blocks of the store are free.
 *
 * Two truths are kept apart. The *disk* bitmaps are what the trees of a
 * checkpoint own. The *view* is what may be handed out now: the disk bitmap
 * plus everything allocated since, plus everything freed that may not be used
 * again yet. A view is loaded on demand and dropped when it equals the disk.
 *
 * I1  view >= disk, bit by bit. So nothing that a tree owns is handed out.
 * I2  A checkpoint writes a bitmap only to the slot that is not current; it
 *     allocates nothing for that. The one it changes is held (next) until it
 *     changes another one or is done; its last changes reach the host at that
 *     put, before the flush (ops.h).
 * I3  What a checkpoint clears stays set in the view until release, which the
 *     host calls when the checkpoint is durable and no I/O can still reach it.
 * I4  outstanding = bits set in the view that are not on disk yet. After a
 *     crash they are simply free.
 * I5  The size changes with the superblock of a checkpoint, and at no other
 *     time: bitmaps and summaries of the new size go, as all of them, to slots
 *     that are not in force. What lies beyond the old end is handed out from the
 *     release of that checkpoint on, so no record names such a block before a
 *     superblock that knows it is durable. A store becomes smaller likewise: by
 *     then nothing beyond the new end is out or owned, and nothing there is
 *     handed out from sosnap_space_shrink() on. The slots in force of what is
 *     cut off stay as they are, so that the superblock before is still right.
 * I6  A limit keeps what is free beyond it for the last: only when there is
 *     nothing else it is forgotten. So a limit makes nobody run out of space,
 *     and what a checkpoint may need is there with it as without.
 *
 * What is believed of a bitmap. Right checksums only say that a block is what was
 * written; one that calls a block in use free must not lead to its being
 * overwritten. A full check is out: activation costs no more than the journal.
 * What costs next to nothing is seen before anything of a region is handed out:
 *
 *   - the bits that are never free (take_over), and the number of clear bits
 *     against the summary, which is another block (sosnap_space_view): any change
 *     of a bitmap alone, and any bitmap taken for one that was never written;
 *   - the sum of what is free against the counts in the superblock, which is a
 *     third one, at activation (sosnap_meta_open): a store of which it says that
 *     less is in use than its trees own is not written to at all;
 *   - the bit of each tree node that is read, once for each time its block comes
 *     from media (sosnap_space_seen): of all of the catalogue at activation, of
 *     the extent tree on the way that is taken;
 *   - the bits of what a checkpoint frees (sosnap_space_clear).
 *
 * What an extent says of its place is looked at in the same way: data never lies
 * where something has a fixed place (sosnap_space_fits), so no guest's overwrite
 * hits that; and what an extent gives up is not freed where the catalogue lies
 * (sosnap_space_pin), without which no snapshot of the store can be found.
 *
 * A bitmap that is caught is *lost*: nothing of its region is handed out until
 * the next activation, and none of it counts as free. What is in use there goes
 * on. What is not seen is a bitmap in which as many bits are wrong one way as the
 * other, until a node below one of them is read; for data only the check sees it.
 *
 * Locking: one lock of the caller around every call here (the space lock).
 * Every call may sleep for at most one bitmap read per region it looks at.
 */
#ifndef SOSNAP_SPACE_H
#define SOSNAP_SPACE_H

#include "format.h"
#include "ops.h"
#include "platform.h"
#include "super.h"

#define SOSNAP_MIN_REGION	16U	/* blocks, for the slots and some more */

/* A region's view; bits as on disk. */
struct sosnap_view {
	u32 outstanding;
	u32 used;		/* clock: handed out from since the last sweep */
	u8 bits[SOSNAP_BITMAP_BYTES];
};

struct sosnap_region {
	u64 gen_slot;		/* as in sosnap_disk_summary_entry, last checkpoint */
	struct sosnap_view *view;	/* NULL: equals the disk */
	u32 free;		/* clear bits of the view */
	u32 max_run;		/* no longer run of clear bits exists (a bound) */
	u32 disk_free;		/* clear bits of what this checkpoint writes */
	bool touched;		/* by the checkpoint under way, until release */
	u8 *pins;		/* NULL: none; bits as on disk: see sosnap_space_pin() */
	bool lost;		/* its bitmap cannot be right: nothing is handed out */
};

struct sosnap_space {
	struct sosnap_io *io;
	struct sosnap_super *super;
	struct sosnap_region *region;
	u32 nr_regions;
	u32 nr_views;
	u32 cursor;		/* region where the next search starts */
	u64 txn_gen;		/* of the checkpoint under way, 0: none */
	struct sosnap_buf next;	/* the bitmap it has changed last, if next_held */
	u32 next_region;
	bool next_held;
	u64 limit;		/* I6; 0: none */
	u64 shrinks_to;		/* with the next checkpoint; 0: it does not */
	u64 free;		/* sum of region[].free */
	u64 total;		/* blocks of the store less the fixed ones */
	u64 fixed;		/* the others, and those at the end that are not used */
	/* NULL, or told once of each bitmap that is lost, io->fault says why */
	void (*lost)(struct sosnap_space *sp, u32 region);
	struct sosnap_space_growth {
		struct sosnap_region *region;	/* NULL, or room for all regions then */
		u64 nr_blocks;
		u32 from;	/* regions that are new, once it is written */
		u32 tail_region;	/* the old last one ... */
		u32 tail;	/* ... and where the old end was in it */
		bool written;	/* by the checkpoint under way */
	} growth;
};

int sosnap_space_init(struct sosnap_space *sp, struct sosnap_io *io,
		      struct sosnap_super *super,
		      void (*lost)(struct sosnap_space *sp, u32 region));
void sosnap_space_exit(struct sosnap_space *sp);

int sosnap_space_alloc(struct sosnap_space *sp, u32 want, u32 least, u64 *blk, u32 *len);
int sosnap_space_alloc_more(struct sosnap_space *sp, u32 least, u32 most, u64 *blk, u32 *len);
int sosnap_space_take(struct sosnap_space *sp, u64 blk, u64 len);
int sosnap_space_give_back(struct sosnap_space *sp, u64 blk, u64 len);

void sosnap_space_seen(struct sosnap_space *sp, u64 blk);
void sosnap_space_pin(struct sosnap_space *sp, u64 blk);
void sosnap_space_unpin(struct sosnap_space *sp, u64 blk);
bool sosnap_space_fits(const struct sosnap_super *super, u64 blk, u32 len);

int sosnap_space_grow(struct sosnap_space *sp, u64 nr_blocks);

u64 sosnap_space_end(u64 nr_blocks);
void sosnap_space_limit(struct sosnap_space *sp, u64 limit);
int sosnap_space_beyond(struct sosnap_space *sp, u64 limit, u64 *used, u64 *before);
int sosnap_space_alloc_before(struct sosnap_space *sp, u32 want, u64 *blk, u32 *len);
int sosnap_space_shrink(struct sosnap_space *sp, u64 nr_blocks);

typedef void (*sosnap_space_freed_fn)(void *ctx, u64 blk, u32 len);
void sosnap_space_begin(struct sosnap_space *sp, u64 gen);
int sosnap_space_set(struct sosnap_space *sp, u64 blk, u64 len);
int sosnap_space_clear(struct sosnap_space *sp, u64 blk, u64 len, sosnap_space_freed_fn born,
		       void *ctx);
int sosnap_space_write(struct sosnap_space *sp);

int sosnap_space_release(struct sosnap_space *sp, sosnap_space_freed_fn fn, void *ctx);
void sosnap_space_trim(struct sosnap_space *sp, u32 keep);

u32 sosnap_space_regions(const struct sosnap_super *super);
int sosnap_space_summary(struct sosnap_io *io, const struct sosnap_super *super, u32 summary,
			 struct sosnap_buf *buf);
int sosnap_space_bitmap(struct sosnap_io *io, u32 region, u64 gen_slot,
			struct sosnap_buf *buf);
void sosnap_space_fresh(const struct sosnap_super *super, u32 region, u8 *bits, u32 *free);

#endif /* SOSNAP_SPACE_H */
