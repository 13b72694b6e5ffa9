// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata is destroyed, block by block and in sets, and made anew. After that
 * the check finds nothing, so no block has two owners; what survived is as it
 * was; what was lost is told; and a salvage cut short leaves one that succeeds.
 */
#include "change.h"
#include "extent.h"
#include "io_ram.h"
#include "meta.h"
#include "salvage.h"
#include "salvage_env.h"
#include "store_env.h"
#include "testlib.h"

#define SNAPS	8U
#define BLOCKS	(SOSNAP_REGION_BLOCKS + 6000)
#define SPAN	SV_SPAN

/* Older states are left behind, blocks are reused, the journal has had laps. */
static void make(struct sv_store *st, bool journal)
{
	struct sosnap_super super;
	char name[8];
	u32 i, round;

	st->ram = io_ram_new(BLOCKS);
	sosnap_super_init(&super, "store", BLOCKS, 300, 1);
	must(sosnap_meta_format(&st->ram->io, &super));
	sv_open_store(st);
	sv_add_gold(st, "gold");
	for (i = 1; i <= SNAPS; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		sv_add_snapshot(st, name);
	}
	for (round = 0; round < 6; round++) {
		for (i = 0; i < 220; i++)
			sv_map(st, 1 + i % SNAPS, (i * 37 + round * 911) % (SPAN - 4), 1 + i % 3);
		sv_checkpoint(st, 0);
		sv_zero(st, 1 + round, round * 300, 150);
		sv_checkpoint(st, 0);
	}
	sv_remove_snapshot(st, "s8");
	sv_checkpoint(st, 0);
	sv_checkpoint(st, 0);
	for (i = 0; i < 60; i++)
		sv_map(st, 1 + i % 7, 3000 + i * 7, 2);
	/* an activation in between skips a number */
	sv_checkpoint(st, SOSNAP_SUPER_CLEAN);
	sv_close_store(st);
	sv_open_store(st);
	for (i = 0; i < 20 && journal; i++) {
		sv_map(st, 1 + i % 7, 100 + i * 11, 2);
		if (i == 7)
			sv_zero(st, 2, 500, 100);
	}
	if (journal)
		sv_add_snapshot(st, "late");
	else
		sv_checkpoint(st, SOSNAP_SUPER_CLEAN);
	sv_close_store(st);
	io_ram_log_begin(st->ram);
}

static void drop(struct sv_store *st)
{
	assert_int_equal(io_ram_free(st->ram), 0);
}

/* What a store says, after its journal. */
struct map {
	u64 store[SNAPS + 3][SPAN];	/* by object */
	u32 snapshots;
	u64 blocks;
	bool lossy[SNAPS + 3];		/* by object: the mark of its snapshot */
};

static void read_map(struct io_ram *ram, struct map *map)
{
	const struct sosnap_entry *e;
	struct sosnap_extent ext;
	struct sosnap_meta m;
	u32 object, id = 0, i;

	memset(map, 0, sizeof(*map));
	must(se_recover(&ram->io, &m, SE_PLANT_NONE));
	map->snapshots = sosnap_catalog_count(&m.catalog, SOSNAP_CATALOG_SNAPSHOT);
	map->blocks = m.super.data_blocks;
	while ((e = sosnap_catalog_next(&m.catalog, SOSNAP_CATALOG_SNAPSHOT, id))) {
		u64 at = 0;

		id = e->id + 1;
		object = le32_to_cpu(e->item.snapshot.object);
		if (object >= ARRAY_SIZE(map->store))
			continue;
		map->lossy[object] = le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY;
		while (!sosnap_extent_find(sosnap_meta_live(&m, SOSNAP_TREE_EXTENT), object, at,
					   &ext)) {
			assert_true(ext.blk + ext.len <= SPAN);
			for (i = 0; i < ext.len; i++)
				map->store[object][ext.blk + i] =
					ext.store == SOSNAP_STORE_ZERO ? ext.store :
					ext.store + i;
			at = ext.blk + ext.len;
		}
	}
	sosnap_meta_close(&m);
	io_ram_drop_cache(ram);
}

