// SPDX-License-Identifier: GPL-2.0
/*
 * Bitmaps, their free counts, and the search for free runs.
 *
 * Crash argument: bitmaps and summaries are written to the slots that the
 * superblock in force does not name; the superblock that names them follows
 * after a flush. A crash in between leaves the old slots as they were. A slot
 * written by a checkpoint that never finished has a generation that no summary
 * entry in force names, or it is overwritten before one does.
 */
#include "space.h"

static u32 blocks_in(u64 nr_blocks, u32 region)
{
	return min_t(u64, nr_blocks - (u64)region * SOSNAP_REGION_BLOCKS, SOSNAP_REGION_BLOCKS);
}

static u32 region_blocks(const struct sosnap_super *s, u32 region)
{
	return blocks_in(s->nr_blocks, region);
}

static u32 regions_of(u64 nr_blocks)
{
	u32 rest;
	u64 whole = div_u64_rem(nr_blocks, SOSNAP_REGION_BLOCKS, &rest);

	return whole + (rest >= SOSNAP_MIN_REGION);
}

#define BITMAP_WORDS	(SOSNAP_BITMAP_BYTES / 8)

static u64 word_get(const u8 *bits, u32 w)
{
	__le64 word;

	memcpy(&word, bits + w * sizeof(word), sizeof(word));
	return le64_to_cpu(word);
}

static void word_put(u8 *bits, u32 w, u64 value)
{
	__le64 word = cpu_to_le64(value);

	memcpy(bits + w * sizeof(word), &word, sizeof(word));
}

/* Of the bits [bit, bit + n), n not 0, those of the first word; then step behind them. */
static u64 next_part(u32 *bit, u32 *n)
{
	u32 off = *bit % 64, len = min(*n, 64 - off);

	*bit += len;
	*n -= len;
	return ~0ULL >> (64 - len) << off;
}

static u32 bits_count(const u8 *bits, u32 bit, u32 n)
{
	u32 set = 0;

	while (n) {
		u32 w = bit / 64;

		set += hweight64(word_get(bits, w) & next_part(&bit, &n));
	}
	return set;
}

static bool bits_any(const u8 *bits, u32 bit, u32 n)
{
	while (n) {
		u32 w = bit / 64;

		if (word_get(bits, w) & next_part(&bit, &n))
			return true;
	}
	return false;
}

/* Returns how many were not set before. */
static u32 bits_set(u8 *bits, u32 bit, u32 n)
{
	u32 fresh = 0;

	while (n) {
		u32 w = bit / 64;
		u64 was = word_get(bits, w), part = next_part(&bit, &n);

		word_put(bits, w, was | part);
		fresh += hweight64(part & ~was);
	}
	return fresh;
}

static void bits_clear(u8 *bits, u32 bit, u32 n)
{
	while (n) {
		u32 w = bit / 64;

		word_put(bits, w, word_get(bits, w) & ~next_part(&bit, &n));
	}
}

static void fix(u8 *bits, u32 from, u32 to, u32 *free)
{
	to = min(to, SOSNAP_REGION_BLOCKS);
	if (from < to)
		*free -= bits_set(bits, from, to - from);
}

/**
 * sosnap_space_regions() - how many regions a store has
 * @super: its superblock
 *
 * A last region that is too small for its own slots is not used.
 * Context: any.
 */
u32 sosnap_space_regions(const struct sosnap_super *super)
{
	return regions_of(super->nr_blocks);
}

/* The runs of a region that are never free, one after the other. */
static bool fixed_run(const struct sosnap_super *super, u32 region, u32 i, u32 *from, u32 *to)
{
	const struct {
		u32 from, to;
		bool here;
	} run[] = {
		{ SOSNAP_BITMAP_SLOT, SOSNAP_BITMAP_SLOT + 2, true },
		{ region_blocks(super, region), SOSNAP_REGION_BLOCKS, true },
		{ SOSNAP_SUMMARY_SLOT, SOSNAP_SUMMARY_SLOT + 2,
		  region % SOSNAP_SUMMARY_REGIONS == 0 },
		{ SOSNAP_SUPER_BLK0, SOSNAP_SUPER_BLK0 + 1, region == 0 },
		{ SOSNAP_SUPER_BLK1, SOSNAP_SUPER_BLK1 + 1, region == 0 },
		{ super->journal_blk, super->journal_blk + super->journal_blocks, region == 0 },
	};

	if (i == ARRAY_SIZE(run))
		return false;
	*from = run[i].here ? run[i].from : 0;
	*to = run[i].here ? run[i].to : 0;
	return true;
}

