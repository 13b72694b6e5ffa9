// SPDX-License-Identifier: GPL-2.0
#include <linux/dm-kcopyd.h>
#include <linux/sched/signal.h>

#include "checkpoint.h"
#include "../core/evacuate.h"
#include "log.h"
#include "shrink.h"
#include "slow.h"
#include "space_wait.h"
#include "window.h"

#define STEP_MOVES	256U
#define STEP_BLOCKS	2048U	/* 8 MiB */
#define CALL_JIFFIES	(HZ / 2)

/**
 * struct sosnap_move_job - a move under way
 * @mv:   what is moved
 * @snap: whose own blocks they are, NULL: nobody writes them
 * @w:    their window, with the blocks pending
 */
struct sosnap_move_job {
	struct sosnap_move mv;
	struct sosnap_snap *snap;
	struct sosnap_window *w;
};

/**
 * struct sosnap_shrink_step - a step under way
 * @kc:    who copies
 * @list:  from the core
 * @job:   what becomes of it ...
 * @nr:    ... as far as it is done in this step
 * @left:  copies in flight, and one
 * @error: of a copy
 * @done:  with all of them
 */
struct sosnap_shrink_step {
	struct dm_kcopyd_client *kc;
	struct sosnap_move list[STEP_MOVES];
	struct sosnap_move_job job[STEP_MOVES];
	u32 nr;
	atomic_t left;
	int error;
	struct completion done;
};

static u32 first_bit(const struct sosnap_move *mv)
{
	return mv->blk & (SOSNAP_WINDOW_BLOCKS - 1);
}

/*
 * The active snapshot whose top an object is. The list changes with meta_lock held
 * only, so that is enough to look at it.
 */
static struct sosnap_snap *writer_of(struct sosnap_store *store, const struct sosnap_move *mv)
{
	struct sosnap_snap *snap;

	list_for_each_entry(snap, &store->snaps, list)
		if (snap->object == mv->object)
			return mv->blk >> SOSNAP_WINDOW_SHIFT < sosnap_windows(snap) ? snap : NULL;
	return NULL;
}

/* Give back the places of a part of a move, which is met again in another step. */
static void drop_part(struct sosnap_store *store, const struct sosnap_move *mv, u32 from, u32 to)
{
	if (from == to)
		return;
	sosnap_space_put(store, mv->to + from, to - from);
	sosnap_evacuate_again(&store->meta, mv);
}

/* Cut a move down to blocks [from, to). */
static void cut(struct sosnap_store *store, struct sosnap_move *mv, u32 from, u32 to)
{
	drop_part(store, mv, to, mv->len);
	drop_part(store, mv, 0, from);
	mv->blk += from;
	mv->from += from;
	mv->to += from;
	mv->len = to - from;
}

/* S1: make blocks pending that are where the trees say; the move is cut to them. */
static bool claim(struct sosnap_snap *snap, struct sosnap_move_job *job)
{
	u64 mask, index = job->mv.blk >> SOSNAP_WINDOW_SHIFT;
	u32 first = first_bit(&job->mv), bit, n;
	struct sosnap_window *w;
	int tries = 3;

	do {
		if (sosnap_window_load_now(snap, index))
			return false;
		w = sosnap_window_claim(snap, index, sosnap_mask(first, job->mv.len),
					job->mv.from - first, &mask);
	} while (!w && --tries);
	if (!w || !mask)
		return false;
	bit = __ffs64(mask);
	n = hweight64(mask);
	cut(snap->store, &job->mv, bit - first, bit - first + n);
	job->snap = snap;
	job->w = w;
	return true;
}

/* Choose what of the list is moved in this step, each with a slot of the log. */
static void choose(struct sosnap_store *store, struct sosnap_shrink_step *st, u32 nr)
{
	u32 i;

	st->nr = 0;
	for (i = 0; i < nr; i++) {
		struct sosnap_move_job *job = &st->job[st->nr];
		struct sosnap_snap *snap = writer_of(store, &st->list[i]);

		job->mv = st->list[i];
		job->snap = NULL;
		job->w = NULL;
		if (sosnap_log_reserve(store)) {
			if (!snap || claim(snap, job)) {
				st->nr++;
				continue;
			}
			sosnap_log_unreserve(store);
		}
		drop_part(store, &job->mv, 0, job->mv.len);
	}
}

static void copied(int read_error, unsigned long write_error, void *ctx)
{
	struct sosnap_shrink_step *st = ctx;

	if (read_error || write_error)
		WRITE_ONCE(st->error, -EIO);
	if (atomic_dec_and_test(&st->left))
		complete(&st->done);
}

static int copy(struct sosnap_store *store, struct sosnap_shrink_step *st)
{
	u32 i;

	st->error = 0;
	init_completion(&st->done);
	atomic_set(&st->left, 1);
	for (i = 0; i < st->nr; i++) {
		const struct sosnap_move *mv = &st->job[i].mv;
		struct dm_io_region from = {
			.bdev = store->bdev,
			.sector = mv->from * SOSNAP_BLOCK_SECTORS,
			.count = mv->len * SOSNAP_BLOCK_SECTORS,
		};
		struct dm_io_region to = from;

		to.sector = mv->to * SOSNAP_BLOCK_SECTORS;
		atomic_inc(&st->left);
		dm_kcopyd_copy(st->kc, &from, 1, &to, 0, copied, st);
	}
	copied(0, 0, st);
	wait_for_completion(&st->done);
	return READ_ONCE(st->error);
}