struct told {
	u32 ranges;
	u32 changes;
	u64 blocks[SNAPS + 3];
	u8 lost[SNAPS + 3][SPAN];
};

static void on_lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
	struct told *t = ctx;
	u64 i;

	assert_true(loss->snapshot[0] && loss->len);
	t->ranges++;
	for (i = loss->blk; i < loss->blk + loss->len && loss->object < ARRAY_SIZE(t->lost); i++)
		t->lost[loss->object][i] = 1;
}

static void on_changed(void *ctx, u32 type, u32 id, const char *what)
{
	struct told *t = ctx;

	assert_true(what[0]);
	t->changes++;
}

static const struct sosnap_salvage_ops ops = { .lost = on_lost, .changed = on_changed };

static const struct sosnap_salvage_want want_name = { .name = "found", .now = 1 };

static int mend(struct io_ram *ram, const struct sosnap_salvage_want *want, struct told *t,
		struct sosnap_salvage_result *res)
{
	struct sosnap_salvage *s;
	int r;

	memset(t, 0, sizeof(*t));
	io_ram_drop_cache(ram);
	r = sosnap_salvage_find(&ram->io, want, &ops, t, res, &s);
	if (!r)
		r = sosnap_salvage_write(s, &ram->io);
	sosnap_salvage_free(s);
	assert_int_equal(ram->held, 0);
	io_ram_drop_cache(ram);
	return r;
}

/* Whoever owns a block finds its own data there. */
static void expect_own_data(struct io_ram *ram, const struct map *map)
{
	u8 data[SOSNAP_BLOCK_SIZE];
	u32 object, blk;
	char own[64];

	for (object = 1; object < ARRAY_SIZE(map->store); object++)
		for (blk = 0; blk < SPAN; blk++) {
			u64 store = map->store[object][blk];

			if (!store || store == SOSNAP_STORE_ZERO)
				continue;
			io_ram_read(ram, store, data);
			snprintf(own, sizeof(own), "object %u block %u", object, blk);
			if (strcmp((char *)data, own))
				fail_msg("%s at %llu holds that of %s", own,
					 (unsigned long long)store, (char *)data);
		}
}

/* Nothing differs but what was told; how many blocks do. */
static u32 expect_told(const struct map *before, const struct map *after, const struct told *t)
{
	u32 object, blk, differ = 0;

	for (object = 1; object < ARRAY_SIZE(before->store); object++)
		for (blk = 0; blk < SPAN; blk++) {
			u64 was = before->store[object][blk], is = after->store[object][blk];

			if (was == is)
				continue;
			differ++;
			if (is)
				fail_msg("object %u block %u is at %llx, was at %llx", object, blk,
					 (unsigned long long)is, (unsigned long long)was);
			if (!t->lost[object][blk])
				fail_msg("object %u block %u is lost, and not told", object, blk);
			if (!after->lossy[object])
				fail_msg("object %u lacks block %u, and is not marked", object, blk);
		}
	return differ;
}

static void wreck(struct io_ram *ram, u64 blk)
{
	/* within the first record of a commit, or the header */
	io_ram_disk(ram, blk)[8 + blk % 80] ^= 0x5a;
}

/* Every block with metadata of the last checkpoint, and what it is. */
struct places {
	u64 blk[512];
	u32 kind[512];		/* the magic, and the level and tree of nodes */
	u32 nr;
};

static int place_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count);

struct place_walk {
	struct sosnap_btree_walk w;
	struct places *p;
	u32 tree;
};

static void place(struct places *p, u64 blk, u32 kind)
{
	assert_true(p->nr < ARRAY_SIZE(p->blk));
	p->blk[p->nr] = blk;
	p->kind[p->nr++] = kind;
}

static int place_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	struct place_walk *walk = container_of(w, struct place_walk, w);

	place(walk->p, blk, walk->tree * 16 + level);
	return 0;
}

