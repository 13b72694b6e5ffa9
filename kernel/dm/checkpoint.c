// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>

#include "checkpoint.h"
#include "commit.h"
#include "../core/reap.h"
#include "log.h"
#include "reserve.h"
#include "shrink.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"
#include "window.h"

static void space_lock(struct sosnap_meta *m)
{
	mutex_lock(&container_of(m, struct sosnap_store, meta)->space_lock);
}

static void space_unlock(struct sosnap_meta *m)
{
	mutex_unlock(&container_of(m, struct sosnap_store, meta)->space_lock);
}

/* Snapshots that read through a damaged object take no more writes. */
static void fence(struct sosnap_meta *m, u32 object)
{
	struct sosnap_store *store = container_of(m, struct sosnap_store, meta);
	struct sosnap_snap *snap;
	u32 i;

	DMERR("%s: cache object %u is damaged", m->super.name, object);
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list)
		for (i = 0; i < snap->nr_chain; i++)
			if (snap->chain[i] == object)
				sosnap_snap_fence(snap, &store->io.fault);
	mutex_unlock(&store->list_lock);
}

/* Nothing is handed out of a region whose bitmap cannot be right. */
static void lost(struct sosnap_meta *m, u32 region)
{
	struct sosnap_store *store = container_of(m, struct sosnap_store, meta);
	struct sosnap_fault *f = &m->space.io->fault;

	DMERR("%s: bitmap of region %u is damaged: its free blocks stay free: block %llu: fault=%s",
	      m->super.name, region, f->blk, sosnap_fault_name(f->what));
	schedule_work(&store->event);
}

const struct sosnap_meta_host sosnap_meta_host = {
	.lock = space_lock,
	.unlock = space_unlock,
	.fence = fence,
	.lost = lost,
};

static long inflight(struct sosnap_store *store, int epoch)
{
	long sum = 0;
	int cpu;

	/* nobody enters this epoch any more, so a sum of 0 stays 0 */
	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(store->inflight, cpu)->n[epoch]);
	return sum;
}

/**
 * sosnap_checkpoint_drain() - wait for all I/O that may have looked a map up before
 * @store: the store
 *
 * A lookup reads the epoch first and enters it before its RCU section ends, so
 * after synchronize_rcu() everybody who saw the old epoch is counted in it.
 * Context: meta_lock held; may sleep.
 */
void sosnap_checkpoint_drain(struct sosnap_store *store)
{
	int old = store->epoch;

	lockdep_assert_held(&store->meta_lock);

	/* pairs with the acquire in map.c and slow.c */
	smp_store_release(&store->epoch, !old);
	synchronize_rcu();
	while (inflight(store, old))
		usleep_range(200, 2000);
}

static void pass_down(void *ctx, u64 blk, u32 len)
{
	struct sosnap_store *store = ctx;

	if (READ_ONCE(store->opt.no_discard_passdown) || !bdev_max_discard_sectors(store->bdev))
		return;
	/* a hint: the blocks are free whether the device takes it or not */
	blkdev_issue_discard(store->bdev, blk * SOSNAP_BLOCK_SECTORS,
			     (sector_t)len * SOSNAP_BLOCK_SECTORS, GFP_NOIO);
}

/* Make the checkpoint visible, then hand out what it freed. Meta lock held. */
static void finish(struct sosnap_store *store, u64 seq)
{
	int r;

	mutex_lock(&store->list_lock);
	down_write(&store->root_sem);
	sosnap_meta_publish(&store->meta);
	__sosnap_snap_shorten(store);
	up_write(&store->root_sem);
	mutex_unlock(&store->list_lock);
	/*
	 * First the discards go that the trees know now, then windows may: a load
	 * must not put an old discard over newer records.
	 */
	sosnap_window_checkpointed(store, seq);
	/* pairs with the acquire in map_memory.c, evict_window() */
	smp_store_release(&store->checkpointed, seq);
	sosnap_shrink_follow(store);
	sosnap_checkpoint_drain(store);
	r = sosnap_meta_release(&store->meta, pass_down, store);
	if (r)
		DMWARN("%s: freed blocks stay unused until the next activation: error=%d",
		       store->meta.super.name, r);
	mutex_lock(&store->space_lock);
	sosnap_space_trim(&store->meta.space, 256);
	mutex_unlock(&store->space_lock);
}

static int failed(struct sosnap_store *store, int r)
{
	struct sosnap_fault *f = &store->io.fault;

	if (r == -EUCLEAN)
		DMERR("%s: checkpoint failed: block %llu %s: fault=%s arg=%llu",
		      store->meta.super.name, f->blk, sosnap_fault_text(f->what),
		      sosnap_fault_name(f->what), f->arg);
	else
		DMERR("%s: checkpoint failed: error=%d", store->meta.super.name, r);
	sosnap_store_fail(store, "checkpoint failed");
	return r;
}

