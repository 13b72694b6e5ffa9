// SPDX-License-Identifier: GPL-2.0
/*
 * Space against a model of every block: who has it on disk, who has it now,
 * what the checkpoint under way makes of it.
 */
#include "io_ram.h"
#include "space.h"
#include "testlib.h"

#define R	SOSNAP_REGION_BLOCKS

struct env {
	struct io_ram *ram;
	struct sosnap_super s;
	struct sosnap_space sp;
	u64 blocks;
	u64 most;	/* blocks of the device */
	u64 grows_to;	/* with the checkpoint under way; 0: it does not */
	u8 *disk;	/* owned at the last checkpoint */
	u8 *next;	/* owned at the one under way */
	u8 *out;	/* allocated, owned by nobody */
	u8 *held;	/* freed, not released */
	u64 seed;
	bool txn;
};

static u32 rnd(struct env *e, u32 below)
{
	return io_ram_random(&e->seed) % below;
}

/* A store of so many blocks on a device of most. */
static void env_init_on(struct env *e, u64 blocks, u64 most, u64 seed)
{
	memset(e, 0, sizeof(*e));
	e->blocks = blocks;
	e->most = most;
	e->seed = seed;
	e->ram = io_ram_new(most);
	e->ram->lazy = 3;
	e->disk = calloc(4, most);
	assert_non_null(e->disk);
	e->next = e->disk + most;
	e->out = e->next + most;
	e->held = e->out + most;
	sosnap_super_init(&e->s, "store", blocks, 0, 1);
	assert_int_equal(sosnap_space_init(&e->sp, &e->ram->io, &e->s, NULL), 0);
}

static void env_init(struct env *e, u64 blocks, u64 seed)
{
	env_init_on(e, blocks, blocks, seed);
}

static void env_exit(struct env *e)
{
	sosnap_space_exit(&e->sp);
	assert_int_equal(io_ram_free(e->ram), 0);
	free(e->disk);
}

static bool fixed(struct env *e, u64 blk)
{
	u64 in = blk % R, region = blk / R;
	u64 regions = e->blocks / R + (e->blocks % R >= SOSNAP_MIN_REGION);

	if (region >= regions || blk >= e->blocks || in == 2 || in == 3)
		return true;
	if (region % SOSNAP_SUMMARY_REGIONS == 0 && (in == 4 || in == 5))
		return true;
	return !blk || (blk >= SOSNAP_SUPER_BLK1 && blk < SOSNAP_JOURNAL_BLK + e->s.journal_blocks);
}

static bool taken(struct env *e, u64 blk)
{
	return e->disk[blk] || e->next[blk] || e->out[blk] || e->held[blk];
}

/* Whether there is a run of that many free blocks in a region. */
static bool has_run(struct env *e, u32 want)
{
	u32 run = 0;
	u64 blk;

	for (blk = 0; blk < e->blocks && run < want; blk++) {
		if (blk % R == 0)
			run = 0;
		run = fixed(e, blk) || taken(e, blk) ? 0 : run + 1;
	}
	return run >= want;
}

static void do_alloc(struct env *e)
{
	u32 want = 1 + rnd(e, rnd(e, 4) ? 16 : 3000), least = 1 + rnd(e, want), len, i;
	bool more = rnd(e, 2);
	u64 blk;
	int r;

	r = more ? sosnap_space_alloc_more(&e->sp, least, want, &blk, &len) :
		   sosnap_space_alloc(&e->sp, want, least, &blk, &len);
	if (r) {
		assert_int_equal(r, -ENOSPC);
		assert_false(has_run(e, least));
		return;
	}
	assert_true(len >= least && len <= want && blk + len <= e->blocks);
	/* the run is taken to its end, or as far as wanted */
	if (more && len < want && (blk + len) % R && blk + len < e->blocks)
		assert_true(fixed(e, blk + len) || taken(e, blk + len));
	for (i = 0; i < len; i++) {
		assert_false(fixed(e, blk + i) || taken(e, blk + i));
		e->out[blk + i] = 1;
	}
}