static void find_places(struct sv_store *st, struct places *p)
{
	struct sosnap_super super;
	u32 i;

	memset(p, 0, sizeof(*p));
	must(sosnap_super_read(&st->ram->io, &super));
	place(p, SOSNAP_SUPER_BLK0, 100);
	place(p, SOSNAP_SUPER_BLK1, 100);
	for (i = SOSNAP_BITMAP_SLOT; i <= SOSNAP_SUMMARY_SLOT + 1; i++)
		place(p, i, 101);
	place(p, SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT, 101);
	place(p, SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT + 1, 101);
	for (i = 0; i < SOSNAP_NR_TREES; i++) {
		struct sosnap_tree tree = {
			.io = &st->ram->io, .root = super.root[i], .id = i + 1,
			.val_bytes = i ? sizeof(struct sosnap_disk_extent) : SOSNAP_CATALOG_BYTES,
		};
		struct place_walk walk = { .w.node = place_node, .p = p, .tree = i + 1 };

		must(sosnap_btree_walk(&tree, &walk.w));
	}
	io_ram_drop_cache(st->ram);
}

static bool is_node(u32 kind)
{
	return kind < 100;
}

static bool is_leaf(u32 kind)
{
	return is_node(kind) && !(kind % 16);
}

static u32 nr_lossy(const struct map *map)
{
	u32 object, n = 0;

	for (object = 0; object < ARRAY_SIZE(map->lossy); object++)
		n += map->lossy[object];
	return n;
}

/* What has lost a leaf of its extents is marked, and nobody else. */
static void expect_marks(const struct map *after, const struct told *t)
{
	u32 object;

	for (object = 1; object < ARRAY_SIZE(after->lossy); object++)
		assert_int_equal(after->lossy[object], !!memchr(t->lost[object], 1, SPAN));
	assert_true(nr_lossy(after) < after->snapshots);
}

/* Each metadata block in turn. What is not a leaf costs nothing. */
static void each_block(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	u32 i, journal, with_loss = 0, levels = 0;
	struct places p;
	struct sv_store st;

	for (journal = 0; journal < 2; journal++) {
		struct io_ram *ram;

		make(&st, journal);
		find_places(&st, &p);
		ram = sv_copy_of(&st);
		read_map(ram, before);
		expect_own_data(ram, before);
		io_ram_free(ram);
		for (i = 0; i < p.nr; i++) {
			u32 differ;

			ram = sv_copy_of(&st);
			wreck(ram, p.blk[i]);
			must(mend(ram, &want_name, t, &res));
			sv_expect_clean(ram);
			read_map(ram, after);
			expect_own_data(ram, after);
			differ = expect_told(before, after, t);
			if (!is_leaf(p.kind[i]))
				assert_int_equal(differ, 0);
			if (!is_leaf(p.kind[i]))
				assert_int_equal(t->ranges, 0);
			if (!is_leaf(p.kind[i]))
				assert_int_equal(nr_lossy(after), 0);
			assert_int_equal(nr_lossy(after), res.marked);
			if (p.kind[i] == 16 * SOSNAP_TREE_EXTENT) {
				assert_true(differ && t->ranges);
				expect_marks(after, t);
				with_loss++;
			}
			levels |= is_node(p.kind[i]) ? 1U << p.kind[i] % 16 : 0;
			assert_int_equal(before->snapshots, after->snapshots);
			assert_int_equal(io_ram_free(ram), 0);
		}
		drop(&st);
	}
	assert_true(with_loss > 6);
	assert_true(levels >= 3);
	free(before);
	free(after);
	free(t);
}

