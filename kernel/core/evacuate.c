// SPDX-License-Identifier: GPL-2.0
#include "evacuate.h"
#include "extent.h"
#include "lineage.h"
#include "meta_internal.h"

#define SCAN_EXTENTS	16384U	/* in one step */

/**
 * sosnap_evacuate_least() - how small a store can become
 * @s: its superblock
 * Context: any.
 * Return: blocks; what is in use may need more.
 */
u64 sosnap_evacuate_least(const struct sosnap_super *s)
{
	/* as for a new one, see sosnap_meta_format() */
	return max_t(u64, SOSNAP_MIN_BLOCKS, 2 * (s->journal_blk + s->journal_blocks));
}

/* What beyond the end is in use, and what moves may take. Space lock held. */
static int need_of(struct sosnap_meta *m, u64 nr_blocks, u64 records,
		   struct sosnap_evacuation_need *need)
{
	u64 keep = sosnap_meta_reserve(m, records) + READ_ONCE(m->kept) +
		   READ_ONCE(m->kept_metadata);
	int r = sosnap_space_beyond(&m->space, sosnap_space_end(nr_blocks), &need->used,
				    &need->before);

	need->before -= min(need->before, keep);
	return r;
}

/**
 * sosnap_evacuate_begin() - begin to empty the tail, or go on
 * @m:         the metadata
 * @nr_blocks: what the store shall have
 * @records:   those that a checkpoint may have to merge, as sosnap_meta_reserve()
 * @need:      filled, for whoever is told no
 * Context: meta lock held; may sleep.
 * Return: 0, -EINVAL for a size that is none, -ENOSPC when what is in use does not
 * fit, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_evacuate_begin(struct sosnap_meta *m, u64 nr_blocks, u64 records,
			  struct sosnap_evacuation_need *need)
{
	int r;

	memset(need, 0, sizeof(*need));
	if (nr_blocks < sosnap_evacuate_least(&m->super) || nr_blocks >= m->super.nr_blocks)
		return -EINVAL;
	sosnap_meta_lock(m);
	r = need_of(m, nr_blocks, records, need);
	if (!r && need->used > need->before)
		r = -ENOSPC;
	if (!r && (m->evac.nr_blocks != nr_blocks || !m->space.limit)) {
		memset(&m->evac, 0, sizeof(m->evac));
		m->evac.nr_blocks = nr_blocks;
		m->evac.nodes = U32_MAX;
		sosnap_space_limit(&m->space, sosnap_space_end(nr_blocks));
	}
	sosnap_meta_unlock(m);
	return r;
}

/**
 * sosnap_evacuate_cancel() - leave the store as large as it is
 * @m: the metadata
 * Context: meta lock held, and no checkpoint is to make it smaller.
 */
void sosnap_evacuate_cancel(struct sosnap_meta *m)
{
	memset(&m->evac, 0, sizeof(m->evac));
	sosnap_meta_lock(m);
	sosnap_space_limit(&m->space, 0);
	sosnap_meta_unlock(m);
}

/**
 * sosnap_evacuate_left() - what has to be moved yet
 * @m:       the metadata, of which the tail is being emptied
 * @records: as above
 * @need:    filled
 * Context: meta lock held; may sleep.
 * Return: 0, -ENOSPC when the space before the end was needed for something else,
 * or an error.
 */
int sosnap_evacuate_left(struct sosnap_meta *m, u64 records, struct sosnap_evacuation_need *need)
{
	int r;

	sosnap_meta_lock(m);
	r = need_of(m, m->evac.nr_blocks, records, need);
	if (!r && !m->space.limit)
		r = -ENOSPC;
	sosnap_meta_unlock(m);
	return r;
}

/* Places for as much of a run as there is; it becomes as many moves as it takes. */
static int add(struct sosnap_meta *m, struct sosnap_move *list, u32 most, u32 *nr, u32 want,
	       struct sosnap_move run)
{
	u32 len, n;
	u64 to;
	int r;

