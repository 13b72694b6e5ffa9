// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>

#include "checkpoint.h"
#include "commit.h"
#include "../core/extent.h"
#include "log.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"
#include "window.h"

static struct kmem_cache *window_cache;
static mempool_t *window_pool;	/* for the slow path; the fast one takes no chance */

/**
 * sosnap_window_cache_init() - prepare the memory of windows
 * Return: 0 or -ENOMEM.
 */
int sosnap_window_cache_init(void)
{
	window_cache = KMEM_CACHE(sosnap_window, 0);
	if (!window_cache)
		return -ENOMEM;
	window_pool = mempool_create_slab_pool(64, window_cache);
	if (window_pool)
		return 0;
	kmem_cache_destroy(window_cache);
	return -ENOMEM;
}

/**
 * sosnap_window_cache_exit() - free it
 * Context: no store exists.
 */
void sosnap_window_cache_exit(void)
{
	rcu_barrier();
	mempool_destroy(window_pool);
	kmem_cache_destroy(window_cache);
}

static void window_free_rcu(struct rcu_head *rcu)
{
	struct sosnap_window *w = container_of(rcu, struct sosnap_window, rcu);

	kfree(rcu_dereference_protected(w->spill, true));
	mempool_free(w, window_pool);
}

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

static bool map_full(struct sosnap_store *store)
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

/* A map has grown, or become smaller. */
static void charge(struct sosnap_snap *snap, long bytes)
{
	atomic_long_add(bytes, &snap->map_bytes);
	charge_store(snap->store, bytes);
}

static long spill_bytes(const struct sosnap_spill *s)
{
	return s ? struct_size(s, seg, s->nr) : 0;
}

/* Nobody changes the window any more; readers may still look at it. */
static void window_free(struct sosnap_snap *snap, struct sosnap_window *w)
{
	charge(snap, -(long)sizeof(*w) - spill_bytes(rcu_dereference_protected(w->spill, true)));
	call_rcu(&w->rcu, window_free_rcu);
}

/* Set a slot under load_lock, and account for the pages that takes. */
static int slot_store(struct sosnap_snap *snap, u64 index, void *entry, gfp_t gfp)
{
	long pages = snap->map.pages;
	int r = sosnap_slots_store(&snap->map, index, entry, gfp);

	if (snap->map.pages != pages)
		charge(snap, ((long)snap->map.pages - pages) * (long)PAGE_SIZE);
	return r;
}

static struct sosnap_window *window_alloc(struct sosnap_snap *snap, u64 index, bool sleep)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_window *w;

	w = kmem_cache_alloc(window_cache, GFP_NOWAIT | __GFP_NOWARN);
	if (!w && sleep) {
		queue_work(store->meta_wq, &store->evict);
		w = mempool_alloc(window_pool, GFP_NOIO);
	}
	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	spin_lock_init(&w->lock);
	seqcount_spinlock_init(&w->seq, &w->lock);
	w->index = index;
	w->gen = snap->gen;
	w->referenced = true;
	charge(snap, sizeof(*w));
	return w;
}

/**
 * sosnap_window_make() - turn a window without changes into one that can have some
 * @snap:  the snapshot
 * @index: which window
 * @was:   what the map holds now: one of the values
 * @sleep: wait for memory
 * Context: RCU read lock held if !@sleep.
 * Return: the window; NULL without memory, when the map has changed meanwhile, or
 * if !@sleep when there is no room for it (M6).
 */
struct sosnap_window *sosnap_window_make(struct sosnap_snap *snap, u64 index, void *was,
					 bool sleep)
{
	struct sosnap_window *w;

	if (!sleep && map_full(snap->store))
		return NULL;
	w = window_alloc(snap, index, sleep);
	if (!w)
		return NULL;
	if (xa_to_value(was) == SOSNAP_WINDOW_ZERO)
		w->zero = ~0ULL;
	if (!sosnap_slots_replace(&snap->map, index, was, w)) {
		window_free(snap, w);
		return NULL;
	}
	return w;
}

/**
 * sosnap_window_spilled() - where a held block lives that is not at base + bit
 * @v:     the window
 * @bit:   the block
 * @store: set to its place
 * Context: RCU read lock held.
 * Return: how many blocks from it on live one after the other; 0 if the window
 * does not say, which is a bug of ours.
 */
