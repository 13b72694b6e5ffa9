// SPDX-License-Identifier: GPL-2.0
#include "store.h"
#include "window.h"

static const char *store_state(struct sosnap_store *store)
{
	switch (READ_ONCE(store->state)) {
	case SOSNAP_STORE_RO:
		return "ro";
	case SOSNAP_STORE_FAILED:
		return "failed";
	default:
		return READ_ONCE(store->full) ? "full" : "rw";
	}
}

/**
 * sosnap_store_status() - the status line of a store, see core/uapi.h
 * @store:  the store
 * @result: room for it
 * @maxlen: its size
 * Context: may sleep; never waits for a checkpoint.
 */
void sosnap_store_status(struct sosnap_store *store, char *result, unsigned int maxlen)
{
	struct sosnap_super *s = &store->meta.super;
	u64 data, journal, records, fixed, reserve, nodes = READ_ONCE(s->node_blocks);
	unsigned int sz = 0;

	spin_lock_irq(&store->log_lock);
	data = store->data_blocks + store->merging_blocks + store->pending_blocks;
	journal = sosnap_journal_used(&store->meta.journal);
	records = store->log.end - store->log.merged;
	spin_unlock_irq(&store->log_lock);
	/* superblocks, journal, bitmap and summary slots */
	fixed = READ_ONCE(store->meta.space.fixed);
	reserve = sosnap_meta_reserve(&store->meta, records);
	DMEMIT("%s %s %pU %llu %llu %llu %llu %llu", store_state(store), s->name,
	       store->io.uuid, data + nodes + fixed, READ_ONCE(s->nr_blocks), data,
	       nodes + fixed, reserve);
	DMEMIT(" %llu %llu %llu %llu %u %u %llu %llu %llu %llu %llu", journal,
	       s->journal_blocks, records, READ_ONCE(s->gen), READ_ONCE(store->nr_snapshots),
	       READ_ONCE(store->nr_golds),
	       sosnap_map_kib(&store->map_bytes), READ_ONCE(store->removing),
	       READ_ONCE(store->shrinks_to), READ_ONCE(store->shrink_left),
	       READ_ONCE(store->meta.kept) + READ_ONCE(store->meta.kept_metadata));
}

/**
 * sosnap_snap_state() - the state of a snapshot that is active
 * @snap: the snapshot
 * Context: any.
 * Return: its word, see core/uapi.h.
 */
const char *sosnap_snap_state(const struct sosnap_snap *snap)
{
	if (test_bit(SOSNAP_SNAP_FENCED, &snap->refuses))
		return "fenced";
	return sosnap_writable(snap->store) && !get_disk_ro(dm_disk(snap->md)) ? "rw" : "ro";
}

/**
 * sosnap_snap_status() - the status line of a snapshot, see core/uapi.h
 * @snap:   the snapshot
 * @result: room for it
 * @maxlen: its size
 * Context: may sleep.
 */
void sosnap_snap_status(struct sosnap_snap *snap, char *result, unsigned int maxlen)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_entry *e, *g = NULL;
	unsigned int sz = 0;
	u64 blocks, quota, reservation;

	spin_lock_irq(&store->log_lock);
	blocks = sosnap_own_count(&snap->own);
	quota = snap->own.quota;
	reservation = snap->own.reservation;
	spin_unlock_irq(&store->log_lock);
	mutex_lock(&store->meta_lock);
	e = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, snap->id);
	if (e)
		g = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_GOLD,
				       le32_to_cpu(e->item.snapshot.gold));
	DMEMIT("%s %s %llu %llu %s %llu %llu %llu", sosnap_snap_state(snap),
	       e ? e->item.snapshot.name : "-",
	       (u64)snap->sectors, blocks, g ? g->item.gold.name : "-",
	       sosnap_map_kib(&snap->map_bytes), quota, reservation);
	mutex_unlock(&store->meta_lock);
}