/* Nothing but the superblocks: everything is found again. */
static void both_superblocks(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	const struct sosnap_salvage_want no_name = { 0 };
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	u32 journal;

	for (journal = 0; journal < 2; journal++) {
		struct io_ram *ram;
		struct sv_store st;

		make(&st, journal);
		ram = sv_copy_of(&st);
		read_map(ram, before);
		io_ram_free(ram);
		ram = sv_copy_of(&st);
		wreck(ram, SOSNAP_SUPER_BLK0);
		wreck(ram, SOSNAP_SUPER_BLK1);
		memset(ram->io.uuid, 0, sizeof(ram->io.uuid));
		assert_int_equal(mend(ram, &no_name, t, &res), -EINVAL);
		must(mend(ram, &want_name, t, &res));
		assert_true(res.super_lost);
		assert_int_equal(res.super.journal_blocks, 300);
		assert_int_equal(t->ranges, 0);
		assert_int_equal(t->changes, 0);
		assert_memory_equal(ram->io.uuid, st.ram->io.uuid, sizeof(ram->io.uuid));
		sv_expect_clean(ram);
		read_map(ram, after);
		assert_memory_equal(before->store, after->store, sizeof(before->store));
		assert_int_equal(before->snapshots, after->snapshots);
		io_ram_free(ram);
		drop(&st);
	}
	free(before);
	free(after);
	free(t);
}

/* Any set of blocks. What is left is right, whatever was lost. */
static void random_sets(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct told *t = calloc(1, sizeof(*t));
	u32 round, rounds = getenv("SALVAGE_ROUNDS") ? atoi(getenv("SALVAGE_ROUNDS")) : 120, i;
	struct sosnap_salvage_result res;
	u64 seed = 11;
	struct places p;
	struct sv_store st;

	make(&st, true);
	find_places(&st, &p);
	{
		struct io_ram *ram = sv_copy_of(&st);

		read_map(ram, before);
		io_ram_free(ram);
	}
	for (round = 0; round < rounds; round++) {
		struct io_ram *ram = sv_copy_of(&st);
		u32 nr = 1 + io_ram_random(&seed) % (round % 3 ? 4 : p.nr);

		for (i = 0; i < nr; i++)
			wreck(ram, p.blk[io_ram_random(&seed) % p.nr]);
		if (!(round % 4)) {
			wreck(ram, SOSNAP_SUPER_BLK0);
			wreck(ram, SOSNAP_SUPER_BLK1);
		}
		must(mend(ram, &want_name, t, &res));
		sv_expect_clean(ram);
		read_map(ram, after);
		expect_own_data(ram, after);
		if (!res.super_lost)
			expect_told(before, after, t);
		assert_int_equal(io_ram_free(ram), 0);
	}
	drop(&st);
	free(before);
	free(after);
	free(t);
}

/* A commit in the middle is lost: told, and the ones around it are taken. */
static void journal_blocks(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_check_result check;
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct io_ram *ram;
	struct sv_store st;
	u32 i, differ, object, blk;

	make(&st, true);
	must(sosnap_super_read(&st.ram->io, &super));
	ram = sv_copy_of(&st);
	read_map(ram, before);
	io_ram_free(ram);
	for (i = 0; i < 21; i++) {
		ram = sv_copy_of(&st);
		wreck(ram, SOSNAP_JOURNAL_BLK + (super.tail + i) % super.journal_blocks);
		if (!se_check(&ram->io, &check))
			fail_msg("commit %u", i);
		io_ram_free(ram);
		ram = sv_copy_of(&st);
		wreck(ram, SOSNAP_JOURNAL_BLK + (super.tail + i) % super.journal_blocks);
		must(mend(ram, &want_name, t, &res));
		assert_int_equal(res.lost_commits, 1);
		sv_expect_clean(ram);
		read_map(ram, after);
		expect_own_data(ram, after);
		for (object = 1, differ = 0; object < ARRAY_SIZE(before->store); object++)
			for (blk = 0; blk < SPAN; blk++)
				differ += before->store[object][blk] != after->store[object][blk];
		assert_true(differ && differ <= 100);
		/* nobody knows whose it was */
		assert_int_equal(nr_lossy(after), after->snapshots);
		io_ram_free(ram);
	}
	drop(&st);
	free(before);
	free(after);
	free(t);
}

struct fate {
	u32 upto;
	u64 seed;
};

static bool keep(void *ctx, u32 write, u32 sector)
{
	struct fate *f = ctx;

	return io_ram_random(&f->seed) & 1;
}

