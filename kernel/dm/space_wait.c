// SPDX-License-Identifier: GPL-2.0
#include "checkpoint.h"
#include "log.h"
#include "quota.h"
#include "reserve.h"
#include "slow.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"
#include "window.h"

/* Discards get so many records that no data has made room for; see W6. */
#define DISCARDS	1024U
#define USELESS		(DISCARDS / 2)	/* of these, that need not free anything */

static u64 records(struct sosnap_store *store)
{
	u64 merged = READ_ONCE(store->log.merged);	/* first: end is never behind it */

	/* what is reserved softly may become records without asking again */
	return smp_load_acquire(&store->log.end) - merged + READ_ONCE(store->log.reserved) +
	       atomic64_read(&store->soft);
}

/**
 * sosnap_space_records() - what a checkpoint may have to merge
 * @store: the store
 * Context: any; a snapshot of moving figures.
 * Return: records, for sosnap_meta_reserve().
 */
u64 sosnap_space_records(struct sosnap_store *store)
{
	return records(store) + DISCARDS;
}

/* What a checkpoint of so many records more than there are could need. */
static u64 reserve(struct sosnap_store *store, u32 more)
{
	return sosnap_meta_reserve(&store->meta, records(store) + more);
}

/* What data may still take, but for so many blocks; space_lock held. */
static u64 available_but(struct sosnap_store *store, u64 kept)
{
	u64 free = store->meta.space.free;

	kept += reserve(store, DISCARDS);
	return free > kept ? free - kept : 0;
}

/* The same for who has no reservation. */
static u64 available(struct sosnap_store *store)
{
	return available_but(store, READ_ONCE(store->meta.kept) +
				    READ_ONCE(store->meta.kept_metadata));
}

/**
 * sosnap_space_left() - what data may still take
 * @store: the store
 * Context: may sleep.
 * Return: blocks.
 */
u64 sosnap_space_left(struct sosnap_store *store)
{
	u64 left;

	mutex_lock(&store->space_lock);
	left = available(store);
	mutex_unlock(&store->space_lock);
	return left;
}

static void __keep(struct sosnap_store *store, s64 more, s64 metadata)
{
	lockdep_assert_held(&store->space_lock);
	spin_lock_irq(&store->log_lock);
	WRITE_ONCE(store->meta.kept, store->meta.kept + more);
	WRITE_ONCE(store->meta.kept_metadata, store->meta.kept_metadata + metadata);
	spin_unlock_irq(&store->log_lock);
}

static bool __fits(struct sosnap_store *store, s64 more)
{
	lockdep_assert_held(&store->space_lock);
	return store->meta.space.free + atomic64_read(&store->soft) >=
	       reserve(store, DISCARDS) + store->meta.kept + store->meta.kept_metadata + more;
}

/*
 * Kept first, so that what is given back is not reserved softly again meanwhile;
 * counted then, since what was reserved softly may have been used.
 */
static bool keep(struct sosnap_store *store, s64 more, s64 metadata)
{
	bool ok;

	store->reserves = true;
	mutex_lock(&store->space_lock);
	ok = __fits(store, more + metadata);
	if (ok)
		__keep(store, more, metadata);
	mutex_unlock(&store->space_lock);
	if (!ok)
		return false;
	sosnap_space_drain(store);
	mutex_lock(&store->space_lock);
	ok = __fits(store, 0);
	if (!ok)
		__keep(store, -more, -metadata);
	mutex_unlock(&store->space_lock);
	return ok;
}

/**
 * sosnap_space_keep() - keep more blocks for a snapshot, if they are there
 * @store:    the store
 * @more:     how many
 * @metadata: and for their metadata
 *
 * Whoever asks counts anew when it is done, and says so (sosnap_space_kept()).
 * Context: meta_lock held; may sleep.
 * Return: 0, -ENOSPC when they are not there, or the error of a checkpoint.
 */
