// SPDX-License-Identifier: GPL-2.0
#include "evacuate.h"
#include "extent.h"
#include "lineage.h"
#include "meta_internal.h"
#include "reap.h"

/**
 * sosnap_meta_format() - write an empty store
 * @io: the device, with the uuid the store shall have
 * @s:  from sosnap_super_init()
 *
 * The place of the first commit is wiped: what an earlier store left there
 * would be told apart by its uuid, but a clean start costs one block.
 * Context: may sleep.
 * Return: 0, -EINVAL when the sizes do not fit, -ENOMEM or -EIO.
 */
int sosnap_meta_format(struct sosnap_io *io, const struct sosnap_super *s)
{
	void *zero;
	int r;

	if (s->nr_blocks < SOSNAP_MIN_BLOCKS || s->journal_blocks < SOSNAP_MIN_JOURNAL ||
	    s->journal_blocks > SOSNAP_MAX_JOURNAL ||
	    s->journal_blk + s->journal_blocks > s->nr_blocks / 2)
		return -EINVAL;
	zero = kzalloc(SOSNAP_BLOCK_SIZE, GFP_KERNEL);
	if (!zero)
		return -ENOMEM;
	r = io->ops->write(io, s->journal_blk, 1, zero);
	kfree(zero);
	return r ? r : sosnap_super_write(io, s);
}

/* The same; what damage the step has found is no longer said when others go on. */
static int unlock_said(struct sosnap_meta *m, int r)
{
	if (r == -EUCLEAN)
		m->io->fault = m->space.io->fault;
	sosnap_meta_unlock(m);
	return r;
}

/* Made and dropped by the same checkpoint, or of a record that no tree will own. */
static void stray_add(void *ctx, u64 blk, u32 len)
{
	struct sosnap_meta *m = ctx;

	if (m->nr_strays == m->max_strays) {
		u32 max = m->max_strays ? m->max_strays * 2 : 256;
		struct sosnap_stray *more = kvmalloc_array(max, sizeof(*more), GFP_NOIO);

		/* without memory they stay unused until the next activation */
		if (!more)
			return;
		if (m->nr_strays)
			memcpy(more, m->stray, m->nr_strays * sizeof(*more));
		kvfree(m->stray);
		m->stray = more;
		m->max_strays = max;
	}
	m->stray[m->nr_strays].blk = blk;
	m->stray[m->nr_strays++].len = len;
}

static int node_alloc(struct sosnap_txn *txn, u64 *blk)
{
	struct sosnap_meta *m = container_of(txn, struct sosnap_meta, txn);
	u32 len;
	int r;

	sosnap_meta_lock(m);
	r = sosnap_space_alloc(&m->space, 1, 1, blk, &len);
	if (!r)
		r = sosnap_space_set(&m->space, *blk, 1);
	if (!r && m->in_catalog)
		sosnap_space_pin(&m->space, *blk);
	return unlock_said(m, r);
}

static int clear(struct sosnap_meta *m, u64 blk, u32 len)
{
	int r;

	sosnap_meta_lock(m);
	r = unlock_said(m, sosnap_space_clear(&m->space, blk, len, stray_add, m));
	/* a damaged bitmap costs the blocks of its region, not the store */
	return r == -EUCLEAN ? 0 : r;
}

static int node_free(struct sosnap_txn *txn, u64 blk)
{
	struct sosnap_meta *m = container_of(txn, struct sosnap_meta, txn);

	m->io->ops->forget(m->io, blk);
	if (m->in_catalog) {
		sosnap_meta_lock(m);
		sosnap_space_unpin(&m->space, blk);
		sosnap_meta_unlock(m);
	}
	return clear(m, blk, 1);
}

static void region_lost(struct sosnap_space *sp, u32 region)
{
	struct sosnap_meta *m = container_of(sp, struct sosnap_meta, space);

	if (m->host)
		m->host->lost(m, region);
}

static void node_seen(void *ctx, u64 blk)
{
	struct sosnap_meta *m = ctx;

	sosnap_meta_lock(m);
	sosnap_space_seen(&m->space, blk);
	sosnap_meta_unlock(m);
}

static void catalog_seen(void *ctx, u64 blk)
{
	struct sosnap_meta *m = ctx;

	sosnap_meta_lock(m);
	sosnap_space_seen(&m->space, blk);
	sosnap_space_pin(&m->space, blk);
	sosnap_meta_unlock(m);
}

static bool data_fits(void *ctx, u64 blk, u32 len)
{
	struct sosnap_meta *m = ctx;

	return sosnap_space_fits(&m->super, blk, len);
}

