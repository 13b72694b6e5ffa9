// SPDX-License-Identifier: GPL-2.0
#include "checkpoint.h"
#include "commit.h"
#include "../core/extent.h"
#include "log.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"
#include "quota.h"
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

static long spill_bytes(const struct sosnap_spill *s)
{
	return s ? struct_size(s, seg, s->nr) : 0;
}

/**
 * sosnap_window_discard() - free a window when nobody looks at it any more
 * @w: out of the map; readers may still be there
 * Context: any.
 */
void sosnap_window_discard(struct sosnap_window *w)
{
	call_rcu(&w->rcu, window_free_rcu);
}

/**
 * sosnap_window_free() - the same, and account for it
 * @snap: whose
 * @w:    nobody changes it any more
 * Context: any.
 */
void sosnap_window_free(struct sosnap_snap *snap, struct sosnap_window *w)
{
	long spill = spill_bytes(rcu_dereference_protected(w->spill, true));

	sosnap_map_charge(snap, -(long)sizeof(*w) - spill);
	sosnap_window_discard(w);
}

/**
 * sosnap_window_slot() - set a slot, and account for the pages that takes
 * @snap:  the snapshot
 * @index: the window
 * @entry: what the map holds then
 * @gfp:   for the pages
 * Context: load_lock held.
 * Return: 0 or -ENOMEM.
 */
int sosnap_window_slot(struct sosnap_snap *snap, u64 index, void *entry, gfp_t gfp)
{
	long pages = snap->map.pages;
	int r = sosnap_slots_store(&snap->map, index, entry, gfp);

	if (snap->map.pages != pages)
		sosnap_map_charge(snap, ((long)snap->map.pages - pages) * (long)PAGE_SIZE);
	return r;
}

static struct sosnap_window *window_init(struct sosnap_snap *snap, u64 index,
					 struct sosnap_window *w)
{
	memset(w, 0, sizeof(*w));
	spin_lock_init(&w->lock);
	seqcount_spinlock_init(&w->seq, &w->lock);
	w->index = index;
	w->gen = snap->gen;
	w->referenced = true;
	sosnap_map_charge(snap, sizeof(*w));
	return w;
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
	return w ? window_init(snap, index, w) : NULL;
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

