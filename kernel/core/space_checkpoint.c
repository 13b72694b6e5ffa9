// SPDX-License-Identifier: GPL-2.0
/*
 * What a checkpoint does to bitmaps, summaries and the size of the store, and
 * what becomes free by it. The crash argument is at the head of space.c.
 */
#include "space_internal.h"

/**
 * sosnap_space_grow() - the device is larger now: use it
 * @sp:        the space
 * @nr_blocks: size from the next checkpoint on; no smaller than it is
 *
 * Takes the memory that it needs; all else is done by sosnap_space_write() and
 * sosnap_space_release() of the next checkpoint. Another call before that
 * replaces this one.
 * Context: space lock held, no checkpoint under way.
 * Return: 0, -EINVAL or -ENOMEM.
 */
int sosnap_space_grow(struct sosnap_space *sp, u64 nr_blocks)
{
	struct sosnap_region *region;

	if (nr_blocks < sp->super->nr_blocks || nr_blocks > SOSNAP_MAX_BLOCKS || sp->shrinks_to)
		return -EINVAL;
	region = kvcalloc(regions_of(nr_blocks), sizeof(*region), GFP_NOIO);
	if (!region)
		return -ENOMEM;
	kvfree(sp->growth.region);
	sp->growth.region = region;
	sp->growth.nr_blocks = nr_blocks;
	return 0;
}

/**
 * sosnap_space_begin() - a checkpoint starts
 * @sp:  the space
 * @gen: its generation
 * Context: space lock held; the one before was released.
 */
void sosnap_space_begin(struct sosnap_space *sp, u64 gen)
{
	sp->txn_gen = gen;
}

static u32 other_slot(const struct sosnap_region *rg)
{
	return rg->gen_slot ? !(rg->gen_slot & 1) : 0;
}

static int next_make(struct sosnap_space *sp, u32 region, struct sosnap_buf *buf)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_disk_bitmap *d;
	struct sosnap_buf old;
	u32 fresh_free;
	int r;

	r = sosnap_space_view(sp, region);
	if (r)
		return r;
	if (rg->gen_slot) {
		r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &old);
		if (r)
			return r;
	}
	r = sp->io->ops->create(sp->io, bitmap_blk(region, other_slot(rg)), buf);
	if (r)
		goto out;
	d = buf->data;
	sosnap_space_header(sp->io, buf, SOSNAP_MAGIC_BITMAP, region, sp->txn_gen);
	if (rg->gen_slot)
		memcpy(d->bits, ((struct sosnap_disk_bitmap *)old.data)->bits, sizeof(d->bits));
	else
		sosnap_space_fresh(sp->super, region, d->bits, &fresh_free);
	rg->touched = true;
out:
	if (rg->gen_slot)
		sp->io->ops->put(sp->io, &old);
	return r;
}

/*
 * The bits that this checkpoint writes for a region, made on first use. They
 * stay held in sp->next until those of another region are asked for.
 */
static int next_get(struct sosnap_space *sp, u32 region, u8 **bits)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_buf buf;
	int r;

	if (!sp->next_held || sp->next_region != region) {
		next_put(sp);
		r = rg->touched ? sosnap_space_slot_get(sp->io, bitmap_blk(region, other_slot(rg)),
							SOSNAP_MAGIC_BITMAP, region, &buf) :
				  next_make(sp, region, &buf);
		if (r)
			return r;
		sp->io->ops->dirty(sp->io, &buf);
		sp->next = buf;
		sp->next_region = region;
		sp->next_held = true;
	}
	*bits = ((struct sosnap_disk_bitmap *)sp->next.data)->bits;
	return 0;
}

/**
 * sosnap_space_set() - the trees of this checkpoint own these blocks
 * @sp:  the space
 * @blk: first block
 * @len: how many
 *
 * They come from sosnap_space_alloc(), or from a record that is replayed.
 * Context: space lock held; may sleep.
 * Return: 0, -EIO, -ENOMEM, or -EUCLEAN when one of them has an owner already.
 */
int sosnap_space_set(struct sosnap_space *sp, u64 blk, u64 len)
{
	while (len) {
		u32 region, bit, fresh, n = piece(blk, len, &region, &bit);
		struct sosnap_region *rg;
		u8 *bits;
		int r;

		if (region >= sp->nr_regions)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		rg = &sp->region[region];
		r = next_get(sp, region, &bits);
		if (r)
			return r;
		if (bits_any(bits, bit, n))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_SHARED,
						bitmap_blk(region, 0), blk);
		bits_set(bits, bit, n);
		fresh = bits_set(rg->view->bits, bit, n);
		rg->view->outstanding -= n - fresh;
		free_take(sp, rg, fresh);
		rg->disk_free -= n;
		blk += n;
		len -= n;
	}
	return 0;
}