	sosnap_meta_lock(m);
	r = m->space.limit ? sosnap_space_alloc_before(&m->space, want, &to, &len) : -ENOSPC;
	sosnap_meta_unlock(m);
	if (r)
		return r;
	run.len = len;
	run.to = to;
	while (run.len && *nr < most) {
		n = SOSNAP_MOVE_BLOCKS - (u32)(run.blk % SOSNAP_MOVE_BLOCKS);
		n = min(n, run.len);
		list[*nr] = run;
		list[(*nr)++].len = n;
		run.blk += n;
		run.from += n;
		run.to += n;
		run.len -= n;
	}
	m->evac.blk = run.blk;
	if (!run.len)
		return 0;
	sosnap_meta_lock(m);
	r = sosnap_space_give_back(&m->space, run.to, run.len);
	sosnap_meta_unlock(m);
	return r;
}

/* The pass goes on with the next object, or is over. Return: 1, 0, or an error. */
static int next_object(struct sosnap_meta *m)
{
	const struct sosnap_tree *t = &m->live[SOSNAP_TREE_EXTENT - 1];
	struct sosnap_evacuation *ev = &m->evac;
	struct sosnap_key key = { .hi = ev->object, .lo = U64_MAX }, found;
	struct sosnap_disk_extent d;
	int r = t->root.blk ? sosnap_btree_ge(t, &key, &found, &d) : -ENOENT;

	if (!r) {
		ev->object = found.hi;
		ev->blk = 0;
		return 1;
	}
	if (r != -ENOENT)
		return r;
	ev->clear = !ev->met;
	ev->met = 0;
	ev->object = 0;
	ev->blk = 0;
	return 0;
}

/* Whether extents of the object are to be moved: others leave the tree by themselves. */
static int is_moved(struct sosnap_meta *m, u32 object)
{
	struct sosnap_entry *e = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT, object);

	if (!e || e->fenced)
		return sosnap_fault_set(&m->io->fault, SOSNAP_FAULT_EXTENT_VALUE, 0, object);
	return sosnap_object_live(e);
}

/**
 * sosnap_evacuate_find() - find blocks beyond the end, and places for them
 * @m:       the metadata, of which the tail is being emptied
 * @records: as above
 * @list:    filled with what is to be moved; the places are taken
 * @most:    how many moves it can hold
 * @blocks:  how many blocks at most
 * @nr:      set to the number of moves, also when an error is met behind them
 *
 * One step of a pass over the trees of the last checkpoint; they are passed again
 * and again until nothing is met. When there is nothing left to find in a step,
 * @nr is 0.
 * Context: meta lock held, nothing merged since sosnap_lineage_count() would tell
 * another story; may sleep.
 * Return: 0, -ENOSPC when there is no place, -ENOMEM, -EIO, or -EUCLEAN when
 * something that has to be moved is damaged.
 */
int sosnap_evacuate_find(struct sosnap_meta *m, u64 records, struct sosnap_move *list, u32 most,
			 u32 blocks, u32 *nr)
{
	const struct sosnap_tree *t = &m->live[SOSNAP_TREE_EXTENT - 1];
	u64 end = sosnap_space_end(m->evac.nr_blocks);
	struct sosnap_evacuation *ev = &m->evac;
	struct sosnap_evacuation_need need;
	u32 scan;
	int r;

	*nr = 0;
	sosnap_lineage_count(&m->catalog);
	r = sosnap_evacuate_left(m, records, &need);
	for (scan = 0; !r && scan < SCAN_EXTENTS && *nr < most && blocks; scan++) {
		struct sosnap_extent e;
		u64 from, want;
		u32 before = *nr;

		r = ev->object ? sosnap_extent_find(t, ev->object, ev->blk, &e) : -ENOENT;
		if (r == -ENOENT) {
			r = next_object(m);
			if (r <= 0)
				return r;
			r = 0;
			continue;
		}
		if (r)
			break;
		from = max(e.blk, ev->blk);
		ev->blk = e.blk + e.len;
		if (e.store == SOSNAP_STORE_ZERO || e.store + e.len <= end)
			continue;
		if (e.store + (from - e.blk) < end)
			from = e.blk + (end - e.store);
		ev->met++;
		r = is_moved(m, ev->object);
		if (r <= 0)
			continue;
		want = min_t(u64, e.blk + e.len - from, blocks);
		want = min(want, need.before);
		if (!want)
			return -ENOSPC;
		r = add(m, list, most, nr, want, (struct sosnap_move){
			.object = ev->object, .blk = from, .from = e.store + (from - e.blk) });
		for (; before < *nr; before++) {
			blocks -= list[before].len;
			need.before -= list[before].len;
		}
	}
	return r;
}

