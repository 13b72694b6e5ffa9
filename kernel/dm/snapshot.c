// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "block_io.h"
#include "checkpoint.h"
#include "../core/gold.h"
#include "../core/lineage.h"
#include "../core/uapi.h"
#include "map.h"
#include "quota.h"
#include "reserve.h"
#include "resize.h"
#include "space_wait.h"
#include "store.h"
#include "window.h"

/* A table of a snapshot: two while it is reloaded, they share the snapshot. */
struct snap_target {
	struct sosnap_snap *snap;	/* first: see sosnap_snap_of() */
	struct dm_dev *store_dev;
	struct dm_dev *gold_dev;
	struct dm_dev *data_dev;	/* the device under the store */
};

/* Is the snapshot in use? list_lock held. */
bool __sosnap_snap_active(struct sosnap_store *store, u32 id)
{
	struct sosnap_snap *snap;

	lockdep_assert_held(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		if (snap->id == id)
			return true;
	return false;
}

/**
 * sosnap_snap_fence() - part of a snapshot's metadata cannot be read
 * @snap:  takes no more writes, so that nothing gets worse; what can be read of
 *         it is read on
 * @fault: what was found
 * Context: any that may log.
 */
void sosnap_snap_fence(struct sosnap_snap *snap, const struct sosnap_fault *fault)
{
	if (test_and_set_bit(SOSNAP_SNAP_FENCED, &snap->refuses))
		return;
	DMERR("%s: snapshot %u fenced: block %llu %s: fault=%s: run sosnap store check",
	      snap->store->meta.super.name, snap->id, fault->blk,
	      sosnap_fault_text(fault->what), sosnap_fault_name(fault->what));
	schedule_work(&snap->store->event);
}

/* Checksum over the blocks that identify a gold image. */
static int gold_sample(struct sosnap_store *store, struct block_device *bdev, u64 sectors,
		       u32 *crc)
{
	struct page *page = mempool_alloc(store->pages, GFP_NOIO);
	u32 i, bytes;
	int r = 0;

	*crc = SOSNAP_GOLD_SEED;
	for (i = 0; i < sosnap_gold_samples(sectors) && !r; i++) {
		u64 sector = sosnap_gold_sample(sectors, i, &bytes);

		r = sosnap_sync_io(store, bdev, REQ_OP_READ, sector, bytes >> SECTOR_SHIFT,
				   page_address(page));
		if (!r)
			*crc = crc32c(*crc, page_address(page), bytes);
	}
	mempool_free(page, store->pages);
	return r;
}

/* An active snapshot holds this very device as this gold image: it was read then. */
static bool gold_known(struct sosnap_store *store, struct block_device *bdev, u32 id)
{
	struct sosnap_snap *snap;
	bool known = false;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		known |= snap->gold == bdev && snap->gold_id == id;
	mutex_unlock(&store->list_lock);
	return known;
}

static int gold_check(struct sosnap_store *store, struct dm_target *ti, struct block_device *bdev,
		      const struct sosnap_disk_gold *gold, u32 id)
{
	u64 sectors = le64_to_cpu(gold->sectors);
	u32 crc;
	int r;

	if (bdev_nr_sectors(bdev) != sectors) {
		DMERR("gold image %s has %llu sectors, the device given has %llu", gold->name,
		      sectors, (u64)bdev_nr_sectors(bdev));
		ti->error = "gold device has the wrong size: give the gold image's own";
		return -EINVAL;
	}
	if (gold_known(store, bdev, id))
		return 0;
	r = gold_sample(store, bdev, sectors, &crc);
	if (r) {
		ti->error = "gold device cannot be read";
		return r;
	}
	if (crc != le32_to_cpu(gold->sample_crc)) {
		DMERR("gold image %s: sampled blocks have checksum %08x, expected %08x",
		      gold->name, crc, le32_to_cpu(gold->sample_crc));
		ti->error = "gold device is not the gold image, or was modified";
		return -EINVAL;
	}
	return 0;
}

/* A top object is written to, so it must be this snapshot's alone, and alive. */
static bool top_sane(struct sosnap_snap *snap, const struct sosnap_disk_object *o)
{
	return !(le32_to_cpu(o->flags) & (SOSNAP_OBJECT_DYING | SOSNAP_OBJECT_FROZEN)) &&
	       !sosnap_catalog_top_shared(&snap->store->meta.catalog, snap->object, snap->id);
}

static bool ancestor_sane(const struct sosnap_disk_object *o)
{
	u32 flags = le32_to_cpu(o->flags);

	return (flags & SOSNAP_OBJECT_FROZEN) && !(flags & SOSNAP_OBJECT_DYING);
}

/* The objects that a snapshot reads through, top first; meta_lock held. */
static int chain_make(struct sosnap_snap *snap)
{
	u32 object = snap->object, n = 0;
	const struct sosnap_entry *e;

	while (object) {
		e = sosnap_catalog_get(&snap->store->meta.catalog, SOSNAP_CATALOG_OBJECT, object);
		if (!e || n == SOSNAP_MAX_CHAIN || (n ? !ancestor_sane(&e->item.object) :
						       !top_sane(snap, &e->item.object)))
			return -EUCLEAN;
		snap->chain[n++] = object;
		object = le32_to_cpu(e->item.object.parent);
	}
	snap->nr_chain = n;
	return 0;
}

static u64 top_blocks(struct sosnap_snap *snap)
{
	const struct sosnap_entry *e = sosnap_catalog_get(&snap->store->meta.catalog,
							  SOSNAP_CATALOG_OBJECT, snap->object);

	return e ? le64_to_cpu(e->item.object.blocks) : 0;
}

/**
 * __sosnap_snap_shorten() - forget ancestors that have been merged into another
 * @store: the store
 * Context: meta_lock, list_lock and root_sem (write) held: the trees that are
 * published have no extents of them any more.
 */
void __sosnap_snap_shorten(struct sosnap_store *store)
{
	struct sosnap_snap *snap;
	u32 i, n;

	lockdep_assert_held(&store->list_lock);
	lockdep_assert_held_write(&store->root_sem);
	list_for_each_entry(snap, &store->snaps, list) {
		for (i = 1, n = 1; i < snap->nr_chain; i++)
			if (sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_OBJECT,
					       snap->chain[i]))
				snap->chain[n++] = snap->chain[i];
		snap->nr_chain = n;
	}
}