u32 sosnap_window_spilled(const struct sosnap_view_of *v, u32 bit, u64 *store)
{
	u32 i;

	for (i = 0; v->spill && i < v->spill->nr; i++) {
		/* once: placed() takes bits off meanwhile, all of a write's at once */
		u64 mask = READ_ONCE(v->spill->seg[i].mask) & v->held & ~v->based;

		if (mask >> bit & 1) {
			*store = v->spill->seg[i].base + bit;
			return sosnap_run(mask, bit);
		}
	}
	WARN_ON_ONCE(1);
	return 0;
}

/*
 * Blocks of the mask now live at base: no other segment may name them. A reader
 * with an older copy of the window then finds the new place, which is as good.
 */
static void placed(struct sosnap_window *w, u64 mask, bool based, u64 base)
{
	struct sosnap_spill *s = rcu_dereference_protected(w->spill,
							   lockdep_is_held(&w->lock));
	u32 i;

	lockdep_assert_held(&w->lock);
	if (based) {
		w->based |= mask;
		return;
	}
	w->based &= ~mask;
	for (i = 0; s && i < s->nr; i++)
		if (s->seg[i].base != base)
			WRITE_ONCE(s->seg[i].mask, s->seg[i].mask & ~mask);
}

/*
 * Fill a new spill: what of the old one is in use and not about to get a new
 * place, then one segment more. s has room for it.
 */
static void spill_fill(struct sosnap_spill *s, const struct sosnap_spill *old, u64 used,
		       u64 mask, u64 base)
{
	u32 i;

	s->nr = 0;
	for (i = 0; old && i < old->nr; i++) {
		if (!(old->seg[i].mask & used))
			continue;
		s->seg[s->nr] = old->seg[i];
		s->seg[s->nr++].mask &= used;
	}
	s->seg[s->nr].mask = mask;
	s->seg[s->nr++].base = base;
}

/**
 * sosnap_window_rebase() - give a window a new base with 64 places reserved
 * @snap: the snapshot
 * @w:    the window; nothing in it is reserved or pending
 *
 * Blocks that live at the old base stay there, as a segment of the spill: so
 * first writes go on as in a fresh window after its map was loaded again.
 * Context: w->lock held, irqs off.
 * Return: false without memory or room for a map that grows (M6), or when no
 * stretch is ready.
 */
bool sosnap_window_rebase(struct sosnap_snap *snap, struct sosnap_window *w)
{
	struct sosnap_spill *old, *s = NULL;
	u64 base;

	lockdep_assert_held(&w->lock);
	old = rcu_dereference_protected(w->spill, lockdep_is_held(&w->lock));
	if (w->based) {
		if (map_full(snap->store))
			return false;
		s = kmalloc(struct_size(s, seg, (old ? old->nr : 0) + 1),
			    GFP_NOWAIT | __GFP_NOWARN);
		if (!s)
			return false;
	}
	if (!sosnap_stretch_pop(snap->store, &base)) {
		kfree(s);
		return false;
	}
	write_seqcount_begin(&w->seq);
	if (s) {
		spill_fill(s, old, w->held & ~w->based, w->based, w->base);
		charge(snap, spill_bytes(s) - spill_bytes(old));
		rcu_assign_pointer(w->spill, s);
		w->based = 0;
	}
	w->base = base;
	w->resv = ~0ULL;
	write_seqcount_end(&w->seq);
	if (s && old)
		kfree_rcu(old, rcu);
	return true;
}

/* The window at an index if it is in the map; RCU read lock held. */
static struct sosnap_window *window_at(struct sosnap_snap *snap, u64 index)
{
	void *entry = sosnap_slots_load(&snap->map, index);

	return xa_is_value(entry) ? NULL : entry;
}

/* Nothing is under way, and the block is neither own nor has a place reserved. */
static bool lacks_place(struct sosnap_snap *snap, struct sosnap_window *w, u32 bit)
{
	__sosnap_window_renew(snap, w);
	return !w->dead && !w->pending && !((w->own | w->resv) >> bit & 1);
}

/**
 * sosnap_window_refit() - reserve places for a block that an ancestor has
 * @snap:  the snapshot
 * @index: its window
 * @bit:   the block
 *
 * The place beside the window's others is taken, by what the block was before.
 * So the window gives back what it still has reserved, and gets a new base: later
 * first writes to it find their places without a worker again.
 * Context: may sleep. It is a matter of speed: nothing may have changed.
 */
