// SPDX-License-Identifier: GPL-2.0
#include "checkpoint.h"
#include "../core/extent.h"
#include "log.h"
#include "resize.h"
#include "window.h"

static u64 blocks(u64 sectors)
{
	return DIV_ROUND_UP_ULL(sectors, SOSNAP_BLOCK_SECTORS);
}

/* The object that a snapshot's records go to now, 0: it is gone. meta_lock held. */
static u32 top_of(struct sosnap_store *store, u32 id)
{
	struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
						    SOSNAP_CATALOG_SNAPSHOT, id);

	return e ? le32_to_cpu(e->item.snapshot.object) : 0;
}

/* One record; the object cannot become another's while it is logged. */
static int zero_run(struct sosnap_store *store, u32 id, u64 blk, u32 len)
{
	int r = sosnap_log_reserve_wait(store);
	u32 object;

	if (r)
		return r;
	mutex_lock(&store->meta_lock);
	object = top_of(store, id);
	if (object)
		sosnap_log_append_zero(store, object, blk, len);
	else
		sosnap_log_unreserve(store);
	mutex_unlock(&store->meta_lock);
	return object ? 0 : -ENOENT;
}

/**
 * sosnap_resize_zero() - have what a snapshot gains read as zeros
 * @store: the store
 * @id:    the snapshot
 * @from:  its size, in sectors
 * @to:    the size it is going to have
 * Context: resize_lock held; may sleep, long.
 * Return: 0, -ENOENT or -EIO; durable, and in the trees.
 */
int sosnap_resize_zero(struct sosnap_store *store, u32 id, u64 from, u64 to)
{
	u64 blk = blocks(from), end = blocks(to);
	int r = 0;

	while (blk < end && !r) {
		u32 len = min_t(u64, end - blk, SOSNAP_MAX_EXTENT);

		r = zero_run(store, id, blk, len);
		blk += len;
	}
	return r ? r : sosnap_checkpoint_all(store, false);
}

/**
 * sosnap_resize_out_of_reach() - no table of a snapshot reaches beyond a size
 * @store:   the store
 * @id:      the snapshot
 * @sectors: the size
 * Context: resize_lock held, with which it stays so; may sleep.
 */
bool sosnap_resize_out_of_reach(struct sosnap_store *store, u32 id, u64 sectors)
{
	struct sosnap_snap *snap;
	bool out = true;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		out &= snap->id != id || snap->sectors <= sectors;
	mutex_unlock(&store->list_lock);
	return out;
}

/**
 * sosnap_resize_cut() - free what a snapshot owns beyond its end
 * @store:   the store
 * @id:      the snapshot
 * @sectors: its size
 *
 * Nothing happens while a table reaches beyond it.
 * Context: resize_lock held; the trees know all that was written there.
 * Return: 0, -ENOENT, -EIO, or -EUCLEAN when its metadata is damaged.
 */
int sosnap_resize_cut(struct sosnap_store *store, u32 id, u64 sectors)
{
	u64 at = blocks(sectors), from;
	struct sosnap_extent e;
	struct sosnap_tree t;
	struct sosnap_io io;
	bool any = false;
	u32 object;
	int r = 0;

	while (!r && sosnap_resize_out_of_reach(store, id, sectors)) {
		mutex_lock(&store->meta_lock);
		object = top_of(store, id);
		mutex_unlock(&store->meta_lock);
		if (!object)
			return -ENOENT;
		down_read(&store->root_sem);
		sosnap_meta_view(&store->meta, SOSNAP_TREE_EXTENT, &t, &io);
		r = sosnap_extent_find(&t, object, at, &e);
		up_read(&store->root_sem);
		if (r)
			break;
		/* the first one may begin before the end */
		from = max(at, e.blk);
		at = e.blk + e.len;
		if (e.store == SOSNAP_STORE_ZERO)
			continue;
		/* and all that follows it, so that a step is not an extent */
		at = min_t(u64, from + SOSNAP_MAX_EXTENT, SOSNAP_MAX_BLK);
		r = zero_run(store, id, from, at - from);
		any = true;
	}
	if (any)
		sosnap_checkpoint_queue(store);
	return r == -ENOENT ? 0 : r;
}

/**
 * sosnap_resize_apply() - a table of another length is about to be used
 * @snap:    its snapshot, of which no I/O is under way
 * @sectors: the length of the table
 * Context: resume of the table; may sleep, long.
 * Return: 0, or -EIO when the store has failed: its last changes are not in the
 * trees and a new map would not know them.
 */
int sosnap_resize_apply(struct sosnap_snap *snap, u64 sectors)
{
	struct sosnap_store *store = snap->store;
	bool smaller = sectors < snap->sectors;
	int r = 0;

	if (snap->sectors == sectors)
		return 0;
	mutex_lock(&store->resize_lock);
	/* its records, and those of objects that it reads through, into the trees */
	if (store->state != SOSNAP_STORE_RO)
		r = sosnap_checkpoint_all(store, false);
	if (!r) {
		mutex_lock(&snap->load_lock);
		sosnap_window_drop_map(snap);
		snap->sectors = sectors;
		sosnap_slots_init(&snap->map, sosnap_windows(snap));
		mutex_unlock(&snap->load_lock);
		/* if it fails the blocks stay where nobody sees them */
		if (smaller && sosnap_writable(store))
			sosnap_resize_cut(store, snap->id, sectors);
	}
	mutex_unlock(&store->resize_lock);
	return r;
}
