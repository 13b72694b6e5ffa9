// SPDX-License-Identifier: GPL-2.0
/*
 * What is not believed of bitmaps and trees, and what is kept from harm by it; the
 * argument is in space.h.
 */
#include "space_internal.h"

/**
 * sosnap_space_lose() - hand out nothing of a region any more
 * @sp:     the space
 * @region: its bitmap cannot be right, io->fault says why
 * Context: space lock held.
 */
void sosnap_space_lose(struct sosnap_space *sp, u32 region)
{
	struct sosnap_region *rg = &sp->region[region];

	if (rg->lost)
		return;
	sp->free -= rg->free;
	rg->free = 0;
	rg->max_run = 0;
	rg->lost = true;
	if (sp->lost)
		sp->lost(sp, region);
}

/**
 * sosnap_space_seen() - a tree node was found in this block
 * @sp:  the space
 * @blk: a node of the trees in force, read from media and verified
 *
 * If the bitmap has the block free, the region is lost before the block is handed
 * out. Costs at most one read of a bitmap, and no memory.
 * Context: space lock held; may sleep.
 */
void sosnap_space_seen(struct sosnap_space *sp, u64 blk)
{
	struct sosnap_region *rg;
	struct sosnap_buf buf;
	u32 region, bit;
	bool set;
	int r;

	piece(blk, 1, &region, &bit);
	if (region >= sp->nr_regions || sp->region[region].lost)
		return;
	rg = &sp->region[region];
	if (rg->view) {
		set = bits_any(rg->view->bits, bit, 1);
	} else if (rg->gen_slot) {
		r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &buf);
		if (r == -EUCLEAN)
			sosnap_space_lose(sp, region);
		if (r)
			return;
		set = bits_any(((struct sosnap_disk_bitmap *)buf.data)->bits, bit, 1);
		sp->io->ops->put(sp->io, &buf);
	} else {
		set = sosnap_space_meets_fixed(sp, region, bit, 1);
	}
	if (set)
		return;
	sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE, blk, region);
	sosnap_space_lose(sp, region);
}

/**
 * sosnap_space_pin() - a node of the catalogue lies here
 * @sp:  the space
 * @blk: its block
 *
 * It is not freed before it is unpinned, whatever an extent says. Takes 4 KiB for
 * a region with such nodes: no more than the catalogue is large.
 * Context: space lock held; may sleep.
 */
void sosnap_space_pin(struct sosnap_space *sp, u64 blk)
{
	struct sosnap_region *rg;
	u32 region, bit;

	piece(blk, 1, &region, &bit);
	if (region >= sp->nr_regions)
		return;
	rg = &sp->region[region];
	if (!rg->pins)
		rg->pins = kzalloc(SOSNAP_BITMAP_BYTES, GFP_NOIO | __GFP_NOFAIL);
	if (rg->pins)
		bits_set(rg->pins, bit, 1);
}

/**
 * sosnap_space_unpin() - the node is given up
 * @sp:  the space
 * @blk: its block
 * Context: space lock held.
 */
void sosnap_space_unpin(struct sosnap_space *sp, u64 blk)
{
	u32 region, bit;

	piece(blk, 1, &region, &bit);
	if (region < sp->nr_regions && sp->region[region].pins)
		bits_clear(sp->region[region].pins, bit, 1);
}

/**
 * sosnap_space_fits() - whether data can lie in these blocks
 * @super: the superblock
 * @blk:   the first
 * @len:   how many, not 0; within the device
 *
 * The same as sosnap_space_meets_fixed() says, in a few instructions: it is asked
 * for each extent that is read.
 * Context: any.
 */
bool sosnap_space_fits(const struct sosnap_super *super, u64 blk, u32 len)
{
	u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);
	u64 end = (u64)bit + len;

	if (blk + len > READ_ONCE(super->nr_blocks))
		return false;
	/* the slots of its region, or of the next one */
	if ((bit < SOSNAP_BITMAP_SLOT + 2 && end > SOSNAP_BITMAP_SLOT) ||
	    end > SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT)
		return false;
	if (region % SOSNAP_SUMMARY_REGIONS == 0 && bit < SOSNAP_SUMMARY_SLOT + 2 &&
	    end > SOSNAP_SUMMARY_SLOT)
		return false;
	return region || (bit > SOSNAP_SUPER_BLK0 &&
			  (bit > SOSNAP_SUPER_BLK1 || end <= SOSNAP_SUPER_BLK1) &&
			  (bit >= super->journal_blk + super->journal_blocks ||
			   end <= super->journal_blk));
}
