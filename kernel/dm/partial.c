// SPDX-License-Identifier: GPL-2.0
/*
 * The first write of a part of a block: the block has to be completed from what
 * it reads as now (its base) before it can be written to its new place.
 *
 * Method. The caller's context (map.c) claims the block as for a first write of
 * all of it: a log slot, its bit in window->pending, its reserved place. It then
 * takes a page and reads into it the part of the base around the new data: from the
 * gold image, from the place of an inherited block, or nothing where that is
 * zeros. The end of the read puts the new data into the page and writes the
 * block; the end of that write ends the guest's bio, whose end (map.c) makes the
 * block own and logs it, or takes the claim back. A task has to be switched to
 * once at most: the end of a read is an interrupt, and must not submit anything,
 * so a worker does. A read that ends within the submission that the guest's bio
 * came in needs no worker, a base of zeros no read.
 *
 * What is not at hand (the window, a place, a log slot, memory) is left to
 * slow.c, which can wait for it. So nothing here waits or is parked.
 *
 * P1  Only one writer of a block is between its claim and its end. Whoever meets
 *     the pending bit, a write of any part of the block or a discard of it, goes
 *     to slow.c and waits there; it then finds the block own. So no part of one
 *     write is lost to a page that another one has filled from the same base.
 * P2  The base is looked up after the bit is set. What a block that is not own
 *     reads as changes only under the window's lock with the bit clear (a first
 *     write, a discard), so it stays what was found until the claim ends, and
 *     the window stays in the map.
 * P3  A base in the store is read in the epoch of the look-up, which ends with the
 *     read and not with the bio: nothing of it is needed after that.
 * P4  Readers go on to see the base, until the whole block is at its new place.
 * P5  Until then there is no record either: a crash, or an error of the read or of
 *     the write, leaves the block as it was, and its place free.
 * P6  The work has a queue of its own. Workers of slow.c wait for pending bits,
 *     which only this work clears; in their queue it might never get its turn.
 */
#include <linux/gfp.h>
#include <linux/sched.h>

#include "map.h"
#include "partial.h"
#include "slow.h"
#include "window.h"

#define IDLE	16U	/* kept ready */

/**
 * struct sosnap_partial - a write of a part of a block in flight
 * @next:     of those that are idle
 * @guest:    the bio, cut at the block's end
 * @page:     the block
 * @place:    where it goes
 * @data:     first byte that comes from the guest
 * @data_end: byte behind the last one
 * @list:     where the submission it came in queues bios: tells who that is
 * @work:     the write, if a worker has to submit it
 * @vec:      of @bio
 * @bio:      the read, then the write
 */
struct sosnap_partial {
	struct sosnap_partial *next;
	struct bio *guest;
	struct page *page;
	u64 place;
	u32 data;
	u32 data_end;
	struct bio_list *list;
	struct work_struct work;
	struct bio_vec vec;
	struct bio bio;
};

static struct sosnap_partial *partial_new(gfp_t gfp)
{
	struct sosnap_partial *p = kmalloc(sizeof(*p), gfp);

	if (!p)
		return NULL;
	p->page = alloc_page(gfp);
	if (p->page)
		return p;
	kfree(p);
	return NULL;
}

static void partial_free(struct sosnap_partial *p)
{
	__free_page(p->page);
	kfree(p);
}

/* One that is idle, or a new one if there is memory at hand. */
static struct sosnap_partial *partial_get(struct sosnap_partials *ps)
{
	struct sosnap_partial *p;
	unsigned long flags;

	spin_lock_irqsave(&ps->lock, flags);
	p = ps->idle;
	if (p) {
		ps->idle = p->next;
		ps->nr--;
	}
	spin_unlock_irqrestore(&ps->lock, flags);
	return p ? p : partial_new(GFP_NOWAIT | __GFP_NOWARN);
}