	if (!sleep && sosnap_map_full(snap->store))
		return NULL;
	w = window_alloc(snap, index, sleep);
	if (!w)
		return NULL;
	if (xa_to_value(was) == SOSNAP_WINDOW_ZERO)
		w->zero = ~0ULL;
	if (!sosnap_slots_replace(&snap->map, index, was, w)) {
		sosnap_window_free(snap, w);
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
		if (sosnap_map_full(snap->store))
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
		sosnap_map_charge(snap, spill_bytes(s) - spill_bytes(old));
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
	sosnap_map_charge(snap, spill_bytes(s) - spill_bytes(old));
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
 * @claimed: the blocks were claimed
 *
 * On success the blocks become own and are logged before anybody is told. On
 * failure everything is as before; a reserved place is reserved again.
 * Context: any.
 */
void sosnap_window_done(struct sosnap_snap *snap, struct sosnap_window *w, u32 first,
			u32 count, u64 store, bool based, bool ok, bool claimed)
{
	u64 mask = sosnap_mask(first, count);
	unsigned long flags;

	spin_lock_irqsave(&w->lock, flags);
	/* logged first: who sees the block as own must see its commit (FUA) */
	if (ok)
		WRITE_ONCE(w->logged,
			   sosnap_log_append(snap, SOSNAP_RECORD_MAP,
					     (w->index << SOSNAP_WINDOW_SHIFT) + first, count,
					     store, count, claimed ? count : 0));
	else
		sosnap_log_unreserve(snap->store);
	if (unlikely(claimed && !ok))
		sosnap_quota_unclaim(snap, count);
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
	r = sosnap_window_slot(snap, index, entry, GFP_NOIO | __GFP_NOFAIL);
	if (r || entry != w)
		sosnap_window_free(snap, w);
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

/*
 * Load under load_lock, with the trees held still until the window is in. Loads of
 * other snapshots run beside it: fault is what this one has found.
 */
static int load_locked(struct sosnap_snap *snap, u64 index, struct sosnap_window *w,
		       struct sosnap_fault *fault)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_tree t;
	struct sosnap_io io;
	u64 known = 0, held = 0, own = 0, zero = 0, next = SOSNAP_MAX_BLK;
	u32 i;
	int r = 0;

	down_read(&store->root_sem);
	sosnap_meta_view(&store->meta, SOSNAP_TREE_EXTENT, &t, &io);
	known = zeroed(snap, index);
	zero = known;
	for (i = 0; i < snap->nr_chain && !r; i++) {
		r = load_object(snap, &t, snap->chain[i], index, &known, &held, &zero, &next);
		if (!i)
			own = held;
	}
	if (!r)
		r = insert_window(snap, index, held, own, zero, w);
	else
		sosnap_window_free(snap, w);
	*fault = io.fault;
	if (!r)
		fill_around(snap, &t, index, next);
	up_read(&store->root_sem);
	return r;
}

static int window_load(struct sosnap_snap *snap, u64 index, struct sosnap_window *w)
{
	struct sosnap_fault fault = { };
	int r = 0;

	mutex_lock(&snap->load_lock);
	if (!sosnap_slots_load(&snap->map, index))
		r = load_locked(snap, index, w, &fault);
	else
		sosnap_window_free(snap, w);
	mutex_unlock(&snap->load_lock);
	if (r == -EUCLEAN)
		sosnap_snap_fence(snap, &fault);
	return r == -EUCLEAN ? -EIO : r;
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
	/* before any lock that eviction needs: it may have to wait for that */
	return window_load(snap, index, window_alloc(snap, index, true));
}

/**
 * sosnap_window_load_now() - bring a window into the map, without waiting for memory
 * @snap:  the snapshot
 * @index: which window
 *
 * For who holds a lock that an end of that wait may need.
 * Context: meta_lock held; may sleep; load_lock must not be held.
 * Return: 0, -ENOMEM, or as sosnap_window_load().
 */
int sosnap_window_load_now(struct sosnap_snap *snap, u64 index)
{
	struct sosnap_window *w;
	void *entry;

	rcu_read_lock();
	entry = sosnap_slots_load(&snap->map, index);
	rcu_read_unlock();
	if (entry)
		return 0;
	w = kmem_cache_alloc(window_cache, GFP_NOIO | __GFP_NORETRY | __GFP_NOWARN);
	return w ? window_load(snap, index, window_init(snap, index, w)) : -ENOMEM;
}

/* Held blocks of the mask that live at base + bit. w->lock held. */
static u64 living_at(struct sosnap_window *w, u64 mask, u64 base)
{
	struct sosnap_spill *s = rcu_dereference_protected(w->spill,
							   lockdep_is_held(&w->lock));
	u64 there = w->base == base ? mask & w->based : 0, rest = mask & ~w->based, here;
	u32 i;

	/* as readers do: a later segment may still have what a failed write was to have */
	for (i = 0; s && i < s->nr; i++) {
		here = s->seg[i].mask & rest;
		rest &= ~here;
		if (s->seg[i].base == base)
			there |= here;
	}
	return there;
}

/**
 * sosnap_window_claim() - make own blocks pending that are where they are thought
 * @snap:  the snapshot
 * @index: the window
 * @mask:  which blocks
 * @base:  block i is thought to live at @base + i
 * @got:   set to those that are pending now: the first run, or none
 * Context: process context.
 * Return: the window, which stays in the map until they are let go; NULL when it
 * is not in the map, or has nothing of its own.
 */
struct sosnap_window *sosnap_window_claim(struct sosnap_snap *snap, u64 index, u64 mask, u64 base,
					  u64 *got)
{
	struct sosnap_window *w;
	u32 bit;

	*got = 0;
	rcu_read_lock();
	w = window_at(snap, index);
	if (w) {
		spin_lock_irq(&w->lock);
		__sosnap_window_renew(snap, w);
		if (!w->dead)
			*got = living_at(w, w->held & w->own & ~w->pending & mask, base);
		if (*got) {
			bit = __ffs64(*got);
			*got = sosnap_mask(bit, sosnap_run(*got, bit));
			w->pending |= *got;
		}
		spin_unlock_irq(&w->lock);
	}
	rcu_read_unlock();
	return w;
}

/* Memory for a spill with one segment more than there are. w->lock held on return. */
static struct sosnap_spill *spill_lock(struct sosnap_window *w)
	__acquires(&w->lock)
{
	struct sosnap_spill *old, *s = NULL;
	u32 room = 1;

	for (;;) {
		s = kmalloc(struct_size(s, seg, room), GFP_NOIO | __GFP_NOFAIL);
		spin_lock_irq(&w->lock);
		old = rcu_dereference_protected(w->spill, lockdep_is_held(&w->lock));
		if ((old ? old->nr : 0) < room)
			return s;
		room = old->nr + 1;
		spin_unlock_irq(&w->lock);
		kfree(s);
	}
}

/*
 * Blocks of the mask, which are held and pending for nobody else, live at base + bit
 * from now on. s is used up. Return: what is to be freed once nobody reads it.
 */
static struct sosnap_spill *replace(struct sosnap_snap *snap, struct sosnap_window *w, u64 mask,
				    u64 base, struct sosnap_spill *s)
{
	struct sosnap_spill *old = rcu_dereference_protected(w->spill,
							     lockdep_is_held(&w->lock));

	/* nothing else is at the base, or is about to be */
	if (!w->resv && !(w->pending & ~mask) && !(w->based & ~mask)) {
		write_seqcount_begin(&w->seq);
		w->base = base;
		w->based = mask;
		write_seqcount_end(&w->seq);
		kfree(s);
		return NULL;
	}
	spill_fill(s, old, ((w->held & ~w->based) | w->pending) & ~mask, mask, base);
	sosnap_map_charge(snap, spill_bytes(s) - spill_bytes(old));
	write_seqcount_begin(&w->seq);
	rcu_assign_pointer(w->spill, s);
	w->based &= ~mask;
	write_seqcount_end(&w->seq);
	return old;
}

/**
 * sosnap_window_moved() - claimed blocks were copied to another place
 * @snap:  whose
 * @w:     the window
 * @first: first bit
 * @count: how many
 * @store: their place
 * @ok:    the copy is there; else all is as before
 *
 * The slot of the log that the caller has is used, or given back.
 * Context: may sleep.
 */
void sosnap_window_moved(struct sosnap_snap *snap, struct sosnap_window *w, u32 first, u32 count,
			 u64 store, bool ok)
{
	u64 mask = sosnap_mask(first, count);
	struct sosnap_spill *s = spill_lock(w), *old = NULL;

	if (ok) {
		/* logged first, as for a first write */
		WRITE_ONCE(w->logged,
			   sosnap_log_append(snap, SOSNAP_RECORD_MAP,
					     (w->index << SOSNAP_WINDOW_SHIFT) + first, count,
					     store, 0, 0));
		old = replace(snap, w, mask, store - first, s);
	}
	write_seqcount_begin(&w->seq);
	w->pending &= ~mask;
	write_seqcount_end(&w->seq);
	spin_unlock_irq(&w->lock);
	if (!ok) {
		kfree(s);
		sosnap_log_unreserve(snap->store);
	}
	if (old)
		kfree_rcu(old, rcu);
	wake_up_all(&snap->wait);
}

/**
 * sosnap_window_follow() - blocks that are inherited have got another place
 * @snap:  the snapshot
 * @index: the window
 * @mask:  blocks
 * @from:  of these, those that live at @from + bit ...
 * @to:    ... live at @to + bit now
 * Context: load_lock held; may sleep.
 * Return: those that a first write is in flight for: they are as they were.
 */
u64 sosnap_window_follow(struct sosnap_snap *snap, u64 index, u64 mask, u64 from, u64 to)
{
	struct sosnap_spill *s, *old = NULL;
	struct sosnap_window *w;
	u64 busy;

	rcu_read_lock();
	w = window_at(snap, index);
	rcu_read_unlock();
	if (!w)
		return 0;
	s = spill_lock(w);
	mask = living_at(w, w->held & mask, from);
	busy = mask & w->pending;
	mask &= ~busy;
	if (mask)
		old = replace(snap, w, mask, to, s);
	spin_unlock_irq(&w->lock);
	if (!mask)
		kfree(s);
	if (old)
		kfree_rcu(old, rcu);
	return busy;
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
