// SPDX-License-Identifier: GPL-2.0
#include "block_io.h"
#include "checkpoint.h"
#include "commit.h"
#include "log.h"
#include "space_wait.h"
#include "store.h"
#include "trace.h"

static void end_bios(struct bio_list *list, blk_status_t status)
{
	struct bio *bio;

	while ((bio = bio_list_pop(list))) {
		if (status)
			bio->bi_status = status;
		bio_endio(bio);
	}
}

static void end_request(struct sosnap_commit_request *rq, int error)
{
	if (!rq)
		return;
	rq->error = error;
	complete(&rq->done);
}

/* Half of the journal is left for what comes while a checkpoint empties the other. */
static void __ask_for_merge(struct sosnap_store *store)
{
	struct sosnap_journal *j = &store->meta.journal;

	if (store->commit.merge_asked || sosnap_journal_used(j) * 2 < j->blocks)
		return;
	store->commit.merge_asked = true;
	sosnap_checkpoint_queue(store);
}

/* Those who were served by the commit that has ended, in any context. */
static void commit_end(struct bio *bio)
{
	struct sosnap_store *store = bio->bi_private;
	struct sosnap_commit *c = &store->commit;
	blk_status_t status = bio->bi_status;
	struct sosnap_commit_request *rq;
	struct bio_list serve;
	unsigned long flags;
	bool more;

	bio_uninit(bio);
	if (status)
		sosnap_store_fail(store, "journal write failed");
	spin_lock_irqsave(&store->log_lock, flags);
	if (!status) {
		store->meta.journal.head = c->pos + c->blocks;
		store->meta.journal.seq++;
		store->log.committed = c->end;
		WRITE_ONCE(c->durable, store->meta.journal.seq - 1);
		__ask_for_merge(store);
	}
	serve = c->serving;
	bio_list_init(&c->serving);
	rq = c->serving_request;
	c->serving_request = NULL;
	c->in_flight = false;
	more = c->wanted || !bio_list_empty(&c->waiting) || c->request ||
	       store->log.nr_spares < SOSNAP_LOG_SPARE;
	/* under the lock: who is served below may let the store go (commit_idle) */
	if (more)
		queue_work(store->commit_wq, &c->work);
	if (wq_has_sleeper(&c->wait))
		wake_up_all(&c->wait);
	if (wq_has_sleeper(&store->log.wait))
		wake_up_all(&store->log.wait);
	spin_unlock_irqrestore(&store->log_lock, flags);

	end_bios(&serve, status);
	end_request(rq, blk_status_to_errno(status));
}

/*
 * Make everything open the next commit's own. The records may be copied
 * without the lock then; nobody else looks at them (log.h).
 * Return: true if the caller has to submit it.
 */
static bool __commit_take(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	struct sosnap_log *log = &store->log;
	u32 extra = c->request ? c->request->nr : 0, n = log->end - log->committing;

	lockdep_assert_held(&store->log_lock);
	if (c->in_flight || !sosnap_writable(store))
		return false;
	if (!n && !extra)
		return false;
	c->blocks = sosnap_commit_blocks(n + extra);
	if (sosnap_journal_place(&store->meta.journal, c->blocks, &c->pos)) {
		c->journal_full = true;
		return false;
	}
	c->journal_full = false;
	c->wanted = false;	/* all that is open is in it */
	c->in_flight = true;
	c->next_seq = store->meta.journal.seq + 1;
	c->nr = n;
	c->end = log->end;
	__sosnap_log_take(store, n, &c->chunk, &c->off);
	bio_list_merge(&c->serving, &c->waiting);
	bio_list_init(&c->waiting);
	c->serving_request = c->request;
	c->request = NULL;
	if (c->serving_request && wq_has_sleeper(&c->wait))
		wake_up_all(&c->wait);
	return true;
}

static void commit_submit(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	struct sosnap_disk_record *out = c->buf + sizeof(struct sosnap_disk_header);
	struct sosnap_commit_request *rq = c->serving_request;
	struct bio *bio = &c->bio;
	u32 slots = c->nr;
	size_t used;

	sosnap_log_copy(c->chunk, c->off, c->nr, out);
	out += c->nr;
	if (rq) {
		memcpy(out, rq->slots, rq->nr * sizeof(*out));
		slots += rq->nr;
	}
	/* the padding: what an earlier, longer commit has left there */
	used = sosnap_commit_bytes(slots);
	if (used < c->dirty)
		memset(c->buf + used, 0, c->dirty - used);
	c->dirty = used;
	sosnap_journal_encode(&store->io, &store->meta.super, c->pos, store->meta.journal.seq,
			      slots, c->buf);
	trace_sosnap_commit(store, store->meta.journal.seq, c->nr, slots);

	bio_init(bio, store->bdev, c->vec, SOSNAP_COMMIT_BLOCKS,
		 REQ_OP_WRITE | REQ_META | REQ_SYNC | REQ_PREFLUSH | REQ_FUA);
	bio->bi_iter.bi_sector = (store->meta.super.journal_blk + c->pos) * SOSNAP_BLOCK_SECTORS;
	bio->bi_private = store;
	bio->bi_end_io = commit_end;
	/* the vec says where buf is, and always has */
	bio->bi_vcnt = c->blocks;
	bio->bi_iter.bi_size = c->blocks << SOSNAP_BLOCK_SHIFT;
	submit_bio(bio);
}

