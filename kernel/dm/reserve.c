// SPDX-License-Identifier: GPL-2.0
#include "reserve.h"

static struct sosnap_entry *snapshot_entry(struct sosnap_store *store, u32 id)
{
	return sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, id);
}

/* What the trees say that it owns. */
static u64 top_blocks(struct sosnap_store *store, const struct sosnap_disk_snapshot *s)
{
	const struct sosnap_entry *o = sosnap_catalog_get(&store->meta.catalog,
							  SOSNAP_CATALOG_OBJECT,
							  le32_to_cpu(s->object));

	return o ? le64_to_cpu(o->item.object.blocks) : 0;
}

static u64 keep_idle(struct sosnap_store *store, const struct sosnap_entry *e)
{
	const struct sosnap_disk_snapshot *s = &e->item.snapshot;

	return s->reservation ? sosnap_own_keep(le64_to_cpu(s->reservation),
						top_blocks(store, s)) : 0;
}

/**
 * __sosnap_reserve_count() - count anew what is kept for all snapshots
 * @store: the store
 * Context: meta_lock and list_lock held.
 */
void __sosnap_reserve_count(struct sosnap_store *store)
{
	struct sosnap_catalog *c = &store->meta.catalog;
	struct sosnap_entry *e;
	struct sosnap_snap *snap;
	bool any = false;
	u64 sum = 0;

	lockdep_assert_held(&store->meta_lock);
	lockdep_assert_held(&store->list_lock);
	for (e = sosnap_catalog_next(c, SOSNAP_CATALOG_SNAPSHOT, 0); e;
	     e = sosnap_catalog_next(c, SOSNAP_CATALOG_SNAPSHOT, e->id + 1)) {
		any |= !!e->item.snapshot.reservation;
		sum += keep_idle(store, e);
	}
	/* nearly always: there is none, and there was none */
	if (!any && !store->reserves)
		return;
	store->reserves = any;
	spin_lock_irq(&store->log_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		e = snapshot_entry(store, snap->id);
		if (e)
			sum -= keep_idle(store, e);
		snap->own.kept = 0;
		sosnap_own_reserve(&snap->own, e ? le64_to_cpu(e->item.snapshot.reservation) : 0,
				   &store->meta.kept);
		sum += snap->own.kept;
	}
	WRITE_ONCE(store->meta.kept, sum);
	spin_unlock_irq(&store->log_lock);
}

/**
 * sosnap_reserve_count() - the same
 * @store: the store
 * Context: meta_lock held; may sleep.
 */
void sosnap_reserve_count(struct sosnap_store *store)
{
	mutex_lock(&store->list_lock);
	__sosnap_reserve_count(store);
	mutex_unlock(&store->list_lock);
}

/**
 * sosnap_reserve_more() - how many blocks more would be kept for a snapshot
 * @store:       the store
 * @id:          the snapshot
 * @reservation: if it had this one
 * @anew:        and nothing that it owns were its own any more
 * Context: meta_lock held; may sleep.
 * Return: blocks, 0 also when it would be fewer.
 */
u64 sosnap_reserve_more(struct sosnap_store *store, u32 id, u64 reservation, bool anew)
{
	struct sosnap_entry *e = snapshot_entry(store, id);
	struct sosnap_snap *snap;
	u64 owned, now, then;

	if (!e)
		return 0;
	owned = top_blocks(store, &e->item.snapshot);
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		if (snap->id != id)
			continue;
		spin_lock_irq(&store->log_lock);
		owned = sosnap_own_count(&snap->own) + snap->own.claimed;
		spin_unlock_irq(&store->log_lock);
	}
	mutex_unlock(&store->list_lock);
	now = sosnap_own_keep(le64_to_cpu(e->item.snapshot.reservation), owned);
	then = sosnap_own_keep(reservation, anew ? 0 : owned);
	return then > now ? then - now : 0;
}

/**
 * sosnap_reserve_kept() - blocks that others leave for a snapshot
 * @snap: active
 * Context: any; a moving figure.
 */
u64 sosnap_reserve_kept(struct sosnap_snap *snap)
{
	return READ_ONCE(snap->own.kept);
}

/**
 * sosnap_reserve_others() - blocks that are kept, but not for this snapshot
 * @snap: whose first write looks for space
 * Context: space_lock held (V3).
 */
u64 sosnap_reserve_others(struct sosnap_snap *snap)
{
	struct sosnap_store *store = snap->store;
	u64 others;

	lockdep_assert_held(&store->space_lock);
	if (!READ_ONCE(snap->own.reservation))
		return READ_ONCE(store->meta.kept);
	/* one moment of both */
	spin_lock_irq(&store->log_lock);
	others = store->meta.kept - snap->own.kept;
	spin_unlock_irq(&store->log_lock);
	return others;
}
