// SPDX-License-Identifier: GPL-2.0
/*
 * What maps take in memory: the account, its bound, and the ways to make them
 * smaller. Windows that have records not in the trees stay (window.h, M2).
 */
#include <linux/delay.h>

#include "checkpoint.h"
#include "log.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"
#include "window.h"

static long map_limit(struct sosnap_store *store)
{
	return min_t(u64, (u64)READ_ONCE(store->opt.map_memory) << 20, LONG_MAX);
}

/* Where eviction begins, so that writers find room while it goes on. */
static long evict_above(struct sosnap_store *store)
{
	long limit = map_limit(store);

	return limit - limit / 8;
}

/**
 * sosnap_map_full() - no map may grow (M6)
 * @store: the store
 * Context: any.
 */
bool sosnap_map_full(struct sosnap_store *store)
{
	return atomic_long_read(&store->map_bytes) > map_limit(store);
}

static void charge_store(struct sosnap_store *store, long bytes)
{
	long all = atomic_long_add_return(bytes, &store->map_bytes);

	if (bytes <= 0)
		return;
	if (all > READ_ONCE(store->map_peak))
		WRITE_ONCE(store->map_peak, all);
	if (all > evict_above(store) && !READ_ONCE(store->evict_waits))
		queue_work(store->meta_wq, &store->evict);
}

/**
 * sosnap_map_charge() - a map has grown, or become smaller
 * @snap:  whose
 * @bytes: by how much
 * Context: any.
 */
void sosnap_map_charge(struct sosnap_snap *snap, long bytes)
{
	atomic_long_add(bytes, &snap->map_bytes);
	charge_store(snap->store, bytes);
}

/* How hard to try: each one also takes what those before it do. */
enum evict {
	EVICT_OLD,	/* clean windows that were not new at the last round */
	EVICT_CLEAN,	/* all clean windows */
	EVICT_VALUES,	/* and the slots of windows without changes */
};

/* Take a window out of the map if the trees know all of it. */
static void evict_window(struct sosnap_snap *snap, struct sosnap_window *w, enum evict how)
{
	struct sosnap_store *store = snap->store;
	void *next = NULL;
	u64 resv, base;

	spin_lock_irq(&w->lock);
	/* pairs with the release in checkpoint.c: old discards are gone by then */
	if (w->pending || w->logged > smp_load_acquire(&store->checkpointed) ||
	    (w->referenced && how == EVICT_OLD)) {
		w->referenced = false;
		spin_unlock_irq(&w->lock);
		return;
	}
	if (how == EVICT_VALUES)
		next = NULL;
	else if (!w->held && !w->zero)
		next = xa_mk_value(SOSNAP_WINDOW_GOLD);
	else if (!w->held && w->zero == ~0ULL)
		next = xa_mk_value(SOSNAP_WINDOW_ZERO);
	w->dead = true;
	resv = w->resv;
	base = w->base;
	w->resv = 0;
	spin_unlock_irq(&w->lock);
	sosnap_window_slot(snap, w->index, next, GFP_NOWAIT);
	sosnap_space_put_mask(store, base, resv);
	sosnap_window_free(snap, w);
}

/* One page of slots from an index on, under load_lock. */
static void evict_page(struct sosnap_snap *snap, u64 index, u64 end, enum evict how, long keep)
{
	long pages = snap->map.pages;
	u64 at = index;
	void *entry;

	sosnap_slots_for_each(&snap->map, at, end, entry) {
		if (atomic_long_read(&snap->store->map_bytes) <= keep)
			break;
		if (!xa_is_value(entry))
			evict_window(snap, entry, how);
		else if (how == EVICT_VALUES)
			sosnap_slots_replace(&snap->map, at, entry, NULL);
	}
	sosnap_slots_trim(&snap->map, index);
	sosnap_map_charge(snap, ((long)snap->map.pages - pages) * (long)PAGE_SIZE);
}

/*
 * A load may be waiting for the memory of other snapshots' windows, so do not
 * wait for its end whatever happens; but a map that is always being loaded has
 * to become smaller, too.
 */
static bool lock_map(struct sosnap_snap *snap)
{
	int tries;

	for (tries = 0; tries < 20; tries++) {
		if (mutex_trylock(&snap->load_lock))
			return true;
		usleep_range(100, 1000);
	}
	return false;
}

/* A page of slots at a time, so that loads do not have to wait for long. */
static void evict_snap(struct sosnap_snap *snap, enum evict how, long keep)
{
	u64 index = 0, end;

	while (index < sosnap_windows(snap) &&
	       atomic_long_read(&snap->store->map_bytes) > keep) {
		if (!lock_map(snap))
			return;
		if (!sosnap_slots_next(&snap->map, &index, sosnap_windows(snap)))
			index = sosnap_windows(snap);
		end = min_t(u64, round_down(index, SOSNAP_SLOTS) + SOSNAP_SLOTS,
			    sosnap_windows(snap));
		if (index < end)
			evict_page(snap, index, end, how, keep);
		mutex_unlock(&snap->load_lock);
		index = end;
		cond_resched();
	}
}

