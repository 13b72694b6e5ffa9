// SPDX-License-Identifier: GPL-2.0
/*
 * The superblock, or what stands in for it, and the bitmaps it leads to.
 */
#include "salvage_internal.h"
#include "space_internal.h"
#include "uapi.h"

#define SLOT_LOST	3U	/* is no slot, so what it stands for does not verify */

/* A superblock that is right but of another version is not one that is lost. */
static bool is_foreign(u32 what)
{
	return what == SOSNAP_FAULT_SUPER_VERSION || what == SOSNAP_FAULT_SUPER_INCOMPAT ||
	       what == SOSNAP_FAULT_SUPER_SIZE;
}

static int refuse_foreign(struct sosnap_salvage *s)
{
	static const u64 place[2] = { SOSNAP_SUPER_BLK0, SOSNAP_SUPER_BLK1 };
	struct sosnap_disk_super *d = kmalloc(sizeof(*d), GFP_KERNEL);
	struct sosnap_super *super = kmalloc(sizeof(*super), GFP_KERNEL);
	struct sosnap_fault fault;
	int i, r = d && super ? 0 : -ENOMEM;

	for (i = 0; i < 2 && !r; i++) {
		if (place[i] >= s->io->nr_blocks || s->io->ops->read(s->io, place[i], 1, d) ||
		    !sosnap_super_decode(d, place[i], s->io->nr_blocks, super, &fault) ||
		    !is_foreign(fault.what))
			continue;
		s->io->fault = fault;
		r = -EUCLEAN;
	}
	kfree(super);
	kfree(d);
	return r;
}

/**
 * salvage_super() - read the superblock
 * @s: meta.super is filled, or result->super_lost set
 * Context: may sleep.
 * Return: 0, -ENOMEM, or -EUCLEAN with io->fault set when there is one that this
 * code must not touch.
 */
int salvage_super(struct sosnap_salvage *s)
{
	int r = sosnap_super_read(s->io, &s->meta.super);

	if (r == -ENOMEM)
		return r;
	s->result->super_lost = r;
	if (r)
		return refuse_foreign(s);
	if (s->meta.super.read_only)
		return sosnap_fault_set(&s->io->fault, SOSNAP_FAULT_SUPER_INCOMPAT, 0,
					s->meta.super.ro_compat);
	return 0;
}

/* The store that most blocks are of; -ENOTUNIQ when another has many too. */
static int choose_uuid(struct sosnap_salvage *s)
{
	u32 i, best = 0, kept = 0;
	u64 k;

	for (i = 0; i < SALVAGE_UUIDS && s->uuid_count[i]; i++) {
		s->result->uuids++;
		if (s->want->uuid ? !memcmp(s->uuid[i], s->want->uuid, 16) :
		    s->uuid_count[i] > s->uuid_count[best])
			best = i;
	}
	if (!s->uuid_count[best] || (s->want->uuid && memcmp(s->uuid[best], s->want->uuid, 16)))
		return -ENOENT;
	for (i = 0; i < SALVAGE_UUIDS && !s->want->uuid; i++)
		if (i != best && s->uuid_count[i] > s->uuid_count[best] / 4)
			return -ENOTUNIQ;
	memcpy(s->io->uuid, s->uuid[best], sizeof(s->io->uuid));
	for (k = 0; k < s->nr_blocks; k++)
		if (s->block[k].uuid == best)
			s->block[kept++] = s->block[k];
	s->nr_blocks = kept;
	return 0;
}

/**
 * salvage_super_guess() - what stands in for a superblock
 * @s: scanned; meta.super is filled but for the generation
 * Context: may sleep.
 * Return: 0, -ENOENT: nothing of a store was found, -ENOTUNIQ: of several were,
 * -EINVAL: no name is given, -ENOSPC: the device is too small for a store.
 */