/*
 * All three are of one checkpoint, so they agree. More in use than the trees own
 * is what damage that was lived with leaves behind; less, and a block in use could
 * be handed out.
 */
static bool free_in_doubt(const struct sosnap_meta *m)
{
	return m->space.free + m->super.data_blocks + m->super.node_blocks > m->space.total;
}

/* No number that something has is given away again, whatever the superblock says. */
static void seen_id(struct sosnap_super *s, u32 type, u64 id)
{
	u64 *next = type == SOSNAP_CATALOG_GOLD ? &s->next_gold :
		    type == SOSNAP_CATALOG_OBJECT ? &s->next_object : &s->next_snapshot;

	if (*next <= id)
		*next = id + 1;
}

/**
 * sosnap_meta_open() - load what is always in memory
 * @m:    to fill
 * @io:   the device; its uuid is set
 * @host: locks, or NULL
 *
 * Reads the superblocks, the summaries, and the catalogue with the bitmaps of its
 * nodes; nothing is written. A store with m->doubt set is good for lookups only.
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN with io->fault set.
 */
int sosnap_meta_open(struct sosnap_meta *m, struct sosnap_io *io,
		     const struct sosnap_meta_host *host)
{
	static const u16 val_bytes[SOSNAP_NR_TREES] = {
		[SOSNAP_TREE_CATALOG - 1] = SOSNAP_CATALOG_BYTES,
		[SOSNAP_TREE_EXTENT - 1] = sizeof(struct sosnap_disk_extent),
	};
	int r, i;

	memset(m, 0, sizeof(*m));
	m->io = io;
	m->host = host;
	m->txn.alloc = node_alloc;
	m->txn.free = node_free;
	m->txn.cursor = &m->cursor;
	m->reap_extents = SOSNAP_REAP_EXTENTS;
	r = sosnap_super_read(io, &m->super);
	if (r)
		return r;
	for (i = 0; i < SOSNAP_NR_TREES; i++) {
		m->live[i].io = io;
		m->live[i].id = i + 1;
		m->live[i].val_bytes = val_bytes[i];
		m->live[i].root = m->super.root[i];
		m->live[i].seen = i == SOSNAP_TREE_CATALOG - 1 ? catalog_seen : node_seen;
		m->live[i].fits = data_fits;
		m->live[i].ctx = m;
		m->work[i] = m->live[i];
	}
	sosnap_io_view(&m->space_io, io);
	r = sosnap_space_init(&m->space, io->host ? &m->space_io : io, &m->super, region_lost);
	if (r == -EUCLEAN)
		io->fault = m->space.io->fault;
	if (r)
		return r;
	m->have_space = true;
	m->doubt = free_in_doubt(m);
	r = sosnap_catalog_load(&m->catalog, &m->live[SOSNAP_TREE_CATALOG - 1]);
	if (r)
		sosnap_meta_close(m);
	for (i = 0; !r && i < (int)m->catalog.nr; i++)
		seen_id(&m->super, m->catalog.entry[i]->type, m->catalog.entry[i]->id);
	return r;
}

/**
 * sosnap_meta_close() - free the memory
 * @m: opened
 */
void sosnap_meta_close(struct sosnap_meta *m)
{
	sosnap_catalog_exit(&m->catalog);
	if (m->have_space)
		sosnap_space_exit(&m->space);
	kvfree(m->stray);
	m->stray = NULL;
	m->have_space = false;
}

static int apply_put(struct sosnap_meta *m, u32 type, u64 id, const void *value)
{
	union sosnap_item item;

	memcpy(&item, value, sizeof(item));
	if (!sosnap_catalog_sane(type, id, &item))
		return sosnap_fault_set(&m->io->fault, SOSNAP_FAULT_RECORD_VALUE, 0, id);
	if (type == SOSNAP_CATALOG_OBJECT) {
		const struct sosnap_entry *e = sosnap_catalog_get(&m->catalog, type, id);

		/* count and parent are the checkpoint's alone, its tree may be newer */
		item.object.blocks = e ? e->item.object.blocks : 0;
		if (e)
			item.object.parent = e->item.object.parent;
	}
	seen_id(&m->super, type, id);
	return sosnap_catalog_put(&m->catalog, type, id, &item);
}

/**
 * sosnap_meta_apply() - take the records of one commit over
 * @m:     the metadata; PUT and DEL change the catalogue
 * @batch: MAP and ZERO go here
 * @slots: the record slots
 * @nr:    how many
 * Context: meta lock held.
 * Return: 0, -ENOMEM, or -EUCLEAN for a record that makes no sense.
 */
