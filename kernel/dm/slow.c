// SPDX-License-Identifier: GPL-2.0
#include <linux/highmem.h>

#include "block_io.h"
#include "commit.h"
#include "log.h"
#include "map.h"
#include "quota.h"
#include "slow.h"
#include "space_wait.h"
#include "window.h"

#define RETRY	1	/* look again: the map has changed meanwhile */

static void piece_at(struct sosnap_piece *p, sector_t sector, u32 sectors)
{
	p->blk = sector / SOSNAP_BLOCK_SECTORS;
	p->index = p->blk >> SOSNAP_WINDOW_SHIFT;
	p->bit = p->blk & (SOSNAP_WINDOW_BLOCKS - 1);
	p->off = sector & (SOSNAP_BLOCK_SECTORS - 1);
	p->sectors = sectors;
}

/* A view of the window, and the I/O about to follow entered into the epoch. */
static int look(struct sosnap_snap *snap, const struct sosnap_piece *p, struct sosnap_bio *pb,
		struct sosnap_view_of *v, enum sosnap_class *class, u32 *run, u64 *place)
{
	struct sosnap_store *store = snap->store;
	void *entry;
	int epoch;

	for (;;) {
		int r;

		rcu_read_lock();
		epoch = smp_load_acquire(&store->epoch);	/* pairs with checkpoint.c */
		entry = sosnap_slots_load(&snap->map, p->index);
		if (entry)
			break;
		rcu_read_unlock();
		r = sosnap_window_load(snap, p->index);
		if (r)
			return r;
	}
	if (xa_is_value(entry)) {
		memset(v, 0, sizeof(*v));
		if (entry == xa_mk_value(SOSNAP_WINDOW_ZERO))
			v->zero = ~0ULL;
	} else {
		sosnap_window_read(entry, v);
	}
	*class = sosnap_window_class(v, p->bit, run);
	if (*class == SOSNAP_CLASS_HELD) {
		*run = sosnap_window_place(v, p->bit, place);
		if (*run)
			sosnap_enter(store, pb, epoch);
	}
	rcu_read_unlock();
	return *run ? 0 : -EIO;
}

static void zero_part(struct bio *bio, u32 sectors)
{
	struct bvec_iter iter = bio->bi_iter, start = iter;
	struct bio_vec bv;

	start.bi_size = min_t(u32, iter.bi_size, sectors << SECTOR_SHIFT);
	__bio_for_each_segment(bv, bio, iter, start)
		memzero_bvec(&bv);
}

/* Return: sectors done, or -errno. */
static int read_piece(struct sosnap_snap *snap, struct bio *bio, const struct sosnap_piece *p)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_bio *pb = sosnap_bio(bio);
	sector_t sector = p->blk * SOSNAP_BLOCK_SECTORS + p->off;
	enum sosnap_class class;
	struct sosnap_view_of v;
	u64 place;
	u32 run, n;
	int r;

	r = look(snap, p, pb, &v, &class, &run, &place);
	if (r)
		return r;
	n = min(run * SOSNAP_BLOCK_SECTORS - p->off, p->sectors);
	if (class == SOSNAP_CLASS_HELD) {
		r = sosnap_sync_bio(store, store->bdev, REQ_OP_READ,
				    place * SOSNAP_BLOCK_SECTORS + p->off, n, bio);
		sosnap_leave(store, pb);
	} else if (class == SOSNAP_CLASS_GOLD && sector < snap->gold_sectors) {
		n = min_t(u64, n, snap->gold_sectors - sector);
		r = sosnap_sync_bio(store, snap->gold, REQ_OP_READ, sector, n, bio);
	} else {
		zero_part(bio, n);
	}
	return r ? r : n;
}

/* What a block that is not own reads as now, into a page. */
static int read_base(struct sosnap_snap *snap, const struct sosnap_piece *p,
		     struct sosnap_bio *pb, void *data)
{
	struct sosnap_store *store = snap->store;
	sector_t sector = p->blk * SOSNAP_BLOCK_SECTORS;
	enum sosnap_class class;
	struct sosnap_view_of v;
	u64 place;
	u32 run;
	int r;