/*
 * Of n blocks from a bit on, those that the last complete checkpoint did not have in
 * use, counted and told run by run.
 */
static int born_runs(struct sosnap_space *sp, u32 region, u32 bit, u32 n, u32 *nr,
		     sosnap_space_freed_fn fn, void *ctx)
{
	struct sosnap_region *rg = &sp->region[region];
	u64 first = (u64)region * SOSNAP_REGION_BLOCKS;
	u32 end = bit + n, from;
	struct sosnap_buf old;
	const u8 *was;
	int r;

	*nr = n;
	if (!rg->gen_slot) {
		if (fn)
			fn(ctx, first + bit, n);
		return 0;
	}
	r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &old);
	if (r)
		return r;
	was = ((struct sosnap_disk_bitmap *)old.data)->bits;
	*nr -= bits_count(was, bit, n);
	/* nearly always none: what is freed is older than this checkpoint */
	while (*nr && bit < end) {
		from = bit;
		while (bit < end && !bits_any(was, bit, 1))
			bit++;
		if (bit > from && fn)
			fn(ctx, first + from, bit - from);
		while (bit < end && bits_any(was, bit, 1))
			bit++;
	}
	sp->io->ops->put(sp->io, &old);
	return 0;
}

/**
 * sosnap_space_clear() - the trees of this checkpoint no longer own these blocks
 * @sp:   the space
 * @blk:  first block
 * @len:  how many
 * @born: told of each run of them that this checkpoint itself had set. These are
 *        allocated without an owner again: give them back once what was written there
 *        is flushed
 * @ctx:  for @born
 *
 * Pinned blocks are not cleared. The others stay out of reach until sosnap_space_release().
 * Context: space lock held; may sleep.
 * Return: 0, -EIO, -ENOMEM, or -EUCLEAN when one of them has no owner.
 */
int sosnap_space_clear(struct sosnap_space *sp, u64 blk, u64 len, sosnap_space_freed_fn born,
		       void *ctx)
{
	while (len) {
		u32 region, bit, nr, n = piece(blk, len, &region, &bit);
		u8 *bits;
		int r;

		if (region >= sp->nr_regions)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		if (sosnap_space_meets_fixed(sp, region, bit, n))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		if (sp->region[region].pins && bits_any(sp->region[region].pins, bit, n))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_SHARED,
						bitmap_blk(region, 0), blk);
		r = next_get(sp, region, &bits);
		if (r)
			return r;
		if (bits_count(bits, bit, n) < n) {
			r = sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE,
					     bitmap_blk(region, 0), blk);
			sosnap_space_lose(sp, region);
			return r;
		}
		r = born_runs(sp, region, bit, n, &nr, born, ctx);
		if (r)
			return r;
		bits_clear(bits, bit, n);
		sp->region[region].disk_free += n;
		sp->region[region].view->outstanding += nr;
		blk += n;
		len -= n;
	}
	return 0;
}

static int summary_write(struct sosnap_space *sp, u32 summary)
{
	u32 first = summary * SOSNAP_SUMMARY_REGIONS, i;
	u32 slot = sosnap_super_slot(sp->super, summary);
	u32 to = slot == 1 ? 2 : 1;
	struct sosnap_disk_summary *d;
	struct sosnap_buf buf;
	int r;

	r = sp->io->ops->create(sp->io, summary_blk(summary, to - 1), &buf);
	if (r)
		return r;
	d = buf.data;
	memset(d, 0, sizeof(*d));
	sosnap_space_header(sp->io, &buf, SOSNAP_MAGIC_SUMMARY, summary, sp->txn_gen);
	for (i = 0; i < SOSNAP_SUMMARY_REGIONS && first + i < sp->nr_regions; i++) {
		struct sosnap_region *rg = &sp->region[first + i];
		u64 gen_slot = rg->gen_slot;

		if (rg->touched)
			gen_slot = sp->txn_gen << 1 | other_slot(rg);
		d->e[i].gen_slot = cpu_to_le64(gen_slot);
		d->e[i].free = cpu_to_le32(rg->disk_free);
	}
	sp->io->ops->dirty(sp->io, &buf);
	sp->io->ops->put(sp->io, &buf);
	sosnap_super_set_slot(sp->super, summary, to);
	return 0;
}