/**
 * sosnap_evacuate_logged() - a move is logged
 * @m:    the metadata
 * @move: the move
 * @seq:  number that the commit of its record has at most
 *
 * Its object stays at least until a checkpoint has merged that.
 * Context: meta lock held.
 */
void sosnap_evacuate_logged(struct sosnap_meta *m, const struct sosnap_move *move, u64 seq)
{
	struct sosnap_entry *e = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT,
						    move->object);

	if (e)
		e->seq = max(e->seq, seq);
}

/**
 * sosnap_evacuate_again() - go on with a move that was not made
 * @m:    the metadata
 * @move: the first of them; what follows it is met again, too
 * Context: meta lock held.
 */
void sosnap_evacuate_again(struct sosnap_meta *m, const struct sosnap_move *move)
{
	m->evac.object = move->object;
	m->evac.blk = move->blk;
	m->evac.met++;
}

/**
 * sosnap_evacuate_nodes() - give nodes that are beyond the end a new place
 * @m: the metadata
 * Context: the checkpoint, after all other changes of its trees; may sleep.
 * Return: 0 or an error that ends the checkpoint.
 */
int sosnap_evacuate_nodes(struct sosnap_meta *m)
{
	u32 found = 0, i;
	int r = 0;

	for (i = 0; i < SOSNAP_NR_TREES && m->space.limit && !r; i++) {
		m->in_catalog = i == SOSNAP_TREE_CATALOG - 1;
		r = sosnap_btree_evacuate(&m->work[i], &m->txn, m->space.limit,
					  SOSNAP_EVACUATE_NODES, &found);
	}
	m->in_catalog = false;
	m->evac.nodes = found;
	return r;
}

/**
 * sosnap_evacuate_end() - let the next checkpoint make the store smaller
 * @m:       the metadata
 * @records: as above
 *
 * After that checkpoint is released, the caller calls sosnap_evacuate_cancel().
 * Context: meta lock held until then; may sleep.
 * Return: 0, -EAGAIN while there is something beyond the end, -ENOSPC when the
 * checkpoint might not have the space it needs, or another error.
 */
int sosnap_evacuate_end(struct sosnap_meta *m, u64 records)
{
	const struct sosnap_evacuation *ev = &m->evac;
	struct sosnap_evacuation_need need;
	int r;

	if (!ev->clear || ev->nodes)
		return -EAGAIN;
	/* what counts on media say, the next activation believes */
	if (m->super.data_blocks + m->super.node_blocks > ev->nr_blocks)
		return sosnap_fault_set(&m->io->fault, SOSNAP_FAULT_SUPER_FIELD, 0,
					m->super.data_blocks);
	r = sosnap_evacuate_left(m, records, &need);
	if (r)
		return r;
	if (need.used)
		return -EAGAIN;
	if (!need.before)
		return -ENOSPC;
	sosnap_meta_lock(m);
	r = sosnap_space_shrink(&m->space, ev->nr_blocks);
	sosnap_meta_unlock(m);
	return r == -EBUSY ? -EAGAIN : r;
}
