// SPDX-License-Identifier: GPL-2.0
/*
 * What a repaired store says of a snapshot is what was there, or the snapshot is
 * marked and something was told: by chosen damage.
 */
#include <time.h>
#include "extent.h"
#include "told_env.h"

/* The first leaf of extents that has keys of one object only. */
struct leaf_walk {
	struct sosnap_btree_walk w;
	u32 object;
	u64 at, blk;
	bool only;
};

static int leaf_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	struct leaf_walk *l = container_of(w, struct leaf_walk, w);

	if (level)
		return 0;
	if (l->only && l->at && !l->blk)
		l->blk = l->at;
	l->at = blk;
	l->only = true;
	return 0;
}

static int leaf_item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	struct leaf_walk *l = container_of(w, struct leaf_walk, w);

	l->only &= key->hi == l->object;
	return 0;
}

static u64 leaf_of(struct sv_store *st, u32 object, struct sosnap_super *super)
{
	struct leaf_walk l = { .w = { .node = leaf_node, .item = leaf_item }, .object = object };
	struct sosnap_tree tree = { .io = &st->ram->io, .id = SOSNAP_TREE_EXTENT,
				    .val_bytes = sizeof(struct sosnap_disk_extent) };

	must(sosnap_super_read(&st->ram->io, super));
	tree.root = super->root[SOSNAP_TREE_EXTENT - 1];
	must(sosnap_btree_walk(&tree, &l.w));
	io_ram_drop_cache(st->ram);
	assert_true(l.blk);
	return l.blk;
}