int salvage_super_guess(struct sosnap_salvage *s)
{
	int r = choose_uuid(s);

	if (r)
		return r;
	if (!s->want->name || !sosnap_name_valid(s->want->name))
		return -EINVAL;
	if (s->io->nr_blocks < SOSNAP_MIN_BLOCKS)
		return -ENOSPC;
	sosnap_super_init(&s->meta.super, s->want->name, s->io->nr_blocks, s->want->journal_blocks,
			  s->want->now);
	s->meta.super.bad_copies = 0;
	return 0;
}

/* How far what lies behind the superblock is in use without a known owner. */
static u64 fixed_end(const struct sosnap_salvage *s)
{
	u64 end = s->meta.super.nr_blocks / 2, i;

	for (i = 0; i < s->nr_blocks; i++)
		if (s->block[i].done && s->block[i].blk > SOSNAP_JOURNAL_BLK)
			end = min(end, s->block[i].blk);
	for (i = 0; i < s->extents.nr; i++)
		if (s->extents.v[i].class == SALVAGE_SURE &&
		    s->extents.v[i].store > SOSNAP_JOURNAL_BLK)
			end = min(end, s->extents.v[i].store);
	if (s->known[0] == SALVAGE_BITMAP)
		end = min_t(u64, end, find_next_zero_bit_le(s->bits[0], SOSNAP_REGION_BLOCKS,
							    SOSNAP_JOURNAL_BLK));
	return end;
}

/**
 * salvage_super_journal() - find the size of the journal out
 * @s:           nodes and extents are known, the superblock is a guess
 * @commits_end: where the last of its commits ends, in blocks from its start
 *
 * It ends at the first block that is free or has an owner. Without the bitmap it
 * has the size that 'create' gives it, or more if commits are beyond.
 * Context: any.
 */
void salvage_super_journal(struct sosnap_salvage *s, u64 commits_end)
{
	struct sosnap_super *super = &s->meta.super;
	u64 most = fixed_end(s) - SOSNAP_JOURNAL_BLK, blocks = most;

	if (!s->result->super_lost || s->want->journal_blocks)
		return;
	if (s->known[0] != SALVAGE_BITMAP) {
		blocks = max(super->journal_blocks, commits_end);
		blocks = min(blocks, most);
	}
	super->journal_blocks = clamp_t(u64, blocks, SOSNAP_MIN_JOURNAL, SOSNAP_MAX_JOURNAL);
}

static bool all_zero(struct sosnap_salvage *s, u64 blk)
{
	struct sosnap_buf buf;
	bool zero = true;
	u32 i;

	if (s->io->ops->get(s->io, blk, &buf))
		return false;
	for (i = 0; i < SOSNAP_BLOCK_SIZE && zero; i++)
		zero = !((const u8 *)buf.data)[i];
	s->io->ops->put(s->io, &buf);
	return zero;
}

/*
 * The slot that is in force, with nothing to say so: the younger one, if the
 * other is there too or was never written. Were that one lost, it may be it.
 */
static void guess_slot(struct sosnap_salvage *s, u32 summary)
{
	u64 base = (u64)summary * SOSNAP_SUMMARY_REGIONS * SOSNAP_REGION_BLOCKS +
		   SOSNAP_SUMMARY_SLOT;
	bool there[2] = { false, false };
	u64 i, gen[2] = { 0, 0 };
	u32 slot;

	for (i = 0; i < s->nr_blocks; i++) {
		const struct salvage_block *b = &s->block[i];

		if (b->magic != SOSNAP_MAGIC_SUMMARY || b->owner != summary ||
		    (b->blk != base && b->blk != base + 1))
			continue;
		there[b->blk - base] = true;
		/* of a checkpoint that is not meant: older than any */
		gen[b->blk - base] = b->gen > s->meta.super.gen ? 0 : b->gen;
	}
	slot = gen[1] > gen[0];
	if (!there[0] && !there[1] && all_zero(s, base) && all_zero(s, base + 1))
		sosnap_super_set_slot(&s->meta.super, summary, 0);
	else if (!gen[slot] || (!there[!slot] && !all_zero(s, base + !slot)))
		sosnap_super_set_slot(&s->meta.super, summary, SLOT_LOST);
	else
		sosnap_super_set_slot(&s->meta.super, summary, slot + 1);
}

