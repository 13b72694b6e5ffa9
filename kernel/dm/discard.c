// SPDX-License-Identifier: GPL-2.0
/*
 * Discards and write-zeroes: whole blocks become "reads as zeros" and their
 * store blocks are freed by a later checkpoint; the parts of blocks at both
 * ends are written.
 *
 * A big one must not cost a step a block: windows that are not loaded, or hold
 * no changes, are covered by one record and one entry in snap->zero_ranges for
 * the whole gap between two windows that do.
 *
 * Order of records: load_lock keeps windows from being loaded or evicted. The
 * record of a gap is logged before load_lock is dropped, so before any later
 * record of a window in it; that of a loaded window under its own lock.
 *
 * A record may make the trees larger: each asks for that first (W6, space_wait.h).
 */
#include "log.h"
#include "slow.h"
#include "space_wait.h"
#include "window.h"

/* Whether what is not loaded may hold something to free. A hint. */
static enum sosnap_frees may_free(struct sosnap_snap *snap)
{
	/* a look without the lock: a hint is all that is asked for */
	return data_race(sosnap_own_count(&snap->own)) ? SOSNAP_FREES_PERHAPS :
							 SOSNAP_FREES_NOTHING;
}

/*
 * Log the gap [first, end), none of whose windows is loaded. load_lock held.
 * Return: where it had to stop, or -EAGAIN when the log had no room at all, -ENOSPC
 * when the store had none.
 */
static s64 zero_gap(struct sosnap_snap *snap, u64 first, u64 end)
{
	struct sosnap_zero_range *z, *last;
	enum sosnap_frees frees = may_free(snap);
	s64 why = -EAGAIN;
	u64 seq = 0, blk;

	for (blk = first; blk < end; blk += SOSNAP_MAX_EXTENT) {
		bool slot = sosnap_log_reserve(snap->store);

		if (slot && !sosnap_space_record(snap, frees)) {
			sosnap_log_unreserve(snap->store);
			slot = false;
			why = -ENOSPC;
		}
		if (!slot) {
			/* what is logged is listed; the caller comes back for the rest */
			end = blk;
			break;
		}
		seq = sosnap_log_append(snap, SOSNAP_RECORD_ZERO, blk,
					min_t(u64, end - blk, SOSNAP_MAX_EXTENT), 0, 0, 0);
	}
	if (first == end)
		return why;
	z = kmalloc(sizeof(*z), GFP_NOIO | __GFP_NOFAIL);
	z->first = first;
	z->end = end;
	z->seq = seq;
	spin_lock_irq(&snap->zero_lock);
	last = list_first_entry_or_null(&snap->zero_ranges, struct sosnap_zero_range, list);
	/* only with the same commit: each has to go when its record is merged */
	if (last && last->end == first && last->seq == seq) {
		last->end = end;
	} else {
		list_add(&z->list, &snap->zero_ranges);
		z = NULL;
	}
	spin_unlock_irq(&snap->zero_lock);
	kfree(z);
	return end;
}

/* Whether a window needs no record of a discard, and if it does, has room for it; hints. */
static bool room_for(struct sosnap_snap *snap, struct sosnap_window *w, u64 mask)
{
	return !(mask & ~(READ_ONCE(w->zero) & ~READ_ONCE(w->held))) ||
	       sosnap_space_record(snap, READ_ONCE(w->own) & mask ? SOSNAP_FREES_SOME :
								    SOSNAP_FREES_NOTHING);
}

/*
 * Zero blocks of a loaded window. Return: 0, -EAGAIN without a log slot, -ENOSPC
 * without space for the record, -EBUSY.
 */
static int zero_window(struct sosnap_snap *snap, struct sosnap_window *w, u64 mask)
{
	u64 todo;

	if (!sosnap_log_reserve(snap->store))
		return -EAGAIN;
	if (!room_for(snap, w, mask)) {
		sosnap_log_unreserve(snap->store);
		return -ENOSPC;
	}
	spin_lock_irq(&w->lock);
	if (w->pending & mask) {
		spin_unlock_irq(&w->lock);
		sosnap_log_unreserve(snap->store);
		return -EBUSY;
	}
	__sosnap_window_renew(snap, w);
	todo = mask & ~(w->zero & ~w->held);
	if (!todo) {
		spin_unlock_irq(&w->lock);
		sosnap_log_unreserve(snap->store);
		return 0;
	}
	w->logged = sosnap_log_append(snap, SOSNAP_RECORD_ZERO,
				      (w->index << SOSNAP_WINDOW_SHIFT) + __ffs64(mask),
				      hweight64(mask), 0, -(s64)hweight64(w->own & mask), 0);
	write_seqcount_begin(&w->seq);
	w->zero |= mask;
	w->held &= ~mask;
	w->own &= ~mask;
	w->based &= ~mask;
	write_seqcount_end(&w->seq);
	spin_unlock_irq(&w->lock);
	return 0;
}