static void partial_put(struct sosnap_partials *ps, struct sosnap_partial *p)
{
	unsigned long flags;

	spin_lock_irqsave(&ps->lock, flags);
	if (ps->nr < IDLE) {
		p->next = ps->idle;
		ps->idle = p;
		ps->nr++;
		p = NULL;
	}
	spin_unlock_irqrestore(&ps->lock, flags);
	if (p)
		partial_free(p);
}

/**
 * sosnap_partial_init() - prepare memory and worker
 * @store: the store
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_partial_init(struct sosnap_store *store)
{
	struct sosnap_partials *ps = &store->partials;
	int i;

	spin_lock_init(&ps->lock);
	ps->wq = alloc_workqueue("sosnap_partial", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!ps->wq)
		return -ENOMEM;
	for (i = 0; i < IDLE; i++) {
		struct sosnap_partial *p = partial_new(GFP_KERNEL);

		if (!p)
			return -ENOMEM;
		partial_put(ps, p);
	}
	return 0;
}

/**
 * sosnap_partial_exit() - free them
 * @store: nothing is in flight; initialised, or failed to
 * Context: may sleep.
 */
void sosnap_partial_exit(struct sosnap_store *store)
{
	struct sosnap_partials *ps = &store->partials;

	if (ps->wq)
		destroy_workqueue(ps->wq);
	ps->wq = NULL;
	while (ps->idle) {
		struct sosnap_partial *p = ps->idle;

		ps->idle = p->next;
		partial_free(p);
	}
}

static struct sosnap_store *store_of(struct sosnap_partial *p)
{
	return sosnap_bio(p->guest)->snap->store;
}

/* The guest's end is last: with it the snapshot, and the store, may go away. */
static void partial_end(struct sosnap_partial *p, blk_status_t status)
{
	struct bio *guest = p->guest;

	partial_put(&store_of(p)->partials, p);
	guest->bi_status = status;
	bio_endio(guest);
}

/* Bytes [from, end) of the page, to or from a sector of a device. */
static void bio_for(struct sosnap_partial *p, struct block_device *bdev, enum req_op op,
		    sector_t sector, u32 from, u32 end, bio_end_io_t *fn)
{
	struct bio *bio = &p->bio;

	bio_init(bio, bdev, &p->vec, 1, op | REQ_SYNC);
	bio_clone_blkg_association(bio, p->guest);
	bio->bi_ioprio = p->guest->bi_ioprio;
	bio->bi_iter.bi_sector = sector;
	bio->bi_private = p;
	bio->bi_end_io = fn;
	__bio_add_page(bio, p->page, end - from, from);
}

static void write_end(struct bio *bio)
{
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	partial_end(bio->bi_private, status);
}

static void write_block(struct sosnap_partial *p)
{
	sosnap_copy_in(p->guest, page_address(p->page) + p->data, p->data_end - p->data);
	bio_for(p, store_of(p)->bdev, REQ_OP_WRITE, p->place * SOSNAP_BLOCK_SECTORS, 0,
		SOSNAP_BLOCK_SIZE, write_end);
	submit_bio_noacct(&p->bio);
}

static void write_work(struct work_struct *work)
{
	write_block(container_of(work, struct sosnap_partial, work));
}

/*
 * Does the read end within the submission it came in, so that another bio can
 * be queued to that? An interrupt of it is something else.
 */
static bool still_submitting(struct sosnap_partial *p)
{
	return in_task() && !irqs_disabled() && p->list && current->bio_list == p->list;
}

static void read_end(struct bio *bio)
{
	struct sosnap_partial *p = bio->bi_private;
	struct sosnap_bio *pb = sosnap_bio(p->guest);
	blk_status_t status = bio->bi_status;

	bio_uninit(bio);
	if (pb->flags & SOSNAP_BIO_COUNTED)
		sosnap_leave(pb->snap->store, pb);
	if (unlikely(status)) {
		partial_end(p, status);
	} else if (still_submitting(p)) {
		write_block(p);
	} else {
		INIT_WORK(&p->work, write_work);
		queue_work(pb->snap->store->partials.wq, &p->work);
	}
}