/*
 * The youngest state wants a bitmap here. If what it should have replaced is still there
 * and whole, this was never written, so that state was never complete. Of several
 * summaries one may be left from a try that was cut, when the next one, of the same
 * generation, did not touch its regions; so there nothing is proved.
 */
static bool was_never_written(struct sosnap_salvage *s, u32 region, u64 gen_slot)
{
	struct sosnap_buf buf;
	u64 gen;

	if (!s->result->super_lost || gen_slot >> 1 != s->most_gen ||
	    s->nr_regions > SOSNAP_SUMMARY_REGIONS ||
	    sosnap_space_slot_get(s->io, (u64)region * SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT +
				  (gen_slot & 1), SOSNAP_MAGIC_BITMAP, region, &buf))
		return false;
	gen = le64_to_cpu(((const struct sosnap_disk_header *)buf.data)->gen);
	s->io->ops->put(s->io, &buf);
	return gen < s->most_gen;
}

static int load_region(struct sosnap_salvage *s, u32 region, u64 gen_slot)
{
	struct sosnap_buf buf;
	int r;

	if (!gen_slot) {
		s->known[region] = SALVAGE_BITMAP_FRESH;
		return 0;
	}
	if (gen_slot >> 1 > s->meta.super.gen)
		return 0;
	r = sosnap_space_bitmap(s->io, region, gen_slot, &buf);
	if (r) {
		s->unfinished |= was_never_written(s, region, gen_slot);
		return r == -ENOMEM ? r : 0;
	}
	s->bits[region] = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
	if (s->bits[region])
		memcpy(s->bits[region], ((const struct sosnap_disk_bitmap *)buf.data)->bits,
		       SOSNAP_BITMAP_BYTES);
	s->io->ops->put(s->io, &buf);
	if (!s->bits[region])
		return -ENOMEM;
	s->known[region] = SALVAGE_BITMAP;
	return 0;
}

static int load_summary(struct sosnap_salvage *s, u32 summary)
{
	const struct sosnap_disk_summary *d = NULL;
	u32 first = summary * SOSNAP_SUMMARY_REGIONS, i;
	struct sosnap_buf buf;
	int r;

	if (s->result->super_lost)
		guess_slot(s, summary);
	r = sosnap_space_summary(s->io, &s->meta.super, summary, &buf);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (r)
		d = buf.data;
	for (i = 0, r = 0; i < SOSNAP_SUMMARY_REGIONS && first + i < s->nr_regions && !r; i++)
		r = load_region(s, first + i, d ? le64_to_cpu(d->e[i].gen_slot) : 0);
	if (d)
		s->io->ops->put(s->io, &buf);
	return r;
}

static int load_all(struct sosnap_salvage *s)
{
	u32 i;
	int r = 0;

	for (i = 0; i * SOSNAP_SUMMARY_REGIONS < s->nr_regions && !r; i++)
		r = load_summary(s, i);
	return r;
}

/**
 * salvage_bitmaps_exit() - forget the bitmaps and what was noted by region
 * @s: the salvage
 */
void salvage_bitmaps_exit(struct sosnap_salvage *s)
{
	u32 i;

	for (i = 0; i < s->nr_regions; i++) {
		if (s->bits)
			kvfree(s->bits[i]);
		if (s->other_bits)
			kvfree(s->other_bits[i]);
		if (s->node)
			kvfree(s->node[i]);
		if (s->owned)
			kvfree(s->owned[i]);
		if (s->shared)
			kvfree(s->shared[i]);
	}
	kvfree(s->known);
	kvfree(s->other_known);
	kvfree(s->bits);
	kvfree(s->other_bits);
	kvfree(s->node);
	kvfree(s->owned);
	kvfree(s->shared);
	s->known = NULL;
	s->other_known = NULL;
	s->bits = NULL;
	s->other_bits = NULL;
	s->node = NULL;
	s->owned = NULL;
	s->shared = NULL;
}

