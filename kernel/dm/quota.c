// SPDX-License-Identifier: GPL-2.0
#include "checkpoint.h"
#include "quota.h"

/**
 * sosnap_quota_claim() - let a first write of a snapshot that is limited have blocks
 * @snap: whose
 * @n:    how many it wants
 * Context: any.
 * Return: how many it may have, of which those that it does not use are unclaimed.
 */
u32 sosnap_quota_claim(struct sosnap_snap *snap, u32 n)
{
	struct sosnap_store *store = snap->store;
	unsigned long flags;

	spin_lock_irqsave(&store->log_lock, flags);
	n = sosnap_own_claim(&snap->own, n);
	if (n)
		snap->at_quota = false;
	spin_unlock_irqrestore(&store->log_lock, flags);
	return n;
}

/**
 * sosnap_quota_unclaim() - blocks were not written after all
 * @snap: whose
 * @n:    how many
 * Context: any.
 */
void sosnap_quota_unclaim(struct sosnap_snap *snap, u32 n)
{
	struct sosnap_store *store = snap->store;
	unsigned long flags;

	if (!n)
		return;
	spin_lock_irqsave(&store->log_lock, flags);
	sosnap_own_unclaim(&snap->own, n);
	spin_unlock_irqrestore(&store->log_lock, flags);
}

/* Once until there is room again. */
static void tell(struct sosnap_snap *snap)
{
	struct sosnap_store *store = snap->store;
	bool first;
	u64 quota;

	spin_lock_irq(&store->log_lock);
	first = !snap->at_quota;
	snap->at_quota = true;
	quota = snap->own.quota;
	spin_unlock_irq(&store->log_lock);
	if (!first)
		return;
	DMWARN("%s: snapshot %u is at its quota, first writes fail: blocks=%llu",
	       store->meta.super.name, snap->id, quota);
	schedule_work(&store->event);
}

/**
 * sosnap_quota_settle() - a first write was given nothing
 * @snap: whose
 * Context: may sleep, long, with nothing locked, reserved or pending.
 * Return: 0 to look again, since the count was not exact; -ENOSPC, or -EIO.
 */
int sosnap_quota_settle(struct sosnap_snap *snap)
{
	bool blind;

	spin_lock_irq(&snap->zero_lock);
	blind = !list_empty(&snap->zero_ranges);
	spin_unlock_irq(&snap->zero_lock);
	if (blind)
		return sosnap_checkpoint_all(snap->store, false);
	tell(snap);
	return -ENOSPC;
}

/**
 * __sosnap_quota_set() - apply what the catalogue says
 * @snap: active, or about to be
 * @s:    its item
 * Context: log_lock held.
 */
void __sosnap_quota_set(struct sosnap_snap *snap, const struct sosnap_disk_snapshot *s)
{
	lockdep_assert_held(&snap->store->log_lock);
	snap->own.quota = le64_to_cpu(s->quota);
	snap->at_quota = false;
	WRITE_ONCE(snap->limited, snap->own.quota);
}

/**
 * sosnap_quota_follow() - let active snapshots know of a change of the catalogue
 * @store: the store
 * Context: meta_lock held; one that gets its first quota is held suspended.
 */
void sosnap_quota_follow(struct sosnap_store *store)
{
	struct sosnap_snap *snap;

	lockdep_assert_held(&store->meta_lock);
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
							    SOSNAP_CATALOG_SNAPSHOT, snap->id);

		if (!e || le64_to_cpu(e->item.snapshot.quota) == snap->own.quota)
			continue;
		spin_lock_irq(&store->log_lock);
		__sosnap_quota_set(snap, &e->item.snapshot);
		spin_unlock_irq(&store->log_lock);
	}
	mutex_unlock(&store->list_lock);
}

/**
 * sosnap_quota_active() - whether a snapshot is active with a quota already
 * @store: the store
 * @id:    the snapshot
 * Context: meta_lock held; may sleep.
 */
bool sosnap_quota_active(struct sosnap_store *store, u32 id)
{
	struct sosnap_snap *snap;
	bool limited = false;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		if (snap->id == id)
			limited = READ_ONCE(snap->limited);
	mutex_unlock(&store->list_lock);
	return limited;
}