int sosnap_meta_apply(struct sosnap_meta *m, struct sosnap_batch *batch,
		      const struct sosnap_disk_record *slots, u32 nr)
{
	u32 i;
	int r = 0;

	for (i = 0; i < nr && !r; i++) {
		const struct sosnap_disk_record *d = &slots[i];
		u32 type = sosnap_record_type(d), object = le32_to_cpu(d->object);
		u64 blk = sosnap_record_blk(d), store = le64_to_cpu(d->store);
		u32 len = le32_to_cpu(d->len);
		bool sane = len && len <= SOSNAP_MAX_EXTENT && object &&
			    blk + len <= SOSNAP_MAX_BLK;

		if (type == SOSNAP_RECORD_MAP && sane && store < m->super.nr_blocks &&
		    len <= m->super.nr_blocks - store) {
			r = sosnap_batch_add(batch, object, blk, len, store);
		} else if (type == SOSNAP_RECORD_ZERO && sane) {
			r = sosnap_batch_add(batch, object, blk, len, SOSNAP_STORE_ZERO);
		} else if (type == SOSNAP_RECORD_PUT && len == SOSNAP_PUT_SLOTS && i + len < nr) {
			r = apply_put(m, object, blk, d + 1);
			i += len;
		} else if (type == SOSNAP_RECORD_DEL && blk <= U32_MAX) {
			sosnap_catalog_del(&m->catalog, object, blk);
		} else {
			r = sosnap_fault_set(&m->io->fault, SOSNAP_FAULT_RECORD_VALUE, 0, i);
		}
	}
	return r;
}

/* The blocks of records that are to be merged are not for nodes any more. */
static int take_all(struct sosnap_meta *m, const struct sosnap_batch *batch)
{
	u32 i;
	int r = 0;

	sosnap_meta_lock(m);
	for (i = 0; i < batch->nr && !r; i++)
		if (batch->record[i].store != SOSNAP_STORE_ZERO)
			r = sosnap_space_take(&m->space, batch->record[i].store,
					      batch->record[i].len);
	return unlock_said(m, r);
}

struct replay {
	struct sosnap_meta *m;
	struct sosnap_batch *batch;
	u64 commits;
};

static int replay_commit(void *ctx, u64 __always_unused seq,
			 const struct sosnap_disk_record *slots, u32 nr)
{
	struct replay *rp = ctx;

	rp->commits++;
	return sosnap_meta_apply(rp->m, rp->batch, slots, nr);
}

/**
 * sosnap_meta_replay() - take over what the journal holds
 * @m:       opened
 * @batch:   filled with the mapping records
 * @commits: set to the number of commits found
 *
 * Nothing is written. For a store that goes live the caller follows with
 * sosnap_meta_checkpoint(m, batch, m->journal.head, m->journal.seq, flags),
 * publish and release. The blocks of the records count as allocated from here on.
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_meta_replay(struct sosnap_meta *m, struct sosnap_batch *batch, u64 *commits)
{
	struct replay rp = { .m = m, .batch = batch };
	int r;

	r = sosnap_journal_scan(m->io, &m->super, &m->journal, replay_commit, &rp);
	*commits = rp.commits;
	if (!r)
		r = take_all(m, batch);
	/* a commit that was torn here may turn up whole later: pass its number over */
	m->journal.seq++;
	return r;
}

/**
 * sosnap_meta_sum() - add to a count that was read from media
 * @count: the count
 * @delta: what is added
 * @most:  what it can be at most
 *
 * A wrong count must not become one that no store can have: the next activation
 * would refuse the superblock. The check tells that it is wrong.
 * Context: any.
 * Return: the sum, within 0 and @most.
 */
u64 sosnap_meta_sum(u64 count, s64 delta, u64 most)
{
	if (delta < 0 && (u64)-delta > count)
		return 0;
	return min(count + delta, most);
}

/**
 * sosnap_meta_count() - change the block count of an object
 * @m:     the metadata
 * @e:     the object
 * @delta: how many blocks it has got, or lost
 * Context: the checkpoint.
 */
void sosnap_meta_count(struct sosnap_meta *m, struct sosnap_entry *e, s64 delta)
{
	struct sosnap_disk_object *o = &e->item.object;

	o->blocks = cpu_to_le64(sosnap_meta_sum(le64_to_cpu(o->blocks), delta,
						m->super.nr_blocks));
	e->dirty = true;
}