/**
 * salvage_bitmaps() - load the bitmaps that are in force, as far as they verify
 * @s: with a superblock, or one guessed with its generation
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_bitmaps(struct sosnap_salvage *s)
{
	s->nr_regions = sosnap_space_regions(&s->meta.super);
	s->known = kvcalloc(s->nr_regions, sizeof(*s->known), GFP_KERNEL);
	s->bits = kvcalloc(s->nr_regions, sizeof(*s->bits), GFP_KERNEL);
	s->node = kvcalloc(s->nr_regions, sizeof(*s->node), GFP_KERNEL);
	s->owned = kvcalloc(s->nr_regions, sizeof(*s->owned), GFP_KERNEL);
	s->shared = kvcalloc(s->nr_regions, sizeof(*s->shared), GFP_KERNEL);
	if (!s->known || !s->bits || !s->node || !s->owned || !s->shared)
		return -ENOMEM;
	return load_all(s);
}

static void switch_bitmaps(struct sosnap_salvage *s)
{
	swap(s->known, s->other_known);
	swap(s->bits, s->other_bits);
}

/**
 * salvage_bitmaps_later() - load the bitmaps of the youngest state, too
 * @s: the state found is the one before that
 *
 * Where that one has written none, those in force stay so. They are asked by
 * salvage_is_kept(), and in force after salvage_bitmaps_switch().
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_bitmaps_later(struct sosnap_salvage *s)
{
	u64 gen = s->meta.super.gen;
	int r;

	s->other_known = kvcalloc(s->nr_regions, sizeof(*s->known), GFP_KERNEL);
	s->other_bits = kvcalloc(s->nr_regions, sizeof(*s->bits), GFP_KERNEL);
	if (!s->other_known || !s->other_bits)
		return -ENOMEM;
	switch_bitmaps(s);
	s->meta.super.gen = s->most_gen;
	r = load_all(s);
	s->meta.super.gen = gen;
	switch_bitmaps(s);
	return r;
}

/**
 * salvage_bitmaps_switch() - the bitmaps of the youngest state are in force from now on
 * @s: after salvage_bitmaps_later(); meta.super.gen becomes that of the youngest
 */
void salvage_bitmaps_switch(struct sosnap_salvage *s)
{
	switch_bitmaps(s);
	s->meta.super.gen = s->most_gen;
	s->found_gen = s->most_gen;
}

static u8 known(const struct sosnap_salvage *s, u64 blk, u32 *region, u32 *bit)
{
	*region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, bit);
	return *region < s->nr_regions ? s->known[*region] : SALVAGE_BITMAP_LOST;
}

/**
 * salvage_is_free() - whether a bitmap in force calls a block free
 * @s:   the salvage
 * @blk: which; not one with a fixed use
 */
bool salvage_is_free(const struct sosnap_salvage *s, u64 blk)
{
	u32 region, bit;
	u8 how = known(s, blk, &region, &bit);

	return how == SALVAGE_BITMAP_FRESH ||
	       (how == SALVAGE_BITMAP && !test_bit_le(bit, s->bits[region]));
}

/**
 * salvage_is_used() - whether a bitmap in force calls a block used
 * @s:   the salvage
 * @blk: which; not one with a fixed use
 */
bool salvage_is_used(const struct sosnap_salvage *s, u64 blk)
{
	u32 region, bit;

	return known(s, blk, &region, &bit) == SALVAGE_BITMAP &&
	       test_bit_le(bit, s->bits[region]);
}

/**
 * salvage_is_kept() - whether a block was used by the state found, and is still
 * @s:   the salvage
 * @blk: which; not one with a fixed use
 *
 * Such a block was not given away since, so nothing younger than the state maps it.
 */
bool salvage_is_kept(const struct sosnap_salvage *s, u64 blk)
{
	u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);

	return salvage_is_used(s, blk) &&
	       (!s->other_bits || (s->other_bits[region] &&
				   test_bit_le(bit, s->other_bits[region])));
}