int sosnap_space_keep(struct sosnap_store *store, s64 more, s64 metadata)
{
	int r;

	lockdep_assert_held(&store->meta_lock);
	/* before less is to be seen: V5 */
	WRITE_ONCE(store->keeping, true);
	if (keep(store, more, metadata))
		return 0;
	r = __sosnap_checkpoint(store, false);
	if (!r && !keep(store, more, metadata))
		r = -ENOSPC;
	return r;
}

/**
 * sosnap_space_record() - may a discard be logged
 * @snap: whose
 * @what: what it is expected to free
 *
 * Without the lock first: far from the end, which is nearly always, nobody has
 * to wait for a checkpoint that writes bitmaps under it. Data that is allocated
 * meanwhile leaves what is asked for here, and what a checkpoint takes meanwhile
 * was in the reserve.
 * Context: may sleep; a slot of the log is reserved.
 * Return: whether a checkpoint of this record, too, finds the space it needs.
 */
bool sosnap_space_record(struct sosnap_snap *snap, enum sosnap_frees what)
{
	struct sosnap_store *store = snap->store;
	u64 kept = READ_ONCE(store->meta.kept) + READ_ONCE(store->meta.kept_metadata);
	u64 free, others, lacks;

	/* a look without the lock: see above */
	if (data_race(store->meta.space.free) >= reserve(store, DISCARDS) + kept)
		return true;
	mutex_lock(&store->space_lock);
	sosnap_reserve_share(snap, &others, &lacks);
	switch (what) {
	case SOSNAP_FREES_NOTHING:
		kept = reserve(store, DISCARDS - USELESS) + others;
		break;
	case SOSNAP_FREES_PERHAPS:
		/* what is kept for metadata is there for this, too: V1 in reserve.h */
		kept = reserve(store, 0) + READ_ONCE(store->meta.kept) - lacks;
		break;
	case SOSNAP_FREES_SOME:
		kept = reserve(store, 0);
		break;
	}
	free = store->meta.space.free;
	mutex_unlock(&store->space_lock);
	return free >= kept;
}

/* A bit more than the mark ends it, or a writer at the mark makes an event each time. */
static void check_low(struct sosnap_store *store, u64 left)
{
	u64 mark = READ_ONCE(store->opt.low_water);
	bool low = left < (store->low ? mark + mark / 16 : mark);

	if (low != store->low) {
		store->low = low;
		if (low) {
			DMWARN("%s: low on space: free_blocks=%llu low_water=%llu",
			       store->meta.super.name, left, mark);
			schedule_work(&store->event);
		}
	}
}

/*
 * Take up to most stretches that follow each other: one search for all of them,
 * and windows that are opened one after the other become neighbours in the store.
 * Return: how many, from blk on.
 */
static u32 get_stretches(struct sosnap_store *store, u32 most, u64 *blk)
{
	u32 len = 0, rest;
	u64 left;
	int r = -ENOSPC;

	mutex_lock(&store->space_lock);
	left = available(store);
	/*
	 * Soft reservations only while there is space to play with; half of it,
	 * because what is reserved softly makes the reserve larger too.
	 */
	if (left >= SOSNAP_WINDOW_BLOCKS * SOSNAP_STRETCHES)
		r = sosnap_space_alloc_more(&store->meta.space, SOSNAP_WINDOW_BLOCKS,
					    min_t(u64, most * SOSNAP_WINDOW_BLOCKS, left / 2),
					    blk, &len);
	if (r)
		len = 0;
	rest = len % SOSNAP_WINDOW_BLOCKS;
	len -= rest;
	if (rest)
		WARN_ON_ONCE(sosnap_space_give_back(&store->meta.space, *blk + len, rest));
	atomic64_add(len, &store->soft);
	check_low(store, left);
	mutex_unlock(&store->space_lock);
	return len / SOSNAP_WINDOW_BLOCKS;
}

static void refill(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, stretch.refill);
	struct sosnap_stretch *st = &store->stretch;
	u32 missing;
	u64 blk;

	while ((missing = SOSNAP_STRETCHES - READ_ONCE(st->nr)) && sosnap_writable(store)) {
		u32 n = get_stretches(store, missing, &blk), i;

		if (!n)
			break;
		spin_lock_irq(&st->lock);
		for (i = 0; i < n; i++)
			st->blk[(st->head + st->nr++) % SOSNAP_STRETCHES] =
				blk + i * SOSNAP_WINDOW_BLOCKS;
		spin_unlock_irq(&st->lock);
	}
}

