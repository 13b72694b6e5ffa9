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
#include "space_internal.h"

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

/**
 * sosnap_space_meets_fixed() - whether one of these bits is never free
 * @sp:     the space
 * @region: which
 * @bit:    the first
 * @n:      how many
 *
 * What a damaged tree says it owns may be the superblock: that is never freed.
 * Context: any.
 */
bool sosnap_space_meets_fixed(const struct sosnap_space *sp, u32 region, u32 bit, u32 n)
{
	u32 i, from, to;

	for (i = 0; fixed_run(sp->super, region, i, &from, &to); i++)
		if (bit < to && from < bit + n)
			return true;
	return false;
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

/**
 * sosnap_space_slot_get() - read and verify a slot
 * @io:    the device
 * @blk:   where
 * @magic: what it is
 * @owner: of which region, or which summary
 * @buf:   to put when this returns 0
 * Context: may sleep.
 * Return: 0, -EIO, or -EUCLEAN with io->fault set.
 */
int sosnap_space_slot_get(struct sosnap_io *io, u64 blk, u32 magic, u64 owner,
			  struct sosnap_buf *buf)
{
	int r = io->ops->get(io, blk, buf);

	if (r)
		return r;
	r = verify(io, buf, magic, owner);
	if (r)
		io->ops->put(io, buf);
	return r;
}

/**
 * sosnap_space_header() - begin a slot
 * @io:    the device
 * @buf:   the block
 * @magic: what it is
 * @owner: of which region, or which summary
 * @gen:   the checkpoint
 * Context: any.
 */
void sosnap_space_header(struct sosnap_io *io, struct sosnap_buf *buf, u32 magic, u64 owner,
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

	r = sosnap_space_slot_get(io, bitmap_blk(region, gen_slot & 1), SOSNAP_MAGIC_BITMAP,
				  region, buf);
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
	r = sosnap_space_slot_get(io, summary_blk(summary, slot - 1), SOSNAP_MAGIC_SUMMARY,
				  summary, buf);
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
		/* one that was never written has all free; 0: the store has grown since */
		if (d && !rg->gen_slot && d->e[i].free && le32_to_cpu(d->e[i].free) != rg->free) {
			sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_COUNT, buf.blk,
					 first + i);
			sosnap_space_lose(sp, first + i);
		}
	}
	if (d)
		sp->io->ops->put(sp->io, &buf);
	return 0;
}

/* What a region could hold, were nothing in use. */
static u32 usable(const struct sosnap_super *super, u32 region)
{
	u32 fixed = 2;

	if (region % SOSNAP_SUMMARY_REGIONS == 0)
		fixed += 2;
	if (!region)
		fixed += 2 + super->journal_blocks;
	return region_blocks(super, region) - fixed;
}

/**
 * sosnap_space_totals() - count the blocks that have no fixed use
 * @sp: the space, with its size
 * Context: space lock held.
 */
void sosnap_space_totals(struct sosnap_space *sp)
{
	const struct sosnap_super *super = sp->super;
	u64 total = 0;
	u32 i;

	for (i = 0; i < sp->nr_regions; i++)
		total += usable(super, i);
	sp->total = total;
	WRITE_ONCE(sp->fixed, super->nr_blocks - total);
}

/**
 * sosnap_space_init() - load the free counts of a store
 * @sp:    to fill
 * @io:    the device
 * @super: its superblock; kept, and summary_slot is changed by checkpoints
 * @lost:  NULL, or told of bitmaps that cannot be right, now and later
 *
 * Costs 40 bytes of memory per 126 MiB and one read per 31 GiB of the device.
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_init(struct sosnap_space *sp, struct sosnap_io *io, struct sosnap_super *super,
		      void (*lost)(struct sosnap_space *sp, u32 region))
{
	u8 *scratch;
	int r = 0;
	u32 i;

	memset(sp, 0, sizeof(*sp));
	sp->io = io;
	sp->super = super;
	sp->lost = lost;
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
	sosnap_space_totals(sp);
	kfree(scratch);
	if (r)
		sosnap_space_exit(sp);
	return r;
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
	for (i = 0; sp->region && i < sp->nr_regions; i++) {
		kvfree(sp->region[i].view);
		kvfree(sp->region[i].pins);
	}
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

/* The view of a region from what is on media; *counted: clear bits. */
static int view_fill(struct sosnap_space *sp, u32 region, u8 *bits, u32 *counted)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_buf buf;
	int r;

	sosnap_space_fresh(sp->super, region, bits, counted);
	if (!rg->gen_slot)
		return 0;
	r = sosnap_space_bitmap(sp->io, region, rg->gen_slot, &buf);
	if (r)
		return r;
	r = take_over(sp, &buf, bits);
	sp->io->ops->put(sp->io, &buf);
	if (r)
		return r;
	*counted = SOSNAP_REGION_BLOCKS - bits_count(bits, 0, SOSNAP_REGION_BLOCKS);
	/* one of the two is wrong, and nobody knows which */
	if (*counted != rg->disk_free)
		return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_COUNT, buf.blk,
					rg->disk_free);
	return 0;
}