	r = look(snap, p, pb, &v, &class, &run, &place);
	if (r)
		return r;
	if (class == SOSNAP_CLASS_HELD) {
		r = sosnap_sync_io(store, store->bdev, REQ_OP_READ, place * SOSNAP_BLOCK_SECTORS,
				   SOSNAP_BLOCK_SECTORS, data);
		sosnap_leave(store, pb);
		return r;
	}
	memset(data, 0, SOSNAP_BLOCK_SIZE);
	if (class == SOSNAP_CLASS_ZERO || sector >= snap->gold_sectors)
		return 0;
	return sosnap_sync_io(store, snap->gold, REQ_OP_READ, sector,
			      min_t(u64, SOSNAP_BLOCK_SECTORS, snap->gold_sectors - sector),
			      data);
}

/**
 * sosnap_copy_in() - copy the next bytes of a bio's data
 * @bio:   whose; it is not moved on
 * @to:    room for them
 * @bytes: how many
 * Context: any.
 */
void sosnap_copy_in(struct bio *bio, void *to, u32 bytes)
{
	struct bvec_iter iter = bio->bi_iter, start = iter;
	struct bio_vec bv;

	start.bi_size = bytes;
	__bio_for_each_segment(bv, bio, iter, start) {
		memcpy_from_bvec(to, &bv);
		to += bv.bv_len;
	}
}

/*
 * Blocks that are pending for a first write of the slow path. While they are,
 * the window stays in the map.
 */
struct claim {
	struct sosnap_window *w;
	u32 first;
	u32 count;
	u64 place;
	bool based;
	bool claimed;
};

/* Mark blocks pending. Return: 0, RETRY, or the window is busy: -EBUSY. */
static int claim_blocks(struct sosnap_snap *snap, const struct sosnap_piece *p, u32 want,
			struct claim *c)
{
	struct sosnap_window *w;
	int r = RETRY;
	void *entry;
	u64 can;

	rcu_read_lock();
	entry = sosnap_slots_load(&snap->map, p->index);
	if (!entry || xa_is_value(entry))
		goto out;
	w = entry;
	spin_lock_irq(&w->lock);
	__sosnap_window_renew(snap, w);
	can = ~w->own & ~w->pending;
	if (w->dead) {
		;
	} else if (w->pending >> p->bit & 1) {
		r = -EBUSY;
	} else if (can >> p->bit & 1) {
		c->w = w;
		c->first = p->bit;
		c->based = w->resv >> p->bit & 1;
		c->count = min(sosnap_run(c->based ? can & w->resv : can & ~w->resv, p->bit),
			       want);
		if (c->based) {
			w->resv &= ~sosnap_mask(p->bit, c->count);
			c->place = w->base + p->bit;
		}
		w->pending |= sosnap_mask(p->bit, c->count);
		r = 0;
	}
	spin_unlock_irq(&w->lock);
out:
	rcu_read_unlock();
	return r;
}

/* Take bits off a claim again. */
static void unclaim(struct sosnap_snap *snap, struct claim *c, u32 keep)
{
	u64 mask = sosnap_mask(c->first + keep, c->count - keep);

	spin_lock_irq(&c->w->lock);
	c->w->pending &= ~mask;
	if (c->based)
		c->w->resv |= mask;
	spin_unlock_irq(&c->w->lock);
	c->count = keep;
	wake_up_all(&snap->wait);
}

/* Find a place for a claim that has none reserved; the claim may shrink. */
static int claim_place(struct sosnap_snap *snap, struct claim *c)
{
	u32 len = c->count;
	int r = 0;

	if (!c->based) {
		r = sosnap_space_get(snap, c->count, &c->place, &len, &c->claimed);
		if (!r)
			sosnap_window_add_spill(snap, c->w, sosnap_mask(c->first, len),
						c->place - c->first);
	} else if (READ_ONCE(snap->limited)) {
		len = sosnap_quota_claim(snap, c->count);
		c->claimed = true;
		if (!len)
			r = -EDQUOT;
	}
	if (len < c->count)
		unclaim(snap, c, len);
	return r;
}

static void claim_done(struct sosnap_snap *snap, struct claim *c, bool ok)
{
	sosnap_window_done(snap, c->w, c->first, c->count, c->place, c->based, ok, c->claimed);
	if (!ok && !c->based)
		sosnap_space_put(snap->store, c->place, c->count);
}