/**
 * sosnap_space_fresh() - the bitmap of a region that was never written
 * @super:  the superblock
 * @region: which
 * @bits:   SOSNAP_BITMAP_BYTES, filled
 * @free:   set to the number of clear bits
 * Context: any.
 */
void sosnap_space_fresh(const struct sosnap_super *super, u32 region, u8 *bits, u32 *free)
{
	u32 i, from, to;

	memset(bits, 0, SOSNAP_BITMAP_BYTES);
	*free = SOSNAP_REGION_BLOCKS;
	for (i = 0; fixed_run(super, region, i, &from, &to); i++)
		fix(bits, from, to, free);
}

/* What a damaged tree says it owns may be the superblock: that is never freed. */
static bool meets_fixed(const struct sosnap_space *sp, u32 region, u32 bit, u32 n)
{
	u32 i, from, to;

	for (i = 0; fixed_run(sp->super, region, i, &from, &to); i++)
		if (bit < to && from < bit + n)
			return true;
	return false;
}

static u64 bitmap_blk(u32 region, u32 slot)
{
	return (u64)region * SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT + slot;
}

static u64 summary_blk(u32 summary, u32 slot)
{
	return (u64)summary * SOSNAP_SUMMARY_REGIONS * SOSNAP_REGION_BLOCKS +
	       SOSNAP_SUMMARY_SLOT + slot;
}

/*
 * Magic, place and owner are compared each time: damage elsewhere may have led
 * to this block as another kind of metadata, and verified it as that.
 */
static int verify(struct sosnap_io *io, struct sosnap_buf *buf, u32 magic, u64 owner)
{
	const struct sosnap_disk_header *h = buf->data;
	bool verified = READ_ONCE(*buf->verified);

	if (le32_to_cpu(h->magic) != magic)
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_MAGIC, buf->blk, magic);
	if (!verified && !sosnap_sealed(h, SOSNAP_BLOCK_SIZE))
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_CRC, buf->blk, magic);
	if (!verified && memcmp(h->uuid, io->uuid, sizeof(h->uuid)))
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_UUID, buf->blk, magic);
	if (le64_to_cpu(h->blk) != buf->blk)
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_ADDRESS, buf->blk,
					le64_to_cpu(h->blk));
	if (le64_to_cpu(h->owner) != owner)
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_OWNER, buf->blk,
					le64_to_cpu(h->owner));
	/* others may be doing the same */
	WRITE_ONCE(*buf->verified, true);
	return 0;
}

/* Read and verify a slot; the caller puts it when this returns 0. */
static int slot_get(struct sosnap_io *io, u64 blk, u32 magic, u64 owner, struct sosnap_buf *buf)
{
	int r = io->ops->get(io, blk, buf);

	if (r)
		return r;
	r = verify(io, buf, magic, owner);
	if (r)
		io->ops->put(io, buf);
	return r;
}

static void header_fill(struct sosnap_io *io, struct sosnap_buf *buf, u32 magic, u64 owner,
			u64 gen)
{
	struct sosnap_disk_header *h = buf->data;

	memset(h, 0, sizeof(*h));
	h->magic = cpu_to_le32(magic);
	memcpy(h->uuid, io->uuid, sizeof(h->uuid));
	h->blk = cpu_to_le64(buf->blk);
	h->gen = cpu_to_le64(gen);
	h->owner = cpu_to_le64(owner);
}

/**
 * sosnap_space_bitmap() - read the bitmap of a region
 * @io:       the device
 * @region:   which
 * @gen_slot: what the summary says of it, not 0
 * @buf:      to put after use
 * Context: may sleep.
 * Return: 0, -EIO, or -EUCLEAN with io->fault set.
 */
int sosnap_space_bitmap(struct sosnap_io *io, u32 region, u64 gen_slot, struct sosnap_buf *buf)
{
	const struct sosnap_disk_header *h;
	int r;

	r = slot_get(io, bitmap_blk(region, gen_slot & 1), SOSNAP_MAGIC_BITMAP, region, buf);
	if (r)
		return r;
	h = buf->data;
	if (le64_to_cpu(h->gen) != gen_slot >> 1) {
		io->ops->put(io, buf);
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_GENERATION, buf->blk,
					le64_to_cpu(h->gen));
	}
	return 0;
}