/* Cut short at any write: the next one mends it as the first would have. */
static void interrupted(void **state)
{
	static const u32 victims[][3] = { { 0, 0, 0 }, { 8, 8, 8 }, { 9, 10, 30 }, { 2, 6, 12 },
					  { 0, 1, 1 }, { 0, 1, 20 }, { 1, 9, 9 },
					  { 4, 5, 14 }, { 0, 1, 9 }, { 11, 13, 17 },
					  { 0, 1, 4 }, { 0, 1, 5 } };
	struct map *want = calloc(1, sizeof(*want)), *after = calloc(1, sizeof(*after));
	struct told *t = calloc(1, sizeof(*t)), *first = calloc(1, sizeof(*first));
	struct sosnap_salvage_result res;
	u32 v, i, k, cuts = 0;
	struct places p;
	struct sv_store st;

	make(&st, true);
	find_places(&st, &p);
	for (v = 0; v < ARRAY_SIZE(victims); v++) {
		struct io_ram *ram = sv_copy_of(&st), *done;

		for (i = 0; i < 3; i++)
			if (!i || victims[v][i] != victims[v][i - 1])
				wreck(ram, p.blk[victims[v][i] % p.nr]);
		io_ram_log_begin(ram);
		must(mend(ram, &want_name, first, &res));
		done = io_ram_crash(ram, io_ram_now(ram), NULL);
		read_map(done, want);
		io_ram_free(done);
		for (i = 0; i <= ram->log_nr; i++) {
			struct fate f = { i, i * 31 + v };
			struct io_ram_fate fate = { keep, &f };
			struct io_ram *cut = io_ram_crash(ram, io_ram_point_at(ram, i), &fate);

			must(mend(cut, &want_name, t, &res));
			sv_expect_clean(cut);
			read_map(cut, after);
			for (k = 1; k < ARRAY_SIZE(want->store); k++)
				assert_memory_equal(want->store[k], after->store[k],
						    sizeof(want->store[k]));
			assert_int_equal(want->snapshots, after->snapshots);
			assert_int_equal(io_ram_free(cut), 0);
			cuts++;
		}
		assert_int_equal(io_ram_free(ram), 0);
	}
	assert_true(cuts > 100);
	drop(&st);
	free(want);
	free(after);
	free(first);
	free(t);
}

/* Writes go only where nothing was, and to the superblocks last. */
static void writes_to_free_blocks(void **state)
{
	struct map *before = calloc(1, sizeof(*before));
	struct told *t = calloc(1, sizeof(*t));
	const struct sosnap_disk_summary *d;
	struct sosnap_salvage_result res;
	struct sosnap_super old;
	struct places p;
	struct sv_store st;
	struct io_ram *ram;
	u32 i, k, n, in_force = 0;
	u64 summary, bitmap;

	make(&st, true);
	find_places(&st, &p);
	ram = sv_copy_of(&st);
	read_map(ram, before);
	io_ram_free(ram);
	must(sosnap_super_read(&st.ram->io, &old));
	summary = SOSNAP_SUMMARY_SLOT + sosnap_super_slot(&old, 0) - 1;
	d = (void *)io_ram_disk(st.ram, summary);
	bitmap = SOSNAP_BITMAP_SLOT + (le64_to_cpu(d->e[0].gen_slot) & 1);
	ram = sv_copy_of(&st);
	wreck(ram, p.blk[p.nr - 1]);
	io_ram_log_begin(ram);
	must(mend(ram, &want_name, t, &res));
	assert_true(ram->log_nr > 10);
	for (i = 0; i < ram->log_nr; i++) {
		u64 blk = io_ram_log_blk(ram, i);
		bool super = blk == SOSNAP_SUPER_BLK0 || blk == SOSNAP_SUPER_BLK1;

		assert_int_equal(super, i + 2 >= ram->log_nr);
		for (k = 0; k < p.nr && is_node(p.kind[k]); k++)
			assert_int_not_equal(blk, p.blk[k]);
		for (k = 1; k < ARRAY_SIZE(before->store); k++)
			for (n = 0; n < SPAN; n++)
				assert_true(super || blk != before->store[k][n]);
		/* of what has two slots, the one in force stays */
		in_force += !super && (blk == summary || blk == bitmap);
	}
	assert_int_equal(in_force, 0);
	io_ram_free(ram);
	drop(&st);
	free(before);
	free(t);
}