/*
 * One step from block first on, under load_lock: a gap, or one window.
 * Return: where the next step starts, or -EAGAIN, -ENOSPC, -EBUSY, with nothing done.
 */
static s64 step(struct sosnap_snap *snap, u64 first, u64 end)
{
	u64 index = first >> SOSNAP_WINDOW_SHIFT, at = index;
	u64 window_end = (index + 1) << SOSNAP_WINDOW_SHIFT, stop;
	bool whole = !(first & (SOSNAP_WINDOW_BLOCKS - 1)) && window_end <= end;
	void *entry = sosnap_slots_load(&snap->map, index);
	u64 mask;
	int r;

	if (entry && !xa_is_value(entry)) {
		stop = min(window_end, end);
		mask = sosnap_mask(first & (SOSNAP_WINDOW_BLOCKS - 1), stop - first);
		r = zero_window(snap, entry, mask);
		return r ? r : (s64)stop;
	}
	if (!whole)	/* the caller has it loaded and made: it was evicted again */
		return -ENOENT;
	/* the gap: up to the next window with changes; drop the values in it */
	stop = end & ~(u64)(SOSNAP_WINDOW_BLOCKS - 1);
	sosnap_slots_for_each(&snap->map, at, stop >> SOSNAP_WINDOW_SHIFT, entry) {
		/* a writer may have made it a window meanwhile: that ends the gap */
		if (!xa_is_value(entry) ||
		    !sosnap_slots_replace(&snap->map, at, entry, NULL)) {
			stop = at << SOSNAP_WINDOW_SHIFT;
			break;
		}
	}
	if (stop == first)
		return -ENOENT;
	return zero_gap(snap, first, stop);
}

static int zero_blocks(struct sosnap_snap *snap, u64 first, u64 end)
{
	struct sosnap_store *store = snap->store;
	bool waited = false;

	while (first < end) {
		u64 window_end = round_down(first, SOSNAP_WINDOW_BLOCKS) + SOSNAP_WINDOW_BLOCKS;
		s64 next;
		int r;

		mutex_lock(&snap->load_lock);
		next = step(snap, first, end);
		mutex_unlock(&snap->load_lock);
		if (next >= 0) {
			first = next;
			waited = false;
			cond_resched();
			continue;
		}
		/* waits with nothing locked */
		switch (next) {
		case -EAGAIN:
			r = sosnap_log_reserve_wait(store);
			if (r)
				return r;
			sosnap_log_unreserve(store);
			break;
		case -ENOSPC:
			if (!sosnap_space_drain(store))
				return -ENOSPC;
			break;
		case -EBUSY:
			wait_event(snap->wait,
				   !sosnap_slow_busy(snap, first >> SOSNAP_WINDOW_SHIFT,
						     sosnap_mask(first & (SOSNAP_WINDOW_BLOCKS - 1),
								 min(window_end, end) - first)));
			break;
		default:
			/* of which only a part is discarded: it has to be there */
			if (!waited)
				sosnap_window_wait_room(store);
			waited = true;
			r = sosnap_window_need(snap, first >> SOSNAP_WINDOW_SHIFT);
			if (r)
				return r;
		}
		if (!sosnap_writable(store))
			return -EIO;
	}
	return 0;
}

/**
 * sosnap_discard() - make a range read as zeros and free what it owns
 * @snap:    the snapshot
 * @sector:  first sector
 * @sectors: how many
 * Context: may sleep.
 * Return: 0 or -errno; it may be repeated.
 */
int sosnap_discard(struct sosnap_snap *snap, sector_t sector, sector_t sectors)
{
	u64 end = sector + sectors;
	u64 first_blk = DIV_ROUND_UP(sector, SOSNAP_BLOCK_SECTORS);
	u64 end_blk = end / SOSNAP_BLOCK_SECTORS;
	int r = 0;

	/* a last partial block that is covered to the end of the device is whole */
	if (end == snap->sectors)
		end_blk = DIV_ROUND_UP(end, SOSNAP_BLOCK_SECTORS);
	if (sector < first_blk * SOSNAP_BLOCK_SECTORS)
		r = sosnap_slow_write_zeros(snap, sector,
					    min(end, first_blk * SOSNAP_BLOCK_SECTORS) - sector);
	if (!r && first_blk < end_blk)
		r = zero_blocks(snap, first_blk, end_blk);
	if (!r && end_blk >= first_blk && end > end_blk * SOSNAP_BLOCK_SECTORS)
		r = sosnap_slow_write_zeros(snap, end_blk * SOSNAP_BLOCK_SECTORS,
					    end - end_blk * SOSNAP_BLOCK_SECTORS);
	return r;
}