void sosnap_window_refit(struct sosnap_snap *snap, u64 index, u32 bit)
{
	struct sosnap_window *w;
	u64 resv = 0, base = 0;

	rcu_read_lock();
	w = window_at(snap, index);
	if (w) {
		spin_lock_irq(&w->lock);
		if (lacks_place(snap, w, bit)) {
			resv = w->resv;
			base = w->base;
			w->resv = 0;
		}
		spin_unlock_irq(&w->lock);
	}
	rcu_read_unlock();
	if (!resv)
		return;
	sosnap_space_put_mask(snap->store, base, resv);
	rcu_read_lock();
	w = window_at(snap, index);
	if (w) {
		spin_lock_irq(&w->lock);
		if (!w->resv && lacks_place(snap, w, bit))
			sosnap_window_rebase(snap, w);
		spin_unlock_irq(&w->lock);
	}
	rcu_read_unlock();
}

/**
 * sosnap_window_add_spill() - let blocks live elsewhere than at base + bit
 * @snap: the snapshot
 * @w:    the window
 * @mask: which; they are pending
 * @base: bit i lives at @base + i
 *
 * The blocks become visible there when they are done. Until then they are not
 * held or have an older place, so the segment goes behind those of older places
 * only for bits that no other segment names: their bits are cleared there.
 * Context: may sleep; nobody else adds segments to blocks of @mask.
 */
void sosnap_window_add_spill(struct sosnap_snap *snap, struct sosnap_window *w, u64 mask, u64 base)
{
	struct sosnap_spill *old, *s;
	u64 used;
	u32 room;

retry:
	rcu_read_lock();
	old = rcu_dereference(w->spill);
	room = (old ? old->nr : 0) + 1;
	rcu_read_unlock();
	/* at most a KiB, and an error would be one of the guest's disk */
	s = kmalloc(struct_size(s, seg, room), GFP_NOIO | __GFP_NOFAIL);
	spin_lock_irq(&w->lock);
	old = rcu_dereference_protected(w->spill, lockdep_is_held(&w->lock));
	if ((old ? old->nr : 0) + 1 > room) {
		spin_unlock_irq(&w->lock);
		kfree(s);
		goto retry;
	}
	/*
	 * What is held here or about to be, even if an ancestor's is at the base
	 * still; a bit of mask that is held keeps its place.
	 */
	used = ((w->held & ~w->based) | w->pending) & ~(mask & ~w->held);
	spill_fill(s, old, used, mask, base);
	charge(snap, spill_bytes(s) - spill_bytes(old));
	write_seqcount_begin(&w->seq);
	rcu_assign_pointer(w->spill, s);
	write_seqcount_end(&w->seq);
	spin_unlock_irq(&w->lock);
	if (old)
		kfree_rcu(old, rcu);
}

/**
 * sosnap_window_done() - a first write has ended
 * @snap:  whose
 * @w:     the window; its bits are pending
 * @first: first bit
 * @count: how many
 * @store: their place
 * @based: it is base + bit
 * @ok:    the data is there
 *
 * On success the blocks become own and are logged before anybody is told. On
 * failure everything is as before; a reserved place is reserved again.
 * Context: any.
 */
void sosnap_window_done(struct sosnap_snap *snap, struct sosnap_window *w, u32 first,
			u32 count, u64 store, bool based, bool ok)
{
	u64 mask = sosnap_mask(first, count);
	unsigned long flags;

	spin_lock_irqsave(&w->lock, flags);
	/* logged first: who sees the block as own must see its commit (FUA) */
	if (ok)
		WRITE_ONCE(w->logged,
			   sosnap_log_append(snap, SOSNAP_RECORD_MAP,
					     (w->index << SOSNAP_WINDOW_SHIFT) + first, count,
					     store, count));
	else
		sosnap_log_unreserve(snap->store);
	__sosnap_window_renew(snap, w);
	write_seqcount_begin(&w->seq);
	if (ok) {
		if (based)
			atomic64_sub(count, &snap->store->soft);
		placed(w, mask, based, store - first);
		w->held |= mask;
		w->own |= mask;
		w->zero &= ~mask;
		trace_sosnap_first_write(snap, (w->index << SOSNAP_WINDOW_SHIFT) + first, count,
					 store);
	} else if (based) {
		w->resv |= mask;
	}
	w->pending &= ~mask;
	write_seqcount_end(&w->seq);
	spin_unlock_irqrestore(&w->lock, flags);
	if (wq_has_sleeper(&snap->wait))
		wake_up_all(&snap->wait);
}