static u32 nr_summaries(const struct sosnap_space *sp)
{
	return DIV_ROUND_UP(sp->nr_regions, SOSNAP_SUMMARY_REGIONS);
}

/**
 * sosnap_space_summary() - read the summary in force
 * @io:      the device
 * @super:   its superblock
 * @summary: which
 * @buf:     to put after use when this returns 1
 * Context: may sleep.
 * Return: 1, 0 when it was never written, -EIO, or -EUCLEAN with io->fault set.
 */
int sosnap_space_summary(struct sosnap_io *io, const struct sosnap_super *super, u32 summary,
			 struct sosnap_buf *buf)
{
	u32 slot = sosnap_super_slot(super, summary);
	u64 gen;
	int r;

	if (slot > 2)
		return sosnap_fault_set(&io->fault, SOSNAP_FAULT_SUPER_FIELD, 0, summary);
	if (!slot)
		return 0;
	r = slot_get(io, summary_blk(summary, slot - 1), SOSNAP_MAGIC_SUMMARY, summary, buf);
	if (r)
		return r;
	gen = le64_to_cpu(((struct sosnap_disk_header *)buf->data)->gen);
	if (gen <= super->gen)
		return 1;
	r = sosnap_fault_set(&io->fault, SOSNAP_FAULT_BLOCK_GENERATION, buf->blk, gen);
	io->ops->put(io, buf);
	return r;
}

static int summary_load(struct sosnap_space *sp, u32 summary, u8 *scratch)
{
	u32 first = summary * SOSNAP_SUMMARY_REGIONS, i;
	struct sosnap_disk_summary *d = NULL;
	struct sosnap_buf buf;
	int r;

	r = sosnap_space_summary(sp->io, sp->super, summary, &buf);
	if (r < 0)
		return r;
	if (r)
		d = buf.data;
	for (i = 0; i < SOSNAP_SUMMARY_REGIONS && first + i < sp->nr_regions; i++) {
		struct sosnap_region *rg = &sp->region[first + i];

		if (d)
			rg->gen_slot = le64_to_cpu(d->e[i].gen_slot);
		if (rg->gen_slot)
			rg->free = min_t(u32, le32_to_cpu(d->e[i].free), SOSNAP_REGION_BLOCKS);
		else
			sosnap_space_fresh(sp->super, first + i, scratch, &rg->free);
		rg->disk_free = rg->free;
		rg->max_run = rg->free;
		sp->free += rg->free;
	}
	if (d)
		sp->io->ops->put(sp->io, &buf);
	return 0;
}

/* What the regions could hold, were nothing in use. */
static void totals(struct sosnap_space *sp)
{
	const struct sosnap_super *super = sp->super;
	u64 total = 0;
	u32 i;

	for (i = 0; i < sp->nr_regions; i++) {
		total += region_blocks(super, i) - 2;
		if (i % SOSNAP_SUMMARY_REGIONS == 0)
			total -= 2;
		if (!i)
			total -= 2 + super->journal_blocks;
	}
	sp->total = total;
	WRITE_ONCE(sp->fixed, super->nr_blocks - total);
}

/**
 * sosnap_space_init() - load the free counts of a store
 * @sp:    to fill
 * @io:    the device
 * @super: its superblock; kept, and summary_slot is changed by checkpoints
 *
 * Costs 24 bytes of memory per 126 MiB and one read per 31 GiB of the device.
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_init(struct sosnap_space *sp, struct sosnap_io *io, struct sosnap_super *super)
{
	u8 *scratch;
	int r = 0;
	u32 i;

	memset(sp, 0, sizeof(*sp));
	sp->io = io;
	sp->super = super;
	sp->nr_regions = sosnap_space_regions(super);
	sp->region = kvcalloc(sp->nr_regions, sizeof(*sp->region), GFP_KERNEL);
	scratch = kmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
	if (!sp->region || !scratch) {
		kfree(scratch);
		sosnap_space_exit(sp);
		return -ENOMEM;
	}
	for (i = 0; i < nr_summaries(sp) && !r; i++)
		r = summary_load(sp, i, scratch);
	totals(sp);
	kfree(scratch);
	if (r)
		sosnap_space_exit(sp);
	return r;
}

/* Let go of the bitmap that the checkpoint has changed last. */
static void next_put(struct sosnap_space *sp)
{
	if (sp->next_held)
		sp->io->ops->put(sp->io, &sp->next);
	sp->next_held = false;
}