/* A run of blocks of which @map is set, and @unless is not. */
static u32 pick(struct env *e, const u8 *map, const u8 *unless, u64 *blk)
{
	u64 i, at = rnd(e, e->blocks);
	u32 n = 0, most = 1 + rnd(e, 200);

	for (i = 0; i < e->blocks; i++) {
		*blk = (at + i) % e->blocks;
		if (map[*blk] && !(unless && unless[*blk]))
			break;
	}
	while (n < most && *blk + n < e->blocks && map[*blk + n] &&
	       !(unless && unless[*blk + n]))
		n++;
	return n;
}

static void do_give_back(struct env *e)
{
	u64 blk;
	u32 n = pick(e, e->out, NULL, &blk);

	if (!n)
		return;
	assert_int_equal(sosnap_space_give_back(&e->sp, blk, n), 0);
	memset(e->out + blk, 0, n);
}

static void do_set(struct env *e)
{
	u64 blk;
	u32 n = pick(e, e->out, NULL, &blk);

	if (!n)
		return;
	assert_int_equal(sosnap_space_set(&e->sp, blk, n), 0);
	memset(e->out + blk, 0, n);
	memset(e->next + blk, 1, n);
}

/* Who is told of a run: each of its blocks is one that this checkpoint had set. */
static void told_born(void *ctx, u64 blk, u32 len)
{
	struct env *e = ctx;

	assert_true(len > 0);
	for (; len; len--, blk++) {
		assert_int_equal(e->disk[blk], 0);
		assert_int_equal(e->out[blk], 0);
		e->out[blk] = 1;
	}
}

static void do_clear(struct env *e)
{
	u64 blk;
	u32 n = pick(e, e->next, NULL, &blk), i;

	if (!n)
		return;
	assert_int_equal(sosnap_space_clear(&e->sp, blk, n, told_born, e), 0);
	for (i = 0; i < n; i++) {
		e->next[blk + i] = 0;
		if (e->disk[blk + i])
			e->held[blk + i] = 1;
		else
			assert_int_equal(e->out[blk + i], 1);
	}
}

/* What a store opened now would know. */
static void compare_disk(struct env *e)
{
	struct sosnap_super s = e->s;
	struct sosnap_space sp;
	u64 blk, nr_free = 0, old = e->blocks, blocks = e->grows_to ? e->grows_to : old;
	u32 region, i;

	assert_int_equal(s.nr_blocks, blocks);
	e->blocks = blocks;
	assert_int_equal(sosnap_space_init(&sp, &e->ram->io, &s, NULL), 0);
	for (region = 0; region < sp.nr_regions; region++) {
		u8 bits[SOSNAP_BITMAP_BYTES];
		struct sosnap_buf buf;
		u32 clear = 0, count;

		sosnap_space_fresh(&s, region, bits, &count);
		if (sp.region[region].gen_slot) {
			assert_int_equal(sosnap_space_bitmap(&e->ram->io, region,
							     sp.region[region].gen_slot, &buf), 0);
			memcpy(bits, ((struct sosnap_disk_bitmap *)buf.data)->bits, sizeof(bits));
			e->ram->io.ops->put(&e->ram->io, &buf);
		}
		for (i = 0; i < R; i++) {
			bool set = test_bit_le(i, bits);

			blk = (u64)region * R + i;
			clear += !set;
			assert_int_equal(set, blk >= blocks || fixed(e, blk) || e->next[blk]);
		}
		assert_int_equal(sp.region[region].free, clear);
		nr_free += clear;
	}
	assert_int_equal(sp.free, nr_free);
	sosnap_space_exit(&sp);
	e->blocks = old;
}

static void on_freed(void *ctx, u64 blk, u32 len)
{
	struct env *e = ctx;

	while (len--) {
		assert_true(e->held[blk] || (blk >= e->blocks && blk < e->grows_to));
		e->held[blk++] = 0;
	}
}

static void begin(struct env *e)
{
	sosnap_space_begin(&e->sp, ++e->s.gen);
	e->txn = true;
}