/**
 * sosnap_slow_busy() - whether first writes are in flight
 * @snap:  the snapshot
 * @index: the window
 * @mask:  its blocks
 * Context: any.
 */
bool sosnap_slow_busy(struct sosnap_snap *snap, u64 index, u64 mask)
{
	void *entry;
	bool busy;

	rcu_read_lock();
	entry = sosnap_slots_load(&snap->map, index);
	busy = entry && !xa_is_value(entry) &&
	       READ_ONCE(((struct sosnap_window *)entry)->pending) & mask;
	rcu_read_unlock();
	return busy;
}

/*
 * Write whole blocks, or part of one, that are not own. data is the source: a
 * bio, or NULL for zeros. Return: sectors done, RETRY is 0, or -errno.
 *
 * It waits for room in memory once (M6): the wait may cost the window, and who
 * waited for it once more could do so for ever.
 */
static int first_write_piece(struct sosnap_snap *snap, struct bio *bio, struct sosnap_bio *pb,
			     const struct sosnap_piece *p, bool *waited)
{
	struct sosnap_store *store = snap->store;
	u32 whole = p->off ? 0 : p->sectors / SOSNAP_BLOCK_SECTORS;
	struct claim c = { 0 };
	struct page *page;
	u32 n;
	int r;

	if (!*waited) {
		*waited = true;
		sosnap_window_wait_room(store);
	}
	if (!bio)
		whole = 0;
	sosnap_window_refit(snap, p->index, p->bit);
	r = sosnap_log_reserve_wait(store);
	if (r)
		return r;
	r = claim_blocks(snap, p, max(whole, 1U), &c);
	if (!r)
		r = claim_place(snap, &c);
	if (r) {
		sosnap_log_unreserve(store);
		if (r != -EBUSY)
			return r == RETRY ? 0 : r;
		wait_event(snap->wait, !sosnap_slow_busy(snap, p->index,
							 sosnap_mask(p->bit, 1)));
		return 0;
	}
	if (whole) {
		n = c.count * SOSNAP_BLOCK_SECTORS;
		r = sosnap_sync_bio(store, store->bdev, REQ_OP_WRITE,
				    c.place * SOSNAP_BLOCK_SECTORS, n, bio);
	} else {
		n = min(SOSNAP_BLOCK_SECTORS - p->off, p->sectors);
		page = mempool_alloc(store->pages, GFP_NOIO);
		r = read_base(snap, p, pb, page_address(page));
		if (!r) {
			void *to = page_address(page) + (p->off << SECTOR_SHIFT);

			if (bio)
				sosnap_copy_in(bio, to, n << SECTOR_SHIFT);
			else
				memset(to, 0, n << SECTOR_SHIFT);
			r = sosnap_sync_io(store, store->bdev, REQ_OP_WRITE,
					   c.place * SOSNAP_BLOCK_SECTORS, SOSNAP_BLOCK_SECTORS,
					   page_address(page));
		}
		mempool_free(page, store->pages);
	}
	claim_done(snap, &c, !r);
	return r ? r : n;
}

/* Write blocks that are own. Return: sectors done, 0 to look again, or -errno. */
static int overwrite_piece(struct sosnap_snap *snap, struct bio *bio, struct sosnap_bio *pb,
			   const struct sosnap_piece *p)
{
	struct sosnap_store *store = snap->store;
	enum sosnap_class class;
	struct sosnap_view_of v;
	u64 place, own;
	struct page *page;
	u32 run, n;
	int r;

	r = look(snap, p, pb, &v, &class, &run, &place);
	if (r)
		return r;
	own = sosnap_window_own(snap, &v);
	if (class != SOSNAP_CLASS_HELD || !(own >> p->bit & 1)) {
		if (class == SOSNAP_CLASS_HELD)
			sosnap_leave(store, pb);
		return 0;
	}
	run = min(run, sosnap_run(own, p->bit));
	n = min(run * SOSNAP_BLOCK_SECTORS - p->off, p->sectors);
	if (bio) {
		r = sosnap_sync_bio(store, store->bdev, REQ_OP_WRITE,
				    place * SOSNAP_BLOCK_SECTORS + p->off, n, bio);
	} else {
		n = min(n, SOSNAP_BLOCK_SECTORS - p->off);
		page = mempool_alloc(store->pages, GFP_NOIO);
		memset(page_address(page), 0, n << SECTOR_SHIFT);
		r = sosnap_sync_io(store, store->bdev, REQ_OP_WRITE,
				   place * SOSNAP_BLOCK_SECTORS + p->off, n, page_address(page));
		mempool_free(page, store->pages);
	}
	sosnap_leave(store, pb);
	return r ? r : n;
}

