// SPDX-License-Identifier: GPL-2.0
/*
 * The fast path. A read, or a write of blocks the snapshot owns, looks its
 * window up under RCU and is remapped here: no lock, no allocation, no shared
 * cache line written. A first write of whole blocks takes the lock of its
 * window, a reserved place, and is remapped too. One of a part of a block goes
 * to partial.c with that, all else to slow.c.
 */
#include "commit.h"
#include "log.h"
#include "map.h"
#include "partial.h"
#include "quota.h"
#include "slow.h"
#include "space_wait.h"
#include "window.h"

/* Where the I/O starts, and what is left of it in this window. */
struct where {
	u64 blk;
	u64 index;
	u32 bit;
	u32 off;	/* sectors into the first block */
	u32 sectors;	/* wanted */
};

static void where_is(struct where *at, struct dm_target *ti, struct bio *bio)
{
	sector_t sector = dm_target_offset(ti, bio->bi_iter.bi_sector);

	at->blk = sector / SOSNAP_BLOCK_SECTORS;
	at->index = at->blk >> SOSNAP_WINDOW_SHIFT;
	at->bit = at->blk & (SOSNAP_WINDOW_BLOCKS - 1);
	at->off = sector & (SOSNAP_BLOCK_SECTORS - 1);
	at->sectors = bio_sectors(bio);
}

static u32 run_sectors(const struct where *at, u32 blocks)
{
	return blocks * SOSNAP_BLOCK_SECTORS - at->off;
}

static void accept(struct bio *bio, const struct where *at, u32 sectors)
{
	if (sectors < at->sectors)
		dm_accept_partial_bio(bio, sectors);
}

/* Leave the rest to a worker; it takes one window at a time. */
static int defer(struct bio *bio, const struct where *at)
{
	accept(bio, at, run_sectors(at, SOSNAP_WINDOW_BLOCKS - at->bit));
	bio->bi_iter.bi_sector = at->blk * SOSNAP_BLOCK_SECTORS + at->off;
	sosnap_slow_queue(bio);
	return DM_MAPIO_SUBMITTED;
}

static int remap_store(struct sosnap_store *store, struct bio *bio, const struct where *at,
		       u64 place)
{
	bio_set_dev(bio, store->bdev);
	bio->bi_iter.bi_sector = place * SOSNAP_BLOCK_SECTORS + at->off;
	return DM_MAPIO_REMAPPED;
}

