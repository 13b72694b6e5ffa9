// SPDX-License-Identifier: GPL-2.0
/*
 * The check has to name each damage. A store with a bit of everything is made,
 * damaged in one place with checksums made right again where the damage is one
 * of meaning, and checked.
 */
#include "store_env.h"
#include "testlib.h"

struct told {
	u32 nr[64];
	u32 sum;
	struct sosnap_fault last[64];
};

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	struct told *t = ctx;

	assert_true(fault->what < ARRAY_SIZE(t->nr));
	assert_true(detail[0]);
	t->nr[fault->what]++;
	t->sum++;
	t->last[fault->what] = *fault;
}

static void step(void *ctx, u64 done, u64 total)
{
	assert_true(done && done <= total);
}

static const struct sosnap_check_ops ops = { .found = found, .progress = step };

static void check(struct se *se, struct told *t, struct sosnap_check_result *res)
{
	memset(t, 0, sizeof(*t));
	io_ram_drop_cache(se->ram);
	assert_int_equal(sosnap_check(&se->ram->io, &ops, t, res), 0);
	assert_int_equal(res->damages, t->sum);
	assert_int_equal(se->ram->held, 0);
	io_ram_drop_cache(se->ram);
}

/* Two snapshots, many extents, an empty journal, and closed. */
static struct se *store(void)
{
	struct se *se = se_new(SOSNAP_REGION_BLOCKS + 2000, 5);
	u32 i;

	se_create(se);
	se_create(se);
	for (i = 0; i < SE_BLKS; i += 2)
		se_write(se, &se->now.snap[SE_SNAPS - 1], i, 1);
	se_write(se, &se->now.snap[SE_SNAPS - 2], 4, 3);
	se_zero(se, &se->now.snap[SE_SNAPS - 2], 20, 9);
	se_reopen(se);
	/* what is damaged on the disk shall not be found in the cache */
	io_ram_drop_cache(se->ram);
	return se;
}

static u8 *disk(struct se *se, u64 blk)
{
	return io_ram_disk(se->ram, blk);
}

static void seal(struct se *se, u64 blk)
{
	sosnap_seal(disk(se, blk), SOSNAP_BLOCK_SIZE);
}

static struct sosnap_disk_super *super(struct se *se, u32 copy)
{
	return (void *)disk(se, copy ? SOSNAP_SUPER_BLK1 : SOSNAP_SUPER_BLK0);
}

static void super_seal(struct se *se)
{
	seal(se, SOSNAP_SUPER_BLK0);
	seal(se, SOSNAP_SUPER_BLK1);
}

/* Change both copies of a field of the superblock. */
#define super_set(se, field, value) do {				\
	super(se, 0)->field = (value);					\
	super(se, 1)->field = (value);					\
	super_seal(se);							\
} while (0)

static u64 root_blk(struct se *se, u32 id)
{
	return le64_to_cpu(super(se, 0)->root[id - 1].blk);
}

/* The slot of bitmap 0 or the summary that is in force. */
static u64 bitmap_blk(struct se *se)
{
	u64 slot = (super(se, 0)->summary_slot[0] & 3) - 1;
	struct sosnap_disk_summary *d = (void *)disk(se, SOSNAP_SUMMARY_SLOT + slot);

	return SOSNAP_BITMAP_SLOT + (le64_to_cpu(d->e[0].gen_slot) & 1);
}

static u64 summary_blk(struct se *se)
{
	return SOSNAP_SUMMARY_SLOT + (super(se, 0)->summary_slot[0] & 3) - 1;
}

/* An item of the only leaf of a tree; returns its key, value behind it. */
static struct sosnap_disk_key *item(struct se *se, u32 id, u32 i)
{
	u32 bytes = sizeof(struct sosnap_disk_key) +
		    (id == SOSNAP_TREE_CATALOG ? SOSNAP_CATALOG_BYTES :
		     sizeof(struct sosnap_disk_extent));