static int write_piece(struct sosnap_snap *snap, struct bio *bio, struct sosnap_bio *pb,
		       const struct sosnap_piece *p, bool *waited)
{
	int r = sosnap_window_need(snap, p->index);

	if (!r)
		r = overwrite_piece(snap, bio, pb, p);
	return r ? r : first_write_piece(snap, bio, pb, p, waited);
}

/**
 * sosnap_slow_write_zeros() - make part of a block read as zeros
 * @snap:    the snapshot
 * @sector:  where
 * @sectors: how many, all in one block
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int sosnap_slow_write_zeros(struct sosnap_snap *snap, sector_t sector, u32 sectors)
{
	struct sosnap_bio pb = { .snap = snap };
	enum sosnap_class class;
	struct sosnap_view_of v;
	struct sosnap_piece p;
	bool waited = false;
	u64 place;
	u32 run;
	int r;

	piece_at(&p, sector, sectors);
	r = look(snap, &p, &pb, &v, &class, &run, &place);
	if (r)
		return r;
	if (class == SOSNAP_CLASS_HELD)
		sosnap_leave(snap->store, &pb);
	if (class == SOSNAP_CLASS_ZERO && !(v.pending >> p.bit & 1))
		return 0;
	do {
		r = write_piece(snap, NULL, &pb, &p, &waited);
	} while (!r);
	return r < 0 ? r : 0;
}

/* Read or write a bio to its end. Return: 0 or -errno; the bio is moved on. */
static int data_bio(struct sosnap_snap *snap, struct bio *bio)
{
	bool write = op_is_write(bio_op(bio)), waited = false;

	while (bio->bi_iter.bi_size) {
		struct sosnap_piece p;
		int r;

		piece_at(&p, bio->bi_iter.bi_sector, bio_sectors(bio));
		if (write && (!sosnap_writable(snap->store) || READ_ONCE(snap->refuses)))
			return -EIO;
		r = write ? write_piece(snap, bio, sosnap_bio(bio), &p, &waited) :
			    read_piece(snap, bio, &p);
		if (r < 0)
			return r;
		if (r)
			waited = false;
		bio_advance(bio, (u32)r << SECTOR_SHIFT);
	}
	return 0;
}

static void slow_work(struct work_struct *work)
{
	struct sosnap_bio *pb = container_of(work, struct sosnap_bio, work);
	struct bio *bio = dm_bio_from_per_bio_data(pb, sizeof(*pb));
	struct sosnap_snap *snap = pb->snap;
	/* before space is looked for: pairs with the lock in sosnap_space_freed() */
	u64 freed = smp_load_acquire(&snap->store->freed);
	bool fua = bio->bi_opf & REQ_FUA;
	int r;

	switch (bio_op(bio)) {
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		r = sosnap_discard(snap, bio->bi_iter.bi_sector, bio_sectors(bio));
		break;
	default:
		r = data_bio(snap, bio);
	}
	if (r == -ENOSPC) {
		sosnap_space_park(snap, bio, freed);
		return;
	}
	if (r == -EDQUOT) {
		r = sosnap_quota_settle(snap);
		if (!r) {
			sosnap_slow_queue(bio);
			return;
		}
	}
	bio->bi_status = errno_to_blk_status(r);
	if (!r && fua)
		sosnap_commit_join(snap->store, bio);
	else
		bio_endio(bio);
}

/**
 * sosnap_slow_queue() - hand a bio to a worker
 * @bio: with its sector relative to the snapshot
 * Context: any.
 */
void sosnap_slow_queue(struct bio *bio)
{
	struct sosnap_bio *pb = sosnap_bio(bio);

	INIT_WORK(&pb->work, slow_work);
	queue_work(pb->snap->store->io_wq, &pb->work);
}