/**
 * sosnap_meta_object_done() - write the block count of an object that is left behind
 * @m: the metadata
 * Context: the checkpoint.
 */
void sosnap_meta_object_done(struct sosnap_meta *m)
{
	if (m->object && m->delta) {
		u64 most = m->super.nr_blocks;

		sosnap_meta_count(m, m->object, m->delta);
		m->super.data_blocks = sosnap_meta_sum(m->super.data_blocks, m->delta, most);
	}
	m->object = NULL;
	m->delta = 0;
}

/**
 * sosnap_meta_freed() - blocks of the object in m->object have left the tree
 * @ctx:   the metadata
 * @store: first block
 * @len:   how many
 * Context: the checkpoint; may sleep.
 * Return: 0 or an error that ends the checkpoint.
 */
int sosnap_meta_freed(void *ctx, u64 store, u32 len)
{
	struct sosnap_meta *m = ctx;

	m->delta -= len;
	return clear(m, store, len);
}

/* Blocks of a record that no tree will own. */
static int lost(void *ctx, u32 __always_unused object, u64 store, u32 len)
{
	stray_add(ctx, store, len);
	return 0;
}

/**
 * sosnap_meta_fence() - part of the extents of an object cannot be read
 * @m:      the metadata
 * @object: the object
 *
 * Damage stays local: what cannot be merged because a node of this object is
 * unreadable is given up, the object is fenced, and the others go on.
 * Context: the checkpoint.
 */
void sosnap_meta_fence(struct sosnap_meta *m, struct sosnap_entry *object)
{
	if (!object->fenced && m->host)
		m->host->fence(m, object->id);
	object->fenced = true;
}

static int emit(void *ctx, u32 object, u64 blk, u32 len, u64 store)
{
	struct sosnap_extent e = { .blk = blk, .store = store, .len = len };
	struct sosnap_extent_near near;
	struct sosnap_meta *m = ctx;
	int r;

	if (!m->object || m->object->id != object) {
		sosnap_meta_object_done(m);
		m->object = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT, object);
	}
	if (!m->object ||
	    (le32_to_cpu(m->object->item.object.flags) & SOSNAP_OBJECT_DYING))
		return store == SOSNAP_STORE_ZERO ? 0 : lost(m, object, store, len);

	r = sosnap_extent_probe(sosnap_meta_extents(m), &m->txn, object, &e, &near);
	if (r == -EUCLEAN) {
		/*
		 * Maps in memory still point to these blocks, and are read on. So
		 * they stay allocated until the next activation, when none does.
		 */
		sosnap_meta_fence(m, m->object);
		return 0;
	}
	if (!r)
		r = sosnap_extent_write(sosnap_meta_extents(m), &m->txn, object, &e, &near,
					sosnap_meta_freed, m);
	if (!r && store != SOSNAP_STORE_ZERO) {
		m->delta += len;
		sosnap_meta_lock(m);
		r = unlock_said(m, sosnap_space_set(&m->space, store, len));
	}
	cond_resched();
	return r;
}

/*
 * Beyond the reserve, before anything is merged. The step that goes below it takes at
 * most 8 blocks, and as many of the reserve; what is left is for discards that
 * free something.
 */
#define MERGE_SPARE	24U

/*
 * How many extents may be dropped or moved. A move adds at most one item, so 16
 * of them need less than a block; the first ones find it in the reserve, but not
 * time after time (R6).
 */
static u32 reap_budget(struct sosnap_meta *m, u64 records, bool *merges)
{
	u64 reserve = sosnap_meta_reserve(m, records) + READ_ONCE(m->kept), spare;

	sosnap_meta_lock(m);
	spare = m->space.free > reserve ? m->space.free - reserve : 0;
	sosnap_meta_unlock(m);
	*merges = spare > MERGE_SPARE;
	return min_t(u64, m->reap_extents, 256 + 16 * spare);
}

/**
 * sosnap_meta_merges() - whether ancestors that waited for space need not any more
 * @m: the metadata, its last checkpoint released
 * Context: meta lock held.
 */
bool sosnap_meta_merges(struct sosnap_meta *m)
{
	bool merges = false;

	if (m->reap_waits)
		reap_budget(m, 0, &merges);
	return merges;
}

static int catalog_store(struct sosnap_meta *m)
{
	int r;

	m->in_catalog = true;
	r = sosnap_catalog_store(&m->catalog, &m->work[SOSNAP_TREE_CATALOG - 1], &m->txn);
	m->in_catalog = false;
	return r;
}