static int remap_zero(struct bio *bio)
{
	zero_fill_bio(bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int remap_gold(struct sosnap_snap *snap, struct bio *bio, const struct where *at,
		      u32 sectors)
{
	sector_t sector = at->blk * SOSNAP_BLOCK_SECTORS + at->off;

	/* the part of a snapshot behind the end of its gold image is zeros */
	if (unlikely(sector + sectors > snap->gold_sectors)) {
		if (sector >= snap->gold_sectors) {
			accept(bio, at, sectors);
			return remap_zero(bio);
		}
		sectors = snap->gold_sectors - sector;
	}
	accept(bio, at, sectors);
	bio_set_dev(bio, snap->gold);
	bio->bi_iter.bi_sector = sector;
	return DM_MAPIO_REMAPPED;
}

/* How far windows like this one go on behind it, for large reads. */
static u32 same_values(struct sosnap_snap *snap, const struct where *at, void *entry)
{
	u32 blocks = SOSNAP_WINDOW_BLOCKS - at->bit;
	u64 index = at->index;

	while (run_sectors(at, blocks) < at->sectors &&
	       sosnap_slots_load(&snap->map, ++index) == entry)
		blocks += SOSNAP_WINDOW_BLOCKS;
	return blocks;
}

/*
 * How many blocks of the following windows live right behind the run of one
 * that reaches its window's end. For a write they have to be own.
 */
static u32 run_on(struct sosnap_snap *snap, const struct where *at, u32 blocks, u64 place,
		  bool write)
{
	u64 index = at->index;

	while (run_sectors(at, blocks) < at->sectors) {
		void *entry = sosnap_slots_load(&snap->map, ++index);
		struct sosnap_view_of v;
		u64 mask;
		u32 n;

		if (!entry || xa_is_value(entry))
			break;
		sosnap_window_read(entry, &v);
		mask = v.based & (write ? sosnap_window_own(snap, &v) : v.held);
		if (v.base != place + blocks || !(mask & 1))
			break;
		n = sosnap_run(mask, 0);
		blocks += n;
		if (n < SOSNAP_WINDOW_BLOCKS)
			break;
	}
	return blocks;
}

static int map_read(struct sosnap_snap *snap, struct bio *bio, const struct where *at)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_view_of v;
	u32 run, blocks;
	int epoch, r;
	void *entry;
	u64 place;

	rcu_read_lock();
	epoch = smp_load_acquire(&store->epoch);	/* pairs with checkpoint.c */
	entry = sosnap_slots_load(&snap->map, at->index);
	if (xa_is_value(entry)) {
		blocks = same_values(snap, at, entry);
		rcu_read_unlock();
		if (entry == xa_mk_value(SOSNAP_WINDOW_GOLD))
			return remap_gold(snap, bio, at,
					  min(run_sectors(at, blocks), at->sectors));
		accept(bio, at, run_sectors(at, blocks));
		return remap_zero(bio);
	}
	if (unlikely(!entry)) {
		rcu_read_unlock();
		return defer(bio, at);
	}
	sosnap_window_read(entry, &v);
	switch (sosnap_window_class(&v, at->bit, &run)) {
	case SOSNAP_CLASS_HELD:
		blocks = sosnap_window_place(&v, at->bit, &place);
		if (unlikely(!blocks)) {
			r = DM_MAPIO_KILL;
			break;
		}
		if (at->bit + blocks == SOSNAP_WINDOW_BLOCKS &&
		    run_sectors(at, blocks) < at->sectors)
			blocks = run_on(snap, at, blocks, place, false);
		sosnap_enter(store, sosnap_bio(bio), epoch);
		accept(bio, at, run_sectors(at, blocks));
		r = remap_store(store, bio, at, place);
		break;
	case SOSNAP_CLASS_ZERO:
		accept(bio, at, run_sectors(at, run));
		r = remap_zero(bio);
		break;
	default:
		r = remap_gold(snap, bio, at, min(run_sectors(at, run), at->sectors));
	}
	rcu_read_unlock();
	return r;
}

/*
 * First write of blocks: take the reserved places next to the window's other
 * blocks. Inline for the sake of whole blocks; it has another caller. Return:
 * how many blocks are pending now, 0 to leave it to a worker.
 */
static __always_inline u32 first_write(struct sosnap_bio *pb, struct sosnap_window *w, u32 bit,
				       u32 want, u64 *place)
{
	struct sosnap_snap *snap = pb->snap;
	struct sosnap_store *store = snap->store;
	unsigned long flags;
	u32 n = 0;
	u64 can;

	if (!sosnap_log_reserve(store))
		return 0;
	spin_lock_irqsave(&w->lock, flags);
	if (unlikely(w->dead))
		goto out;
	__sosnap_window_renew(snap, w);
	if (!w->resv && !w->pending && !sosnap_window_rebase(snap, w))
		goto out;
	can = w->resv & ~w->own & ~w->pending;
	if (!(can >> bit & 1))
		goto out;
	n = min(sosnap_run(can, bit), want);
	if (unlikely(READ_ONCE(snap->limited))) {
		n = sosnap_quota_claim(snap, n);
		if (!n)
			goto out;
		pb->flags |= SOSNAP_BIO_CLAIMED;
	}
	w->resv &= ~sosnap_mask(bit, n);
	w->pending |= sosnap_mask(bit, n);
	*place = w->base + bit;
out:
	spin_unlock_irqrestore(&w->lock, flags);
	if (!n)
		sosnap_log_unreserve(store);
	return n;
}

static void forward_fua(struct sosnap_store *store, struct bio *bio, u64 logged)
{
	/* the mapping is durable: the device's FUA is all it takes */
	if (logged <= READ_ONCE(store->commit.durable))
		return;
	bio->bi_opf &= ~REQ_FUA;
	sosnap_bio(bio)->flags |= SOSNAP_BIO_JOIN;
}

static int map_write(struct sosnap_snap *snap, struct bio *bio, const struct where *at)
{
	struct sosnap_store *store = snap->store;
	struct sosnap_bio *pb = sosnap_bio(bio);
	struct sosnap_partial *part;
	struct sosnap_view_of v;
	struct sosnap_window *w;
	u32 blocks, want;
	int epoch, r;
	void *entry;
	u64 place, own;

	if (unlikely(!sosnap_writable(store) || READ_ONCE(snap->refuses)))
		return DM_MAPIO_KILL;
	rcu_read_lock();
	epoch = smp_load_acquire(&store->epoch);	/* pairs with checkpoint.c */
	entry = sosnap_slots_load(&snap->map, at->index);
	if (xa_is_value(entry))
		entry = sosnap_window_make(snap, at->index, entry, false);
	if (unlikely(!entry))
		goto slow;
	w = entry;
	sosnap_window_read(w, &v);
	own = sosnap_window_own(snap, &v);
	if (own >> at->bit & 1) {
		blocks = sosnap_window_place(&v, at->bit, &place);
		blocks = min(blocks, sosnap_run(own, at->bit));
		if (unlikely(!blocks))
			goto slow;
		if (at->bit + blocks == SOSNAP_WINDOW_BLOCKS &&
		    run_sectors(at, blocks) < at->sectors && !(bio->bi_opf & REQ_FUA))
			blocks = run_on(snap, at, blocks, place, true);
		if (bio->bi_opf & REQ_FUA)
			forward_fua(store, bio, READ_ONCE(w->logged));
		sosnap_enter(store, pb, epoch);
		accept(bio, at, run_sectors(at, blocks));
		r = remap_store(store, bio, at, place);
		rcu_read_unlock();
		return r;
	}
	want = at->sectors / SOSNAP_BLOCK_SECTORS;
	if (unlikely(at->off || !want))
		goto partial;
	blocks = first_write(pb, w, at->bit, want, &place);
	if (unlikely(!blocks))
		goto slow;
	rcu_read_unlock();
	pb->window = w;
	pb->first = at->bit;
	pb->count = blocks;
	if (bio->bi_opf & REQ_FUA)
		forward_fua(store, bio, U64_MAX);
	accept(bio, at, run_sectors(at, blocks));
	return remap_store(store, bio, at, place);
partial:
	if (!first_write(pb, w, at->bit, 1, &place))
		goto slow;
	want = min(run_sectors(at, 1), at->sectors);
	part = sosnap_partial_begin(w, bio, at->blk, at->off, want, place, epoch);
	if (!part)
		goto slow;
	rcu_read_unlock();
	if (bio->bi_opf & REQ_FUA)
		forward_fua(store, bio, U64_MAX);
	accept(bio, at, want);
	sosnap_partial_go(part);
	return DM_MAPIO_SUBMITTED;
slow:
	rcu_read_unlock();
	return defer(bio, at);
}

/**
 * sosnap_map() - dm's map function of a snapshot
 * @ti:  the target
 * @bio: the clone
 * Context: process context.
 * Return: DM_MAPIO_*.
 */
int sosnap_map(struct dm_target *ti, struct bio *bio)
{
	struct sosnap_snap *snap = sosnap_snap_of(ti);
	struct sosnap_bio *pb = sosnap_bio(bio);
	struct where at;

	pb->snap = snap;
	pb->window = NULL;
	pb->flags = 0;
	if (unlikely(bio->bi_opf & REQ_PREFLUSH))
		return sosnap_commit_flush(snap->store, bio);
	where_is(&at, ti, bio);
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return map_read(snap, bio, &at);
	case REQ_OP_WRITE:
		return map_write(snap, bio, &at);
	case REQ_OP_DISCARD:
	case REQ_OP_WRITE_ZEROES:
		if (!sosnap_writable(snap->store) || READ_ONCE(snap->refuses))
			return DM_MAPIO_KILL;
		bio->bi_iter.bi_sector = dm_target_offset(ti, bio->bi_iter.bi_sector);
		sosnap_slow_queue(bio);
		return DM_MAPIO_SUBMITTED;
	default:
		return DM_MAPIO_KILL;
	}
}

/**
 * sosnap_end_io() - dm's end function of a snapshot
 * @ti:    the target
 * @bio:   the clone
 * @error: its status
 * Context: any.
 * Return: DM_ENDIO_DONE, or DM_ENDIO_INCOMPLETE when a commit ends it again.
 */
int sosnap_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct sosnap_bio *pb = sosnap_bio(bio);
	struct sosnap_snap *snap = pb->snap;

	if (pb->flags & SOSNAP_BIO_COUNTED) {
		sosnap_leave(snap->store, pb);
	} else if (pb->window) {
		struct sosnap_window *w = pb->window;

		pb->window = NULL;
		sosnap_window_done(snap, w, pb->first, pb->count, w->base + pb->first, true,
				   !*error, pb->flags & SOSNAP_BIO_CLAIMED);
	}
	if (unlikely(pb->flags & SOSNAP_BIO_JOIN)) {
		pb->flags &= ~SOSNAP_BIO_JOIN;
		if (!*error) {
			sosnap_commit_join(snap->store, bio);
			return DM_ENDIO_INCOMPLETE;
		}
	}
	return DM_ENDIO_DONE;
}
