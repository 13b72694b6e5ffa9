/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Windows: the in-memory map of a snapshot, 64 blocks at a time.
 *
 * M1  A window that is loaded says what the trees and all records since the
 *     last checkpoint say of its blocks, for the whole chain of ancestors.
 * M2  A window with records that are not in the trees is never evicted. So what
 *     is not loaded is what the trees say, but for the big discards in
 *     snap->zero_ranges.
 * M3  A block changes its place only under window->lock and inside a seqcount
 *     write section; readers retry. Old places stay valid for I/O in flight
 *     until the epoch is drained (checkpoint.h, K3).
 * M4  A dead window is out of the map; whoever holds it under RCU may still
 *     read through it, and looks it up again before changing anything.
 * M5  What a window calls own is the top's as long as its generation is the
 *     snapshot's. Freezing the top makes another generation, while no I/O is under
 *     way, and costs nothing more: each window finds out when it is written to.
 * M6  Above map_memory no first write makes a map grow before it has waited for
 *     room in a worker, with nothing locked, reserved or pending. Eviction and
 *     checkpoints begin an eighth below it. What is in excess is what had passed
 *     already (a window, its places and a page of slots for each worker), and
 *     loads, which wait for nobody but can be evicted at once.
 * M7  Nobody waits for room for ever: all records that were logged when it began
 *     to wait get merged, an eviction follows, and then it goes on whatever that
 *     has gained. When the store takes no more writes it goes on to fail. What
 *     it waits for needs none of the workers that wait.
 */
#ifndef SOSNAP_WINDOW_H
#define SOSNAP_WINDOW_H

#include "types.h"

/* What a lock-free reader takes of a window. */
struct sosnap_view_of {
	u64 held;
	u64 own;
	u64 zero;
	u64 pending;
	u64 based;
	u64 base;
	u32 gen;
	struct sosnap_spill *spill;
};

enum sosnap_class {
	SOSNAP_CLASS_GOLD,
	SOSNAP_CLASS_ZERO,
	SOSNAP_CLASS_HELD,
};

/* Consistent copy of a window; RCU read lock held. */
static inline void sosnap_window_read(struct sosnap_window *w, struct sosnap_view_of *v)
{
	unsigned int seq;

	do {
		seq = read_seqcount_begin(&w->seq);
		v->held = READ_ONCE(w->held);
		v->own = READ_ONCE(w->own);
		v->zero = READ_ONCE(w->zero);
		v->pending = READ_ONCE(w->pending);
		v->based = READ_ONCE(w->based);
		v->base = READ_ONCE(w->base);
		v->gen = READ_ONCE(w->gen);
		v->spill = rcu_dereference(w->spill);
	} while (read_seqcount_retry(&w->seq, seq));
}

/* The blocks that may be overwritten where they are. */
static inline u64 sosnap_window_own(const struct sosnap_snap *snap, const struct sosnap_view_of *v)
{
	return likely(v->gen == snap->gen) ? v->own & ~v->pending : 0;
}

/* Before own is used or changed: forget what an ancestor owns now. */
static inline void __sosnap_window_renew(const struct sosnap_snap *snap, struct sosnap_window *w)
{
	lockdep_assert_held(&w->lock);
	if (likely(w->gen == snap->gen))
		return;
	write_seqcount_begin(&w->seq);
	w->own = 0;
	w->gen = snap->gen;
	write_seqcount_end(&w->seq);
}

/* KiB, rounded up, for status. */
static inline u64 sosnap_map_kib(atomic_long_t *bytes)
{
	return DIV_ROUND_UP((u64)atomic_long_read(bytes), 1024);
}

/* Length of the run of set bits from bit on. */
static inline u32 sosnap_run(u64 mask, u32 bit)
{
	u64 rest = ~(mask >> bit);

	/* the bits shifted in are clear, so rest is 0 only for bit 0 of ~0 */
	return rest ? __ffs64(rest) : 64;
}

u32 sosnap_window_spilled(const struct sosnap_view_of *v, u32 bit, u64 *store);

/*
 * Where a held block lives, and how many from it on live one after the other.
 */
static inline u32 sosnap_window_place(const struct sosnap_view_of *v, u32 bit, u64 *store)
{
	u64 based = v->held & v->based;

	if (likely(based >> bit & 1)) {
		*store = v->base + bit;
		return sosnap_run(based, bit);
	}
	return sosnap_window_spilled(v, bit, store);
}

static inline enum sosnap_class sosnap_window_class(const struct sosnap_view_of *v, u32 bit,
						    u32 *run)
{
	if (v->held >> bit & 1) {
		*run = sosnap_run(v->held, bit);
		return SOSNAP_CLASS_HELD;
	}
	if (v->zero >> bit & 1) {
		*run = sosnap_run(v->zero & ~v->held, bit);
		return SOSNAP_CLASS_ZERO;
	}
	*run = sosnap_run(~(v->held | v->zero), bit);
	return SOSNAP_CLASS_GOLD;
}

struct sosnap_window *sosnap_window_make(struct sosnap_snap *snap, u64 index, void *was,
					 bool sleep);
void sosnap_window_wait_room(struct sosnap_store *store);
void sosnap_window_may_evict(struct sosnap_store *store);
int sosnap_window_load_now(struct sosnap_snap *snap, u64 index);
struct sosnap_window *sosnap_window_claim(struct sosnap_snap *snap, u64 index, u64 mask, u64 base,
					  u64 *got);
void sosnap_window_moved(struct sosnap_snap *snap, struct sosnap_window *w, u32 first, u32 count,
			 u64 store, bool ok);
u64 sosnap_window_follow(struct sosnap_snap *snap, u64 index, u64 mask, u64 from, u64 to);
int sosnap_window_need(struct sosnap_snap *snap, u64 index);
int sosnap_window_load(struct sosnap_snap *snap, u64 index);
bool sosnap_window_rebase(struct sosnap_snap *snap, struct sosnap_window *w);
void sosnap_window_refit(struct sosnap_snap *snap, u64 index, u32 bit);
void sosnap_window_add_spill(struct sosnap_snap *snap, struct sosnap_window *w, u64 mask, u64 base);
void sosnap_window_done(struct sosnap_snap *snap, struct sosnap_window *w, u32 first,
			u32 count, u64 store, bool based, bool ok, bool claimed);
void sosnap_window_unreserve(struct sosnap_store *store);
void sosnap_window_evict_all(struct sosnap_store *store);
void sosnap_window_drop_map(struct sosnap_snap *snap);
void sosnap_window_new_map(struct sosnap_snap *snap);
void sosnap_window_checkpointed(struct sosnap_store *store, u64 seq);
void sosnap_window_store_init(struct sosnap_store *store);
int sosnap_window_shrinker_start(struct sosnap_store *store);

/* map_memory.c, and what it needs of window.c */
bool sosnap_map_full(struct sosnap_store *store);
void sosnap_map_charge(struct sosnap_snap *snap, long bytes);
void sosnap_window_discard(struct sosnap_window *w);
void sosnap_window_free(struct sosnap_snap *snap, struct sosnap_window *w);
int sosnap_window_slot(struct sosnap_snap *snap, u64 index, void *entry, gfp_t gfp);

int sosnap_window_cache_init(void);
void sosnap_window_cache_exit(void);

#endif /* SOSNAP_WINDOW_H */