static void end(struct env *e)
{
	u64 blk;
	u32 i;

	assert_int_equal(sosnap_space_write(&e->sp), 0);
	assert_int_equal(e->ram->io.ops->flush(&e->ram->io), 0);
	compare_disk(e);
	/* writers go on; the new blocks are not theirs yet: see do_alloc() */
	for (i = 0; e->grows_to && i < 10; i++)
		do_alloc(e);
	assert_int_equal(sosnap_space_release(&e->sp, on_freed, e), 0);
	for (blk = 0; blk < e->blocks; blk++)
		assert_false(e->held[blk]);
	memcpy(e->disk, e->next, e->blocks);
	e->txn = false;
	if (e->grows_to)
		e->blocks = e->grows_to;
	e->grows_to = 0;
}

static void count(struct env *e)
{
	u64 blk, nr_free = 0;
	u32 region;

	for (blk = 0; blk < e->blocks; blk++)
		nr_free += !fixed(e, blk) && !taken(e, blk);
	assert_int_equal(e->sp.free, nr_free);
	for (region = 0; region < e->sp.nr_regions; region++)
		nr_free -= e->sp.region[region].free;
	assert_int_equal(nr_free, 0);
}

static void step(struct env *e)
{
	switch (rnd(e, e->txn ? 6 : 3)) {
	case 0:
	case 1:
		do_alloc(e);
		break;
	case 2:
		do_give_back(e);
		break;
	case 3:
		do_set(e);
		break;
	case 4:
		do_clear(e);
		break;
	default:
		if (rnd(e, 2))
			do_set(e);
	}
}

static void live(u64 blocks, u64 seed, u32 rounds)
{
	struct env e;
	u32 round, i;

	env_init(&e, blocks, seed);
	assert_int_equal(e.sp.free, e.sp.total);
	count(&e);
	for (round = 0; round < rounds; round++) {
		for (i = rnd(&e, 20); i; i--)
			step(&e);
		begin(&e);
		for (i = rnd(&e, 60); i; i--)
			step(&e);
		end(&e);
		count(&e);
		sosnap_space_trim(&e.sp, rnd(&e, 4));
		assert_true(e.sp.nr_views <= e.sp.nr_regions);
		if (rnd(&e, 5))
			continue;
		/* what nobody owns is free after a reopen */
		sosnap_space_exit(&e.sp);
		io_ram_drop_cache(e.ram);
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
		memset(e.out, 0, e.blocks);
		count(&e);
	}
	env_exit(&e);
}

static void one_small_region(void **state)
{
	live(SOSNAP_MIN_BLOCKS, 1, 60);
	live(5000, 2, 60);
}

static void regions_and_a_small_last_one(void **state)
{
	live(2 * R + 40, 3, 30);
	live(2 * R + SOSNAP_MIN_REGION, 4, 10);
}

static void last_region_without_room_for_its_slots(void **state)
{
	struct sosnap_super s;

	live(R + SOSNAP_MIN_REGION - 1, 5, 10);
	sosnap_super_init(&s, "store", R, 0, 1);
	assert_int_equal(sosnap_space_regions(&s), 1);
	s.nr_blocks = R + SOSNAP_MIN_REGION;
	assert_int_equal(sosnap_space_regions(&s), 2);
}

static void some_steps(struct env *e, u32 most)
{
	u32 i;

	for (i = rnd(e, most); i; i--)
		step(e);
}

/* A checkpoint that grows the store, beside writers; then all there is can be had. */
static void grow_to(struct env *e, u64 blocks, bool reopen)
{
	u64 blk, total = e->sp.total, at_most = blocks;
	u32 len;

	assert_int_equal(sosnap_space_grow(&e->sp, e->most), 0);
	assert_int_equal(sosnap_space_grow(&e->sp, blocks), 0);
	some_steps(e, 10);
	assert_int_equal(e->s.nr_blocks, e->blocks);
	begin(e);
	some_steps(e, 30);
	e->grows_to = blocks;
	end(e);
	count(e);
	assert_true(e->sp.total >= total && e->sp.total + e->sp.fixed == blocks);
	if (reopen) {
		sosnap_space_exit(&e->sp);
		io_ram_drop_cache(e->ram);
		assert_int_equal(sosnap_space_init(&e->sp, &e->ram->io, &e->s, NULL), 0);
		memset(e->out, 0, e->most);
		count(e);
	}
	while (!sosnap_space_alloc(&e->sp, 5000, 1, &blk, &len)) {
		assert_true(blk + len <= blocks && len <= at_most);
		for (at_most -= len; len--; blk++) {
			assert_false(fixed(e, blk) || taken(e, blk));
			e->out[blk] = 1;
		}
	}
	assert_int_equal(e->sp.free, 0);
	begin(e);
	some_steps(e, 30);
	end(e);
	count(e);
}