	return (void *)(disk(se, root_blk(se, id)) + sizeof(struct sosnap_disk_header) +
			i * bytes);
}

static union sosnap_item *catalog_item(struct se *se, u32 type, u32 nth)
{
	u32 i;

	for (i = 0;; i++) {
		struct sosnap_disk_key *key = item(se, SOSNAP_TREE_CATALOG, i);

		if (le32_to_cpu(key->hi) == type && !nth--)
			return (void *)(key + 1);
	}
}

static struct sosnap_disk_extent *extent(struct se *se, u32 i)
{
	return (void *)(item(se, SOSNAP_TREE_EXTENT, i) + 1);
}

/* Exactly these damages, each so many times (0: once or more). */
static void expect(struct se *se, u32 what, u32 times)
{
	struct sosnap_check_result res;
	struct told t;

	check(se, &t, &res);
	if (!t.nr[what] || (times && t.nr[what] != times))
		fail_msg("%s: told %u times, %u damages", sosnap_fault_name(what), t.nr[what],
			 t.sum);
	se_free(se);
}

static void whole_store_is_clean(void **state)
{
	struct se *se = store();
	struct sosnap_check_result res;
	struct told t;

	check(se, &t, &res);
	assert_int_equal(t.sum, 0);
	assert_int_equal(res.golds, 2);
	assert_int_equal(res.snapshots, 2);
	assert_int_equal(res.objects, 2);
	assert_int_equal(res.extents, SE_BLKS / 2 + 2);
	assert_int_equal(res.nodes, 2);
	assert_int_equal(res.data_blocks, SE_BLKS / 2 + 3);
	assert_int_equal(res.free_blocks, se->m.space.free);
	assert_int_equal(res.commits, 0);
	assert_false(res.replayed);
	se_free(se);
}

static void journal_is_replayed_in_memory(void **state)
{
	struct se *se = store();
	struct sosnap_check_result res;
	struct told t;

	se_write(se, &se->now.snap[SE_SNAPS - 2], 40, 3);
	se_flush(se);
	check(se, &t, &res);
	assert_int_equal(t.sum, 0);
	assert_int_equal(res.commits, 1);
	assert_true(res.replayed);
	assert_int_equal(res.data_blocks, SE_BLKS / 2 + 6);
	se_free(se);
}

static void superblocks(void **state)
{
	struct sosnap_check_result res;
	struct se *se = store();
	struct told t;
	u32 copy;

	for (copy = 0; copy < 2; copy++) {
		u8 *at = disk(se, copy ? SOSNAP_SUPER_BLK1 : SOSNAP_SUPER_BLK0);

		at[100] ^= 1;
		check(se, &t, &res);
		assert_int_equal(t.sum, 1);
		assert_int_equal(t.nr[SOSNAP_FAULT_SUPER_COPY], 1);
		assert_int_equal(res.mended, 1);
		at[100] ^= 1;
	}
	memset(disk(se, 0), 0, SOSNAP_BLOCK_SIZE);
	memset(disk(se, SOSNAP_SUPER_BLK1), 0, SOSNAP_BLOCK_SIZE);
	io_ram_drop_cache(se->ram);
	assert_int_equal(sosnap_check(&se->ram->io, &ops, &t, &res), -EUCLEAN);
	se_free(se);

	se = store();
	super_set(se, data_blocks, cpu_to_le64(1));
	expect(se, SOSNAP_FAULT_SUPER_COUNT, 1);
	se = store();
	super_set(se, node_blocks, cpu_to_le64(1));
	expect(se, SOSNAP_FAULT_SUPER_COUNT, 1);
	se = store();
	super_set(se, root[1].nr_items, cpu_to_le64(1));
	expect(se, SOSNAP_FAULT_SUPER_COUNT, 1);
	se = store();
	super_set(se, next_object, cpu_to_le64(2));
	expect(se, SOSNAP_FAULT_SUPER_COUNT, 1);
	se = store();
	super_set(se, root[1].depth, 3);
	expect(se, SOSNAP_FAULT_NODE_LEVEL, 1);
	se = store();
	super_set(se, summary_slot[0], 3);
	expect(se, SOSNAP_FAULT_SUPER_FIELD, 1);
}