/**
 * sosnap_space_view() - have the view of a region in memory
 * @sp:     the space
 * @region: which
 * Context: space lock held; may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_view(struct sosnap_space *sp, u32 region)
{
	struct sosnap_region *rg = &sp->region[region];
	struct sosnap_view *v;
	u32 counted;
	int r;

	if (rg->view)
		return 0;
	if (rg->lost)
		return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_LOST,
					bitmap_blk(region, rg->gen_slot & 1), region);
	/* a page; a checkpoint that failed for it would end all writes */
	v = kmalloc(sizeof(*v), GFP_NOIO | __GFP_NOFAIL);
	if (!v)
		return -ENOMEM;
	v->outstanding = 0;
	v->used = 1;
	r = view_fill(sp, region, v->bits, &counted);
	if (r) {
		kvfree(v);
		if (r == -EUCLEAN)
			sosnap_space_lose(sp, region);
		return r;
	}
	rg->max_run = rg->free;
	rg->view = v;
	sp->nr_views++;
	return 0;
}

/*
 * The first run of want clear bits, or more of them up to most; else the longest
 * run. Bits of a word are seen through find_next_*_le, so a scan of a full bitmap
 * is 504 word compares.
 */
static u32 find_run(const u8 *bits, u32 end, u32 want, u32 most, u32 *len)
{
	u32 best = 0, start = 0, from = 0;

	while (from < end && best < want) {
		u32 a = find_next_zero_bit_le(bits, end, from);
		u32 b;

		if (a >= end)
			break;
		b = find_next_bit_le(bits, a + min(most, end - a), a);
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
	free_take(sp, rg, len);
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
		u32 start, end = blocks_before(region, sp->limit);
		int r;

		if (!end || min(rg->free, rg->max_run) < least)
			continue;
		r = sosnap_space_view(sp, region);
		if (r) {
			/* a damaged bitmap costs its region, not the store */
			error = r;
			continue;
		}
		start = find_run(rg->view->bits, end, want, most, len);
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

static int search_twice(struct sosnap_space *sp, u32 want, u32 least, u64 *blk, u32 *len)
{
	int r = search(sp, want, want, want, blk, len);

	/* also when a region could not be read: the others may have less than want */
	if (r && least < want)
		r = search(sp, want, least, want, blk, len);
	return r;
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
	int r = search_twice(sp, want, least, blk, len);

	/* also when a region before it cannot be read: that is nobody's fault who writes */
	if (r && sp->limit && !sp->shrinks_to) {
		sosnap_space_limit(sp, 0);
		r = search_twice(sp, want, least, blk, len);
	}
	return r;
}

/**
 * sosnap_space_alloc_before() - take a run before the limit, or nothing
 * @sp:   the space, with a limit
 * @want: blocks wanted; fewer will do
 * @blk:  set to the first block
 * @len:  set to the length of the run
 * Context: space lock held; may sleep.
 * Return: as sosnap_space_alloc().
 */
int sosnap_space_alloc_before(struct sosnap_space *sp, u32 want, u64 *blk, u32 *len)
{
	return search_twice(sp, want, 1, blk, len);
}

/**
 * sosnap_space_alloc_more() - take a run of free blocks, longer if it is at hand
 * @sp:    the space
 * @least: blocks wanted
 * @most:  how many may be taken when they are there, at least @least
 * @blk:   set to the first block
 * @len:   set to the length of the run
 *
 * The run is the first one of @least blocks, so a longer one is never looked for,
 * and a limit is not given up for it.
 * Context: space lock held; may sleep.
 * Return: 0, -ENOSPC, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_alloc_more(struct sosnap_space *sp, u32 least, u32 most, u64 *blk, u32 *len)
{
	return search(sp, least, least, most, blk, len);
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
		r = sosnap_space_view(sp, region);
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
		if (!rg->view || rg->view->outstanding < n ||
		    sosnap_space_meets_fixed(sp, region, bit, n) ||
		    bits_count(rg->view->bits, bit, n) < n)
			return sosnap_fault_set(&sp->io->fault, SOSNAP_FAULT_BITMAP_FREE, 0, blk);
		bits_clear(rg->view->bits, bit, n);
		rg->view->outstanding -= n;
		free_add(sp, rg, n);
		blk += n;
		len -= n;
	}
	return 0;
}

/**
 * sosnap_space_end() - where what a store of a size can use ends
 * @nr_blocks: its size
 *
 * A last region that is too small for its own slots is not used.
 * Context: any.
 */
u64 sosnap_space_end(u64 nr_blocks)
{
	return min_t(u64, nr_blocks, (u64)regions_of(nr_blocks) * SOSNAP_REGION_BLOCKS);
}

/* A region that a limit cuts was searched in part: forget what that has shown. */
static void search_anew(struct sosnap_space *sp, u64 limit)
{
	u32 bit, region = div_u64_rem(limit, SOSNAP_REGION_BLOCKS, &bit);

	if (region < sp->nr_regions)
		sp->region[region].max_run = sp->region[region].free;
}

/**
 * sosnap_space_limit() - hand out what lies before a limit first
 * @sp:    the space
 * @limit: a block, or 0 for no limit
 * Context: space lock held.
 */
void sosnap_space_limit(struct sosnap_space *sp, u64 limit)
{
	search_anew(sp, sp->limit);
	search_anew(sp, limit);
	WRITE_ONCE(sp->limit, limit);
}

/**
 * sosnap_space_beyond() - what is in use from a block on, and free before it
 * @sp:     the space
 * @limit:  from sosnap_space_end(), within the store
 * @used:   set to the blocks beyond that are owned, out, or not released yet
 * @before: set to the free ones before it
 * Context: space lock held; may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_beyond(struct sosnap_space *sp, u64 limit, u64 *used, u64 *before)
{
	u32 i;
	int r;

	*used = 0;
	*before = 0;
	for (i = 0; i < sp->nr_regions; i++) {
		u32 blocks = region_blocks(sp->super, i), end = blocks_before(i, limit), n;
		struct sosnap_region *rg = &sp->region[i];

		if (end >= blocks) {
			*before += rg->free;
			continue;
		}
		if (!end) {
			n = usable(sp->super, i);
			*used += n - min(n, rg->free);
			continue;
		}
		/* the slots, and all else that is fixed, lie before it */
		r = sosnap_space_view(sp, i);
		if (r)
			return r;
		n = bits_count(rg->view->bits, end, blocks - end);
		*used += n;
		*before += rg->free - min(rg->free, blocks - end - n);
	}
	return 0;
}