/* Items of older states come back marked; objects that are lost are made anew. */
static void lost_catalogue(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	struct places p;
	struct sv_store st;
	struct io_ram *ram;
	u64 k;
	u32 i;

	make(&st, false);
	find_places(&st, &p);
	ram = sv_copy_of(&st);
	read_map(ram, before);
	io_ram_free(ram);
	/* all nodes of the catalogue, of whatever state */
	ram = sv_copy_of(&st);
	for (k = 0; k < BLOCKS; k++) {
		const struct sosnap_disk_header *h = (void *)ram->disk[k];

		if (h && le32_to_cpu(h->magic) == SOSNAP_MAGIC_NODE &&
		    le64_to_cpu(h->owner) == SOSNAP_TREE_CATALOG && le64_to_cpu(h->blk) == k)
			wreck(ram, k);
	}
	must(mend(ram, &want_name, t, &res));
	sv_expect_clean(ram);
	read_map(ram, after);
	/* each object has its blocks, as a snapshot of its own */
	assert_memory_equal(before->store, after->store, sizeof(before->store));
	assert_int_equal(after->snapshots, 7);
	assert_true(t->changes >= 14);
	io_ram_free(ram);

	/* only those of the last state: the one before has them */
	ram = sv_copy_of(&st);
	for (i = 0; i < p.nr; i++)
		if (is_node(p.kind[i]) && p.kind[i] / 16 == SOSNAP_TREE_CATALOG)
			wreck(ram, p.blk[i]);
	must(mend(ram, &want_name, t, &res));
	assert_true(res.older_items > 0);
	sv_expect_clean(ram);
	read_map(ram, after);
	assert_memory_equal(before->store, after->store, sizeof(before->store));
	assert_int_equal(after->snapshots, 7);
	io_ram_free(ram);
	drop(&st);
	free(before);
	free(after);
	free(t);
}

/* What is taken only when it is asked for does not cost anybody else a block. */
static void doubtful_extents(void **state)
{
	struct map *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	const struct sosnap_salvage_want doubtful = { .name = "found", .now = 1, .doubtful = true };
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	u32 i, object, blk, more = 0;
	struct places p;
	struct sv_store st;

	make(&st, false);
	find_places(&st, &p);
	{
		struct io_ram *ram = sv_copy_of(&st);

		read_map(ram, before);
		io_ram_free(ram);
	}
	for (i = 0; i < p.nr; i++) {
		struct io_ram *ram;
		u64 offered;

		if (p.kind[i] != 16 * SOSNAP_TREE_EXTENT)
			continue;
		ram = sv_copy_of(&st);
		wreck(ram, p.blk[i]);
		must(mend(ram, &want_name, t, &res));
		offered = res.doubtful_blocks;
		io_ram_free(ram);
		ram = sv_copy_of(&st);
		wreck(ram, p.blk[i]);
		must(mend(ram, &doubtful, t, &res));
		assert_int_equal(offered, res.doubtful_blocks);
		more += offered;
		sv_expect_clean(ram);
		read_map(ram, after);
		for (object = 1; object < ARRAY_SIZE(before->store); object++)
			for (blk = 0; blk < SPAN; blk++)
				if (before->store[object][blk] != after->store[object][blk])
					assert_true(t->lost[object][blk]);
		io_ram_free(ram);
	}
	assert_true(more > 0);
	drop(&st);
	free(before);
	free(after);
	free(t);
}

