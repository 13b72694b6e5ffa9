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

static void env_init(struct env *e, u64 blocks, u64 seed)
{
	memset(e, 0, sizeof(*e));
	e->blocks = blocks;
	e->seed = seed;
	e->ram = io_ram_new(blocks);
	e->ram->lazy = 3;
	e->disk = calloc(4, blocks);
	assert_non_null(e->disk);
	e->next = e->disk + blocks;
	e->out = e->next + blocks;
	e->held = e->out + blocks;
	sosnap_super_init(&e->s, "store", blocks, 0, 1);
	assert_int_equal(sosnap_space_init(&e->sp, &e->ram->io, &e->s), 0);
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

	if (region >= e->sp.nr_regions || in == 2 || in == 3)
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

static void do_clear(struct env *e)
{
	u64 blk, born, expect = 0;
	u32 n = pick(e, e->next, NULL, &blk), i;

	if (!n)
		return;
	assert_int_equal(sosnap_space_clear(&e->sp, blk, n, &born), 0);
	for (i = 0; i < n; i++) {
		e->next[blk + i] = 0;
		if (e->disk[blk + i]) {
			e->held[blk + i] = 1;
		} else {
			e->out[blk + i] = 1;
			expect++;
		}
	}
	assert_int_equal(born, expect);
}

/* What a store opened now would know. */
static void compare_disk(struct env *e)
{
	struct sosnap_super s = e->s;
	struct sosnap_space sp;
	u64 blk, nr_free = 0;
	u32 region, i;

	assert_int_equal(sosnap_space_init(&sp, &e->ram->io, &s), 0);
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
			assert_int_equal(set, blk >= e->blocks || fixed(e, blk) || e->next[blk]);
		}
		assert_int_equal(sp.region[region].free, clear);
		nr_free += clear;
	}
	assert_int_equal(sp.free, nr_free);
	sosnap_space_exit(&sp);
}

static void on_freed(void *ctx, u64 blk, u32 len)
{
	struct env *e = ctx;

	while (len--) {
		assert_int_equal(e->held[blk], 1);
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

	assert_int_equal(sosnap_space_write(&e->sp), 0);
	assert_int_equal(e->ram->io.ops->flush(&e->ram->io), 0);
	compare_disk(e);
	assert_int_equal(sosnap_space_release(&e->sp, on_freed, e), 0);
	for (blk = 0; blk < e->blocks; blk++)
		assert_false(e->held[blk]);
	memcpy(e->disk, e->next, e->blocks);
	e->txn = false;
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
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s), 0);
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

/* Every summary slot of a device of more than one summary is found again. */
static void two_summaries(void **state)
{
	u64 blocks = (u64)R * SOSNAP_SUMMARY_REGIONS + R, blk = blocks - 100;
	struct env e;

	memset(&e, 0, sizeof(e));
	e.ram = io_ram_new(blocks);
	sosnap_super_init(&e.s, "store", blocks, 0, 1);
	assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s), 0);
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
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s), 0);
		assert_int_equal(e.sp.free, free_now - 1);
	}
	sosnap_space_exit(&e.sp);
	assert_int_equal(io_ram_free(e.ram), 0);
}

static void wrong_calls_are_refused(void **state)
{
	struct env e;
	u64 blk, born;
	u32 len;

	env_init(&e, 4000, 1);
	assert_int_equal(sosnap_space_give_back(&e.sp, 3000, 1), -EUCLEAN);
	assert_int_equal(sosnap_space_alloc(&e.sp, 8, 8, &blk, &len), 0);
	assert_int_equal(sosnap_space_give_back(&e.sp, blk, 9), -EUCLEAN);
	assert_int_equal(sosnap_space_give_back(&e.sp, U64_MAX - 1, 1), -EUCLEAN);
	sosnap_space_begin(&e.sp, ++e.s.gen);
	assert_int_equal(sosnap_space_clear(&e.sp, blk, 8, &born), -EUCLEAN);
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
		assert_int_equal(sosnap_space_init(&e.sp, &e.ram->io, &e.s), 0);
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
		cmocka_unit_test(two_summaries),
		cmocka_unit_test(wrong_calls_are_refused),
		cmocka_unit_test(wrong_count_on_disk),
	};

	return cmocka_run_group_tests_name("sosnap_space", tests, NULL, NULL);
}
