// SPDX-License-Identifier: GPL-2.0
#include "checkpoint.h"
#include "commit.h"
#include "log.h"
#include "space_wait.h"

static struct sosnap_log_chunk *chunk_new(void)
{
	struct sosnap_log_chunk *c = kvmalloc(sizeof(*c), GFP_NOIO | __GFP_NOWARN);

	if (c)
		c->nr = 0;
	return c;
}

static struct sosnap_log_chunk *open_chunk(struct sosnap_log *log)
{
	return list_last_entry(&log->chunks, struct sosnap_log_chunk, list);
}

/**
 * sosnap_log_init() - an empty log with its reserve of chunks
 * @store: the store; its superblock is read
 *
 * The log may grow to as many records as the journal can hold.
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_log_init(struct sosnap_store *store)
{
	struct sosnap_log *log = &store->log;
	struct sosnap_log_chunk *c;
	int i;

	INIT_LIST_HEAD(&log->chunks);
	INIT_LIST_HEAD(&log->spares);
	init_waitqueue_head(&log->wait);
	log->max_chunks = clamp_t(u64, store->meta.super.journal_blocks / 16, 16, 512);
	for (i = 0; i <= SOSNAP_LOG_SPARE; i++) {
		c = chunk_new();
		if (!c)
			return -ENOMEM;
		list_add_tail(&c->list, i ? &log->spares : &log->chunks);
	}
	log->cursor = open_chunk(log);
	log->nr_spares = SOSNAP_LOG_SPARE;
	log->nr_chunks = 1 + SOSNAP_LOG_SPARE;
	log->room = log->nr_chunks * SOSNAP_LOG_CHUNK;
	return 0;
}

/**
 * sosnap_log_exit() - free the log
 * @store: nothing is logged any more
 */
void sosnap_log_exit(struct sosnap_store *store)
{
	struct sosnap_log_chunk *c, *next;

	if (!store->log.chunks.next)
		return;
	list_splice(&store->log.spares, &store->log.chunks);
	list_for_each_entry_safe(c, next, &store->log.chunks, list)
		kvfree(c);
}

static bool __reserve(struct sosnap_store *store)
{
	struct sosnap_log *log = &store->log;

	lockdep_assert_held(&store->log_lock);
	if (!log->room || log->end - log->committing + log->reserved >= SOSNAP_LOG_OPEN_MAX)
		return false;
	log->room--;
	log->reserved++;
	return true;
}

/**
 * sosnap_log_reserve() - promise one slot
 * @store: the store
 * Context: any.
 * Return: false when there is none right now.
 */
bool sosnap_log_reserve(struct sosnap_store *store)
{
	unsigned long flags;
	bool ok;

	spin_lock_irqsave(&store->log_lock, flags);
	ok = __reserve(store);
	spin_unlock_irqrestore(&store->log_lock, flags);
	/* make room; the committer sees to it that what is committed is merged */
	if (unlikely(!ok))
		sosnap_commit_want(store);
	return ok;
}

/**
 * sosnap_log_reserve_wait() - promise one slot, waiting for it
 * @store: the store
 * Context: may sleep; must not hold what a checkpoint needs.
 * Return: 0, or -EIO when the store takes no more writes.
 */
int sosnap_log_reserve_wait(struct sosnap_store *store)
{
	wait_event(store->log.wait, sosnap_log_reserve(store) || !sosnap_writable(store));
	return sosnap_writable(store) ? 0 : -EIO;
}

/**
 * sosnap_log_unreserve() - give a promised slot back
 * @store: the store
 * Context: any.
 */
void sosnap_log_unreserve(struct sosnap_store *store)
{
	unsigned long flags;

	spin_lock_irqsave(&store->log_lock, flags);
	store->log.reserved--;
	store->log.room++;
	spin_unlock_irqrestore(&store->log_lock, flags);
	if (wq_has_sleeper(&store->log.wait))
		wake_up(&store->log.wait);
}