/**
 * sosnap_space_exit() - free the memory
 * @sp: initialised
 * Context: may sleep.
 */
void sosnap_space_exit(struct sosnap_space *sp)
{
	u32 i;

	next_put(sp);
	for (i = 0; sp->region && i < sp->nr_regions; i++)
		kvfree(sp->region[i].view);
	kvfree(sp->region);
	kvfree(sp->growth.region);
	sp->region = NULL;
	sp->growth.region = NULL;
}

/*
 * Take a bitmap over. One that has a block free that never is, be it the
 * superblock or beyond the end of the device, is damaged whatever its checksum
 * says: bits holds what is fixed.
 */
static int take_over(struct sosnap_space *sp, const struct sosnap_buf *buf, u8 *bits)
{
	const u8 *from = ((struct sosnap_disk_bitmap *)buf->data)->bits;
	u32 w;

	for (w = 0; w < BITMAP_WORDS; w++)
		if (word_get(bits, w) & ~word_get(from, w))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE,
						buf->blk, w * 64);
	memcpy(bits, from, SOSNAP_BITMAP_BYTES);
	return 0;
}

static int view_load(struct sosnap_space *sp, u32 region)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_view *v;
	struct sosnap_buf buf;
	u32 counted;
	int r;

	if (rg->view)
		return 0;
	/* a page; a checkpoint that failed for it would end all writes */
	v = kmalloc(sizeof(*v), GFP_NOIO | __GFP_NOFAIL);
	if (!v)
		return -ENOMEM;
	v->outstanding = 0;
	v->used = 1;
	sosnap_space_fresh(sp->super, region, v->bits, &counted);
	if (rg->gen_slot) {
		r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &buf);
		if (!r) {
			r = take_over(sp, &buf, v->bits);
			sp->io->ops->put(sp->io, &buf);
		}
		if (r) {
			kvfree(v);
			return r;
		}
		counted = SOSNAP_REGION_BLOCKS - bits_count(v->bits, 0, SOSNAP_REGION_BLOCKS);
	}
	/* a wrong count must not let more be taken than there is */
	sp->free = sp->free - rg->free + counted;
	rg->free = counted;
	rg->disk_free = counted;
	rg->max_run = counted;
	rg->view = v;
	sp->nr_views++;
	return 0;
}

/*
 * The first run of want clear bits, or more of them up to most; else the longest
 * run. Bits of a word are seen through find_next_*_le, so a scan of a full bitmap
 * is 504 word compares.
 */
static u32 find_run(const u8 *bits, u32 want, u32 most, u32 *len)
{
	u32 best = 0, start = 0, from = 0;

	while (from < SOSNAP_REGION_BLOCKS && best < want) {
		u32 a = find_next_zero_bit_le(bits, SOSNAP_REGION_BLOCKS, from);
		u32 b;

		if (a >= SOSNAP_REGION_BLOCKS)
			break;
		b = find_next_bit_le(bits, a + min(most, SOSNAP_REGION_BLOCKS - a), a);
		if (b - a > best) {
			best = b - a;
			start = a;
		}
		from = b;
	}
	*len = best;
	return start;
}

static void take(struct sosnap_space *sp, u32 region, u32 start, u32 len)
{
	struct sosnap_region *rg = &sp->region[region];

	bits_set(rg->view->bits, start, len);
	rg->view->outstanding += len;
	rg->view->used = 1;
	rg->free -= len;
	sp->free -= len;
}

/*
 * One round through the regions for a run of want blocks, or in a region that
 * has none, its longest one from least on. Of what was found, most are taken.
 */