/* Bits of the window that a pending big discard covers. */
static u64 zeroed(struct sosnap_snap *snap, u64 index)
{
	u64 first = index << SOSNAP_WINDOW_SHIFT, end = first + SOSNAP_WINDOW_BLOCKS;
	struct sosnap_zero_range *z;
	u64 mask = 0;

	spin_lock_irq(&snap->zero_lock);
	list_for_each_entry(z, &snap->zero_ranges, list) {
		u64 a = max(z->first, first), b = min(z->end, end);

		if (a < b)
			mask |= sosnap_mask(a - first, b - a);
	}
	spin_unlock_irq(&snap->zero_lock);
	return mask;
}

/*
 * Ask one object for the blocks that nobody above it has. next is set to where
 * its next extent behind the window starts.
 */
static int load_object(struct sosnap_snap *snap, const struct sosnap_tree *t, u32 object,
		       u64 index, u64 *known, u64 *held, u64 *zero, u64 *next)
{
	u64 first = index << SOSNAP_WINDOW_SHIFT, end = first + SOSNAP_WINDOW_BLOCKS;
	u64 blk = first;
	struct sosnap_extent e;
	int r;

	for (;;) {
		u64 a, b, mask;

		r = sosnap_extent_find(t, object, blk, &e);
		if (r == -ENOENT)
			return 0;
		if (r)
			return r;
		if (e.blk >= end) {
			*next = min(*next, e.blk);
			return 0;
		}
		a = max(e.blk, first);
		b = min(e.blk + e.len, end);
		mask = sosnap_mask(a - first, b - a) & ~*known;
		if (e.store == SOSNAP_STORE_ZERO) {
			*zero |= mask;
		} else {
			*held |= mask;
			for (; a < b; a++)
				if (mask >> (a - first) & 1)
					snap->scratch.store[a - first] = e.store + (a - e.blk);
		}
		*known |= mask;
		blk = e.blk + e.len;
		if (blk >= end) {
			/* it may go on in the next window: nothing is known of that */
			*next = end;
			return 0;
		}
	}
}

/* Give the held blocks of a window being loaded their places. */
static void place_all(struct sosnap_snap *snap, struct sosnap_window *w)
{
	u64 left = w->held;

	while (left) {
		u32 bit = __ffs64(left), i;
		u64 base = snap->scratch.store[bit] - bit, mask = 0;

		for (i = bit; i < SOSNAP_WINDOW_BLOCKS; i++)
			if (left >> i & 1 && snap->scratch.store[i] == base + i)
				mask |= 1ULL << i;
		if (left == w->held) {
			w->base = base;
			w->based = mask;
		} else {
			sosnap_window_add_spill(snap, w, mask, base);
		}
		left &= ~mask;
	}
}

/* Put what was found into the map; w is used up or freed. */
static int insert_window(struct sosnap_snap *snap, u64 index, u64 held, u64 own, u64 zero,
			 struct sosnap_window *w)
{
	void *entry;
	int r;

	if (!held && !zero) {
		entry = xa_mk_value(SOSNAP_WINDOW_GOLD);
	} else if (!held && zero == ~0ULL) {
		entry = xa_mk_value(SOSNAP_WINDOW_ZERO);
	} else {
		w->held = held;
		w->own = own;
		w->zero = zero;
		place_all(snap, w);
		entry = w;
	}
	r = slot_store(snap, index, entry, GFP_NOIO | __GFP_NOFAIL);
	if (r || entry != w)
		window_free(snap, w);
	return r;
}

/*
 * Windows beside this one that lie whole between two extents have no changes
 * either. As many get their slot as the page of slots has, which is there anyway.
 */
static void fill_around(struct sosnap_snap *snap, const struct sosnap_tree *t, u64 index, u64 next)
{
	void *gold = xa_mk_value(SOSNAP_WINDOW_GOLD);
	u64 first = round_down(index, SOSNAP_SLOTS), end;
	u32 i;

	if (!list_empty(&snap->zero_ranges))
		return;
	end = min3(next >> SOSNAP_WINDOW_SHIFT, sosnap_windows(snap), first + SOSNAP_SLOTS);
	sosnap_slots_fill(&snap->map, index, end, gold);
	if (index == first || sosnap_slots_load(&snap->map, index - 1) ||
	    sosnap_slots_load(&snap->map, index) != gold)
		return;
	for (i = 0; i < snap->nr_chain; i++) {
		if (sosnap_extent_before(t, snap->chain[i], index << SOSNAP_WINDOW_SHIFT, &end))
			return;
		first = max(first, DIV_ROUND_UP_ULL(end, SOSNAP_WINDOW_BLOCKS));
	}
	sosnap_slots_fill(&snap->map, first, index, gold);
}

