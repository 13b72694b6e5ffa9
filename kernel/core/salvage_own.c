// SPDX-License-Identifier: GPL-2.0
/*
 * Who gets which block. The order of claims is that of salvage.h; a claim of
 * which a part is owned already is cut.
 */
#include "salvage_internal.h"
#include "space.h"

/* The map of a region, made on first use; of owners, with the fixed blocks. */
static u8 *region_map(struct sosnap_salvage *s, u8 **map, u32 region)
{
	u32 unused;

	if (map[region])
		return map[region];
	map[region] = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
	if (map[region] && map == s->owned)
		sosnap_space_fresh(&s->meta.super, region, map[region], &unused);
	else if (map[region])
		memset(map[region], 0, SOSNAP_BITMAP_BYTES);
	return map[region];
}

/**
 * salvage_test() - whether a block is noted in a map
 * @s:   the salvage
 * @map: by region
 * @blk: which
 */
bool salvage_test(const struct sosnap_salvage *s, u8 *const *map, u64 blk)
{
	u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);

	return region < s->nr_regions && map[region] && test_bit_le(bit, map[region]);
}

/**
 * salvage_mark() - note a block in a map
 * @s:   the salvage
 * @map: by region
 * @blk: which
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_mark(struct sosnap_salvage *s, u8 **map, u64 blk)
{
	u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);
	u8 *bits = region < s->nr_regions ? region_map(s, map, region) : NULL;

	if (!bits)
		return region < s->nr_regions ? -ENOMEM : 0;
	__set_bit_le(bit, bits);
	return 0;
}

static void unmark(struct sosnap_salvage *s, const struct salvage_claim *c)
{
	u64 blk;

	for (blk = c->store; c->store != SOSNAP_STORE_ZERO && blk < c->store + c->len; blk++) {
		u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);

		__clear_bit_le(bit, s->owned[region]);
	}
}

/* Whether a block can be given; the last blocks of a device may be in no region. */
static int is_owned(struct sosnap_salvage *s, u64 blk, bool *owned)
{
	u32 bit, region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);

	*owned = true;
	if (region >= s->nr_regions)
		return 0;
	if (!region_map(s, s->owned, region))
		return -ENOMEM;
	*owned = test_bit_le(bit, s->owned[region]);
	return 0;
}

static void owned_exit(struct sosnap_salvage *s)
{
	u32 i;

	for (i = 0; i < s->nr_regions; i++) {
		kvfree(s->owned[i]);
		kvfree(s->shared[i]);
		s->owned[i] = NULL;
		s->shared[i] = NULL;
	}
}

/**
 * salvage_spend() - whether so many blocks may still be looked at
 * @s:      its budget is lowered
 * @blocks: how many
 */
bool salvage_spend(struct sosnap_salvage *s, u64 blocks)
{
	bool enough = blocks <= s->budget;

	s->budget -= enough ? blocks : s->budget;
	return enough;
}

/**
 * salvage_object() - the count of a cache object
 * @s:  after salvage_own()
 * @id: which
 * Return: NULL if the catalogue does not know it.
 */