static int search(struct sosnap_space *sp, u32 want, u32 least, u32 most, u64 *blk, u32 *len)
{
	int error = -ENOSPC;
	u32 i;

	for (i = 0; i < sp->nr_regions; i++) {
		u32 region = sp->cursor + i < sp->nr_regions ? sp->cursor + i :
			     sp->cursor + i - sp->nr_regions;
		struct sosnap_region *rg = &sp->region[region];
		u32 start;
		int r;

		if (min(rg->free, rg->max_run) < least)
			continue;
		r = view_load(sp, region);
		if (r) {
			/* a damaged bitmap costs its region, not the store */
			if (r == -EUCLEAN)
				rg->max_run = 0;
			error = r;
			continue;
		}
		start = find_run(rg->view->bits, want, most, len);
		if (*len < want)
			rg->max_run = *len;
		if (*len < least)
			continue;
		take(sp, region, start, *len);
		sp->cursor = region;
		*blk = (u64)region * SOSNAP_REGION_BLOCKS + start;
		return 0;
	}
	return error;
}

/**
 * sosnap_space_alloc() - take a run of free blocks out of the view
 * @sp:    the space
 * @want:  blocks wanted
 * @least: with how few the caller is content, at least 1
 * @blk:   set to the first block
 * @len:   set to the length of the run
 *
 * A run of @want is looked for everywhere first, then anything from @least on.
 * Context: space lock held; may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_alloc(struct sosnap_space *sp, u32 want, u32 least, u64 *blk, u32 *len)
{
	int r = search(sp, want, want, want, blk, len);

	if (r == -ENOSPC && least < want)
		r = search(sp, want, least, want, blk, len);
	return r;
}

/**
 * sosnap_space_alloc_more() - take a run of free blocks, longer if it is at hand
 * @sp:    the space
 * @least: blocks wanted
 * @most:  how many may be taken when they are there, at least @least
 * @blk:   set to the first block
 * @len:   set to the length of the run
 *
 * The run is the first one of @least blocks, so a longer one is never looked for.
 * Context: space lock held; may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_alloc_more(struct sosnap_space *sp, u32 least, u32 most, u64 *blk, u32 *len)
{
	return search(sp, least, least, most, blk, len);
}

/* Split a run at region borders. */
static u32 piece(u64 blk, u64 len, u32 *region, u32 *bit)
{
	*region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, bit);
	return min_t(u64, len, SOSNAP_REGION_BLOCKS - *bit);
}

/**
 * sosnap_space_take() - take given blocks out of the view
 * @sp:  the space
 * @blk: first block
 * @len: how many
 *
 * For records that are replayed: their blocks must not be given to nodes before
 * the checkpoint has come to them. From here on they are as allocated.
 * Context: space lock held; may sleep.
 * Return: 0, -ENOMEM, -EIO, or -EUCLEAN when one of them is not free.
 */
int sosnap_space_take(struct sosnap_space *sp, u64 blk, u64 len)
{
	while (len) {
		u32 region, bit, n = piece(blk, len, &region, &bit);
		struct sosnap_region *rg;
		int r;

		if (region >= sp->nr_regions)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		rg = &sp->region[region];
		r = view_load(sp, region);
		if (r)
			return r;
		if (bits_any(rg->view->bits, bit, n))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_SHARED,
						bitmap_blk(region, 0), blk);
		take(sp, region, bit, n);
		blk += n;
		len -= n;
	}
	return 0;
}

/**
 * sosnap_space_give_back() - return blocks that no record was written for
 * @sp:  the space
 * @blk: first block
 * @len: how many
 * Context: space lock held.
 * Return: 0, or -EUCLEAN if one of them was not out (nothing is changed then).
 */
int sosnap_space_give_back(struct sosnap_space *sp, u64 blk, u64 len)
{
	while (len) {
		u32 region, bit, n = piece(blk, len, &region, &bit);
		struct sosnap_region *rg;

		if (region >= sp->nr_regions)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		rg = &sp->region[region];
		if (!rg->view || rg->view->outstanding < n || meets_fixed(sp, region, bit, n) ||
		    bits_count(rg->view->bits, bit, n) < n)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE, 0, blk);
		bits_clear(rg->view->bits, bit, n);
		rg->view->outstanding -= n;
		rg->free += n;
		rg->max_run = rg->free;
		sp->free += n;
		blk += n;
		len -= n;
	}
	return 0;
}

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

	if (nr_blocks < sp->super->nr_blocks || nr_blocks > SOSNAP_MAX_BLOCKS)
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

	r = view_load(sp, region);
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
	header_fill(sp->io, buf, SOSNAP_MAGIC_BITMAP, region, sp->txn_gen);
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
		r = rg->touched ? slot_get(sp->io, bitmap_blk(region, other_slot(rg)),
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
		rg->free -= fresh;
		sp->free -= fresh;
		rg->disk_free -= n;
		blk += n;
		len -= n;
	}
	return 0;
}