/**
 * sosnap_space_watch() - send an event when less is left
 * @store:     the store
 * @low_water: than so many blocks; until a table says something else
 * Context: may sleep.
 * Return: what data may still take now. If that is less already there is no
 * event: the caller knows.
 */
u64 sosnap_space_watch(struct sosnap_store *store, u64 low_water)
{
	u64 left;

	mutex_lock(&store->space_lock);
	left = available(store);
	store->opt.low_water = low_water;
	store->low = left < low_water;
	mutex_unlock(&store->space_lock);
	return left;
}

/**
 * sosnap_stretch_pop() - take a run of 64 blocks for a window
 * @store: the store
 * @blk:   set to its first block
 * Context: any, irqs off.
 * Return: false when there is none ready.
 */
bool sosnap_stretch_pop(struct sosnap_store *store, u64 *blk)
{
	struct sosnap_stretch *st = &store->stretch;
	unsigned long flags;
	u32 left;
	bool ok;

	spin_lock_irqsave(&st->lock, flags);
	ok = st->nr;
	if (ok) {
		*blk = st->blk[st->head];
		st->head = (st->head + 1) % SOSNAP_STRETCHES;
		st->nr--;
	}
	left = st->nr;
	spin_unlock_irqrestore(&st->lock, flags);
	if (left == SOSNAP_STRETCHES / 2 || !ok)
		queue_work(store->meta_wq, &st->refill);
	return ok;
}

/**
 * sosnap_space_put() - return blocks that no record was written for
 * @store: the store
 * @blk:   first block
 * @len:   how many
 * Context: may sleep.
 */
void sosnap_space_put(struct sosnap_store *store, u64 blk, u64 len)
{
	int r;

	mutex_lock(&store->space_lock);
	r = sosnap_space_give_back(&store->meta.space, blk, len);
	mutex_unlock(&store->space_lock);
	WARN_ON_ONCE(r);
}

/**
 * sosnap_space_put_mask() - return what a window had reserved
 * @store: the store
 * @base:  store block of bit 0
 * @mask:  which
 * Context: may sleep.
 */
void sosnap_space_put_mask(struct sosnap_store *store, u64 base, u64 mask)
{
	while (mask) {
		u32 first = __ffs64(mask);
		u64 rest = ~(mask >> first);
		u32 len = rest ? __ffs64(rest) : 64;

		len = min(len, 64 - first);
		sosnap_space_put(store, base + first, len);
		atomic64_sub(len, &store->soft);
		mask &= ~sosnap_mask(first, len);
	}
}

/**
 * sosnap_stretch_drain() - return every run that is ready
 * @store: the store
 * Context: may sleep.
 */
void sosnap_stretch_drain(struct sosnap_store *store)
{
	struct sosnap_stretch *st = &store->stretch;

	for (;;) {
		u64 blk = 0;
		bool ok;

		spin_lock_irq(&st->lock);
		ok = st->nr;
		if (ok)
			blk = st->blk[(st->head + --st->nr) % SOSNAP_STRETCHES];
		spin_unlock_irq(&st->lock);
		if (!ok)
			return;
		sosnap_space_put(store, blk, SOSNAP_WINDOW_BLOCKS);
		atomic64_sub(SOSNAP_WINDOW_BLOCKS, &store->soft);
	}
}

static int try_get(struct sosnap_snap *snap, u32 want, u64 *blk, u32 *len, bool *claimed)
{
	struct sosnap_store *store = snap->store;
	u64 left, others, lacks;
	int r;

	mutex_lock(&store->space_lock);
	check_low(store, available(store));
	sosnap_reserve_share(snap, &others, &lacks);
	/* what it lacks of those kept for it; beyond that it is as others are */
	left = max(available(store), min(available_but(store, others), lacks));
	*claimed = READ_ONCE(snap->limited) || READ_ONCE(snap->own.reservation);
	if (*claimed)
		want = sosnap_quota_claim(snap, want);
	r = want ? -ENOSPC : -EDQUOT;
	*len = 0;
	if (want && left)
		r = sosnap_space_alloc(&store->meta.space, min_t(u64, want, left), 1, blk, len);
	if (r)
		*len = 0;
	if (*claimed)
		sosnap_quota_unclaim(snap, want - *len);
	mutex_unlock(&store->space_lock);
	return r;
}