/*
 * The blocks behind the old end are marked as in use in its region. The view
 * keeps them until release; loaded here, it stays in memory until then. If the
 * bitmap is damaged they stay in use: that costs the region, not the store.
 */
static int tail_grow(struct sosnap_space *sp, u32 region, u32 from, u32 to)
{
	u8 *bits;
	int r = next_get(sp, region, &bits);

	if (r)
		return r == -EUCLEAN ? 0 : r;
	bits_clear(bits, from, to - from);
	sp->region[region].disk_free += to - from;
	return 0;
}

/*
 * New regions were never written, so the summaries need not know them. What they
 * have free is nothing until release.
 */
static int grow(struct sosnap_space *sp)
{
	struct sosnap_space_growth *g = &sp->growth;
	u32 from = sp->nr_regions, last = from - 1, i;
	u32 tail = region_blocks(sp->super, last), end = blocks_in(g->nr_blocks, last);
	int r = 0;
	u8 *bits;

	/* a page; a checkpoint that failed for it would end all writes */
	bits = kmalloc(SOSNAP_BITMAP_BYTES, GFP_NOIO | __GFP_NOFAIL);
	if (!bits)
		return -ENOMEM;
	g->tail_region = last;
	g->tail = tail;
	if (tail < end)
		r = tail_grow(sp, last, tail, end);
	if (r)
		goto out;
	memcpy(g->region, sp->region, from * sizeof(*sp->region));
	swap(g->region, sp->region);
	WRITE_ONCE(sp->super->nr_blocks, g->nr_blocks);
	sp->nr_regions = sosnap_space_regions(sp->super);
	for (i = from; i < sp->nr_regions; i++)
		sosnap_space_fresh(sp->super, i, bits, &sp->region[i].disk_free);
	g->from = from;
	g->written = true;
	sosnap_space_totals(sp);
out:
	kfree(bits);
	return r;
}

/*
 * What is cut off is not in use (sosnap_space_shrink()). In the region of the new
 * end it is marked as in use; regions and summaries behind it are forgotten. The
 * last summary must not know them any more: they may come back as new ones.
 * Return: the number of that summary, or an error.
 */
static int shrink(struct sosnap_space *sp)
{
	u64 to = sp->shrinks_to;
	u32 nr = regions_of(to), last = nr - 1, i;
	u32 end = blocks_in(to, last), was = region_blocks(sp->super, last);
	struct sosnap_region *rg = &sp->region[last];
	u8 *bits;
	int r;

	if (end < was) {
		r = next_get(sp, last, &bits);
		if (r)
			return r;
		bits_set(bits, end, was - end);
		rg->view->outstanding -= was - end;
		rg->disk_free -= was - end;
	}
	next_put(sp);
	for (i = nr; i < sp->nr_regions; i++) {
		if (sp->region[i].view)
			sp->nr_views--;
		kvfree(sp->region[i].view);
		kvfree(sp->region[i].pins);
		memset(&sp->region[i], 0, sizeof(sp->region[i]));
	}
	last /= SOSNAP_SUMMARY_REGIONS;
	for (i = last + 1; i * SOSNAP_SUMMARY_REGIONS < sp->nr_regions; i++)
		sosnap_super_set_slot(sp->super, i, 0);
	WRITE_ONCE(sp->super->nr_blocks, to);
	sp->nr_regions = nr;
	sp->cursor = 0;
	sosnap_space_totals(sp);
	return last;
}

/**
 * sosnap_space_write() - write the summaries that this checkpoint changes
 * @sp: the space; super->summary_slot is changed, and super->nr_blocks if it grows
 *      or shrinks
 *
 * The last step before the flush: nothing may be set or cleared after it.
 * Context: space lock held; may sleep.
 * Return: 0, -EIO or -ENOMEM.
 */
int sosnap_space_write(struct sosnap_space *sp)
{
	u32 i, done = U32_MAX, last = U32_MAX;
	int r;

	if (sp->growth.region) {
		r = grow(sp);
		if (r)
			return r;
	}
	if (sp->shrinks_to) {
		r = shrink(sp);
		if (r < 0)
			return r;
		last = r;
	}
	next_put(sp);
	for (i = 0; i < sp->nr_regions; i++) {
		u32 summary = i / SOSNAP_SUMMARY_REGIONS;

		if ((!sp->region[i].touched && summary != last) || summary == done)
			continue;
		r = summary_write(sp, summary);
		if (r)
			return r;
		done = summary;
	}
	return 0;
}