/*
 * The catalogue gives the snapshot another top: one on the old, which is frozen
 * now, so that the map stays right; or another one altogether.
 */
static void follow(struct sosnap_snap *snap, u32 object)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_OBJECT,
						    object);
	const struct sosnap_fault fault = { .what = SOSNAP_FAULT_OBJECT_PARENT };
	bool frozen = e && le32_to_cpu(e->item.object.parent) == snap->object;

	mutex_lock(&snap->load_lock);
	if (!frozen)
		sosnap_window_new_map(snap);
	spin_lock_irq(&store->log_lock);
	snap->object = object;
	sosnap_own_new_top(&snap->own, top_blocks(snap));
	spin_unlock_irq(&store->log_lock);
	snap->gen++;
	if (chain_make(snap))
		sosnap_snap_fence(snap, &fault);
	mutex_unlock(&snap->load_lock);
}

/**
 * sosnap_snap_follow() - let active snapshots know of a change of the catalogue
 * @store: the store
 * Context: meta_lock held; the snapshots that it is about are held suspended.
 */
void sosnap_snap_follow(struct sosnap_store *store)
{
	struct sosnap_snap *snap;

	lockdep_assert_held(&store->meta_lock);
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
							    SOSNAP_CATALOG_SNAPSHOT, snap->id);
		u32 object = e ? le32_to_cpu(e->item.snapshot.object) : snap->object;

		if (object != snap->object)
			follow(snap, object);
	}
	mutex_unlock(&store->list_lock);
}

/**
 * sosnap_snap_hold() - keep a snapshot suspended until a message is done
 * @store: the store
 * @id:    the snapshot
 * @freeze: what it has now gets read by others
 * @merged: set to whether the trees know all of its records
 * Context: meta_lock held.
 * Return: 0, also when it is not active; -EBUSY when it takes I/O.
 */
int sosnap_snap_hold(struct sosnap_store *store, u32 id, bool freeze, bool *merged)
{
	struct sosnap_snap *snap;
	int r = 0;

	*merged = true;
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		if (snap->id != id)
			continue;
		if (!snap->suspended)
			r = -EBUSY;
		else
			snap->changing = true;
		*merged = snap->own.logged <= READ_ONCE(store->checkpointed);
		if (!r && freeze)
			store->frozen = max(store->frozen, snap->own.logged);
	}
	mutex_unlock(&store->list_lock);
	return r;
}