/**
 * sosnap_space_drain() - give back whatever is reserved softly
 * @store: the store
 * Context: may sleep; no load_lock held.
 * Return: whether there was anything.
 */
bool sosnap_space_drain(struct sosnap_store *store)
{
	if (!atomic64_read(&store->soft))
		return false;
	sosnap_stretch_drain(store);
	sosnap_window_unreserve(store);
	return true;
}

/**
 * sosnap_space_get() - blocks for a first write on the slow path
 * @snap:  whose
 * @want:  how many would do
 * @blk:   set to the first
 * @len:   set to how many there are, 1 to @want; 0 on error
 * @claimed: set to whether they are claimed
 * Context: may sleep.
 * Return: 0, -ENOSPC (the caller parks or fails the write), -EDQUOT when the snapshot
 * may own no more, or another error.
 */
int sosnap_space_get(struct sosnap_snap *snap, u32 want, u64 *blk, u32 *len, bool *claimed)
{
	int r = try_get(snap, want, blk, len, claimed);

	if (r == -ENOSPC && sosnap_space_drain(snap->store))
		r = try_get(snap, want, blk, len, claimed);
	return r;
}

static void resubmit(struct bio_list *list)
{
	struct bio *bio;

	while ((bio = bio_list_pop(list)))
		sosnap_slow_queue(bio);
}

/* When a parked write has waited for long enough. */
static unsigned long deadline(struct sosnap_store *store, struct bio *bio)
{
	return sosnap_bio(bio)->parked + READ_ONCE(store->opt.no_space_timeout) * HZ;
}

/* Have the timer look at the list at a time, if it would not do so before. */
static void __look_at(struct sosnap_store *store, unsigned long when)
{
	unsigned long now = jiffies;

	lockdep_assert_held(&store->parked_lock);
	if (store->no_space_set && !time_before(when, store->no_space_at))
		return;
	store->no_space_set = true;
	store->no_space_at = when;
	mod_delayed_work(store->meta_wq, &store->no_space, time_after(when, now) ? when - now : 0);
}

static void __park(struct sosnap_store *store, struct bio *bio)
{
	struct sosnap_bio *pb = sosnap_bio(bio);

	lockdep_assert_held(&store->parked_lock);
	/* not when it was last woken: else many wakings would make it wait for ever */
	if (!(pb->flags & SOSNAP_BIO_PARKED)) {
		pb->flags |= SOSNAP_BIO_PARKED;
		pb->parked = jiffies;
	}
	bio_list_add(&store->parked, bio);
	if (READ_ONCE(store->opt.no_space_timeout))
		__look_at(store, deadline(store, bio));
}

/* Would a checkpoint free something, or is one under way? Or may it be less is kept? */
static bool would_free(struct sosnap_store *store)
{
	lockdep_assert_held(&store->parked_lock);
	if (READ_ONCE(store->keeping))
		return true;
	/* in this order; pairs with the xchg in checkpoint.c */
	return smp_load_acquire(&store->freeing) || READ_ONCE(store->reclaiming);
}

/*
 * Records that are in the trees need less of the reserve than those that are not.
 * So few of them gain nothing: the verdict comes, if not with this checkpoint.
 */
static void want_merge(struct sosnap_store *store)
{
	u64 merged = READ_ONCE(store->log.merged);
	/* after merged, as in reserve() */
	u64 end = smp_load_acquire(&store->log.end);

	if (end - merged >= 32)
		WRITE_ONCE(store->freeing, true);
}

static blk_status_t refusal(struct sosnap_snap *snap)
{
	if (!sosnap_writable(snap->store))
		return BLK_STS_IOERR;
	return snap->suspending && snap->noflush ? BLK_STS_DM_REQUEUE : BLK_STS_NOSPC;
}