struct salvage_object *salvage_object(const struct sosnap_salvage *s, u32 id)
{
	u32 lo = 0, hi = s->nr_objects;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (s->object[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nr_objects && s->object[lo].id == id ? &s->object[lo] : NULL;
}

static int objects_init(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e;
	u32 id = 0;

	kvfree(s->object);
	s->nr_objects = 0;
	s->object = kvcalloc(max(s->meta.catalog.nr, 1U), sizeof(*s->object), GFP_KERNEL);
	if (!s->object)
		return -ENOMEM;
	while ((e = sosnap_catalog_next(&s->meta.catalog, SOSNAP_CATALOG_OBJECT, id))) {
		struct salvage_object *o = &s->object[s->nr_objects++];

		id = e->id + 1;
		o->id = e->id;
		o->known = !e->fenced;
		o->want = le64_to_cpu(e->item.object.blocks);
	}
	return 0;
}

/* One more claim, for blocks [from, to) of the one at place @i. */
static int add_piece(struct salvage_claims *claims, u64 i, u32 from, u32 to)
{
	struct salvage_claim *c;
	int r = salvage_room((void **)&claims->v, claims->nr, &claims->max, sizeof(*claims->v));

	if (r)
		return r;
	c = &claims->v[claims->nr++];
	*c = claims->v[i];
	c->blk += from;
	c->store += from;
	c->len = to - from;
	c->drop = false;
	return 0;
}

enum give_how {
	GIVE,
	GIVE_NOTED,	/* what is cut out is noted as shared */
	GIVE_USED,	/* what is free in the bitmaps is cut out, too */
};

/* Give a claim its blocks. Those that are owned are cut out; @cut is how many. */
static int give(struct sosnap_salvage *s, struct salvage_claims *claims, u64 i, enum give_how how,
		u64 *cut)
{
	struct salvage_claim c = claims->v[i];
	u32 k, from = 0;
	bool owned;
	int r = 0;

	*cut = 0;
	claims->v[i].drop = c.store != SOSNAP_STORE_ZERO && !salvage_spend(s, c.len);
	if (claims->v[i].drop) {
		/* whose claims it contradicts is not known */
		s->all_doubtful |= how != GIVE_USED;
		s->result->shared_blocks += how == GIVE ? c.len : 0;
		*cut = c.len;
		return 0;
	}
	for (k = 0; c.store != SOSNAP_STORE_ZERO && k < c.len && !r; k++) {
		r = is_owned(s, c.store + k, &owned);
		owned |= how == GIVE_USED && salvage_is_free(s, c.store + k);
		if (!r && !owned) {
			r = salvage_mark(s, s->owned, c.store + k);
			continue;
		}
		if (!r && how == GIVE_NOTED)
			r = salvage_mark(s, s->shared, c.store + k);
		if (!r && from < k)
			r = add_piece(claims, i, from, k);
		from = k + 1;
		++*cut;
	}
	if (!r && *cut && from < c.len)
		r = add_piece(claims, i, from, c.len);
	claims->v[i].drop = *cut;
	return r;
}

/**
 * salvage_by_age() - compare two claims for sort(): the later ones win
 * @a: one
 * @b: another
 */
int salvage_by_age(const void *a, const void *b)
{
	const struct salvage_claim *x = a, *y = b;

	if (x->class != y->class)
		return x->class < y->class ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return x->blk < y->blk ? -1 : x->blk > y->blk;
}

static int own_sure(struct sosnap_salvage *s, bool final)
{
	u64 i, cut;
	int r = 0;

	s->budget = SALVAGE_LAPS_SURE * s->meta.super.nr_blocks;
	for (i = s->extents.found; i-- > 0 && !r;) {
		struct salvage_claim c = s->extents.v[i];
		struct sosnap_key first = { c.object, c.blk }, end = { c.object, c.blk + c.len };

		if (c.class != SALVAGE_SURE)
			break;
		r = give(s, &s->extents, i, final ? GIVE_NOTED : GIVE, &cut);
		if (!r && cut && final) {
			s->result->shared_blocks += cut;
			r = salvage_lose(&s->tree[SOSNAP_TREE_EXTENT - 1], &first, &end);
		}
	}
	return r;
}

static int own_records(struct sosnap_salvage *s)
{
	u64 i, cut;
	int r = 0;

	s->budget = SALVAGE_LAPS * s->meta.super.nr_blocks;
	for (i = s->records.found; i-- > 0 && !r;) {
		r = give(s, &s->records, i, i < s->merged_records ? GIVE_USED :
			 s->guessed ? GIVE : GIVE_NOTED, &cut);
		/* without a superblock it was merged before, and is no loss */
		if (!s->guessed)
			s->result->shared_blocks += cut;
	}
	return r;
}

static void count_sure(struct sosnap_salvage *s)
{
	u64 i;

	for (i = 0; i < s->extents.nr; i++) {
		const struct salvage_claim *c = &s->extents.v[i];
		struct salvage_object *o = salvage_object(s, c->object);

		if (o && !c->drop && c->class == SALVAGE_SURE && c->store != SOSNAP_STORE_ZERO)
			o->sure += c->len;
	}
}

/* What is not sure: the surer first, and of that the younger. */
static int own_doubtful(struct sosnap_salvage *s)
{
	u64 i, cut;
	int r = 0;

	s->budget = SALVAGE_LAPS * s->meta.super.nr_blocks;
	for (i = s->extents.found; i-- > 0 && !r;)
		if (s->extents.v[i].class != SALVAGE_SURE)
			r = give(s, &s->extents, i, GIVE_USED, &cut);
	return r;
}

/* Count it, and give it back unless it was asked for. */
static void drop_doubtful(struct sosnap_salvage *s)
{
	u64 i;

	for (i = 0; i < s->extents.nr; i++) {
		struct salvage_claim *c = &s->extents.v[i];

		if (c->drop || c->class == SALVAGE_SURE)
			continue;
		if (c->store != SOSNAP_STORE_ZERO)
			s->result->doubtful_blocks += c->len;
		if (s->want->doubtful)
			continue;
		unmark(s, c);
		c->drop = true;
	}
}

static int own_nodes(struct sosnap_salvage *s)
{
	u32 i, bit;
	int r = 0;

	for (i = 0; i < s->nr_regions && !r; i++)
		for (bit = 0; s->node[i] && bit < SOSNAP_REGION_BLOCKS && !r; bit++)
			if (test_bit_le(bit, s->node[i]))
				r = salvage_mark(s, s->owned,
						 (u64)i * SOSNAP_REGION_BLOCKS + bit);
	return r;
}

/**
 * salvage_own_first() - note the blocks of the extents that the roots lead to
 * @s: the roots were walked
 *
 * For the search for orphans: what is data is no node, whatever it looks like.
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_own_first(struct sosnap_salvage *s)
{
	u64 i, k;
	int r = 0;

	s->budget = SALVAGE_LAPS_SURE * s->meta.super.nr_blocks;
	for (i = 0; i < s->extents.nr; i++) {
		const struct salvage_claim *c = &s->extents.v[i];

		if (c->store != SOSNAP_STORE_ZERO && !salvage_spend(s, c->len))
			continue;
		for (k = 0; c->store != SOSNAP_STORE_ZERO && k < c->len && !r; k++)
			r = salvage_mark(s, s->owned, c->store + k);
	}
	return r;
}

/**
 * salvage_own() - decide which claims get their blocks
 * @s:     the trees were walked
 * @final: the journal was read, and losses are noted
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_own(struct sosnap_salvage *s, bool final)
{
	struct salvage_claims *c = &s->extents;
	int r;

	salvage_uncut(c);
	c->found = c->nr;
	s->records.found = s->records.nr;
	owned_exit(s);
	if (c->nr)
		sort(c->v, c->nr, sizeof(*c->v), salvage_by_age, NULL);
	r = objects_init(s);
	if (!r)
		r = own_nodes(s);
	if (!r)
		r = own_sure(s, final);
	if (r)
		return r;
	count_sure(s);
	if (!final)
		return 0;
	r = own_records(s);
	if (!r)
		r = salvage_contest(s);
	if (!r)
		r = own_doubtful(s);
	if (!r)
		drop_doubtful(s);
	return r;
}

/* Cut an extent of the state: what is not known to be in use yet is doubtful, and a loss. */
static int doubt_freed(struct sosnap_salvage *s, struct salvage_claims *claims, u64 i)
{
	const struct salvage_claim c = claims->v[i];
	bool look = salvage_spend(s, c.len), used;
	u32 from, to;
	int r = 0;

	for (from = 0; from < c.len && !r; from = to) {
		struct sosnap_key first = { c.object, c.blk + from }, end = first;
		u64 at = from ? claims->nr : i;

		used = look && salvage_is_used(s, c.store + from);
		for (to = look ? from + 1 : c.len; to < c.len; to++)
			if (salvage_is_used(s, c.store + to) != used)
				break;
		if (from)
			r = add_piece(claims, i, from, to);
		else
			claims->v[i].len = to;
		if (r)
			return r;
		claims->v[at].class = used ? SALVAGE_SURE : SALVAGE_OLDER;
		end.lo = c.blk + to;
		if (!used)
			r = salvage_lose(&s->tree[SOSNAP_TREE_EXTENT - 1], &first, &end);
	}
	return r;
}

/* Records up to the last one that maps what is in use are merged into the younger state. */
static u64 merged_records(struct sosnap_salvage *s)
{
	u64 i;
	u32 k;

	s->budget = SALVAGE_LAPS * s->meta.super.nr_blocks;
	for (i = s->records.nr; i > 0; i--) {
		const struct salvage_claim *c = &s->records.v[i - 1];

		if (c->store == SOSNAP_STORE_ZERO)
			continue;
		if (!salvage_spend(s, c->len))
			break;
		for (k = 0; k < c->len; k++)
			if (salvage_is_used(s, c->store + k))
				return i;
	}
	return i;
}

/**
 * salvage_doubt_freed() - doubt what a younger state does not use any more
 * @s: the trees of the state, the journal, and the bitmaps of the younger one are known
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_doubt_freed(struct sosnap_salvage *s)
{
	struct salvage_claims *c = &s->extents;
	u64 i, nr;
	int r = 0;

	salvage_uncut(c);
	nr = c->nr;
	s->budget = SALVAGE_LAPS_SURE * s->meta.super.nr_blocks;
	for (i = 0; i < nr && !r; i++)
		if (c->v[i].class == SALVAGE_SURE && c->v[i].store != SOSNAP_STORE_ZERO)
			r = doubt_freed(s, c, i);
	s->merged_records = merged_records(s);
	return r;
}

/**
 * salvage_mismatch() - how far bitmaps and trees disagree
 * @s:      after salvage_own()
 * @blocks: set to the number of blocks; a lost bitmap counts as a region
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_mismatch(struct sosnap_salvage *s, u64 *blocks)
{
	u8 *fresh = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
	u32 i, bit, unused;

	*blocks = 0;
	if (!fresh)
		return -ENOMEM;
	for (i = 0; i < s->nr_regions; i++) {
		const u8 *owned = s->owned[i], *bits = s->bits[i];

		if (s->known[i] == SALVAGE_BITMAP_LOST) {
			*blocks += SOSNAP_REGION_BLOCKS;
			continue;
		}
		sosnap_space_fresh(&s->meta.super, i, fresh, &unused);
		owned = owned ? owned : fresh;
		bits = bits ? bits : fresh;
		for (bit = 0; bit < SOSNAP_REGION_BLOCKS; bit++)
			*blocks += test_bit_le(bit, owned) != test_bit_le(bit, bits);
		cond_resched();
	}
	kvfree(fresh);
	return 0;
}