static void grow_between(u64 from, u64 to, u64 then, u64 seed)
{
	struct env e;
	u32 used;

	/* the region of the old end: never written, written, written and in memory */
	for (used = 0; used < 3; used++, seed++) {
		env_init_on(&e, from, then, seed);
		while (used && e.sp.free > rnd(&e, 2000))
			do_alloc(&e);
		begin(&e);
		some_steps(&e, 40);
		end(&e);
		if (used == 1)
			sosnap_space_trim(&e.sp, 0);
		grow_to(&e, to, seed & 1);
		grow_to(&e, then, !(seed & 1));
		env_exit(&e);
	}
}

/* From every side of a border of regions to every other, and on from there. */
static void growing_at_borders_of_regions(void **state)
{
	static const int near[] = {
		-SOSNAP_MIN_REGION, -1, 0, SOSNAP_MIN_REGION - 1, SOSNAP_MIN_REGION, 100
	};
	u32 i, k, seed = 1;

	for (i = 0; i < ARRAY_SIZE(near); i++) {
		for (k = i; k < ARRAY_SIZE(near); k++)
			grow_between(R + near[i], R + near[k], R + 200 + near[k], seed++);
		grow_between(SOSNAP_MIN_BLOCKS, R + near[i], 3 * R + near[i], seed++);
		grow_between(R + near[i], 2 * R + near[i], 3 * R + 5, seed++);
	}
}

static void grow_empty(struct io_ram *ram, struct sosnap_super *s, struct sosnap_space *sp, u64 to)
{
	u64 blk;
	u32 len;

	assert_int_equal(sosnap_space_grow(sp, to), 0);
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
	assert_int_equal(s->nr_blocks, to);
	assert_int_equal(sp->nr_regions, sosnap_space_regions(s));
	assert_int_equal(sp->free, sp->total);
	sosnap_space_exit(sp);
	assert_int_equal(sosnap_space_init(sp, &ram->io, s, NULL), 0);
	assert_int_equal(sp->free, sp->total);
	/* the last region is as good as the others */
	sp->cursor = sp->nr_regions - 1;
	assert_int_equal(sosnap_space_alloc(sp, 8, 8, &blk, &len), 0);
	assert_true(blk / R == sp->nr_regions - 1);
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_set(sp, blk, len), 0);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
	sosnap_space_begin(sp, ++s->gen);
	assert_int_equal(sosnap_space_clear(sp, blk, len, NULL, NULL), 0);
	assert_int_equal(sosnap_space_write(sp), 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(sosnap_space_release(sp, NULL, NULL), 0);
	sosnap_space_exit(sp);
	assert_int_equal(sosnap_space_init(sp, &ram->io, s, NULL), 0);
	assert_int_equal(sp->free, sp->total);
}

static void growing_at_borders_of_summaries(void **state)
{
	static const int near[] = {
		-(int)R - 1, -1, 0, 1, SOSNAP_MIN_REGION - 1, SOSNAP_MIN_REGION, R, R + 1,
		2 * R + 77
	};
	u64 border = (u64)R * SOSNAP_SUMMARY_REGIONS;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(near); i++) {
		for (k = i; k < ARRAY_SIZE(near); k++) {
			struct io_ram *ram = io_ram_new(2 * border + 3 * R);
			struct sosnap_super s;
			struct sosnap_space sp;

			sosnap_super_init(&s, "store", border + near[i], 0, 1);
			assert_int_equal(sosnap_space_init(&sp, &ram->io, &s, NULL), 0);
			grow_empty(ram, &s, &sp, border + near[k]);
			grow_empty(ram, &s, &sp, 2 * border + near[k]);
			sosnap_space_exit(&sp);
			assert_int_equal(io_ram_free(ram), 0);
		}
	}
}