/**
 * sosnap_space_park() - a first write, or a discard, found no space
 * @snap:  whose
 * @bio:   waits, or ends with no-space, by policy
 * @freed: store->freed before space was looked for: if it has changed since, a
 *         checkpoint gave some back that nobody would tell this write of
 * Context: may sleep.
 */
void sosnap_space_park(struct sosnap_snap *snap, struct bio *bio, u64 freed)
{
	struct sosnap_store *store = snap->store;
	bool gain, fail, full, requeue, errors = READ_ONCE(store->opt.error_if_no_space);
	blk_status_t status = BLK_STS_OK;

	want_merge(store);
	/* it may not find what is kept for it before a whole checkpoint: reserve.h, V4 */
	if (sosnap_reserve_any(snap) && !(sosnap_bio(bio)->flags & SOSNAP_BIO_PARKED))
		WRITE_ONCE(store->freeing, true);
	spin_lock_irq(&store->parked_lock);
	gain = would_free(store);
	requeue = snap->suspending && snap->noflush;
	if (store->freed != freed && !requeue) {
		spin_unlock_irq(&store->parked_lock);
		sosnap_slow_queue(bio);
		return;
	}
	/* a checkpoint that would free something comes before any verdict */
	full = !gain && !store->full;
	if (full)
		WRITE_ONCE(store->full, true);
	fail = !sosnap_writable(store) || requeue || (!gain && (errors || snap->suspending));
	trace_sosnap_no_space(snap, bio->bi_iter.bi_sector, fail);
	if (fail)
		status = refusal(snap);
	else
		__park(store, bio);
	spin_unlock_irq(&store->parked_lock);
	if (full) {
		DMWARN("%s: out of space: first writes %s", store->meta.super.name,
		       errors ? "fail" : "wait");
		schedule_work(&store->event);
	}
	if (fail) {
		bio->bi_status = status;
		bio_endio(bio);
		return;
	}
	/* pairs with sosnap_space_awaited(): one of the two sees the other */
	smp_mb();
	/* the one under way drives this write again when it ends */
	if (READ_ONCE(store->freeing))
		sosnap_checkpoint_queue(store);
}

/**
 * sosnap_space_awaited() - whether a write waits for what was just logged as freed
 * @store: the store, with freeing set
 * Context: any.
 */
bool sosnap_space_awaited(struct sosnap_store *store)
{
	/* pairs with the barrier in sosnap_space_park() */
	smp_mb();
	/* a look without the lock: a write that comes later asks for itself */
	return !data_race(bio_list_empty(&store->parked));
}

/* Move the writes of one snapshot, or all, out of the list. */
static void __take_parked(struct sosnap_store *store, struct sosnap_snap *snap,
			  struct bio_list *out)
{
	struct bio_list all = store->parked;
	struct bio *bio;

	lockdep_assert_held(&store->parked_lock);
	bio_list_init(out);
	bio_list_init(&store->parked);
	while ((bio = bio_list_pop(&all)))
		bio_list_add(!snap || sosnap_bio(bio)->snap == snap ? out : &store->parked, bio);
}

/* Drive what is parked again, at the end of what makes nobody get a verdict: W5, V5. */
static void drive(struct sosnap_store *store, int *what)
{
	struct bio_list list;
	bool again = false;
	u64 left;

	mutex_lock(&store->space_lock);
	left = available(store);
	check_low(store, left);
	mutex_unlock(&store->space_lock);
	spin_lock_irq(&store->parked_lock);
	/* who is about to park sees this, or is in the list */
	WRITE_ONCE(store->freed, store->freed + 1);
	if (what)
		WRITE_ONCE(*what, false);
	if (store->full && left && sosnap_writable(store)) {
		WRITE_ONCE(store->full, false);
		again = true;
	}
	__take_parked(store, NULL, &list);
	spin_unlock_irq(&store->parked_lock);
	if (again) {
		DMINFO("%s: has space again", store->meta.super.name);
		schedule_work(&store->event);
	}
	resubmit(&list);
	queue_work(store->meta_wq, &store->stretch.refill);
}