/*
 * Whoever waits although nothing is open had its records in a commit that has
 * ended; what is missing is a flush of data that ended after its PREFLUSH.
 */
static void flush_plain(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	struct bio_list list;
	int r;

	spin_lock_irq(&store->log_lock);
	bio_list_init(&list);
	if (!c->in_flight && store->log.end == store->log.committing) {
		bio_list_merge(&list, &c->waiting);
		bio_list_init(&c->waiting);
	}
	spin_unlock_irq(&store->log_lock);
	if (bio_list_empty(&list))
		return;
	r = blkdev_issue_flush(store->bdev);
	end_bios(&list, errno_to_blk_status(r));
}

static void fail_waiting(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	struct sosnap_commit_request *rq;
	struct bio_list list;

	spin_lock_irq(&store->log_lock);
	list = c->waiting;
	bio_list_init(&c->waiting);
	rq = c->request;
	c->request = NULL;
	spin_unlock_irq(&store->log_lock);
	end_bios(&list, BLK_STS_IOERR);
	end_request(rq, -EIO);
}

static void commit_kick(struct sosnap_store *store)
{
	bool go;

	spin_lock_irq(&store->log_lock);
	go = __commit_take(store);
	spin_unlock_irq(&store->log_lock);
	if (go)
		commit_submit(store);
}

static void commit_work(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, commit.work);

	if (!sosnap_writable(store)) {
		fail_waiting(store);
		sosnap_space_freed(store);	/* what is parked fails now */
		wake_up_all(&store->log.wait);
		wake_up_all(&store->commit.wait);
		return;
	}
	commit_kick(store);
	flush_plain(store);
	sosnap_log_grow(store);	/* last: it may wait for memory */
	if (READ_ONCE(store->commit.journal_full))
		wake_up_all(&store->commit.wait);
	if (READ_ONCE(store->commit.journal_full) || !READ_ONCE(store->log.nr_spares) ||
	    READ_ONCE(store->log.nr_chunks) * 4 > store->log.max_chunks * 3)
		sosnap_checkpoint_queue(store);
}

/**
 * sosnap_commit_want() - have everything that is open committed soon
 * @store: the store
 * Context: any. A commit in flight is followed by another one.
 */
void sosnap_commit_want(struct sosnap_store *store)
{
	unsigned long flags;

	spin_lock_irqsave(&store->log_lock, flags);
	store->commit.wanted = store->log.end != store->log.committing;
	spin_unlock_irqrestore(&store->log_lock, flags);
	queue_work(store->commit_wq, &store->commit.work);
}

static void commit_timer(struct work_struct *work)
{
	struct sosnap_store *store = container_of(to_delayed_work(work), struct sosnap_store,
						  commit.timer);

	sosnap_commit_want(store);
}

/**
 * sosnap_commit_flush() - serve a flush of a snapshot
 * @store: the store
 * @bio:   an empty flush
 * Context: process context, may sleep.
 * Return: DM_MAPIO_REMAPPED when a plain flush of the store does, else
 * DM_MAPIO_SUBMITTED: the bio is ended by a commit.
 */
int sosnap_commit_flush(struct sosnap_store *store, struct bio *bio)
{
	struct sosnap_commit *c = &store->commit;
	enum sosnap_store_state state;
	bool go;

	spin_lock_irq(&store->log_lock);
	state = READ_ONCE(store->state);
	if ((store->log.end == store->log.committing && !c->in_flight) ||
	    unlikely(state != SOSNAP_STORE_RW)) {
		bool lost = state == SOSNAP_STORE_FAILED;

		spin_unlock_irq(&store->log_lock);
		if (unlikely(lost))
			return DM_MAPIO_KILL;
		bio_set_dev(bio, store->bdev);
		return DM_MAPIO_REMAPPED;
	}
	bio_list_add(&c->waiting, bio);
	go = __commit_take(store);
	spin_unlock_irq(&store->log_lock);
	if (go)
		commit_submit(store);
	else if (READ_ONCE(c->journal_full))
		sosnap_checkpoint_queue(store);
	return DM_MAPIO_SUBMITTED;
}

/**
 * sosnap_commit_join() - end a bio with the next commit
 * @store: the store
 * @bio:   a write that has ended and asked for FUA
 * Context: any.
 */