static void log_move(struct sosnap_store *store, const struct sosnap_move *mv)
{
	u64 seq = sosnap_log_append_move(store, mv->object, mv->blk, mv->len, mv->to);

	sosnap_evacuate_logged(&store->meta, mv, seq);
}

/* The copies are there, or not: log them and let go. */
static void finish(struct sosnap_store *store, struct sosnap_shrink_step *st, bool ok)
{
	u32 i;

	for (i = 0; i < st->nr; i++) {
		struct sosnap_move_job *job = &st->job[i];
		struct sosnap_move *mv = &job->mv;

		if (job->snap)
			sosnap_window_moved(job->snap, job->w, first_bit(mv), mv->len, mv->to, ok);
		else if (ok)
			log_move(store, mv);
		else
			sosnap_log_unreserve(store);
		if (!ok)
			drop_part(store, mv, 0, mv->len);
	}
	if (!ok)
		st->nr = 0;
}

/* All that is logged by now is in the trees on return. */
static int merge_all(struct sosnap_store *store)
{
	u64 until;
	int r = 0;

	spin_lock_irq(&store->log_lock);
	until = store->log.end;
	spin_unlock_irq(&store->log_lock);
	while (!r && READ_ONCE(store->log.merged) < until)
		r = __sosnap_checkpoint(store, false);
	return r;
}

static void give_back_reservations(struct sosnap_store *store)
{
	flush_work(&store->drop);
	flush_work(&store->stretch.refill);
	sosnap_stretch_drain(store);
	sosnap_window_unreserve(store);
}

static int find(struct sosnap_store *store, struct sosnap_shrink_step *st, u32 *nr)
{
	int r = sosnap_evacuate_find(&store->meta, sosnap_space_records(store), st->list,
				     STEP_MOVES, STEP_BLOCKS, nr);

	if (r != -ENOSPC || *nr || !atomic64_read(&store->soft))
		return r;
	/* what guests have not asked for yet may be in the way */
	give_back_reservations(store);
	return sosnap_evacuate_find(&store->meta, sosnap_space_records(store), st->list,
				    STEP_MOVES, STEP_BLOCKS, nr);
}

/*
 * Move some blocks. The checkpoint that merges them comes before anything else, so
 * that the trees do not name again what has been moved.
 */
static int move_some(struct sosnap_store *store, struct sosnap_shrink_step *st)
{
	bool own = false;
	u32 nr, i;
	int r, error;

	r = merge_all(store);
	if (r)
		return r;
	r = find(store, st, &nr);
	if (!nr && r)
		return r;
	choose(store, st, nr);
	for (i = 0; i < st->nr; i++)
		own |= !!st->job[i].snap;
	/* overwrites that looked the map up before the blocks were pending */
	if (own)
		sosnap_checkpoint_drain(store);
	error = copy(store, st);
	finish(store, st, !error);
	store->moves = st;
	/* also when nothing was found: nodes are moved by checkpoints */
	r = st->nr ? merge_all(store) : __sosnap_checkpoint(store, false);
	store->moves = NULL;
	return r ? r : error;
}

static int end(struct sosnap_store *store)
{
	struct sosnap_meta *m = &store->meta;
	u64 blocks = m->evac.nr_blocks;
	int r = sosnap_evacuate_end(m, sosnap_space_records(store));

	if (r)
		return r;
	r = __sosnap_checkpoint(store, false);
	if (r)
		return r;
	DMINFO("%s: shrunk: blocks=%llu", m->super.name, blocks);
	__sosnap_shrink_cancel(store);
	return 0;
}

/**
 * __sosnap_shrink_cancel() - leave the store as large as it is
 * @store: the store
 * Context: meta_lock held.
 */
void __sosnap_shrink_cancel(struct sosnap_store *store)
{
	lockdep_assert_held(&store->meta_lock);
	sosnap_evacuate_cancel(&store->meta);
	WRITE_ONCE(store->shrinks_to, 0);
	WRITE_ONCE(store->shrink_left, 0);
}