/**
 * sosnap_space_freed() - there may be space again, or another policy
 * @store: the store
 * Context: may sleep.
 */
void sosnap_space_freed(struct sosnap_store *store)
{
	drive(store, NULL);
}

/**
 * sosnap_space_reclaimed() - a checkpoint has ended
 * @store: the store, with reclaiming set
 * Context: meta_lock held; may sleep.
 */
void sosnap_space_reclaimed(struct sosnap_store *store)
{
	drive(store, &store->reclaiming);
}

/**
 * sosnap_space_kept() - what blocks were kept for is done, or refused
 * @store: the store; its snapshots are counted anew
 * Context: meta_lock held; may sleep.
 */
void sosnap_space_kept(struct sosnap_store *store)
{
	if (READ_ONCE(store->keeping))
		drive(store, &store->keeping);
}

/* Those that stayed in the list were out of it for a moment, when nobody saw them. */
static void ask_for_them(struct sosnap_store *store)
{
	/* pairs with sosnap_space_awaited() */
	smp_mb();
	/* a look without the lock, as there: a checkpoint too many does no harm */
	if (READ_ONCE(store->freeing) && !data_race(bio_list_empty(&store->parked)))
		sosnap_checkpoint_queue(store);
}

/**
 * sosnap_space_unpark() - a snapshot is suspended: let go of its writes
 * @snap: with suspending set
 *
 * dm waits for what is in flight. A write that waits for a checkpoint goes on doing
 * so, that ends. One that would wait for somebody to make space must not: it is
 * requeued, or where the suspend is one that flushes, it ends with no-space, as it
 * would have when its time is up. A hypervisor pauses its guest for that, and
 * writes it again.
 * Context: may sleep.
 */
void sosnap_space_unpark(struct sosnap_snap *snap)
{
	struct sosnap_store *store = snap->store;
	struct bio_list list;

	spin_lock_irq(&store->parked_lock);
	__take_parked(store, snap, &list);
	spin_unlock_irq(&store->parked_lock);
	ask_for_them(store);
	resubmit(&list);
}

/*
 * Whether its time is up. Not while a checkpoint is due, or under way, that finds what
 * is kept for its snapshot (V4 in reserve.h); that drives it again.
 */
static bool is_over(struct sosnap_store *store, struct bio *bio, unsigned long now)
{
	return !time_before(now, deadline(store, bio)) &&
	       !(would_free(store) && sosnap_reserve_any(sosnap_bio(bio)->snap));
}

/* End those that have waited for long enough; come back for the others. */
static void timed_out(struct work_struct *work)
{
	struct sosnap_store *store = container_of(to_delayed_work(work), struct sosnap_store,
						  no_space);
	struct bio_list all, over;
	unsigned long now;
	struct bio *bio;

	bio_list_init(&over);
	spin_lock_irq(&store->parked_lock);
	store->no_space_set = false;
	now = jiffies;
	__take_parked(store, NULL, &all);
	while ((bio = bio_list_pop(&all))) {
		bool waits = READ_ONCE(store->opt.no_space_timeout);

		if (waits && is_over(store, bio, now)) {
			bio_list_add(&over, bio);
			continue;
		}
		bio_list_add(&store->parked, bio);
		if (waits && time_before(now, deadline(store, bio)))
			__look_at(store, deadline(store, bio));
	}
	spin_unlock_irq(&store->parked_lock);
	ask_for_them(store);
	while ((bio = bio_list_pop(&over))) {
		bio->bi_status = BLK_STS_NOSPC;
		bio_endio(bio);
	}
}

/**
 * sosnap_space_wait_init() - prepare
 * @store: the store
 */
void sosnap_space_wait_init(struct sosnap_store *store)
{
	spin_lock_init(&store->stretch.lock);
	INIT_WORK(&store->stretch.refill, refill);
	spin_lock_init(&store->parked_lock);
	bio_list_init(&store->parked);
	INIT_DELAYED_WORK(&store->no_space, timed_out);
}
