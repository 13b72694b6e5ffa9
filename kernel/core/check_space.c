// SPDX-License-Identifier: GPL-2.0
/*
 * Who owns which block, as the trees say, against the bitmaps. A region's map
 * is made when its first block gets an owner, with the fixed blocks set.
 */
#include "check_internal.h"
#include "space.h"

/* The first run of bits in [from, to) that have an owner already; 0: none. */
static u32 taken(const u8 *used, u32 from, u32 to, u32 *first)
{
	u32 i, n = 0;

	for (i = from; i < to; i++) {
		if (!test_bit_le(i, used)) {
			if (n)
				break;
			continue;
		}
		if (!n++)
			*first = i;
	}
	return n;
}

static void mark_piece(struct sosnap_check *c, u8 *used, u64 base, u32 from, u32 to)
{
	u32 i, first = 0, n = taken(used, from, to, &first);

	/* the text so far names the owner */
	if (n) {
		char owner[sizeof(c->text)];

		strscpy(owner, c->text, sizeof(owner));
		sosnap_check_say(c, SOSNAP_FAULT_BLOCK_SHARED, base + first, n,
				 "blocks %llu to %llu: %.128s, and something else",
				 (unsigned long long)base + first,
				 (unsigned long long)base + first + n - 1, owner);
		strscpy(c->text, owner, sizeof(c->text));
	}
	for (i = from; i < to; i++)
		__set_bit_le(i, used);
}

/**
 * sosnap_check_mark() - note the owner of a run of blocks
 * @c:   the pass; c->text says who it is
 * @blk: first block
 * @len: how many; all of them within the device
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_check_mark(struct sosnap_check *c, u64 blk, u32 len)
{
	u64 end = blk + len;

	/* more than there is: what is owned twice was told, and time is bounded */
	if (c->marked > 2 * c->super.nr_blocks)
		return 0;
	c->marked += len;
	while (blk < end) {
		u32 bit, n, fresh_free;
		u32 region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);

		if (region >= c->nr_regions) {
			char owner[sizeof(c->text)];

			strscpy(owner, c->text, sizeof(owner));
			sosnap_check_say(c, SOSNAP_FAULT_BLOCK_RANGE, blk, end - blk, "%s", owner);
			return 0;
		}
		n = min_t(u64, end - blk, SOSNAP_REGION_BLOCKS - bit);
		if (!c->used[region]) {
			c->used[region] = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
			if (!c->used[region])
				return -ENOMEM;
			sosnap_space_fresh(&c->super, region, c->used[region], &fresh_free);
		}
		mark_piece(c, c->used[region], blk - bit, bit, bit + n);
		blk += n;
		cond_resched();
	}
	return 0;
}

static void say_run(struct sosnap_check *c, u32 what, u64 blk, u32 len)
{
	/* what lies below a lost node has an owner that cannot be known */
	if (what == SOSNAP_FAULT_BITMAP_LEAK && (c->lost_items || c->lost_extents))
		return;
	sosnap_check_say(c, what, blk, len, "blocks %llu to %llu", (unsigned long long)blk,
			 (unsigned long long)blk + len - 1);
}

static u32 difference(const u8 *used, const u8 *bits, u32 i)
{
	bool is_used = test_bit_le(i, used), is_set = test_bit_le(i, bits);

	if (is_used == is_set)
		return SOSNAP_FAULT_NONE;
	return is_used ? SOSNAP_FAULT_BITMAP_FREE : SOSNAP_FAULT_BITMAP_LEAK;
}

static void compare(struct sosnap_check *c, u32 region, const u8 *used, const u8 *bits)
{
	u64 base = (u64)region * SOSNAP_REGION_BLOCKS;
	u32 i, what, run = 0, last = SOSNAP_FAULT_NONE;

	if (!memcmp(used, bits, SOSNAP_BITMAP_BYTES))
		return;
	for (i = 0; i <= SOSNAP_REGION_BLOCKS; i++) {
		what = i < SOSNAP_REGION_BLOCKS ? difference(used, bits, i) : SOSNAP_FAULT_NONE;
		if (what != last) {
			if (last != SOSNAP_FAULT_NONE)
				say_run(c, last, base + i - run, run);
			run = 0;
			last = what;
		}
		run++;
	}
}