struct freed {
	sosnap_space_freed_fn fn;
	void *ctx;
	u64 first;	/* block of the region */
	u32 nr;
	u32 run;	/* blocks up to here that became free, not told yet */
};

/* Blocks up to bit that became free are all there are of their run. */
static void freed_tell(struct freed *f, u32 bit)
{
	if (f->run && f->fn)
		f->fn(f->ctx, f->first + bit - f->run, f->run);
	f->nr += f->run;
	f->run = 0;
}

static void freed_word(struct freed *f, u32 w, u64 gone)
{
	u32 i;

	if (!gone) {
		freed_tell(f, w * 64);
		return;
	}
	for (i = 0; i < 64; i++) {
		if (gone >> i & 1)
			f->run++;
		else
			freed_tell(f, w * 64 + i);
	}
}

/* The old end of the store was in a region that was never written. */
static int tail_release(struct sosnap_space *sp, u32 region)
{
	struct sosnap_region *rg = &sp->region[region];
	u32 to = region_blocks(sp->super, region);

	if (!sp->growth.written || region != sp->growth.tail_region)
		return 0;
	bits_clear(rg->view->bits, sp->growth.tail, to - sp->growth.tail);
	free_add(sp, rg, to - sp->growth.tail);
	return 0;
}

static void regions_release(struct sosnap_space *sp)
{
	struct sosnap_space_growth *g = &sp->growth;
	u32 i;

	for (i = g->from; i < sp->nr_regions; i++) {
		struct sosnap_region *rg = &sp->region[i];

		free_add(sp, rg, rg->disk_free);
	}
	kvfree(g->region);
	memset(g, 0, sizeof(*g));
}

/* Give the view what the checkpoint cleared: set before, clear now. */
static int region_release(struct sosnap_space *sp, u32 region, u64 old_gen_slot,
			  sosnap_space_freed_fn fn, void *ctx)
{
	struct sosnap_region *rg = &sp->region[region];
	struct freed f = {
		.fn = fn,
		.ctx = ctx,
		.first = (u64)region * SOSNAP_REGION_BLOCKS,
	};
	const u8 *was, *now;
	struct sosnap_buf a, b;
	u32 w;
	int r;

	if (!old_gen_slot)	/* a region never written had nothing to clear */
		return tail_release(sp, region);
	r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &b);
	if (r)
		return r;
	now = ((struct sosnap_disk_bitmap *)b.data)->bits;
	r = sosnap_space_bitmap(sp->io, region, old_gen_slot, &a);
	if (r)
		goto out;
	was = ((struct sosnap_disk_bitmap *)a.data)->bits;
	for (w = 0; w < BITMAP_WORDS; w++) {
		u64 gone = word_get(was, w) & ~word_get(now, w);

		if (gone)
			word_put(rg->view->bits, w, word_get(rg->view->bits, w) & ~gone);
		freed_word(&f, w, gone);
	}
	freed_tell(&f, SOSNAP_REGION_BLOCKS);
	if (f.nr)
		free_add(sp, rg, f.nr);
	sp->io->ops->put(sp->io, &a);
out:
	sp->io->ops->put(sp->io, &b);
	return r;
}

/**
 * sosnap_space_release() - what the last checkpoint cleared may be used again
 * @sp:  the space
 * @fn:  NULL, or told of every run that became free, before it is handed out
 * @ctx: for @fn
 *
 * Called once per checkpoint when its superblocks are durable and all I/O that
 * looked the old maps up has ended. Blocks of a region whose bitmaps cannot be
 * read stay unused until the next activation; that is not an error.
 * Context: space lock held; may sleep.
 * Return: 0, or the last error met, for the log.
 */
int sosnap_space_release(struct sosnap_space *sp, sosnap_space_freed_fn fn, void *ctx)
{
	int error = 0, r;
	u32 i;

	for (i = 0; i < sp->nr_regions; i++) {
		struct sosnap_region *rg = &sp->region[i];
		u64 old = rg->gen_slot;

		if (!rg->touched)
			continue;
		rg->gen_slot = sp->txn_gen << 1 | other_slot(rg);
		rg->touched = false;
		r = region_release(sp, i, old, fn, ctx);
		if (r)
			error = r;
	}
	if (sp->growth.written)
		regions_release(sp);
	if (sp->shrinks_to)
		sosnap_space_limit(sp, 0);
	sp->shrinks_to = 0;
	sp->txn_gen = 0;
	return error;
}