/*
 * Prepare the read of bytes [from, end) of the block, which are not all the
 * guest's, or fill them with zeros where there is nothing to read.
 * Return: 0, or -EIO when the window does not say where the block lives.
 */
static int base_of(struct sosnap_partial *p, struct sosnap_window *w, u64 blk, u32 from, u32 end,
		   int epoch)
{
	struct sosnap_bio *pb = sosnap_bio(p->guest);
	struct sosnap_snap *snap = pb->snap;
	struct block_device *bdev = snap->gold;
	u32 upto = end, run;
	struct sosnap_view_of v;
	u64 at = blk, left;

	sosnap_window_read(w, &v);
	switch (sosnap_window_class(&v, pb->first, &run)) {
	case SOSNAP_CLASS_HELD:
		if (unlikely(!sosnap_window_place(&v, pb->first, &at)))
			return -EIO;
		bdev = snap->store->bdev;
		sosnap_enter(snap->store, pb, epoch);
		break;
	case SOSNAP_CLASS_ZERO:
		upto = from;
		break;
	default:
		left = snap->gold_sectors - min(snap->gold_sectors, blk * SOSNAP_BLOCK_SECTORS);
		if (unlikely(left < SOSNAP_BLOCK_SECTORS))
			upto = clamp_t(u32, left << SECTOR_SHIFT, from, end);
	}
	memset(page_address(p->page) + upto, 0, end - upto);
	if (from < upto)
		bio_for(p, bdev, REQ_OP_READ,
			at * SOSNAP_BLOCK_SECTORS + (from >> SECTOR_SHIFT), from, upto, read_end);
	else
		p->bio.bi_end_io = NULL;
	return 0;
}

/**
 * sosnap_partial_begin() - prepare a write of a part of a claimed block
 * @w:       its window
 * @bio:     the guest's
 * @blk:     the block, pending
 * @off:     sectors into it that the bio starts at
 * @sectors: how many of the bio belong to it, less than the whole block
 * @place:   where it goes
 * @epoch:   of the look-up
 * Context: RCU read lock held since before @epoch was read.
 * Return: what to go on with, when the bio is cut; NULL without memory: then the
 * claim is taken back.
 */
struct sosnap_partial *sosnap_partial_begin(struct sosnap_window *w, struct bio *bio, u64 blk,
					    u32 off, u32 sectors, u64 place, int epoch)
{
	struct sosnap_bio *pb = sosnap_bio(bio);
	struct sosnap_store *store = pb->snap->store;
	struct sosnap_partial *p = partial_get(&store->partials);
	u32 bit = blk & (SOSNAP_WINDOW_BLOCKS - 1);

	if (unlikely(!p)) {
		sosnap_window_done(pb->snap, w, bit, 1, place, true, false,
				   pb->flags & SOSNAP_BIO_CLAIMED);
		pb->flags &= ~SOSNAP_BIO_CLAIMED;
		return NULL;
	}
	pb->window = w;
	pb->first = bit;
	pb->count = 1;
	p->guest = bio;
	p->place = place;
	p->data = off << SECTOR_SHIFT;
	p->data_end = (off + sectors) << SECTOR_SHIFT;
	/* what is around the data, or behind it, or before it */
	if (base_of(p, w, blk, off ? 0 : p->data_end,
		    p->data_end == SOSNAP_BLOCK_SIZE ? p->data : SOSNAP_BLOCK_SIZE, epoch))
		bio->bi_status = BLK_STS_IOERR;
	return p;
}

/**
 * sosnap_partial_go() - start the I/O
 * @p: from sosnap_partial_begin(), the bio cut at the block's end
 * Context: process context, may sleep. The bio ends, later or before it returns.
 */
void sosnap_partial_go(struct sosnap_partial *p)
{
	if (unlikely(p->guest->bi_status)) {
		partial_end(p, p->guest->bi_status);
		return;
	}
	p->list = current->bio_list;
	if (p->bio.bi_end_io)
		submit_bio_noacct(&p->bio);
	else
		write_block(p);
}