/* A lost tree is told once; what follows from it is not. */
static void lost_trees(void **state)
{
	struct sosnap_check_result res;
	u32 id;

	for (id = SOSNAP_TREE_CATALOG; id <= SOSNAP_TREE_EXTENT; id++) {
		struct se *se = store();
		struct told t;

		disk(se, root_blk(se, id))[2000] ^= 1;
		check(se, &t, &res);
		assert_int_equal(t.sum, 1);
		assert_int_equal(t.nr[SOSNAP_FAULT_BLOCK_CRC], 1);
		assert_int_equal(t.last[SOSNAP_FAULT_BLOCK_CRC].blk, root_blk(se, id));
		assert_true(res.incomplete);
		se_free(se);
	}
}

static void bitmaps(void **state)
{
	struct sosnap_check_result res;
	struct se *se = store();
	u64 blk = bitmap_blk(se);
	struct told t;
	u8 *bits = disk(se, blk) + 64;

	/* in use by nobody: one run, and the count */
	memset(bits + 1000, 0xff, 4);
	seal(se, blk);
	check(se, &t, &res);
	assert_int_equal(t.sum, 2);
	assert_int_equal(t.nr[SOSNAP_FAULT_BITMAP_LEAK], 1);
	assert_int_equal(t.last[SOSNAP_FAULT_BITMAP_LEAK].blk, 8000);
	assert_int_equal(t.last[SOSNAP_FAULT_BITMAP_LEAK].arg, 32);
	assert_int_equal(t.nr[SOSNAP_FAULT_BITMAP_COUNT], 1);
	se_free(se);

	/* all free: owned ones and fixed ones, in a few runs */
	se = store();
	memset(disk(se, blk) + 64, 0, SOSNAP_BITMAP_BYTES);
	seal(se, blk);
	check(se, &t, &res);
	assert_true(t.nr[SOSNAP_FAULT_BITMAP_FREE] >= 2 && t.sum < 40);
	assert_int_equal(t.sum, t.nr[SOSNAP_FAULT_BITMAP_FREE] + 1);
	se_free(se);

	se = store();
	disk(se, bitmap_blk(se))[500] ^= 1;
	expect(se, SOSNAP_FAULT_BLOCK_CRC, 1);

	se = store();
	((struct sosnap_disk_header *)disk(se, bitmap_blk(se)))->owner = cpu_to_le64(1);
	seal(se, bitmap_blk(se));
	expect(se, SOSNAP_FAULT_BLOCK_OWNER, 1);

	se = store();
	((struct sosnap_disk_summary *)disk(se, summary_blk(se)))->e[0].free = cpu_to_le32(7);
	seal(se, summary_blk(se));
	expect(se, SOSNAP_FAULT_BITMAP_COUNT, 1);

	se = store();
	((struct sosnap_disk_summary *)disk(se, summary_blk(se)))->e[0].gen_slot ^= cpu_to_le64(2);
	seal(se, summary_blk(se));
	expect(se, SOSNAP_FAULT_BLOCK_GENERATION, 1);

	se = store();
	disk(se, summary_blk(se))[300] ^= 1;
	expect(se, SOSNAP_FAULT_BLOCK_CRC, 1);
}