/* Keep the counts of the snapshots right while records become counted blocks. */
static void counts_start(struct sosnap_store *store, u64 seq)
{
	struct sosnap_snap *snap;

	list_for_each_entry(snap, &store->snaps, list)
		sosnap_own_merge(&snap->own, seq);
	store->merging_blocks = store->pending_blocks;
	store->pending_blocks = 0;
}

/* Return: whether more checkpoints have to take removals on. */
static bool counts_done(struct sosnap_store *store)
{
	struct sosnap_snap *snap;
	bool reaping;
	u64 removing;

	spin_lock_irq(&store->log_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		struct sosnap_entry *e = sosnap_catalog_get(&store->meta.catalog,
							    SOSNAP_CATALOG_OBJECT, snap->object);

		sosnap_own_merged(&snap->own,
				  e ? le64_to_cpu(e->item.object.blocks) : snap->own.blocks);
	}
	store->data_blocks = store->meta.super.data_blocks;
	store->merging_blocks = 0;
	spin_unlock_irq(&store->log_lock);
	__sosnap_reserve_count(store);
	/* the sum at once: who waits for a removal must not see it begin at 0 */
	reaping = sosnap_reap_pending(&store->meta, &removing);
	WRITE_ONCE(store->removing, removing);
	return reaping;
}

static int batch_make(struct sosnap_store *store, u64 to, struct sosnap_batch *batch)
{
	u64 nr = to - store->log.merged;
	int r;

	for (;;) {
		r = sosnap_batch_init(batch, max_t(u64, nr, 1));
		if (!r) {
			r = sosnap_log_batch(store, to, batch);
			if (!r)
				return 0;
			sosnap_batch_exit(batch);
		}
		/* nothing waits for this memory but writers beyond the log's room */
		DMWARN_LIMIT("%s: no memory for a checkpoint of %llu records, trying again",
			     store->meta.super.name, nr);
		msleep(100);
	}
}

static int checkpoint_once(struct sosnap_store *store, bool closing, bool *more)
{
	struct sosnap_batch batch;
	u64 to, tail, seq;
	int r;

	if (!sosnap_writable(store))
		return -EIO;
	r = sosnap_commit_sync(store);
	if (r && r != -EAGAIN)
		return r;
	/* what the journal had no room for has to come in another one */
	*more = r;

	mutex_lock(&store->list_lock);
	spin_lock_irq(&store->log_lock);
	to = store->log.committed;
	tail = store->meta.journal.head;
	seq = store->meta.journal.seq;
	counts_start(store, seq - 1);
	spin_unlock_irq(&store->log_lock);
	mutex_unlock(&store->list_lock);

	r = batch_make(store, to, &batch);
	if (!r) {
		r = sosnap_meta_checkpoint(&store->meta, &batch, tail, seq,
					   closing ? SOSNAP_SUPER_CLEAN : 0);
		sosnap_batch_exit(&batch);
	}
	trace_sosnap_checkpoint(store, seq - 1, to - store->log.merged, r);
	if (r)
		return failed(store, r);

	spin_lock_irq(&store->log_lock);
	store->meta.journal.tail = tail;
	store->commit.journal_full = false;
	store->commit.merge_asked = false;
	spin_unlock_irq(&store->log_lock);
	mutex_lock(&store->list_lock);
	*more |= counts_done(store);
	mutex_unlock(&store->list_lock);
	finish(store, seq - 1);
	/* with what it has freed itself: nobody else may come to ask (R6) */
	if (READ_ONCE(store->removing) && sosnap_meta_merges(&store->meta))
		*more = true;
	sosnap_log_merged(store, to);
	sosnap_window_may_evict(store);
	if (READ_ONCE(store->log.end) != to)
		queue_delayed_work(store->meta_wq, &store->merge_timer,
				   SOSNAP_MERGE_SECONDS * HZ);
	queue_work(store->commit_wq, &store->commit.work);
	return 0;
}

/**
 * __sosnap_checkpoint() - merge what is committed, and step removals on
 * @store:   the store
 * @closing: mark the store clean: nothing is logged any more
 * Context: meta_lock held; may sleep, long.
 * Return: 0 or -EIO.
 */