/**
 * sosnap_space_shrink() - let the next checkpoint make the store smaller
 * @sp:        the space, with the limit that belongs to that size
 * @nr_blocks: size from the next checkpoint on
 *
 * From here on nothing beyond the limit is handed out.
 * Context: space lock held, between two checkpoints; may sleep.
 * Return: 0, -EBUSY while something there is in use, -EINVAL for a size that is
 * not smaller or has not this limit, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_space_shrink(struct sosnap_space *sp, u64 nr_blocks)
{
	u64 limit = sosnap_space_end(nr_blocks), used, before;
	u32 bit, n, i = div_u64_rem(limit, SOSNAP_REGION_BLOCKS, &bit);
	int r;

	if (nr_blocks >= sp->super->nr_blocks || limit != sp->limit || sp->growth.region ||
	    sp->shrinks_to)
		return -EINVAL;
	r = sosnap_space_beyond(sp, limit, &used, &before);
	if (!r && used)
		r = -EBUSY;
	if (r)
		return r;
	if (bit && i < sp->nr_regions) {
		n = region_blocks(sp->super, i) - bit;
		if (n)	/* its view is in memory now */
			take(sp, i, bit, n);
		i++;
	}
	for (; i < sp->nr_regions; i++) {
		sp->free -= sp->region[i].free;
		sp->region[i].free = 0;
		sp->region[i].max_run = 0;
	}
	sp->shrinks_to = nr_blocks;
	return 0;
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