static void extents(void **state)
{
	struct se *se = store();
	u64 root = root_blk(se, SOSNAP_TREE_EXTENT);

	extent(se, 3)->len = 0;
	seal(se, root);
	expect(se, SOSNAP_FAULT_EXTENT_VALUE, 1);

	se = store();
	extent(se, 3)->store = cpu_to_le64(se->ram->io.nr_blocks);
	seal(se, root);
	expect(se, SOSNAP_FAULT_EXTENT_VALUE, 1);

	se = store();
	extent(se, 3)->len = cpu_to_le32(3);
	seal(se, root);
	expect(se, SOSNAP_FAULT_EXTENT_OVERLAP, 1);

	/* two owners; and the block that has none now */
	se = store();
	extent(se, 3)->store = extent(se, 5)->store;
	seal(se, root);
	expect(se, SOSNAP_FAULT_BLOCK_SHARED, 1);

	se = store();
	extent(se, 3)->store = extent(se, 5)->store;
	seal(se, root);
	expect(se, SOSNAP_FAULT_BITMAP_LEAK, 1);

	/* a fixed block, and a node */
	se = store();
	extent(se, 3)->store = cpu_to_le64(SOSNAP_SUPER_BLK1);
	seal(se, root);
	expect(se, SOSNAP_FAULT_BLOCK_SHARED, 1);
	se = store();
	extent(se, 3)->store = cpu_to_le64(root);
	seal(se, root);
	expect(se, SOSNAP_FAULT_BLOCK_SHARED, 1);

	/* longer than the device many times over: bounded work, one line each */
	se = store();
	extent(se, 3)->store = cpu_to_le64(10);
	extent(se, 3)->len = cpu_to_le32(se->ram->io.nr_blocks - 10);
	extent(se, 4)->store = cpu_to_le64(10);
	extent(se, 4)->len = cpu_to_le32(se->ram->io.nr_blocks - 10);
	seal(se, root);
	expect(se, SOSNAP_FAULT_BLOCK_SHARED, 0);
}

static void catalogue(void **state)
{
	union sosnap_item *it;
	struct se *se;
	u64 root;

#define DAMAGE(type, nth, change, what, times) do {			\
	se = store();							\
	root = root_blk(se, SOSNAP_TREE_CATALOG);			\
	it = catalog_item(se, type, nth);				\
	change;								\
	seal(se, root);							\
	expect(se, what, times);					\
} while (0)

	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.blocks = cpu_to_le64(3),
	       SOSNAP_FAULT_OBJECT_COUNT, 1);
	/* a parent is older, so it is never its own descendant */
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.parent = cpu_to_le32(1),
	       SOSNAP_FAULT_CATALOG_VALUE, 1);
	/* and takes no writes */
	DAMAGE(SOSNAP_CATALOG_OBJECT, 1, it->object.parent = cpu_to_le32(1),
	       SOSNAP_FAULT_OBJECT_PARENT, 1);
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.flags = cpu_to_le32(SOSNAP_OBJECT_FROZEN),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.flags = cpu_to_le32(0x80),
	       SOSNAP_FAULT_CATALOG_VALUE, 1);
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.gold = cpu_to_le32(9),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.flags = cpu_to_le32(SOSNAP_OBJECT_DYING),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_OBJECT, 0, it->object.gold = 0, SOSNAP_FAULT_CATALOG_VALUE, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, it->snapshot.gold = cpu_to_le32(9),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, it->snapshot.object = cpu_to_le32(9),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, it->snapshot.object = cpu_to_le32(9),
	       SOSNAP_FAULT_OBJECT_UNUSED, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, it->snapshot.object = cpu_to_le32(2),
	       SOSNAP_FAULT_SNAPSHOT_REF, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, it->snapshot.name[0] = '/',
	       SOSNAP_FAULT_CATALOG_VALUE, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0, memset(it->snapshot.name, 'x', SOSNAP_NAME_LEN),
	       SOSNAP_FAULT_CATALOG_VALUE, 1);
	DAMAGE(SOSNAP_CATALOG_SNAPSHOT, 0,
	       memcpy(it->snapshot.name,
		      catalog_item(se, SOSNAP_CATALOG_SNAPSHOT, 1)->snapshot.name,
		      SOSNAP_NAME_LEN),
	       SOSNAP_FAULT_NAME_TWICE, 1);
	DAMAGE(SOSNAP_CATALOG_GOLD, 0,
	       memcpy(it->gold.name, catalog_item(se, SOSNAP_CATALOG_GOLD, 1)->gold.name,
		      SOSNAP_NAME_LEN),
	       SOSNAP_FAULT_NAME_TWICE, 1);