/**
 * sosnap_meta_checkpoint() - merge a batch of records into the trees
 * @m:        the metadata
 * @batch:    every MAP and ZERO record of the commits before @tail_seq that was
 *            not merged yet; used up
 * @tail:     where in the journal the first commit not merged starts
 * @tail_seq: its number
 * @flags:    SOSNAP_SUPER_CLEAN when the store is being closed
 *
 * On return 0 the new state is durable: the caller moves journal.tail to @tail
 * under its own lock, publishes and releases.
 * Context: meta lock held; may sleep; long.
 * Return: 0, or an error after which nothing more may be written.
 */
int sosnap_meta_checkpoint(struct sosnap_meta *m, struct sosnap_batch *batch, u64 tail,
			   u64 tail_seq, u32 flags)
{
	static const struct sosnap_batch_ops ops = { .emit = emit, .lost = lost };
	struct sosnap_super *s = &m->super;
	bool merges;
	u32 budget = reap_budget(m, batch->nr, &merges);
	u64 nodes = 0;
	int r, i;

	m->txn.gen = ++s->gen;
	sosnap_meta_lock(m);
	sosnap_space_begin(&m->space, s->gen);
	sosnap_meta_unlock(m);

	r = sosnap_batch_run(batch, &ops, m);
	sosnap_meta_object_done(m);
	if (!r)
		r = sosnap_reap(m, tail_seq, budget, merges);
	if (!r)
		r = catalog_store(m);
	if (!r)
		r = sosnap_evacuate_nodes(m);
	sosnap_cursor_close(&m->txn);
	if (r)
		return r;

	s->flags = flags;
	s->tail = tail;
	s->tail_seq = tail_seq;
	for (i = 0; i < SOSNAP_NR_TREES; i++) {
		s->root[i] = m->work[i].root;
		s->root[i].nr_nodes = min(s->root[i].nr_nodes, s->nr_blocks);
		nodes += s->root[i].nr_nodes;
	}
	sosnap_meta_lock(m);
	nodes = min(nodes, s->nr_blocks);
	s->node_blocks = nodes;	/* the reserve is computed from it under this lock */
	r = unlock_said(m, sosnap_space_write(&m->space));
	if (!r)
		r = m->io->ops->flush(m->io);
	if (!r)
		r = sosnap_super_write(m->io, s);
	if (!r)
		s->bad_copies = 0;
	return r;
}

/**
 * sosnap_meta_publish() - let lookups see the checkpoint
 * @m: the metadata
 * Context: meta lock held, and no lookup is under way.
 */
void sosnap_meta_publish(struct sosnap_meta *m)
{
	memcpy(m->live, m->work, sizeof(m->live));
}

/**
 * sosnap_meta_release() - what the checkpoint freed may be used again
 * @m:   the metadata
 * @fn:  NULL, or told of every run before it is handed out
 * @ctx: for @fn
 * Context: meta lock held, after publish, when no I/O and no lookup that began
 * before it is under way. May sleep.
 * Return: 0, or an error for the log: some blocks stay unused until activation.
 */
int sosnap_meta_release(struct sosnap_meta *m, sosnap_space_freed_fn fn, void *ctx)
{
	int r, error = 0;
	u32 i;

	sosnap_meta_lock(m);
	for (i = 0; i < m->nr_strays; i++) {
		r = sosnap_space_give_back(&m->space, m->stray[i].blk, m->stray[i].len);
		if (r)
			error = r;
	}
	m->nr_strays = 0;
	r = sosnap_space_release(&m->space, fn, ctx);
	sosnap_meta_unlock(m);
	return r ? r : error;
}

/**
 * sosnap_meta_reserve() - what a checkpoint could need at most
 * @m:       the metadata
 * @records: MAP and ZERO records it would merge, and those that may come without
 *           another allocation
 *
 * Copies: no more than there are nodes. New nodes: a record adds at most two
 * items and a leaf that was split holds at least 84, so 32 records make less
 * than one; twice that, since what one checkpoint adds the next has to copy.
 * Likewise for the catalogue, whose leaves hold 15 items.
 * Context: any; a snapshot of moving figures.
 * Return: blocks that must not be given to data.
 */
u64 sosnap_meta_reserve(const struct sosnap_meta *m, u64 records)
{
	u64 nodes = READ_ONCE(m->super.node_blocks);

	return nodes + records / 16 + READ_ONCE(m->catalog.nr_dirty) / 4 + 64;
}