void sosnap_commit_join(struct sosnap_store *store, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&store->log_lock, flags);
	bio_list_add(&store->commit.waiting, bio);
	spin_unlock_irqrestore(&store->log_lock, flags);
	queue_work(store->commit_wq, &store->commit.work);
}

static bool request_seen(struct sosnap_store *store, struct sosnap_commit_request *rq)
{
	bool seen;

	spin_lock_irq(&store->log_lock);
	seen = store->commit.request != rq || store->commit.journal_full;
	spin_unlock_irq(&store->log_lock);
	return seen;
}

/* Take a request back that is in no commit yet. */
static bool withdraw(struct sosnap_store *store, struct sosnap_commit_request *rq)
{
	bool ours;

	spin_lock_irq(&store->log_lock);
	ours = store->commit.request == rq;
	if (ours)
		store->commit.request = NULL;
	spin_unlock_irq(&store->log_lock);
	return ours;
}

/**
 * sosnap_commit_change() - make a change of the catalogue durable
 * @store: the store
 * @rq:    with slots, at most SOSNAP_CHANGE_SLOTS, and their number
 *
 * All that is logged already is in the same commit, or in an earlier one.
 * Context: may sleep; meta_lock held, so there is no other request, and no
 * checkpoint is under way.
 * Return: 0, -EIO, or -EAGAIN when the journal is full: no commit has it, and the
 * checkpoint that makes room makes the change durable too.
 */
int sosnap_commit_change(struct sosnap_store *store, struct sosnap_commit_request *rq)
{
	lockdep_assert_held(&store->meta_lock);
	init_completion(&rq->done);
	spin_lock_irq(&store->log_lock);
	store->commit.request = rq;
	spin_unlock_irq(&store->log_lock);
	queue_work(store->commit_wq, &store->commit.work);
	wait_event(store->commit.wait, request_seen(store, rq));
	if (withdraw(store, rq))
		return -EAGAIN;
	wait_for_completion(&rq->done);
	return rq->error;
}

/**
 * sosnap_commit_sync() - make everything logged so far durable
 * @store: the store
 * Context: may sleep.
 * Return: 0, -EIO, or -EAGAIN when the journal is full: a checkpoint makes room,
 * and makes what is committed durable in its own way.
 */
int sosnap_commit_sync(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	u64 until;

	spin_lock_irq(&store->log_lock);
	until = store->log.end;
	spin_unlock_irq(&store->log_lock);
	if (READ_ONCE(store->log.committed) < until)
		sosnap_commit_want(store);
	wait_event(c->wait, READ_ONCE(store->log.committed) >= until ||
		   !sosnap_writable(store) || READ_ONCE(c->journal_full));
	if (!sosnap_writable(store))
		return -EIO;
	return READ_ONCE(store->log.committed) >= until ? 0 : -EAGAIN;
}

/**
 * sosnap_commit_prepare() - make the workers known
 * @store: the store, just allocated
 */
void sosnap_commit_prepare(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;

	BUILD_BUG_ON(PAGE_SIZE != SOSNAP_BLOCK_SIZE);
	bio_list_init(&c->serving);
	bio_list_init(&c->waiting);
	INIT_WORK(&c->work, commit_work);
	INIT_DELAYED_WORK(&c->timer, commit_timer);
	init_waitqueue_head(&c->wait);
}

/**
 * sosnap_commit_init() - start from the end of the journal
 * @store: the store, replayed
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_commit_init(struct sosnap_store *store)
{
	struct sosnap_commit *c = &store->commit;
	u32 i;

	c->next_seq = store->meta.journal.seq;
	c->durable = store->meta.journal.seq - 1;
	c->dirty = 0;
	c->buf = vzalloc((size_t)SOSNAP_COMMIT_BLOCKS << SOSNAP_BLOCK_SHIFT);
	if (!c->buf)
		return -ENOMEM;
	for (i = 0; i < SOSNAP_COMMIT_BLOCKS; i++) {
		c->vec[i].bv_page = vmalloc_to_page(c->buf + ((size_t)i << PAGE_SHIFT));
		c->vec[i].bv_len = SOSNAP_BLOCK_SIZE;
		c->vec[i].bv_offset = 0;
	}
	return 0;
}

/**
 * sosnap_commit_idle() - wait until no commit is in flight
 * @store: nobody asks for commits any more
 * Context: may sleep.
 */
void sosnap_commit_idle(struct sosnap_store *store)
{
	wait_event(store->commit.wait, !READ_ONCE(store->commit.in_flight));
	/* its end has left the lock, so it does not touch the store any more */
	spin_lock_irq(&store->log_lock);
	spin_unlock_irq(&store->log_lock);
	cancel_work_sync(&store->commit.work);
}

/**
 * sosnap_commit_exit() - free them
 * @store: nothing is in flight
 */
void sosnap_commit_exit(struct sosnap_store *store)
{
	vfree(store->commit.buf);
	store->commit.buf = NULL;
}