static void growing_what_cannot_be(void **state)
{
	struct env e;

	env_init(&e, 4000, 1);
	assert_int_equal(sosnap_space_grow(&e.sp, 3999), -EINVAL);
	assert_int_equal(sosnap_space_grow(&e.sp, SOSNAP_MAX_BLOCKS + 1), -EINVAL);
	assert_int_equal(sosnap_space_grow(&e.sp, 4000), 0);
	begin(&e);
	e.grows_to = 4000;
	end(&e);
	count(&e);
	env_exit(&e);
}

/* What cannot be read at the old end stays unused; the rest grows. */
static void growing_beside_a_damaged_bitmap(void **state)
{
	struct env e;

	env_init_on(&e, 4000, R + 4000, 1);
	do_alloc(&e);
	begin(&e);
	do_set(&e);
	end(&e);
	sosnap_space_exit(&e.sp);
	io_ram_drop_cache(e.ram);
	memset(io_ram_disk(e.ram, SOSNAP_BITMAP_SLOT), 0x5a, 100);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
	assert_int_equal(sosnap_space_grow(&e.sp, R + 4000), 0);
	begin(&e);
	assert_int_equal(sosnap_space_write(&e.sp), 0);
	assert_int_equal(e.ram->io.ops->flush(&e.ram->io), 0);
	assert_int_equal(sosnap_space_release(&e.sp, NULL, NULL), 0);
	/* and what is free beside it does not count: nobody can have it */
	assert_int_equal(e.sp.free, 4000 - 2);
	env_exit(&e);
}

/*
 * While the bitmap of a region cannot be read, the others give what they have, be
 * it less than wanted; and the region itself, once it can be read again.
 */
static void a_bitmap_that_cannot_be_read(void **state)
{
	struct env e;
	u64 blk;
	u32 len;

	env_init(&e, R + 2 * SOSNAP_MIN_REGION, 1);
	do_alloc(&e);
	begin(&e);
	do_set(&e);
	end(&e);
	sosnap_space_exit(&e.sp);
	io_ram_drop_cache(e.ram);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
	e.ram->fail_at = e.ram->calls + 1;
	assert_int_equal(sosnap_space_alloc(&e.sp, 3 * SOSNAP_MIN_REGION, 3 * SOSNAP_MIN_REGION,
					    &blk, &len), -EIO);
	/* where a store is to shrink to it, the rest is asked rather than an error told */
	sosnap_space_limit(&e.sp, R);
	e.ram->fail_at = e.ram->calls + 1;
	assert_int_equal(sosnap_space_alloc(&e.sp, SOSNAP_MIN_REGION / 2, SOSNAP_MIN_REGION / 2,
					    &blk, &len), 0);
	assert_int_equal(e.sp.limit, 0);
	assert_int_equal(sosnap_space_give_back(&e.sp, blk, len), 0);
	sosnap_space_exit(&e.sp);
	io_ram_drop_cache(e.ram);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
	/* it is asked twice: by the search for all, by the one for less */
	e.ram->fail_at = e.ram->calls + 1;
	assert_int_equal(sosnap_space_alloc(&e.sp, 3 * SOSNAP_MIN_REGION, 1, &blk, &len), 0);
	assert_true(blk < R && len == 3 * SOSNAP_MIN_REGION);
	sosnap_space_exit(&e.sp);
	io_ram_drop_cache(e.ram);
	memset(io_ram_disk(e.ram, SOSNAP_BITMAP_SLOT), 0x5a, 100);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
	assert_int_equal(sosnap_space_alloc(&e.sp, 3 * SOSNAP_MIN_REGION, 1, &blk, &len), 0);
	assert_true(blk >= R && len < 2 * SOSNAP_MIN_REGION);
	env_exit(&e);
}

