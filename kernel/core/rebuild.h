/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata made anew from its content: catalogue items, extents, and records
 * that come on top of them. Trees, bitmaps, summaries and counts are built from
 * nothing else.
 *
 * I1  What is written goes to blocks that are not busy, to slots of bitmaps and
 *     summaries that the given superblock does not name, and last to the
 *     superblocks: before these, what was on the device is as it was.
 * I2  Extents of objects that no item is known of are left out, and counted.
 *
 * Typical use:
 *
 *	sosnap_rebuild_init(&rb, io, &super);
 *	sosnap_rebuild_item(), _extent(), _records(), _busy() in any order
 *	sosnap_rebuild_write(&rb, gen, tail_seq);
 *	sosnap_rebuild_exit(&rb);
 *
 * For the tool and the tests; the module does not contain it.
 */
#ifndef SOSNAP_REBUILD_H
#define SOSNAP_REBUILD_H

#include "batch.h"
#include "extent.h"
#include "meta.h"
#include "ops.h"
#include "platform.h"

struct sosnap_rebuild_extent {
	u32 object;
	struct sosnap_extent e;
};

/**
 * struct sosnap_rebuild - what is collected
 * @meta:       catalogue and superblock; nothing else of it is in use
 * @batch:      records that come on top of the extents
 * @extent:     as given, sorted by write
 * @nr:         of them
 * @max:        room for them
 * @busy:       by region: blocks that nodes must not be put to, NULL: only fixed ones
 * @used:       by region: blocks that have an owner, NULL: only fixed ones
 * @nr_regions: in both
 * @cursor:     where the search for a free block goes on
 * @orphans:    extents left out, after write
 * @orphan_blocks: data blocks of them
 */
struct sosnap_rebuild {
	struct sosnap_io *io;
	struct sosnap_meta meta;
	struct sosnap_batch batch;
	struct sosnap_rebuild_extent *extent;
	u64 nr;
	u64 max;
	u8 **busy;
	u8 **used;
	u32 nr_regions;
	u64 cursor;
	u64 orphans;
	u64 orphan_blocks;
};

int sosnap_rebuild_init(struct sosnap_rebuild *rb, struct sosnap_io *io,
			const struct sosnap_super *super);
void sosnap_rebuild_exit(struct sosnap_rebuild *rb);

int sosnap_rebuild_item(struct sosnap_rebuild *rb, u32 type, u64 id,
			const union sosnap_item *item);
int sosnap_rebuild_extent(struct sosnap_rebuild *rb, u32 object, u64 blk, u32 len, u64 store);
int sosnap_rebuild_records(struct sosnap_rebuild *rb, const struct sosnap_disk_record *slots,
			   u32 nr);
int sosnap_rebuild_busy(struct sosnap_rebuild *rb, u64 blk, u64 len);
int sosnap_rebuild_write(struct sosnap_rebuild *rb, u64 gen, u64 tail_seq);

#endif /* SOSNAP_REBUILD_H */
