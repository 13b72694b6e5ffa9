// SPDX-License-Identifier: GPL-2.0
/*
 * What the space counts against the bits that it counts.
 */
#include "space_internal.h"
#include "space_sane.h"
#include "testlib.h"

static void region_sane(struct sosnap_space *sp, u32 region)
{
	struct sosnap_region *rg = &sp->region[region];
	u32 bit, used = 0, fresh_free, outstanding = 0;
	struct sosnap_buf buf = { 0 };
	u8 fresh[SOSNAP_BITMAP_BYTES];
	const u8 *disk = fresh;

	if (!rg->view || rg->lost)
		return;
	if (!rg->gen_slot) {
		sosnap_space_fresh(sp->super, region, fresh, &fresh_free);
	} else {
		if (sosnap_space_bitmap(sp->io, region, rg->gen_slot, &buf))
			return;
		disk = ((struct sosnap_disk_bitmap *)buf.data)->bits;
	}
	for (bit = 0; bit < SOSNAP_REGION_BLOCKS; bit++) {
		bool in_view = bits_any(rg->view->bits, bit, 1), on_disk = bits_any(disk, bit, 1);

		if (on_disk && !in_view)
			fail_msg("block %u of region %u is in use, and could be handed out",
				 bit, region);
		used += in_view;
		outstanding += in_view && !on_disk;
	}
	if (rg->gen_slot)
		sp->io->ops->put(sp->io, &buf);
	assert_int_equal(rg->free, SOSNAP_REGION_BLOCKS - used);
	assert_int_equal(rg->view->outstanding, outstanding);
}

/* Between checkpoints: each view against its bitmap, and the sums. */
void space_sane(struct sosnap_space *sp)
{
	u64 free = 0;
	u32 i;

	for (i = 0; i < sp->nr_regions; i++) {
		region_sane(sp, i);
		free += sp->region[i].free;
	}
	assert_true(free == sp->free);
}