/* @snap: NULL when no map knows of it */
static __always_inline u64 append(struct sosnap_store *store, struct sosnap_snap *snap, u32 object,
				  u32 type, u64 blk, u32 len, u64 place, s64 delta,
				  u32 claimed)
{
	struct sosnap_log *log = &store->log;
	struct sosnap_log_chunk *c;
	unsigned long flags;
	bool first, oldest;
	u64 seq;

	spin_lock_irqsave(&store->log_lock, flags);
	c = open_chunk(log);
	if (c->nr == SOSNAP_LOG_CHUNK) {
		c = list_first_entry(&log->spares, struct sosnap_log_chunk, list);
		list_move_tail(&c->list, &log->chunks);
		log->nr_spares--;
	}
	sosnap_record_fill(&c->record[c->nr++], type, object, blk, len, place);
	oldest = log->end == log->merged;
	first = log->end++ == log->committing;
	log->reserved--;
	if (type == SOSNAP_RECORD_MAP)
		store->pending_blocks += len;
	else
		WRITE_ONCE(store->freeing, true);
	seq = store->commit.next_seq;
	if (snap)
		sosnap_own_record(&snap->own, seq, delta, claimed);
	spin_unlock_irqrestore(&store->log_lock, flags);
	if (first)
		queue_delayed_work(store->commit_wq, &store->commit.timer, HZ);
	if (oldest)
		queue_delayed_work(store->meta_wq, &store->merge_timer,
				   SOSNAP_MERGE_SECONDS * HZ);
	/* writes wait for what this discard frees */
	if (type == SOSNAP_RECORD_ZERO && sosnap_space_awaited(store))
		sosnap_checkpoint_queue(store);
	return seq;
}

/**
 * sosnap_log_append() - use a promised slot
 * @snap:  whose record; it goes to the snapshot's top object
 * @type:  SOSNAP_RECORD_MAP or _ZERO
 * @blk:   first block
 * @len:   how many
 * @place: MAP: first store block
 * @delta: by how many blocks the snapshot has grown
 * @claimed: of these, how many were claimed
 * Context: any, window lock held so that records of a block keep their order.
 * Return: the sequence number that the record's commit will have.
 */
u64 sosnap_log_append(struct sosnap_snap *snap, u32 type, u64 blk, u32 len, u64 place,
		      s64 delta, u32 claimed)
{
	return append(snap->store, snap, snap->object, type, blk, len, place, delta, claimed);
}

/**
 * sosnap_log_append_zero() - use a promised slot for what no map can reach
 * @store:  the store
 * @object: whose blocks
 * @blk:    first of them
 * @len:    how many
 * Context: meta_lock held, or @object might become a parent of others.
 */
void sosnap_log_append_zero(struct sosnap_store *store, u32 object, u64 blk, u32 len)
{
	append(store, NULL, object, SOSNAP_RECORD_ZERO, blk, len, 0, 0, 0);
}

/**
 * sosnap_log_append_move() - use a promised slot for blocks that nobody writes
 * @store:  the store
 * @object: whose blocks
 * @blk:    first of them
 * @len:    how many
 * @place:  the first store block they have been copied to
 * Context: meta_lock held.
 * Return: the sequence number that the record's commit will have.
 */
u64 sosnap_log_append_move(struct sosnap_store *store, u32 object, u64 blk, u32 len, u64 place)
{
	return append(store, NULL, object, SOSNAP_RECORD_MAP, blk, len, place, 0, 0);
}

/**
 * __sosnap_log_take() - make the next records the commit's own
 * @store: the store
 * @nr:    how many, all that are open
 * @c:     set to the chunk of the first one, if @nr is not 0
 * @off:   and its place there
 * Context: log_lock held. Records never change once logged, and the chunks from
 * here on stay until they are committed and merged: so the records may be read
 * without the lock until the commit ends.
 */
void __sosnap_log_take(struct sosnap_store *store, u32 nr, struct sosnap_log_chunk **c, u32 *off)
{
	struct sosnap_log *log = &store->log;

	lockdep_assert_held(&store->log_lock);
	log->committing += nr;
	for (*c = NULL; nr;) {
		u32 n;

		if (log->cursor_off == SOSNAP_LOG_CHUNK) {
			log->cursor = list_next_entry(log->cursor, list);
			log->cursor_off = 0;
		}
		if (!*c) {
			*c = log->cursor;
			*off = log->cursor_off;
		}
		n = min(nr, SOSNAP_LOG_CHUNK - log->cursor_off);
		log->cursor_off += n;
		nr -= n;
	}
}