/**
 * sosnap_snap_let_go() - a message is done
 * @store: the store
 * Context: meta_lock held, so there is no other one.
 */
void sosnap_snap_let_go(struct sosnap_store *store)
{
	struct sosnap_snap *snap;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		if (!snap->changing)
			continue;
		WRITE_ONCE(snap->changing, false);
		wake_up_all(&snap->wait);
	}
	mutex_unlock(&store->list_lock);
}

static bool set_read_only(const struct sosnap_entry *e)
{
	return e && le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_RO;
}

/*
 * Writes are refused by the map, whatever the table and whoever has the device open.
 * The block layer's flag is for those who open it, or ask.
 */
static void __refuse_writes(struct sosnap_snap *snap, bool refuse)
{
	lockdep_assert_held(&snap->store->list_lock);
	if (refuse)
		set_bit(SOSNAP_SNAP_READ_ONLY, &snap->refuses);
	else
		clear_bit(SOSNAP_SNAP_READ_ONLY, &snap->refuses);
	set_disk_ro(dm_disk(snap->md), refuse || !snap->table_writes);
}

/**
 * sosnap_snap_read_only() - let active snapshots take writes, or not, as is set
 * @store: the store
 * Context: may sleep; takes meta_lock. Writes that were taken before may still end.
 */
void sosnap_snap_read_only(struct sosnap_store *store)
{
	struct sosnap_snap *snap;
	unsigned int noio;

	mutex_lock(&store->meta_lock);
	mutex_lock(&store->list_lock);
	/* it sends an event, for which memory must not be had by writes to this store */
	noio = memalloc_noio_save();
	list_for_each_entry(snap, &store->snaps, list) {
		bool refuse = set_read_only(sosnap_catalog_get(&store->meta.catalog,
							       SOSNAP_CATALOG_SNAPSHOT,
							       snap->id));

		if (refuse != test_bit(SOSNAP_SNAP_READ_ONLY, &snap->refuses))
			__refuse_writes(snap, refuse);
	}
	memalloc_noio_restore(noio);
	mutex_unlock(&store->list_lock);
	mutex_unlock(&store->meta_lock);
}

static struct sosnap_snap *snap_alloc(struct sosnap_store *store, u32 id)
{
	struct sosnap_snap *snap = kzalloc(sizeof(*snap), GFP_KERNEL);

	if (!snap)
		return NULL;
	snap->chain = kmalloc_array(SOSNAP_MAX_CHAIN, sizeof(*snap->chain), GFP_KERNEL);
	if (!snap->chain) {
		kfree(snap);
		return NULL;
	}
	snap->store = store;
	snap->id = id;
	snap->refs = 1;
	snap->suspended = true;	/* until its first table is resumed */
	mutex_init(&snap->load_lock);
	spin_lock_init(&snap->zero_lock);
	INIT_LIST_HEAD(&snap->zero_ranges);
	init_waitqueue_head(&snap->wait);
	return snap;
}

/* What the catalogue says of the snapshot, copied out. */
struct found {
	struct sosnap_disk_snapshot snapshot;
	struct sosnap_disk_gold gold;
};

static int find(struct sosnap_store *store, struct dm_target *ti, u32 id, struct found *f)
{
	struct sosnap_entry *s, *g = NULL;
	int r = 0;

	mutex_lock(&store->meta_lock);
	s = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, id);
	if (s)
		g = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_GOLD,
				       le32_to_cpu(s->item.snapshot.gold));
	if (!s) {
		ti->error = "store has no snapshot with this id: see message list snapshot";
		r = -ENOENT;
	} else if (!g) {
		ti->error = "gold image of the snapshot is missing: run sosnap store check";
		r = -EUCLEAN;
	} else {
		f->snapshot = s->item.snapshot;
		f->gold = g->item.gold;
	}
	mutex_unlock(&store->meta_lock);
	return r;
}

/*
 * A snapshot of this store as gold image of another one: its slow path would
 * wait for the workers that wait for it.
 */