/* Objects with ancestors: one in the middle is lost, and the chain lives on. */
static void ancestors(void **state)
{
	struct sosnap_entry *e;
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	struct sosnap_meta m;
	struct sv_store st = { 0 };
	struct sosnap_super super;
	union sosnap_item item = { 0 };
	u32 i;

	st.ram = io_ram_new(8192);
	sosnap_super_init(&super, "store", 8192, 300, 1);
	must(sosnap_meta_format(&st.ram->io, &super));
	sv_open_store(&st);
	sv_add_gold(&st, "gold");
	sv_add_snapshot(&st, "top");
	/* the snapshot's is 4, its parent 3 is in no tree; nobody refers to 2 */
	item.object.gold = cpu_to_le32(1);
	must(sosnap_catalog_put(&st.m.catalog, SOSNAP_CATALOG_OBJECT, 2, &item));
	item.object.parent = cpu_to_le32(3);
	must(sosnap_catalog_put(&st.m.catalog, SOSNAP_CATALOG_OBJECT, 4, &item));
	e = sosnap_catalog_name(&st.m.catalog, SOSNAP_CATALOG_SNAPSHOT, "top");
	item = e->item;
	item.snapshot.object = cpu_to_le32(4);
	must(sosnap_catalog_put(&st.m.catalog, SOSNAP_CATALOG_SNAPSHOT, e->id, &item));
	sosnap_catalog_del(&st.m.catalog, SOSNAP_CATALOG_OBJECT, 1);
	st.m.super.next_object = 5;
	sv_map(&st, 4, 40, 4);
	sv_map(&st, 2, 20, 4);
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	assert_non_null(se_check(&st.ram->io, NULL));
	io_ram_drop_cache(st.ram);
	must(mend(st.ram, &want_name, t, &res));
	sv_expect_clean(st.ram);
	must(sosnap_meta_open(&m, &st.ram->io, NULL));
	e = sosnap_catalog_get(&m.catalog, SOSNAP_CATALOG_OBJECT, 3);
	assert_non_null(e);
	assert_int_equal(le32_to_cpu(e->item.object.flags), SOSNAP_OBJECT_FROZEN);
	e = sosnap_catalog_get(&m.catalog, SOSNAP_CATALOG_OBJECT, 4);
	assert_int_equal(le32_to_cpu(e->item.object.parent), 3);
	/* nobody refers to the second one, but it has blocks */
	e = sosnap_catalog_name(&m.catalog, SOSNAP_CATALOG_SNAPSHOT, "lost-object-2");
	assert_non_null(e);
	for (i = 2; i <= 4; i += 2) {
		struct sosnap_extent ext;

		must(sosnap_extent_find(sosnap_meta_live(&m, SOSNAP_TREE_EXTENT), i, 0, &ext));
		assert_int_equal(ext.blk, i * 10);
	}
	sosnap_meta_close(&m);
	io_ram_drop_cache(st.ram);
	drop(&st);
	free(t);
}

/* A store that lacks nothing has nothing to be found, and no writes come of that. */
static void finding_writes_nothing(void **state)
{
	struct told *t = calloc(1, sizeof(*t));
	struct sosnap_salvage_result res;
	struct sosnap_salvage *s;
	struct sv_store st;
	u64 written;

	make(&st, true);
	written = st.ram->written;
	must(sosnap_salvage_find(&st.ram->io, &want_name, &ops, t, &res, &s));
	assert_int_equal(t->ranges + t->changes, 0);
	assert_false(res.scanned);
	assert_int_equal(res.lost_blocks + res.lost_commits + res.shared_blocks, 0);
	assert_int_equal(res.commits, 22);
	sosnap_salvage_free(s);
	io_ram_drop_cache(st.ram);
	assert_int_equal(st.ram->written, written);
	drop(&st);
	free(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finding_writes_nothing),
		cmocka_unit_test(each_block),
		cmocka_unit_test(both_superblocks),
		cmocka_unit_test(journal_blocks),
		cmocka_unit_test(random_sets),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(writes_to_free_blocks),
		cmocka_unit_test(lost_catalogue),
		cmocka_unit_test(doubtful_extents),
		cmocka_unit_test(ancestors),
	};

	return cmocka_run_group_tests_name("sosnap_salvage", tests, NULL, NULL);
}
