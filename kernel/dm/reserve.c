// SPDX-License-Identifier: GPL-2.0
#include "reserve.h"

/* A snapshot's reservation, if it were this; it cannot own more than its size. */
static u64 bounded(const struct sosnap_disk_snapshot *s, u64 reservation)
{
	return min_t(u64, min_t(u64, reservation, SOSNAP_MAX_BLOCKS),
		     DIV_ROUND_UP_ULL(le64_to_cpu(s->sectors), SOSNAP_BLOCK_SECTORS));
}

static u64 reservation_of(const struct sosnap_disk_snapshot *s)
{
	return bounded(s, le64_to_cpu(s->reservation));
}

/* What the trees say that it owns. */
static u64 top_blocks(struct sosnap_store *store, const struct sosnap_disk_snapshot *s)
{
	const struct sosnap_entry *o = sosnap_catalog_get(&store->meta.catalog,
							  SOSNAP_CATALOG_OBJECT,
							  le32_to_cpu(s->object));

	return o ? le64_to_cpu(o->item.object.blocks) : 0;
}

/* What it lacks if it is not active, or about to follow the catalogue. */
static u64 idle_lacks(struct sosnap_store *store, const struct sosnap_disk_snapshot *s)
{
	return s->reservation ? sosnap_own_lacks(reservation_of(s), top_blocks(store, s)) : 0;
}

/* Change what is kept of all for one that is active. Return: the new sum. */
static u64 count_active(struct sosnap_snap *snap, u64 sum)
{
	struct sosnap_store *store = snap->store;
	const struct sosnap_disk_snapshot *s;
	struct sosnap_entry *e;
	u64 lacks;

	e = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, snap->id);
	snap->own.kept = 0;
	if (!e) {
		sosnap_own_reserve(&snap->own, 0, &store->meta.kept);
		return sum;
	}
	s = &e->item.snapshot;
	lacks = idle_lacks(store, s);
	sum -= lacks;
	sosnap_own_reserve(&snap->own, reservation_of(s), &sum);
	snap->own.sum = &store->meta.kept;
	/* a message is about to give it this top, which is what counts already */
	if (le32_to_cpu(s->object) != snap->object) {
		sum += lacks - snap->own.kept;
		snap->own.kept = lacks;
	}
	return sum;
}

/**
 * __sosnap_reserve_count() - count anew what is kept for all snapshots
 * @store: the store
 * Context: meta_lock and list_lock held.
 */
void __sosnap_reserve_count(struct sosnap_store *store)
{
	struct sosnap_catalog *c = &store->meta.catalog;
	u64 sum = 0, metadata = 0;
	struct sosnap_entry *e;
	struct sosnap_snap *snap;

	lockdep_assert_held(&store->meta_lock);
	lockdep_assert_held(&store->list_lock);
	for (e = sosnap_catalog_next(c, SOSNAP_CATALOG_SNAPSHOT, 0); e;
	     e = sosnap_catalog_next(c, SOSNAP_CATALOG_SNAPSHOT, e->id + 1)) {
		metadata += sosnap_own_metadata(reservation_of(&e->item.snapshot));
		sum += idle_lacks(store, &e->item.snapshot);
	}
	/* nearly always: there is none, and there was none */
	if (!metadata && !store->reserves)
		return;
	store->reserves = metadata;
	spin_lock_irq(&store->log_lock);
	list_for_each_entry(snap, &store->snaps, list)
		sum = count_active(snap, sum);
	/* at once, for who looks without this lock */
	WRITE_ONCE(store->meta.kept, sum);
	WRITE_ONCE(store->meta.kept_metadata, metadata);
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
 * sosnap_reserve_more() - what would be kept beyond what is
 * @store:       the store
 * @id:          the snapshot for which it would be
 * @reservation: if it had this one
 * @anew:        and nothing that it owns were its own any more
 * @more:        blocks are added; fewer are not
 * @metadata:    those for metadata likewise
 * Context: meta_lock held; may sleep.
 */
void sosnap_reserve_more(struct sosnap_store *store, u32 id, u64 reservation, bool anew,
			 s64 *more, s64 *metadata)
{
	struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
						    SOSNAP_CATALOG_SNAPSHOT, id);
	const struct sosnap_disk_snapshot *s = &e->item.snapshot;
	u64 owned = top_blocks(store, s), now, then;
	struct sosnap_snap *snap;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		if (snap->id != id)
			continue;
		spin_lock_irq(&store->log_lock);
		owned = sosnap_own_count(&snap->own) + snap->own.claimed;
		spin_unlock_irq(&store->log_lock);
	}
	mutex_unlock(&store->list_lock);
	reservation = bounded(s, reservation);
	now = sosnap_own_lacks(reservation_of(s), owned);
	then = sosnap_own_lacks(reservation, anew ? 0 : owned);
	*more += then > now ? then - now : 0;
	now = sosnap_own_metadata(reservation_of(s));
	then = sosnap_own_metadata(reservation);
	*metadata += then > now ? then - now : 0;
}

/**
 * sosnap_reserve_any() - whether blocks are kept for a snapshot
 * @snap: active
 * Context: any; it may change.
 */
bool sosnap_reserve_any(struct sosnap_snap *snap)
{
	return READ_ONCE(snap->own.kept);
}

/**
 * sosnap_reserve_share() - who may have what of the blocks that are kept
 * @snap:   whose first write looks for space
 * @others: set to those that are kept, also for metadata, but not for this snapshot
 * @lacks:  set to those that are kept for it
 * Context: space_lock held (V3).
 */
void sosnap_reserve_share(struct sosnap_snap *snap, u64 *others, u64 *lacks)
{
	struct sosnap_store *store = snap->store;

	lockdep_assert_held(&store->space_lock);
	*lacks = 0;
	*others = READ_ONCE(store->meta.kept) + READ_ONCE(store->meta.kept_metadata);
	if (!READ_ONCE(snap->own.reservation))
		return;
	/* one moment of all of them */
	spin_lock_irq(&store->log_lock);
	*lacks = snap->own.kept;
	*others = store->meta.kept - *lacks + store->meta.kept_metadata -
		  sosnap_own_metadata(snap->own.reservation);
	spin_unlock_irq(&store->log_lock);
}