static bool is_ours(struct sosnap_store *store, struct block_device *gold)
{
	struct sosnap_snap *snap;
	bool ours = gold->bd_disk == dm_disk(store->md);

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		ours |= gold->bd_disk == dm_disk(snap->md);
	mutex_unlock(&store->list_lock);
	return ours;
}

/*
 * What the catalogue says now, under meta_lock: since find() the snapshot may have
 * been removed, or got another top.
 */
static int snap_settle(struct sosnap_snap *snap, struct dm_target *ti)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
						    SOSNAP_CATALOG_SNAPSHOT, snap->id);
	int r;

	/* it may have been removed, or resized, since find() */
	if (!e || le64_to_cpu(e->item.snapshot.sectors) != snap->sectors)
		return -ENOENT;
	/* its map is loaded from the trees, which do not know all of its ancestors yet */
	if (READ_ONCE(store->checkpointed) < store->frozen)
		return -EAGAIN;
	snap->object = le32_to_cpu(e->item.snapshot.object);
	spin_lock_irq(&store->log_lock);
	sosnap_own_new_top(&snap->own, top_blocks(snap));
	__sosnap_quota_set(snap, &e->item.snapshot);
	spin_unlock_irq(&store->log_lock);
	if (set_read_only(e))
		set_bit(SOSNAP_SNAP_READ_ONLY, &snap->refuses);
	r = chain_make(snap);
	if (r)
		ti->error = "snapshot's ancestors are damaged: run sosnap store check";
	return r;
}

/* Put a new snapshot into the list, or share the one this table replaces. */
static struct sosnap_snap *snap_add(struct sosnap_snap *snap, struct dm_target *ti)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_snap *old;
	int r;

	mutex_lock(&store->meta_lock);
	mutex_lock(&store->list_lock);
	list_for_each_entry(old, &store->snaps, list) {
		if (old->id != snap->id)
			continue;
		if (old->refs && old->md == snap->md && old->gold == snap->gold) {
			old->refs++;
		} else {
			ti->error = "snapshot is active already: deactivate it first";
			old = ERR_PTR(-EBUSY);
		}
		goto out;
	}
	r = snap_settle(snap, ti);
	old = r ? ERR_PTR(r) : snap;
	if (!r) {
		list_add_tail(&snap->list, &store->snaps);
		__sosnap_reserve_count(store);
		WRITE_ONCE(store->stopping, false);
	}
out:
	mutex_unlock(&store->list_lock);
	mutex_unlock(&store->meta_lock);
	return old;
}

static void snap_free(struct sosnap_snap *snap)
{
	sosnap_window_drop_map(snap);
	kfree(snap->chain);
	kfree(snap);
}

static void snap_put(struct sosnap_snap *snap)
{
	struct sosnap_store *store = snap->store;
	bool last, dirty;

	mutex_lock(&store->list_lock);
	last = !--snap->refs;
	dirty = snap->own.logged > READ_ONCE(store->checkpointed);
	mutex_unlock(&store->list_lock);
	if (!last)
		return;
	/*
	 * Whoever activates it next loads its map from the trees. So they have to
	 * know everything, or the store has failed and takes no activation.
	 */
	if (dirty)
		sosnap_checkpoint_all(store, false);
	/* whoever moves blocks uses its map with that lock held */
	mutex_lock(&store->meta_lock);
	mutex_lock(&store->list_lock);
	list_del(&snap->list);
	__sosnap_reserve_count(store);
	mutex_unlock(&store->list_lock);
	mutex_unlock(&store->meta_lock);
	snap_free(snap);
}

static int open_devices(struct dm_target *ti, struct snap_target *t, char **argv,
			struct sosnap_store **store)
{
	char name[BDEVNAME_SIZE];
	int r;