static u32 count_clear(const u8 *bits)
{
	u32 i, n = 0;

	for (i = 0; i < SOSNAP_REGION_BLOCKS; i++)
		n += !test_bit_le(i, bits);
	return n;
}

/* One region, of which the summary says gen_slot and nr_free. */
static void check_region(struct sosnap_check *c, u32 region, u64 gen_slot, u32 nr_free,
			 u8 *scratch)
{
	struct sosnap_buf buf;
	const u8 *bits, *used;
	u32 clear;
	int r;

	sosnap_space_fresh(&c->super, region, scratch, &clear);
	used = c->used[region] ? c->used[region] : scratch;
	if (!gen_slot) {
		c->result->free_blocks += clear;
		/* 0: the store has grown since */
		if (nr_free && nr_free != clear)
			sosnap_check_say(c, SOSNAP_FAULT_BITMAP_COUNT,
					 (u64)region * SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT,
					 nr_free,
					 "region %u was never written, the summary says that %u blocks are free",
					 region, nr_free);
		compare(c, region, used, scratch);
		return;
	}
	r = sosnap_space_bitmap(c->io, region, gen_slot, &buf);
	if (!r && gen_slot >> 1 > c->super.gen) {
		c->io->ops->put(c->io, &buf);
		r = sosnap_fault_set(&c->io->fault, SOSNAP_FAULT_BLOCK_GENERATION, buf.blk,
				     gen_slot >> 1);
	}
	if (r) {
		c->result->incomplete = true;
		snprintf(c->text, sizeof(c->text), "the bitmap of region %u", region);
		sosnap_check_fault(c, r, (u64)region * SOSNAP_REGION_BLOCKS +
					 SOSNAP_BITMAP_SLOT + (gen_slot & 1));
		return;
	}
	bits = ((const struct sosnap_disk_bitmap *)buf.data)->bits;
	clear = count_clear(bits);
	c->result->free_blocks += clear;
	if (clear != nr_free)
		sosnap_check_say(c, SOSNAP_FAULT_BITMAP_COUNT, buf.blk, nr_free,
				 "region %u: %u blocks are free, the summary says %u", region,
				 clear, nr_free);
	compare(c, region, used, bits);
	c->io->ops->put(c->io, &buf);
}

static void check_summary(struct sosnap_check *c, u32 summary, u8 *scratch)
{
	u32 first = summary * SOSNAP_SUMMARY_REGIONS, i;
	struct sosnap_disk_summary *d = NULL;
	struct sosnap_buf buf;
	int r = sosnap_space_summary(c->io, &c->super, summary, &buf);

	if (r < 0) {
		c->result->incomplete = true;
		snprintf(c->text, sizeof(c->text), "the summary of regions %u to %u", first,
			 min_t(u32, first + SOSNAP_SUMMARY_REGIONS, c->nr_regions) - 1);
		sosnap_check_fault(c, r, (u64)first * SOSNAP_REGION_BLOCKS + SOSNAP_SUMMARY_SLOT);
		return;
	}
	if (r)
		d = buf.data;
	for (i = 0; i < SOSNAP_SUMMARY_REGIONS && first + i < c->nr_regions; i++) {
		check_region(c, first + i, d ? le64_to_cpu(d->e[i].gen_slot) : 0,
			     d ? le32_to_cpu(d->e[i].free) : 0, scratch);
		sosnap_check_step(c);
		cond_resched();
	}
	if (d)
		c->io->ops->put(c->io, &buf);
}

/**
 * sosnap_check_bitmaps() - compare owners and bitmaps, and the counts
 * @c: the pass, after both trees were walked
 * Context: may sleep, long.
 * Return: 0 or -ENOMEM.
 */
int sosnap_check_bitmaps(struct sosnap_check *c)
{
	u8 *scratch = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
	u32 i;

	if (!scratch)
		return -ENOMEM;
	for (i = 0; i * SOSNAP_SUMMARY_REGIONS < c->nr_regions; i++)
		check_summary(c, i, scratch);
	kvfree(scratch);
	return 0;
}