/* Whether the last complete checkpoint had the block in use. */
static int was_set(struct sosnap_space *sp, u32 region, u32 bit, u32 n, u32 *set)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_buf old;
	int r;

	*set = 0;
	if (!rg->gen_slot)
		return 0;
	r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &old);
	if (r)
		return r;
	*set = bits_count(((struct sosnap_disk_bitmap *)old.data)->bits, bit, n);
	sp->io->ops->put(sp->io, &old);
	return 0;
}

/**
 * sosnap_space_clear() - the trees of this checkpoint no longer own these blocks
 * @sp:   the space
 * @blk:  first block
 * @len:  how many
 * @born: how many of them this checkpoint itself had set. These are allocated
 *        without an owner again: set them anew, or give them back once what was
 *        written there is flushed
 *
 * The others stay out of reach until sosnap_space_release().
 * Context: space lock held; may sleep.
 * Return: 0, -EIO, -ENOMEM, or -EUCLEAN when one of them has no owner.
 */
int sosnap_space_clear(struct sosnap_space *sp, u64 blk, u64 len, u64 *born)
{
	*born = 0;
	while (len) {
		u32 region, bit, set, n = piece(blk, len, &region, &bit);
		u8 *bits;
		int r;

		if (region >= sp->nr_regions)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		if (meets_fixed(sp, region, bit, n))
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		r = was_set(sp, region, bit, n, &set);
		if (!r)
			r = next_get(sp, region, &bits);
		if (r)
			return r;
		if (bits_count(bits, bit, n) < n)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE,
						bitmap_blk(region, 0), blk);
		bits_clear(bits, bit, n);
		sp->region[region].disk_free += n;
		sp->region[region].view->outstanding += n - set;
		*born += n - set;
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
	header_fill(sp->io, &buf, SOSNAP_MAGIC_SUMMARY, summary, sp->txn_gen);
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

	bits = kmalloc(SOSNAP_BITMAP_BYTES, GFP_NOIO);
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
	totals(sp);
out:
	kfree(bits);
	return r;
}

/**
 * sosnap_space_write() - write the summaries that this checkpoint changes
 * @sp: the space; super->summary_slot is changed, and super->nr_blocks if it grows
 *
 * The last step before the flush: nothing may be set or cleared after it.
 * Context: space lock held; may sleep.
 * Return: 0, -EIO or -ENOMEM.
 */
int sosnap_space_write(struct sosnap_space *sp)
{
	u32 i, done = U32_MAX;
	int r;

	if (sp->growth.region) {
		r = grow(sp);
		if (r)
			return r;
	}
	next_put(sp);
	for (i = 0; i < sp->nr_regions; i++) {
		u32 summary = i / SOSNAP_SUMMARY_REGIONS;

		if (!sp->region[i].touched || summary == done)
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
	rg->free += to - sp->growth.tail;
	sp->free += to - sp->growth.tail;
	rg->max_run = rg->free;
	return 0;
}

static void regions_release(struct sosnap_space *sp)
{
	struct sosnap_space_growth *g = &sp->growth;
	u32 i;

	for (i = g->from; i < sp->nr_regions; i++) {
		struct sosnap_region *rg = &sp->region[i];

		rg->free = rg->disk_free;
		rg->max_run = rg->free;
		sp->free += rg->free;
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
	rg->free += f.nr;
	sp->free += f.nr;
	if (f.nr)
		rg->max_run = rg->free;
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
	sp->txn_gen = 0;
	return error;
}

/**
 * sosnap_space_trim() - drop views that equal the disk
 * @sp:   the space
 * @keep: how many may stay, the most recently used ones first
 * Context: space lock held.
 */
void sosnap_space_trim(struct sosnap_space *sp, u32 keep)
{
	u32 round, i;

	for (round = 0; round < 2 && sp->nr_views > keep; round++) {
		for (i = 0; i < sp->nr_regions && sp->nr_views > keep; i++) {
			struct sosnap_region *rg = &sp->region[i];

			if (!rg->view || rg->touched || rg->view->outstanding)
				continue;
			if (rg->view->used && !round) {
				rg->view->used = 0;
				continue;
			}
			kvfree(rg->view);
			rg->view = NULL;
			sp->nr_views--;
		}
	}
}