/**
 * sosnap_log_copy() - copy taken records out
 * @c:   the chunk of the first
 * @off: its place
 * @nr:  how many
 * @out: room for them
 * Context: any, by the one who took them.
 */
void sosnap_log_copy(const struct sosnap_log_chunk *c, u32 off, u32 nr,
		     struct sosnap_disk_record *out)
{
	while (nr) {
		u32 n = min(nr, SOSNAP_LOG_CHUNK - off);

		memcpy(out, &c->record[off], n * sizeof(*out));
		out += n;
		nr -= n;
		off = 0;
		if (nr)
			c = list_next_entry(c, list);
	}
}

/**
 * sosnap_log_batch() - hand the records that are not merged yet to a checkpoint
 * @store: the store
 * @to:    position behind the last
 * @batch: gets them
 * Context: the checkpoint; may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_log_batch(struct sosnap_store *store, u64 to, struct sosnap_batch *batch)
{
	struct sosnap_log *log = &store->log;
	struct sosnap_log_chunk *c = list_first_entry(&log->chunks, struct sosnap_log_chunk, list);
	u64 pos = log->first;
	int r;

	/* the oldest chunks belong to the checkpoint; writers only add behind them */
	for (;;) {
		u32 i = log->merged > pos ? log->merged - pos : 0;

		for (; i < SOSNAP_LOG_CHUNK && pos + i < to; i++) {
			const struct sosnap_disk_record *d = &c->record[i];
			bool map = sosnap_record_type(d) == SOSNAP_RECORD_MAP;

			r = sosnap_batch_add(batch, le32_to_cpu(d->object),
					     sosnap_record_blk(d), le32_to_cpu(d->len),
					     map ? le64_to_cpu(d->store) : SOSNAP_STORE_ZERO);
			if (r)
				return r;
		}
		pos += SOSNAP_LOG_CHUNK;
		/* what follows the last one is not ours to look at */
		if (pos >= to)
			return 0;
		c = list_next_entry(c, list);
		cond_resched();
	}
}

/**
 * sosnap_log_merged() - records before a position are in the trees now
 * @store: the store
 * @to:    the position, not beyond committed
 * Context: the checkpoint; may sleep.
 */
void sosnap_log_merged(struct sosnap_store *store, u64 to)
{
	struct sosnap_log *log = &store->log;
	struct sosnap_log_chunk *c, *next;
	LIST_HEAD(old);

	spin_lock_irq(&store->log_lock);
	log->merged = to;
	list_for_each_entry_safe(c, next, &log->chunks, list) {
		if (log->first + SOSNAP_LOG_CHUNK > to || c == log->cursor)
			break;
		log->first += SOSNAP_LOG_CHUNK;
		c->nr = 0;
		if (log->nr_spares < SOSNAP_LOG_SPARE) {
			list_move_tail(&c->list, &log->spares);
			log->nr_spares++;
			log->room += SOSNAP_LOG_CHUNK;
		} else {
			list_move(&c->list, &old);
			log->nr_chunks--;
		}
	}
	spin_unlock_irq(&store->log_lock);
	list_for_each_entry_safe(c, next, &old, list)
		kvfree(c);
	wake_up_all(&log->wait);
}

/**
 * sosnap_log_grow() - keep spare chunks at hand
 * @store: the store
 * Context: may sleep; called whenever a commit ends. Without memory, or at the
 * bound, the log stays as it is and writers wait for the next checkpoint.
 */
void sosnap_log_grow(struct sosnap_store *store)
{
	struct sosnap_log *log = &store->log;
	struct sosnap_log_chunk *c;

	while (READ_ONCE(log->nr_spares) < SOSNAP_LOG_SPARE &&
	       READ_ONCE(log->nr_chunks) < log->max_chunks) {
		c = chunk_new();
		if (!c)
			return;
		spin_lock_irq(&store->log_lock);
		list_add_tail(&c->list, &log->spares);
		log->nr_spares++;
		log->nr_chunks++;
		log->room += SOSNAP_LOG_CHUNK;
		spin_unlock_irq(&store->log_lock);
		wake_up_all(&log->wait);
	}
}