/* Every summary slot of a device of more than one summary is found again. */
static void two_summaries(void **state)
{
	u64 blocks = (u64)R * SOSNAP_SUMMARY_REGIONS + R, blk = blocks - 100;
	struct env e;

	memset(&e, 0, sizeof(e));
	e.ram = io_ram_new(blocks);
	sosnap_super_init(&e.s, "store", blocks, 0, 1);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
	assert_int_equal(e.sp.nr_regions, SOSNAP_SUMMARY_REGIONS + 1);
	for (e.s.gen = 2; e.s.gen < 6; e.s.gen++, blk++) {
		u64 free_now = e.sp.free;

		assert_int_equal(sosnap_space_take(&e.sp, blk, 1), 0);
		assert_int_equal(sosnap_space_take(&e.sp, blk, 1), -EUCLEAN);
		sosnap_space_begin(&e.sp, e.s.gen);
		assert_int_equal(sosnap_space_set(&e.sp, blk, 1), 0);
		assert_int_equal(sosnap_space_set(&e.sp, blk, 1), -EUCLEAN);
		assert_int_equal(sosnap_space_write(&e.sp), 0);
		assert_int_equal(e.ram->io.ops->flush(&e.ram->io), 0);
		assert_int_equal(sosnap_space_release(&e.sp, NULL, NULL), 0);
		assert_int_equal(sosnap_super_slot(&e.s, 0), 0);
		assert_int_equal(sosnap_super_slot(&e.s, 1), e.s.gen % 2 ? 2 : 1);
		sosnap_space_exit(&e.sp);
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
		assert_int_equal(e.sp.free, free_now - 1);
	}
	sosnap_space_exit(&e.sp);
	assert_int_equal(io_ram_free(e.ram), 0);
}

static void wrong_calls_are_refused(void **state)
{
	struct env e;
	u64 blk;
	u32 len;

	env_init(&e, 4000, 1);
	assert_int_equal(sosnap_space_give_back(&e.sp, 3000, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_alloc(&e.sp, 8, 8, &blk, &len), 0);
	assert_int_equal(sosnap_space_give_back(&e.sp, blk, 9), -EUCLEAN);
	assert_int_equal(sosnap_space_give_back(&e.sp, U64_MAX - 1, 1), -EUCLEAN);
	sosnap_space_begin(&e.sp, ++e.s.gen);
	assert_int_equal(sosnap_space_clear(&e.sp, blk, 8, NULL, NULL), -EUCLEAN);
	assert_int_equal(sosnap_space_set(&e.sp, SOSNAP_SUPER_BLK1, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_set(&e.sp, e.blocks, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_set(&e.sp, R, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_take(&e.sp, SOSNAP_JOURNAL_BLK, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_take(&e.sp, U64_MAX - 1, 1), -EUCLEAN);
	env_exit(&e);
}

/* A summary that tells of too few or too many free blocks does no harm. */
static void wrong_count_on_disk(void **state)
{
	u32 say[] = { 0, 1, 5, SOSNAP_REGION_BLOCKS, U32_MAX }, i, len;

	for (i = 0; i < ARRAY_SIZE(say); i++) {
		struct sosnap_disk_summary *d;
		struct env e;
		u64 blk, total = 0;

		env_init(&e, 4000, 1);
		do_alloc(&e);
		begin(&e);
		do_set(&e);
		end(&e);
		sosnap_space_exit(&e.sp);
		io_ram_drop_cache(e.ram);
		d = (void *)io_ram_disk(e.ram, SOSNAP_SUMMARY_SLOT);
		d->e[0].free = cpu_to_le32(say[i]);
		sosnap_seal(d, SOSNAP_BLOCK_SIZE);
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s, NULL), 0);
		while (!sosnap_space_alloc(&e.sp, 16, 1, &blk, &len)) {
			total += len;
			assert_true(total <= 4000 && e.sp.free <= 4000);
		}
		assert_true(!say[i] || e.sp.free == 0);
		env_exit(&e);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_small_region),
		cmocka_unit_test(regions_and_a_small_last_one),
		cmocka_unit_test(last_region_without_room_for_its_slots),
		cmocka_unit_test(growing_at_borders_of_regions),
		cmocka_unit_test(growing_at_borders_of_summaries),
		cmocka_unit_test(growing_what_cannot_be),
		cmocka_unit_test(growing_beside_a_damaged_bitmap),
		cmocka_unit_test(a_bitmap_that_cannot_be_read),
		cmocka_unit_test(two_summaries),
		cmocka_unit_test(wrong_calls_are_refused),
		cmocka_unit_test(wrong_count_on_disk),
	};

	return cmocka_run_group_tests_name("sosnap_space", tests, NULL, NULL);
}