	r = dm_get_device(ti, argv[0], dm_table_get_mode(ti->table), &t->store_dev);
	if (r) {
		ti->error = "store device cannot be opened: activate the store first";
		return r;
	}
	*store = sosnap_store_get_device(t->store_dev);
	if (!*store) {
		ti->error = "not a sosnap-store device: name the store's dm device";
		dm_put_device(ti, t->store_dev);
		return -EINVAL;
	}
	/* the store's own table may go away before ours does */
	format_dev_t(name, (*store)->bdev->bd_dev);
	r = dm_get_device(ti, name, dm_table_get_mode(ti->table), &t->data_dev);
	if (r) {
		ti->error = "device under the store cannot be opened";
		goto bad_store;
	}
	if (READ_ONCE((*store)->state) == SOSNAP_STORE_FAILED) {
		ti->error = "store has failed: deactivate it, check the device, activate it again";
		r = -EIO;
	} else {
		r = dm_get_device(ti, argv[2], sosnap_mode_ro(dm_table_get_mode(ti->table)),
				  &t->gold_dev);
		if (r)
			ti->error = r == -EBUSY ?
				"gold device is in use by something that may write it" :
				"gold device cannot be opened: check its name";
	}
	if (!r)
		return 0;
	dm_put_device(ti, t->data_dev);
bad_store:
	sosnap_store_put(*store);
	dm_put_device(ti, t->store_dev);
	return r;
}

static void close_devices(struct dm_target *ti, struct snap_target *t, struct sosnap_store *store)
{
	sosnap_store_put(store);
	dm_put_device(ti, t->gold_dev);
	dm_put_device(ti, t->data_dev);
	dm_put_device(ti, t->store_dev);
}

/* <store dm device> <snapshot id> <gold device> */
static int snap_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct sosnap_store *store;
	struct sosnap_snap *snap, *use;
	struct snap_target *t;
	struct found *f;
	u32 id;
	int r;

	if (argc != 3) {
		ti->error = "wanted: <store dm device> <snapshot id> <gold device>";
		return -EINVAL;
	}
	if (kstrtou32(argv[1], 10, &id) || !id) {
		ti->error = "snapshot id is no number from 1 on";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	f = kzalloc(sizeof(*f), GFP_KERNEL);
	if (!t || !f) {
		ti->error = "out of memory";
		r = -ENOMEM;
		goto bad;
	}
	r = open_devices(ti, t, argv, &store);
	if (r)
		goto bad;
	r = find(store, ti, id, f);
	if (!r && ti->len != le64_to_cpu(f->snapshot.sectors)) {
		DMERR("snapshot %s has %llu sectors, the table line says %llu", f->snapshot.name,
		      le64_to_cpu(f->snapshot.sectors), (u64)ti->len);
		ti->error = "table line has another size than the snapshot";
		r = -EINVAL;
	}
	if (!r && le32_to_cpu(f->snapshot.flags) & SOSNAP_SNAPSHOT_RO &&
	    sosnap_mode_writes(dm_table_get_mode(ti->table))) {
		ti->error = "snapshot is set read-only: load its table read-only";
		r = -EROFS;
	}
	if (!r && is_ours(store, t->gold_dev->bdev)) {
		ti->error = "gold device is a snapshot of this store: name the gold image itself";
		r = -EINVAL;
	}
	if (!r)
		r = gold_check(store, ti, t->gold_dev->bdev, &f->gold,
			       le32_to_cpu(f->snapshot.gold));
	if (r)
		goto bad_devices;
	snap = snap_alloc(store, id);
	if (!snap) {
		ti->error = "out of memory";
		r = -ENOMEM;
		goto bad_devices;
	}
	snap->md = dm_table_get_md(ti->table);
	snap->gold = t->gold_dev->bdev;
	snap->sectors = ti->len;
	sosnap_slots_init(&snap->map, sosnap_windows(snap));
	snap->gold_id = le32_to_cpu(f->snapshot.gold);
	snap->gold_sectors = le64_to_cpu(f->gold.sectors);
	use = snap_add(snap, ti);
	while (use == ERR_PTR(-EAGAIN)) {
		r = sosnap_checkpoint_all(store, false);
		use = r ? ERR_PTR(r) : snap_add(snap, ti);
	}
	if (use != snap)
		snap_free(snap);
	if (IS_ERR(use)) {
		if (!ti->error)
			ti->error = "snapshot cannot be activated";
		r = PTR_ERR(use);
		goto bad_devices;
	}
	kfree(f);
	t->snap = use;
	ti->private = t;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->flush_supported = true;
	ti->discards_supported = true;
	ti->per_io_data_size = sizeof(struct sosnap_bio);
	return 0;

bad_devices:
	close_devices(ti, t, store);
bad:
	kfree(f);
	kfree(t);
	return r;
}

static void snap_dtr(struct dm_target *ti)
{
	struct snap_target *t = ti->private;

	struct sosnap_store *store = t->snap->store;

	snap_put(t->snap);
	close_devices(ti, t, store);
	kfree(t);
}