static void evict_down_to(struct sosnap_store *store, enum evict last, long keep)
{
	struct sosnap_snap *snap;
	enum evict how;

	mutex_lock(&store->list_lock);
	for (how = EVICT_OLD; how <= last; how++)
		list_for_each_entry(snap, &store->snaps, list)
			evict_snap(snap, how, keep);
	mutex_unlock(&store->list_lock);
}

static void evict_work(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, evict);
	long limit = map_limit(store), keep = limit - limit / 4, asked;
	long before = atomic_long_read(&store->map_bytes);
	/* checkpointed was set before it: a grace period lies between, see finish() */
	u64 merged = smp_load_acquire(&store->log.merged);

	WRITE_ONCE(store->evict_begun, store->evict_begun + 1);
	asked = atomic_long_xchg(&store->shrink, 0);
	if (asked)
		keep = min(keep, max(atomic_long_read(&store->map_bytes) - asked, 0L));
	evict_down_to(store, EVICT_VALUES, keep);
	trace_sosnap_evict(store, before, keep);
	if (atomic_long_read(&store->map_bytes) > keep &&
	    READ_ONCE(store->log.end) != READ_ONCE(store->log.merged)) {
		WRITE_ONCE(store->evict_waits, true);
		sosnap_checkpoint_queue(store);
	}
	WRITE_ONCE(store->evict_merged, merged);
	WRITE_ONCE(store->evict_done, store->evict_begun);
	wake_up_all(&store->map_wait);
}

/**
 * sosnap_window_wait_room() - let a first write make a map grow
 * @store: the store
 *
 * What the wait is for, and why it ends: M6 and M7.
 * Context: may sleep, with nothing locked, reserved or pending.
 */
void sosnap_window_wait_room(struct sosnap_store *store)
{
	u64 begun, until;
	long left = HZ;

	if (!sosnap_map_full(store))
		return;
	spin_lock_irq(&store->log_lock);
	until = store->log.end;
	spin_unlock_irq(&store->log_lock);
	begun = READ_ONCE(store->evict_begun);
	while (sosnap_map_full(store) && sosnap_writable(store) &&
	       (READ_ONCE(store->evict_done) <= begun || READ_ONCE(store->evict_merged) < until)) {
		u64 done = READ_ONCE(store->evict_done);

		/* one that waits for a checkpoint is asked for by that */
		if (!READ_ONCE(store->evict_waits) || !left)
			queue_work(store->meta_wq, &store->evict);
		/* whoever ends a store's writes does not look for us here: so look again */
		left = wait_event_timeout(store->map_wait,
					  READ_ONCE(store->evict_done) != done ||
					  !sosnap_map_full(store), HZ);
	}
}

/**
 * sosnap_window_evict_all() - drop every clean part of every map
 * @store: the store
 * Context: may sleep.
 */
void sosnap_window_evict_all(struct sosnap_store *store)
{
	long before = atomic_long_read(&store->map_bytes);

	evict_down_to(store, EVICT_VALUES, 0);
	trace_sosnap_evict(store, before, 0);
}

static unsigned long shrink_count(struct shrinker *s, struct shrink_control *sc)
{
	struct sosnap_store *store = sosnap_shrinker_owner(s);
	long bytes = atomic_long_read(&store->map_bytes) - atomic_long_read(&store->shrink);

	return max(bytes, 0L) / sizeof(struct sosnap_window);
}

/*
 * Whoever reclaims memory may hold any lock of ours, so the worker does it, as
 * dm-bufio's does.
 */
static unsigned long shrink_scan(struct shrinker *s, struct shrink_control *sc)
{
	struct sosnap_store *store = sosnap_shrinker_owner(s);

	atomic_long_add(sc->nr_to_scan * sizeof(struct sosnap_window), &store->shrink);
	queue_work(store->meta_wq, &store->evict);
	return sc->nr_to_scan;
}

/**
 * sosnap_window_shrinker_start() - give memory of maps back when the host needs it
 * @store: the store; sosnap_shrinker_stop() ends it
 * Return: 0 or -ENOMEM.
 */
int sosnap_window_shrinker_start(struct sosnap_store *store)
{
	store->shrinker = sosnap_shrinker_start(shrink_count, shrink_scan, store);
	return store->shrinker ? 0 : -ENOMEM;
}

/**
 * sosnap_window_unreserve() - take all soft reservations back
 * @store: the store
 * Context: may sleep.
 */