#undef DAMAGE

	/* the object of all extents but the last two is another one */
	se = store();
	root = root_blk(se, SOSNAP_TREE_EXTENT);
	item(se, SOSNAP_TREE_EXTENT, SE_BLKS / 2 + 1)->hi = cpu_to_le32(9);
	seal(se, root);
	expect(se, SOSNAP_FAULT_OBJECT_ORPHAN, 1);
}

/* Any bits anywhere: an answer, and no more than that. */
static void random_damage(void **state)
{
	struct se *se = NULL;
	u32 round, i;

	for (round = 0; round < 1500; round++) {
		u64 seed = round + 1, at[6];
		struct sosnap_check_result res;
		struct io_ram *copy;
		struct told t;

		if (round % 100 == 0) {
			if (se)
				se_free(se);
			se = store();
			if (round & 128) {
				se_write(se, &se->now.snap[SE_SNAPS - 2], 40, 3);
				se_flush(se);
			}
			io_ram_log_begin(se->ram);
		}
		at[0] = root_blk(se, SOSNAP_TREE_CATALOG);
		at[1] = root_blk(se, SOSNAP_TREE_EXTENT);
		at[2] = bitmap_blk(se);
		at[3] = summary_blk(se);
		at[4] = SOSNAP_SUPER_BLK0;
		at[5] = SOSNAP_JOURNAL_BLK + super(se, 0)->tail;
		copy = io_ram_crash(se->ram, io_ram_now(se->ram), NULL);

		for (i = 0; i < 1 + round % 3; i++) {
			u64 blk = at[io_ram_random(&seed) % 6];
			u8 *to = io_ram_disk(copy, blk);
			u32 offset = io_ram_random(&seed) % (io_ram_random(&seed) & 1 ? 4096 : 400);

			to[offset] = io_ram_random(&seed);
			if (io_ram_random(&seed) % 4)
				sosnap_seal(to, SOSNAP_BLOCK_SIZE);
			if (blk == SOSNAP_SUPER_BLK0)
				memset(io_ram_disk(copy, SOSNAP_SUPER_BLK1), 0, SOSNAP_BLOCK_SIZE);
		}
		memset(&t, 0, sizeof(t));
		sosnap_check(&copy->io, &ops, &t, &res);
		assert_int_equal(copy->held, 0);
		io_ram_free(copy);
	}
	se_free(se);
}

static void unreadable_blocks_are_told(void **state)
{
	struct se *se = store();
	struct sosnap_check_result res;
	u64 calls, at;
	struct told t;

	io_ram_drop_cache(se->ram);
	calls = se->ram->calls;
	memset(&t, 0, sizeof(t));
	assert_int_equal(sosnap_check(&se->ram->io, &ops, &t, &res), 0);
	calls = se->ram->calls - calls;
	assert_true(calls > 6);
	for (at = 1; at <= calls; at++) {
		int r;

		io_ram_drop_cache(se->ram);
		memset(&t, 0, sizeof(t));
		se->ram->fail_at = se->ram->calls + at;
		r = sosnap_check(&se->ram->io, &ops, &t, &res);
		assert_true(r == -EIO || (!r && t.sum >= 1));
		assert_int_equal(se->ram->held, 0);
	}
	se->ram->fail_at = 0;
	se_free(se);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_store_is_clean),
		cmocka_unit_test(journal_is_replayed_in_memory),
		cmocka_unit_test(superblocks),
		cmocka_unit_test(lost_trees),
		cmocka_unit_test(bitmaps),
		cmocka_unit_test(extents),
		cmocka_unit_test(catalogue),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(unreadable_blocks_are_told),
	};

	return cmocka_run_group_tests_name("sosnap_check", tests, NULL, NULL);
}