static void snap_presuspend(struct dm_target *ti)
{
	struct sosnap_snap *snap = sosnap_snap_of(ti);

	spin_lock_irq(&snap->store->parked_lock);
	snap->suspending = true;
	snap->noflush = dm_noflush_suspending(ti);
	spin_unlock_irq(&snap->store->parked_lock);
	sosnap_space_unpark(snap);
}

static void snap_presuspend_undo(struct dm_target *ti)
{
	struct sosnap_snap *snap = sosnap_snap_of(ti);

	spin_lock_irq(&snap->store->parked_lock);
	snap->suspending = false;
	spin_unlock_irq(&snap->store->parked_lock);
}

static void snap_postsuspend(struct dm_target *ti)
{
	struct sosnap_snap *snap = sosnap_snap_of(ti);

	mutex_lock(&snap->store->list_lock);
	snap->suspended = true;
	mutex_unlock(&snap->store->list_lock);
}

/* The table that is resumed may have been loaded before the snapshot was set read-only. */
static void __mode_follows(struct sosnap_snap *snap, struct dm_target *ti)
{
	snap->table_writes = sosnap_mode_writes(dm_table_get_mode(ti->table));
	__refuse_writes(snap, test_bit(SOSNAP_SNAP_READ_ONLY, &snap->refuses));
}

/* A message may be giving it another top; that does not take long. */
static int snap_preresume(struct dm_target *ti)
{
	struct sosnap_snap *snap = sosnap_snap_of(ti);
	unsigned int noio = memalloc_noio_save();
	bool ok;
	int r;

	do {
		wait_event(snap->wait, !READ_ONCE(snap->changing));
		mutex_lock(&snap->store->list_lock);
		ok = !snap->changing;
		if (ok) {
			snap->suspended = false;
			__mode_follows(snap, ti);
		}
		mutex_unlock(&snap->store->list_lock);
	} while (!ok);
	memalloc_noio_restore(noio);
	r = sosnap_resize_apply(snap, ti->len);
	if (r)
		snap_postsuspend(ti);
	return r;
}

static void snap_resume(struct dm_target *ti)
{
	snap_presuspend_undo(ti);
}

static void snap_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			char *result, unsigned int maxlen)
{
	struct snap_target *t = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sosnap_snap_status(t->snap, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s %u %s", t->store_dev->name, t->snap->id, t->gold_dev->name);
		break;
	default:
		result[0] = '\0';
	}
}

static int snap_iterate(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct snap_target *t = ti->private;
	int r;

	/* limits come from the devices that do the I/O; the store's own serves none */
	r = fn(ti, t->gold_dev, 0, min_t(sector_t, ti->len, t->snap->gold_sectors), data);
	if (r)
		return r;
	return fn(ti, t->data_dev, 0,
		  min_t(sector_t, ti->len, bdev_nr_sectors(t->data_dev->bdev)), data);
}

static void snap_io_hints(struct dm_target *ti, struct queue_limits *limits)
{
	limits->physical_block_size = max(limits->physical_block_size, SOSNAP_BLOCK_SIZE);
	limits->io_min = SOSNAP_BLOCK_SIZE;
	limits->io_opt = SOSNAP_BLOCK_SIZE << SOSNAP_WINDOW_SHIFT;
	limits->discard_granularity = SOSNAP_BLOCK_SIZE;
	limits->discard_alignment = 0;
	sosnap_limit_discard(limits, UINT_MAX >> SECTOR_SHIFT & ~(SOSNAP_BLOCK_SECTORS - 1));
	limits->max_write_zeroes_sectors = UINT_MAX >> SECTOR_SHIFT & ~(SOSNAP_BLOCK_SECTORS - 1);
}

struct target_type sosnap_target = {
	.name = SOSNAP_TARGET_SNAPSHOT,
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = snap_ctr,
	.dtr = snap_dtr,
	.map = sosnap_map,
	.end_io = sosnap_end_io,
	.presuspend = snap_presuspend,
	.presuspend_undo = snap_presuspend_undo,
	.postsuspend = snap_postsuspend,
	.preresume = snap_preresume,
	.resume = snap_resume,
	.status = snap_status,
	.iterate_devices = snap_iterate,
	.io_hints = snap_io_hints,
};