/* Load under load_lock, with the trees held still until the window is in. */
static int load_locked(struct sosnap_snap *snap, u64 index, struct sosnap_window *w)
{
	struct sosnap_store *store = snap->store;
	const struct sosnap_tree *t = sosnap_meta_live(&store->meta, SOSNAP_TREE_EXTENT);
	u64 known = 0, held = 0, own = 0, zero = 0, next = SOSNAP_MAX_BLK;
	u32 i;
	int r = 0;

	down_read(&store->root_sem);
	known = zeroed(snap, index);
	zero = known;
	for (i = 0; i < snap->nr_chain && !r; i++) {
		r = load_object(snap, t, snap->chain[i], index, &known, &held, &zero, &next);
		if (!i)
			own = held;
	}
	if (!r)
		r = insert_window(snap, index, held, own, zero, w);
	else
		window_free(snap, w);
	if (!r)
		fill_around(snap, t, index, next);
	up_read(&store->root_sem);
	return r;
}

/**
 * sosnap_window_load() - bring a window into the map
 * @snap:  the snapshot
 * @index: which window
 *
 * A node that fails verification fences this snapshot and no other.
 * Context: may sleep; load_lock must not be held.
 * Return: 0 (also when somebody else was faster), -EIO or -ENOMEM.
 */
int sosnap_window_load(struct sosnap_snap *snap, u64 index)
{
	struct sosnap_window *w;
	int r = 0;

	/* before any lock that eviction needs: it may have to wait for that */
	w = window_alloc(snap, index, true);
	mutex_lock(&snap->load_lock);
	if (!sosnap_slots_load(&snap->map, index))
		r = load_locked(snap, index, w);
	else
		window_free(snap, w);
	mutex_unlock(&snap->load_lock);
	if (r == -EUCLEAN)
		sosnap_snap_fence(snap);
	return r == -EUCLEAN ? -EIO : r;
}

/**
 * sosnap_window_need() - have a window that can have changes in the map
 * @snap:  the snapshot
 * @index: which window
 * Context: may sleep; load_lock must not be held. It may be evicted again at once.
 * Return: 0, -EIO or -ENOMEM.
 */
int sosnap_window_need(struct sosnap_snap *snap, u64 index)
{
	for (;;) {
		void *entry;
		int r;

		rcu_read_lock();
		entry = sosnap_slots_load(&snap->map, index);
		rcu_read_unlock();
		if (entry && !xa_is_value(entry))
			return 0;
		if (entry && sosnap_window_make(snap, index, entry, true))
			return 0;
		r = entry ? 0 : sosnap_window_load(snap, index);
		if (r)
			return r;
	}
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
	slot_store(snap, w->index, next, GFP_NOWAIT);
	sosnap_space_put_mask(store, base, resv);
	window_free(snap, w);
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
	charge(snap, ((long)snap->map.pages - pages) * (long)PAGE_SIZE);
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

	if (!map_full(store))
		return;
	spin_lock_irq(&store->log_lock);
	until = store->log.end;
	spin_unlock_irq(&store->log_lock);
	begun = READ_ONCE(store->evict_begun);
	while (map_full(store) && sosnap_writable(store) &&
	       (READ_ONCE(store->evict_done) <= begun || READ_ONCE(store->evict_merged) < until)) {
		u64 done = READ_ONCE(store->evict_done);

		/* one that waits for a checkpoint is asked for by that */
		if (!READ_ONCE(store->evict_waits) || !left)
			queue_work(store->meta_wq, &store->evict);
		/* whoever ends a store's writes does not look for us here: so look again */
		left = wait_event_timeout(store->map_wait,
					  READ_ONCE(store->evict_done) != done ||
					  !map_full(store), HZ);
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
		call_rcu(&w->rcu, window_free_rcu);
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
	charge(snap, -atomic_long_read(&snap->map_bytes));
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