void sosnap_window_unreserve(struct sosnap_store *store)
{
	struct sosnap_snap *snap;
	struct sosnap_window *w;
	u64 resv, base, index;
	void *entry;

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		mutex_lock(&snap->load_lock);	/* no window is freed meanwhile */
		index = 0;
		sosnap_slots_for_each(&snap->map, index, sosnap_windows(snap), entry) {
			if (xa_is_value(entry))
				continue;
			w = entry;
			spin_lock_irq(&w->lock);
			resv = w->resv;
			base = w->base;
			w->resv = 0;
			spin_unlock_irq(&w->lock);
			sosnap_space_put_mask(store, base, resv);
			cond_resched();
		}
		mutex_unlock(&snap->load_lock);
	}
	mutex_unlock(&store->list_lock);
}

/* Free a map that nobody looks at any more. */
static void drop_slots(struct sosnap_store *store, struct sosnap_slots *map, u64 windows)
{
	struct sosnap_window *w;
	u64 index = 0;
	void *entry;

	sosnap_slots_for_each(map, index, windows, entry) {
		if (xa_is_value(entry))
			continue;
		w = entry;
		sosnap_space_put_mask(store, w->base, w->resv);
		sosnap_window_discard(w);
		cond_resched();
	}
	sosnap_slots_exit(map);
}

static void drop_zero_ranges(struct sosnap_snap *snap)
{
	struct sosnap_zero_range *z, *next;
	LIST_HEAD(old);

	spin_lock_irq(&snap->zero_lock);
	list_splice_init(&snap->zero_ranges, &old);
	spin_unlock_irq(&snap->zero_lock);
	list_for_each_entry_safe(z, next, &old, list)
		kfree(z);
}

/**
 * sosnap_window_drop_map() - free the map of a snapshot that goes away
 * @snap: no I/O of it is in flight
 * Context: may sleep.
 */
void sosnap_window_drop_map(struct sosnap_snap *snap)
{
	drop_slots(snap->store, &snap->map, sosnap_windows(snap));
	sosnap_map_charge(snap, -atomic_long_read(&snap->map_bytes));
	drop_zero_ranges(snap);
}

/* A map that a snapshot had, and what it takes. */
struct dropped {
	struct list_head list;
	struct sosnap_slots map;
	u64 windows;
	long bytes;
};

static void drop_work(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, drop);
	struct dropped *d, *next;
	LIST_HEAD(list);

	mutex_lock(&store->list_lock);
	list_splice_init(&store->dropped, &list);
	mutex_unlock(&store->list_lock);
	list_for_each_entry_safe(d, next, &list, list) {
		drop_slots(store, &d->map, d->windows);
		charge_store(store, -d->bytes);
		kfree(d);
	}
}

/**
 * sosnap_window_new_map() - forget everything that is known of a snapshot's blocks
 * @snap: suspended
 *
 * The old map is freed by a worker: this takes no longer for a large one.
 * Context: list_lock and load_lock held; may sleep.
 */
void sosnap_window_new_map(struct sosnap_snap *snap)
{
	struct sosnap_store *store = snap->store;
	struct dropped *d = kmalloc(sizeof(*d), GFP_NOIO | __GFP_NOFAIL);

	d->map = snap->map;
	d->windows = sosnap_windows(snap);
	d->bytes = atomic_long_xchg(&snap->map_bytes, 0);
	sosnap_slots_init(&snap->map, d->windows);
	drop_zero_ranges(snap);
	list_add(&d->list, &store->dropped);
	queue_work(store->meta_wq, &store->drop);
}

/**
 * sosnap_window_checkpointed() - the trees know all commits up to a number
 * @store: the store
 * @seq:   the number
 * Context: the checkpoint, after publish; may sleep.
 */
void sosnap_window_checkpointed(struct sosnap_store *store, u64 seq)
{
	struct sosnap_zero_range *z, *next;
	struct sosnap_snap *snap;
	LIST_HEAD(old);

	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		spin_lock_irq(&snap->zero_lock);
		list_for_each_entry_safe(z, next, &snap->zero_ranges, list)
			if (z->seq <= seq)
				list_move(&z->list, &old);
		spin_unlock_irq(&snap->zero_lock);
	}
	mutex_unlock(&store->list_lock);
	list_for_each_entry_safe(z, next, &old, list)
		kfree(z);
}

/**
 * sosnap_window_may_evict() - a checkpoint is done: windows without records are clean
 * @store: the store
 * Context: the checkpoint, after it has set log.merged.
 */
void sosnap_window_may_evict(struct sosnap_store *store)
{
	WRITE_ONCE(store->evict_waits, false);
	if (atomic_long_read(&store->map_bytes) > evict_above(store))
		queue_work(store->meta_wq, &store->evict);
	else
		wake_up_all(&store->map_wait);
}

/**
 * sosnap_window_store_init() - prepare the eviction worker
 * @store: the store
 */
void sosnap_window_store_init(struct sosnap_store *store)
{
	INIT_WORK(&store->evict, evict_work);
	INIT_WORK(&store->drop, drop_work);
	INIT_LIST_HEAD(&store->dropped);
	init_waitqueue_head(&store->map_wait);
}