/* Zeros take no blocks, so that none are missing says nothing of them. */
static void lost_zeros(void **state)
{
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u64 leaf;
	u32 i;

	sv_new(&st, TOLD_BLOCKS);
	sv_add_snapshot(&st, "s1");
	sv_add_snapshot(&st, "s2");
	sv_add_snapshot(&st, "s3");
	for (i = 0; i < 1000; i++) {
		u32 object = i < 150 ? 1 : i < 850 ? 2 : 3;

		if (object == 2)
			sv_zero(&st, object, i * 3, 1);
		else
			sv_map(&st, object, i * 3, 1);
		if (!(i % 100))
			sv_checkpoint(&st, 0);
	}
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	told_look(st.ram, before);
	leaf = leaf_of(&st, 2, &super);
	told_destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	told_destroy(st.ram, leaf);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	told_look(st.ram, after);
	assert_int_equal(told_expect_marked(before, after, &t, &res, "zeros"), 1);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* With the bitmap lost, what a catalogue says may be from before. */
static void unsure_catalogue(void **state)
{
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u32 i;

	sv_new(&st, TOLD_BLOCKS);
	sv_add_snapshot(&st, "s1");
	for (i = 0; i < 20; i++)
		sv_map(&st, 1, 1 + i * 3, 1);
	sv_checkpoint(&st, 0);
	told_snapshot_of(&st, "s1", "copy");
	for (i = 0; i < 30; i++)
		sv_map(&st, told_top_of(&st, "s1"), 300 + i * 3, 1);
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	told_look(st.ram, before);
	must(sosnap_super_read(&st.ram->io, &super));
	told_destroy_bitmaps(st.ram);
	told_destroy(st.ram, super.root[SOSNAP_TREE_CATALOG - 1].blk);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	told_look(st.ram, after);
	assert_true(res.older_items && t.changes);
	assert_true(told_expect_marked(before, after, &t, &res, "catalogue"));
	assert_int_equal(res.marked, after->nr);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* A state that lacks a block looks like one that was never complete. */
static void state_before(void **state)
{
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u32 i;

	sv_new(&st, TOLD_BLOCKS);
	sv_add_snapshot(&st, "s1");
	sv_add_snapshot(&st, "s2");
	for (i = 0; i < 20; i++)
		sv_map(&st, 1 + i % 2, 1 + i * 3, 1);
	sv_checkpoint(&st, 0);
	sv_map(&st, 1, 1, 1);
	sv_add_snapshot(&st, "young");
	sv_checkpoint(&st, 0);
	sv_close_store(&st);
	told_look(st.ram, before);
	must(sosnap_super_read(&st.ram->io, &super));
	told_destroy_supers(st.ram);
	told_destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	/* the journal, which makes up for it */
	for (i = 0; i < super.journal_blocks; i++)
		told_destroy(st.ram, super.journal_blk + i);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	told_look(st.ram, after);
	assert_true(told_expect_marked(before, after, &t, &res, "state"));
	assert_int_equal(res.marked, after->nr);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* Two snapshots with a few blocks each. */
static void make_two(struct sv_store *st)
{
	u32 i;

	sv_new(st, TOLD_BLOCKS);
	sv_add_snapshot(st, "s1");
	sv_add_snapshot(st, "s2");
	sv_add_snapshot(st, "s3");
	for (i = 0; i < 40; i++)
		sv_map(st, 1 + i % 2, 1 + i * 3, 1);
	sv_checkpoint(st, 0);
}

static u64 block_of(struct sv_store *st, u32 object, u64 blk)
{
	struct sosnap_extent x;

	must(sosnap_extent_find(sosnap_meta_live(&st->m, SOSNAP_TREE_EXTENT), object, blk, &x));
	return x.store;
}

/* An extent that no code would write. */
static void put_extent(struct sv_store *st, u32 object, u64 blk, u32 len, u64 store)
{
	struct sosnap_key key = { .hi = object, .lo = blk };
	struct sosnap_disk_extent d = { .store = cpu_to_le64(store), .len = cpu_to_le32(len) };

	must(sosnap_btree_put(&st->m.work[SOSNAP_TREE_EXTENT - 1], &st->m.txn, &key, &d));
}

static void begin(struct sv_store *st)
{
	st->m.txn.gen = st->m.super.gen + 1;
	sosnap_space_begin(&st->m.space, st->m.super.gen + 1);
}

static void expect_lossy(struct io_ram *ram, bool s1, bool s2, bool s3)
{
	struct told_images *images = calloc(1, sizeof(*images));

	told_look(ram, images);
	assert_int_equal(told_image_of(images, "s1")->lossy, s1);
	assert_int_equal(told_image_of(images, "s2")->lossy, s2);
	assert_int_equal(told_image_of(images, "s3")->lossy, s3);
	free(images);
}

/* A commit maps a block that the state owns: one of the two has the other's data. */
static void journal_against_state(void **state)
{
	struct sosnap_salvage_result res;
	struct sosnap_disk_record rec;
	struct sv_store st;
	struct told t;

	make_two(&st);
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, 2, 300, 1, block_of(&st, 1, 1));
	sv_commit(&st, &rec, 1);
	sv_close_store(&st);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	assert_true(res.shared_blocks && t.changes == 2);
	expect_lossy(st.ram, true, true, false);
	io_ram_free(st.ram);
}

static void state_against_itself(void **state)
{
	struct sosnap_salvage_result res;
	struct sv_store st;
	struct told t;
	u32 same;

	for (same = 0; same < 2; same++) {
		make_two(&st);
		begin(&st);
		if (same)
			put_extent(&st, 1, 0, 100, 5000);
		else
			put_extent(&st, 2, 500, 1, block_of(&st, 1, 1));
		sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
		sv_close_store(&st);
		must(told_mend(st.ram, &t, &res));
		sv_expect_clean(st.ram);
		assert_true(res.shared_blocks && t.changes == (same ? 1 : 2));
		expect_lossy(st.ram, true, !same, false);
		io_ram_free(st.ram);
	}
}

/* Many times the device is claimed: that takes no more time than the device has blocks. */
static void too_many_claims(void **state)
{
	struct sosnap_salvage_result res;
	struct sv_store st;
	clock_t start;
	struct told t;
	u32 i;

	make_two(&st);
	begin(&st);
	for (i = 0; i < 30000; i++)
		put_extent(&st, 1, 100000 + i * 10000ULL, 7000, 1000);
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	start = clock();
	must(told_mend(st.ram, &t, &res));
	assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
	sv_expect_clean(st.ram);
	assert_true(res.shared_blocks > TOLD_BLOCKS);
	expect_lossy(st.ram, true, true, true);
	io_ram_free(st.ram);
}

/* What a guest has written, and a commit with a number that no store reaches. */
static void numbers_of_others(void **state)
{
	u8 data[SOSNAP_BLOCK_SIZE] = { 0 };
	struct sosnap_disk_header *h = (void *)data;
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u64 blk;

	make_two(&st);
	blk = block_of(&st, 1, 1);
	h->magic = cpu_to_le32(SOSNAP_MAGIC_NODE);
	memset(h->uuid, 0xee, sizeof(h->uuid));
	h->blk = cpu_to_le64(blk);
	h->gen = cpu_to_le64((1ULL << 55) - 1);
	h->owner = cpu_to_le64(SOSNAP_TREE_EXTENT);
	h->count = cpu_to_le32(1);
	sosnap_seal(data, sizeof(data));
	io_ram_submit(st.ram, blk, 1, data);
	st.m.journal.seq = 1ULL << 61;
	sv_zero(&st, 1, 3000, 1);
	must(sosnap_super_read(&st.ram->io, &super));
	sv_close_store(&st);
	told_destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	must(sosnap_super_read(&st.ram->io, &super));
	assert_true(super.gen < 1000 && super.tail_seq < 1000);
	io_ram_free(st.ram);
}

/* A number that is too low makes no object one that only the journal knows. */
static void low_next_object(void **state)
{
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;

	make_two(&st);
	sv_close_store(&st);
	must(sosnap_super_read(&st.ram->io, &super));
	super.next_object = 1;
	must(sosnap_super_write(&st.ram->io, &super));
	told_destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	must(told_mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	assert_true(t.ranges);
	expect_lossy(st.ram, true, true, true);
	io_ram_free(st.ram);
}

/* The younger of the two slots of the first region. */
static void destroy_younger_bitmap(struct io_ram *ram)
{
	const struct sosnap_disk_header *h[2];
	u32 i;

	for (i = 0; i < 2; i++)
		h[i] = (void *)io_ram_disk(ram, SOSNAP_BITMAP_SLOT + i);
	told_destroy(ram, SOSNAP_BITMAP_SLOT + (le64_to_cpu(h[1]->gen) > le64_to_cpu(h[0]->gen)));
}

/*
 * Cut short after the superblocks that lead to what was found: the last state, the one
 * before, and that with no bitmap to tell what the last one has freed.
 */
static void cut_without_superblocks(void **state)
{
	struct sosnap_salvage_result res, again;
	struct sosnap_super super;
	struct sosnap_meta m;
	struct sv_store st;
	struct io_ram *cut;
	struct told t;
	u32 older, i;

	for (older = 0; older < 3; older++) {
		make_two(&st);
		sv_map(&st, 1, 2000, 1);
		sv_checkpoint(&st, older ? 0 : SOSNAP_SUPER_CLEAN);
		sv_close_store(&st);
		must(sosnap_super_read(&st.ram->io, &super));
		told_destroy_supers(st.ram);
		if (older)
			told_destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
		for (i = 0; i < super.journal_blocks && older == 2; i++)
			told_destroy(st.ram, super.journal_blk + i);
		if (older == 2)
			destroy_younger_bitmap(st.ram);
		io_ram_log_begin(st.ram);
		must(told_mend(st.ram, &t, &res));
		assert_int_equal(res.older_state, older > 0);
		assert_int_equal(res.doubtful_blocks, older == 2 ? 40 : 0);
		cut = io_ram_crash(st.ram, io_ram_point_at(st.ram, 2), NULL);
		must(sosnap_meta_open(&m, &cut->io, NULL));
		assert_true(m.doubt);
		sosnap_meta_close(&m);
		io_ram_drop_cache(cut);
		must(told_mend(cut, &t, &again));
		assert_int_equal(again.older_state, older > 0);
		assert_int_equal(again.marked, res.marked);
		assert_int_equal(again.doubtful_blocks, res.doubtful_blocks);
		assert_int_equal(again.lost_blocks, res.lost_blocks);
		sv_expect_clean(cut);
		io_ram_free(cut);
		io_ram_free(st.ram);
	}
}

/*
 * Repair without superblocks and without another block, 0: none; what is not as before is
 * marked and told. Returns how many.
 */
static u32 mend_and_compare(struct sv_store *st, u64 lost, const char *what,
			    struct sosnap_salvage_result *res)
{
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct io_ram *copy = sv_copy_of(st);
	struct told t;
	u32 differ;

	told_look(copy, before);
	io_ram_free(copy);
	told_destroy_supers(st->ram);
	if (lost)
		told_destroy(st->ram, lost);
	must(told_mend(st->ram, &t, res));
	sv_expect_clean(st->ram);
	told_look(st->ram, after);
	differ = told_expect_marked(before, after, &t, res, what);
	free(before);
	free(after);
	return differ;
}

/* A commit that maps what the youngest state has freed was not merged into the one before. */
static void journal_after_both(void **state)
{
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sosnap_disk_record rec;
	struct sv_store st;
	u64 freed, blk;
	u32 got;

	make_two(&st);
	sv_map(&st, 2, 2000, 1);
	sv_checkpoint(&st, 0);
	freed = block_of(&st, 1, 1);
	sv_zero(&st, 1, 1, 1);
	sv_checkpoint(&st, 0);
	sv_zero(&st, 2, 4, 1);
	/* not to the nodes of the state before */
	must(sosnap_space_alloc(&st.m.space, 200, 200, &blk, &got));
	sv_map(&st, 2, 1000, 64);
	do {
		must(sosnap_space_alloc(&st.m.space, 1, 1, &blk, &got));
	} while (blk != freed);
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, 3, 700, 1, freed);
	sv_commit(&st, &rec, 1);
	must(sosnap_super_read(&st.ram->io, &super));
	sv_close_store(&st);
	assert_int_equal(mend_and_compare(&st, super.root[SOSNAP_TREE_EXTENT - 1].blk, "journal",
					  &res), 0);
	assert_true(res.older_state);
	assert_int_equal(res.commits, 4);
	io_ram_free(st.ram);
}

/*
 * Two summaries; a checkpoint is cut, and the next one of the same generation does not
 * touch the second of them, which is younger than the state but for a bitmap.
 */
static void two_summaries(void **state)
{
	const u64 base = (u64)SOSNAP_SUMMARY_REGIONS * SOSNAP_REGION_BLOCKS;
	struct sosnap_salvage_result res;
	struct sv_store st, next = { 0 };
	u64 blk;
	u32 i;

	sv_new(&st, base + 2 * SOSNAP_REGION_BLOCKS);
	sv_add_snapshot(&st, "s1");
	sv_add_snapshot(&st, "s2");
	for (i = 0; i < 8; i++) {
		st.m.space.cursor = i < 4 ? SOSNAP_SUMMARY_REGIONS : 0;
		sv_map(&st, 1, 1 + 2 * i, 1);
		sv_map(&st, 2, 100 + 2 * i, 1);
		sv_checkpoint(&st, 0);
	}
	sv_zero(&st, 1, 9, 1);
	st.m.space.cursor = SOSNAP_SUMMARY_REGIONS;
	next.ram = sv_copy_of(&st);
	io_ram_log_begin(st.ram);
	sv_checkpoint(&st, 0);
	for (i = 0; i < st.ram->log_nr; i++) {
		blk = io_ram_log_blk(st.ram, i);
		if (blk != SOSNAP_SUPER_BLK0 && blk != SOSNAP_SUPER_BLK1 &&
		    blk != base + SOSNAP_BITMAP_SLOT && blk != base + SOSNAP_BITMAP_SLOT + 1)
			memcpy(io_ram_disk(next.ram, blk), io_ram_log_data(st.ram, i),
			       SOSNAP_BLOCK_SIZE);
	}
	sv_close_store(&st);
	io_ram_free(st.ram);
	sv_open_store(&next);
	sv_map(&next, 2, 500, 1);
	sv_close_store(&next);
	mend_and_compare(&next, 0, "two summaries", &res);
	assert_true(res.older_state && res.marked == 2);
	io_ram_free(next.ram);
}

/* Claims without end, and superblocks that a repair of an older state has left, it seems. */
static void too_many_older(void **state)
{
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	clock_t start;
	struct told t;
	u32 i;

	sv_new(&st, 131072);
	sv_add_snapshot(&st, "s1");
	sv_add_snapshot(&st, "s2");
	sv_add_snapshot(&st, "s3");
	begin(&st);
	for (i = 0; i < 30000; i++)
		put_extent(&st, 1, 100000 + i * 200000ULL, 120000, 1000);
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	must(sosnap_super_read(&st.ram->io, &super));
	super.data_blocks = super.nr_blocks;
	super.node_blocks = super.nr_blocks;
	must(sosnap_super_write(&st.ram->io, &super));
	start = clock();
	must(told_mend(st.ram, &t, &res));
	/* 0.03 s; a second when claims beyond the budget are walked */
	assert_true(clock() - start < CLOCKS_PER_SEC / 4);
	sv_expect_clean(st.ram);
	assert_true(res.older_state);
	expect_lossy(st.ram, true, true, true);
	io_ram_free(st.ram);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_zeros),
		cmocka_unit_test(unsure_catalogue),
		cmocka_unit_test(state_before),
		cmocka_unit_test(journal_against_state),
		cmocka_unit_test(state_against_itself),
		cmocka_unit_test(too_many_claims),
		cmocka_unit_test(numbers_of_others),
		cmocka_unit_test(low_next_object),
		cmocka_unit_test(cut_without_superblocks),
		cmocka_unit_test(journal_after_both),
		cmocka_unit_test(two_summaries),
		cmocka_unit_test(too_many_older),
	};

	return cmocka_run_group_tests_name("sosnap_salvage_told", tests, NULL, NULL);
}