int __sosnap_checkpoint(struct sosnap_store *store, bool closing)
{
	bool more = false;
	int r;

	lockdep_assert_held(&store->meta_lock);
	/*
	 * What is freed from now on is for the next one. xchg: who sees it sees
	 * reclaiming, too; pairs with the acquire in space_wait.c. Every checkpoint
	 * reclaims something: the nodes that it copies take space while it runs.
	 */
	WRITE_ONCE(store->reclaiming, true);
	xchg(&store->freeing, false);
	r = checkpoint_once(store, closing, &more);
	if (more)
		WRITE_ONCE(store->freeing, true);
	/* clears reclaiming, in one with the count: see W5 in space_wait.h */
	sosnap_space_reclaimed(store);
	if (more)
		sosnap_checkpoint_queue(store);
	return r;
}

/**
 * sosnap_checkpoint() - the same
 * @store:   the store
 * @closing: mark the store clean: nothing is logged any more
 * Context: may sleep, long; takes meta_lock.
 * Return: 0 or -EIO.
 */
int sosnap_checkpoint(struct sosnap_store *store, bool closing)
{
	int r;

	mutex_lock(&store->meta_lock);
	r = __sosnap_checkpoint(store, closing);
	mutex_unlock(&store->meta_lock);
	return r;
}

/**
 * sosnap_checkpoint_all() - merge everything that was logged before the call
 * @store:   the store
 * @closing: mark the store clean
 *
 * One checkpoint is not enough when the journal is full: what is open can only
 * be committed once the first one has made room.
 * Context: may sleep, long; takes meta_lock.
 * Return: 0 or -EIO.
 */
int sosnap_checkpoint_all(struct sosnap_store *store, bool closing)
{
	u64 until;
	int r;

	spin_lock_irq(&store->log_lock);
	until = store->log.end;
	spin_unlock_irq(&store->log_lock);
	do {
		r = sosnap_checkpoint(store, closing);
	} while (!r && READ_ONCE(store->log.merged) < until);
	return r;
}

/**
 * sosnap_checkpoint_queue() - ask for a checkpoint in the background
 * @store: the store
 * Context: any. Nothing happens while the store is suspended or goes away.
 */
void sosnap_checkpoint_queue(struct sosnap_store *store)
{
	if (!READ_ONCE(store->stopping))
		queue_work(store->meta_wq, &store->checkpoint);
}

static void checkpoint_work(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, checkpoint);

	sosnap_checkpoint(store, false);
}

static void merge_timer(struct work_struct *work)
{
	struct sosnap_store *store = container_of(to_delayed_work(work), struct sosnap_store,
						  merge_timer);
	u64 merged = READ_ONCE(store->log.merged);	/* first: end is never behind it */

	/* another one may have merged what it was set for; the next record sets it anew */
	if (smp_load_acquire(&store->log.end) != merged)
		sosnap_checkpoint_queue(store);
}

/**
 * sosnap_checkpoint_replay() - bring a store that was not closed up to date
 * @store: opened
 * Context: may sleep.
 * Return: 0, -EROFS when there is something to replay and the store must not be
 * written, or the error that was met.
 */
int sosnap_checkpoint_replay(struct sosnap_store *store)
{
	struct sosnap_meta *m = &store->meta;
	struct sosnap_batch batch;
	u64 commits;
	int r;

	r = sosnap_batch_init(&batch, 4096);
	if (r)
		return r;
	r = sosnap_meta_replay(m, &batch, &commits);
	if (!r && store->state == SOSNAP_STORE_RO) {
		r = commits ? -EROFS : 0;
	} else if (!r) {
		if (commits)
			DMINFO("%s: replaying %llu commits with %u mapping records",
			       m->super.name, commits, batch.nr);
		r = sosnap_meta_checkpoint(m, &batch, m->journal.head, m->journal.seq, 0);
		if (!r) {
			m->journal.tail = m->journal.head;
			sosnap_meta_publish(m);
			sosnap_meta_release(m, NULL, NULL);
		}
	}
	sosnap_batch_exit(&batch);
	store->checkpointed = m->journal.seq - 1;
	return r;
}

/**
 * sosnap_checkpoint_prepare() - make the workers known
 * @store: the store, just allocated
 */
void sosnap_checkpoint_prepare(struct sosnap_store *store)
{
	INIT_WORK(&store->checkpoint, checkpoint_work);
	INIT_DELAYED_WORK(&store->merge_timer, merge_timer);
}

/**
 * sosnap_checkpoint_init() - prepare the counters of I/O in flight
 * @store: the store
 * Return: 0 or -ENOMEM.
 */
int sosnap_checkpoint_init(struct sosnap_store *store)
{
	store->inflight = alloc_percpu(struct sosnap_inflight);
	return store->inflight ? 0 : -ENOMEM;
}

/**
 * sosnap_checkpoint_exit() - free it
 * @store: no I/O is in flight
 */
void sosnap_checkpoint_exit(struct sosnap_store *store)
{
	free_percpu(store->inflight);
	store->inflight = NULL;
}