static int begin(struct sosnap_store *store, u64 blocks, char *why, size_t why_bytes)
{
	struct sosnap_meta *m = &store->meta;
	struct sosnap_evacuation_need need;
	/* guests may have made an end to the limit that there was */
	bool anew = m->evac.nr_blocks != blocks || !READ_ONCE(m->space.limit);
	int r;

	r = sosnap_evacuate_begin(m, blocks, sosnap_space_records(store), &need);
	if (r == -ENOSPC) {
		give_back_reservations(store);
		r = sosnap_evacuate_begin(m, blocks, sosnap_space_records(store), &need);
	}
	if (r == -EINVAL)
		snprintf(why, why_bytes, "the store can have %llu to %llu blocks, not %llu",
			 sosnap_evacuate_least(&m->super), m->super.nr_blocks - 1, blocks);
	else if (r == -ENOSPC)
		snprintf(why, why_bytes,
			 "%llu blocks beyond the new end are in use, room before it is for %llu: remove snapshots or choose a larger size",
			 need.used, need.before);
	if (r) {
		__sosnap_shrink_cancel(store);
		return r;
	}
	WRITE_ONCE(store->shrinks_to, blocks);
	WRITE_ONCE(store->shrink_left, need.used);
	/* those that were made before there was a limit */
	if (anew)
		give_back_reservations(store);
	return 0;
}

/* Return: 1 when the store has its new size, 0 when there is more to do, or -errno. */
static int step(struct sosnap_store *store, struct sosnap_shrink_step *st, u64 blocks, char *why,
		size_t why_bytes)
{
	struct sosnap_evacuation_need need;
	int r;

	if (READ_ONCE(store->meta.super.nr_blocks) == blocks)
		return 1;
	r = begin(store, blocks, why, why_bytes);
	if (r)
		return r;
	r = move_some(store, st);
	if (!r)
		r = end(store);
	if (!r)
		return 1;
	if (r == -EAGAIN) {
		r = sosnap_evacuate_left(&store->meta, sosnap_space_records(store), &need);
		WRITE_ONCE(store->shrink_left, need.used);
	}
	if (!r)
		return 0;
	__sosnap_shrink_cancel(store);
	if (r == -ENOSPC)
		snprintf(why, why_bytes,
			 "guests have taken the space before the new end: remove snapshots or choose a larger size");
	else if (r == -EUCLEAN)
		snprintf(why, why_bytes, "metadata is damaged: run sosnap store check");
	else
		snprintf(why, why_bytes, "a block could not be moved: see the kernel log");
	return r;
}

/**
 * sosnap_shrink() - make a store smaller, for a while
 * @store:     the store
 * @blocks:    what it shall have; 0 gives up
 * @reply:     filled
 * @why:       room for the sentence that says why not
 * @why_bytes: its size
 *
 * Asked again and again until the reply has the new size. Nothing goes on between
 * two calls, and who asks no more has lost nothing.
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int sosnap_shrink(struct sosnap_store *store, u64 blocks, struct sosnap_shrink_reply *reply,
		  char *why, size_t why_bytes)
{
	unsigned long until = jiffies + CALL_JIFFIES;
	struct sosnap_shrink_step *st;
	int r = 0;

	st = kvzalloc(sizeof(*st), GFP_KERNEL);
	if (!st)
		return -ENOMEM;
	st->kc = dm_kcopyd_client_create(NULL);
	if (IS_ERR(st->kc)) {
		r = PTR_ERR(st->kc);
		kvfree(st);
		return r;
	}
	do {
		mutex_lock(&store->resize_lock);
		mutex_lock(&store->meta_lock);
		if (blocks)
			r = step(store, st, blocks, why, why_bytes);
		else
			__sosnap_shrink_cancel(store);
		reply->blocks = READ_ONCE(store->meta.super.nr_blocks);
		reply->left = READ_ONCE(store->shrink_left);
		mutex_unlock(&store->meta_lock);
		mutex_unlock(&store->resize_lock);
		cond_resched();
	} while (blocks && !r && time_before(jiffies, until) && !fatal_signal_pending(current));
	dm_kcopyd_client_destroy(st->kc);
	kvfree(st);
	return min(r, 0);
}

/* S3: one map follows one move. */
static void follow(struct sosnap_snap *snap, const struct sosnap_move *mv)
{
	u64 index = mv->blk >> SOSNAP_WINDOW_SHIFT, busy;
	u32 first = first_bit(mv);

	for (;;) {
		mutex_lock(&snap->load_lock);	/* no window is freed meanwhile */
		busy = sosnap_window_follow(snap, index, sosnap_mask(first, mv->len),
					    mv->from - first, mv->to - first);
		mutex_unlock(&snap->load_lock);
		if (!busy)
			return;
		wait_event(snap->wait, !sosnap_slow_busy(snap, index, busy));
	}
}

/**
 * sosnap_shrink_follow() - let maps know of moves that the trees know now
 * @store: the store
 * Context: the checkpoint, after publish and before I/O is drained; may sleep.
 */
void sosnap_shrink_follow(struct sosnap_store *store)
{
	struct sosnap_shrink_step *st = store->moves;
	struct sosnap_snap *snap;
	u32 i;

	lockdep_assert_held(&store->meta_lock);
	for (i = 0; st && i < st->nr; i++) {
		const struct sosnap_move *mv = &st->job[i].mv;

		if (st->job[i].snap)	/* nobody inherits a top */
			continue;
		list_for_each_entry(snap, &store->snaps, list)
			if (mv->blk >> SOSNAP_WINDOW_SHIFT < sosnap_windows(snap))
				follow(snap, mv);
		cond_resched();
	}
}
