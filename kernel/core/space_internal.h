/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the halves of space share: space.c, which hands blocks out, and
 * space_checkpoint.c, which writes down who owns them. Places, bits by words of
 * a bitmap as it is on media, and slots.
 */
#ifndef SOSNAP_SPACE_INTERNAL_H
#define SOSNAP_SPACE_INTERNAL_H

#include "platform.h"
#include "space.h"

bool sosnap_space_meets_fixed(const struct sosnap_space *sp, u32 region, u32 bit, u32 n);
int sosnap_space_slot_get(struct sosnap_io *io, u64 blk, u32 magic, u64 owner,
			  struct sosnap_buf *buf);
void sosnap_space_header(struct sosnap_io *io, struct sosnap_buf *buf, u32 magic, u64 owner,
			 u64 gen);
int sosnap_space_view(struct sosnap_space *sp, u32 region);
void sosnap_space_totals(struct sosnap_space *sp);
void sosnap_space_lose(struct sosnap_space *sp, u32 region);

static inline u32 blocks_in(u64 nr_blocks, u32 region)
{
	return min_t(u64, nr_blocks - (u64)region * SOSNAP_REGION_BLOCKS, SOSNAP_REGION_BLOCKS);
}

static inline u32 region_blocks(const struct sosnap_super *s, u32 region)
{
	return blocks_in(s->nr_blocks, region);
}

static inline u32 regions_of(u64 nr_blocks)
{
	u32 rest;
	u64 whole = div_u64_rem(nr_blocks, SOSNAP_REGION_BLOCKS, &rest);

	return whole + (rest >= SOSNAP_MIN_REGION);
}

/* How many blocks of a region are before a limit, 0: there is none. */
static inline u32 blocks_before(u32 region, u64 limit)
{
	u64 first = (u64)region * SOSNAP_REGION_BLOCKS;

	if (!limit)
		return SOSNAP_REGION_BLOCKS;
	return first < limit ? min_t(u64, limit - first, SOSNAP_REGION_BLOCKS) : 0;
}

#define BITMAP_WORDS	(SOSNAP_BITMAP_BYTES / 8)

static inline u64 word_get(const u8 *bits, u32 w)
{
	__le64 word;

	memcpy(&word, bits + w * sizeof(word), sizeof(word));
	return le64_to_cpu(word);
}

static inline void word_put(u8 *bits, u32 w, u64 value)
{
	__le64 word = cpu_to_le64(value);

	memcpy(bits + w * sizeof(word), &word, sizeof(word));
}

/* Of the bits [bit, bit + n), n not 0, those of the first word; then step behind them. */
static inline u64 next_part(u32 *bit, u32 *n)
{
	u32 off = *bit % 64, len = min(*n, 64 - off);

	*bit += len;
	*n -= len;
	return ~0ULL >> (64 - len) << off;
}

static inline u32 bits_count(const u8 *bits, u32 bit, u32 n)
{
	u32 set = 0;

	while (n) {
		u32 w = bit / 64;

		set += hweight64(word_get(bits, w) & next_part(&bit, &n));
	}
	return set;
}

static inline bool bits_any(const u8 *bits, u32 bit, u32 n)
{
	while (n) {
		u32 w = bit / 64;

		if (word_get(bits, w) & next_part(&bit, &n))
			return true;
	}
	return false;
}

/* Returns how many were not set before. */
static inline u32 bits_set(u8 *bits, u32 bit, u32 n)
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

static inline void bits_clear(u8 *bits, u32 bit, u32 n)
{
	while (n) {
		u32 w = bit / 64;

		word_put(bits, w, word_get(bits, w) & ~next_part(&bit, &n));
	}
}

static inline u64 bitmap_blk(u32 region, u32 slot)
{
	return (u64)region * SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT + slot;
}

static inline u64 summary_blk(u32 summary, u32 slot)
{
	return (u64)summary * SOSNAP_SUMMARY_REGIONS * SOSNAP_REGION_BLOCKS +
	       SOSNAP_SUMMARY_SLOT + slot;
}

/* Split a run at region borders. */
static inline u32 piece(u64 blk, u64 len, u32 *region, u32 *bit)
{
	*region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, bit);
	return min_t(u64, len, SOSNAP_REGION_BLOCKS - *bit);
}

/* More is free in a region, or less; of one whose bitmap is lost nothing is. */
static inline void free_add(struct sosnap_space *sp, struct sosnap_region *rg, u32 n)
{
	if (rg->lost)
		return;
	rg->free += n;
	sp->free += n;
	rg->max_run = rg->free;
}

static inline void free_take(struct sosnap_space *sp, struct sosnap_region *rg, u32 n)
{
	if (rg->lost)
		return;
	rg->free -= n;
	sp->free -= n;
}

/* Let go of the bitmap that the checkpoint has changed last. */
static inline void next_put(struct sosnap_space *sp)
{
	if (sp->next_held)
		sp->io->ops->put(sp->io, &sp->next);
	sp->next_held = false;
}

#endif /* SOSNAP_SPACE_INTERNAL_H */
