// SPDX-License-Identifier: GPL-2.0
/*
 * What a repaired store says of a snapshot is what was there, or the snapshot is
 * marked and something was told: by chosen damage, and by random.
 */
#include <time.h>
#include "extent.h"
#include "salvage.h"
#include "salvage_env.h"
#include "store_env.h"

#define BLOCKS	8192U
#define SNAPS	24U

/* A snapshot as its guest sees it. */
struct image {
	char name[SOSNAP_NAME_LEN];
	bool lossy;
	u64 store[SV_SPAN];
};

struct images {
	u32 nr;
	struct image v[SNAPS];
};

static void add_extents(struct sosnap_meta *m, u32 object, struct image *im)
{
	struct sosnap_extent x;
	u64 at = 0, i;

	while (!sosnap_extent_find(sosnap_meta_live(m, SOSNAP_TREE_EXTENT), object, at, &x)) {
		for (i = 0; i < x.len && x.blk + i < SV_SPAN; i++)
			if (!im->store[x.blk + i])
				im->store[x.blk + i] = x.store == SOSNAP_STORE_ZERO ? x.store :
						       x.store + i;
		at = x.blk + x.len;
	}
}

/* After the journal; the store is changed by that. */
static void look(struct io_ram *ram, struct images *images)
{
	const struct sosnap_entry *e, *o;
	struct sosnap_meta m;
	u32 id = 0, object;

	memset(images, 0, sizeof(*images));
	must(se_recover(&ram->io, &m, SE_PLANT_NONE));
	while ((e = sosnap_catalog_next(&m.catalog, SOSNAP_CATALOG_SNAPSHOT, id)) &&
	       images->nr < SNAPS) {
		struct image *im = &images->v[images->nr++];

		id = e->id + 1;
		memcpy(im->name, e->item.snapshot.name, sizeof(im->name));
		im->lossy = le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY;
		for (object = le32_to_cpu(e->item.snapshot.object); object;
		     object = le32_to_cpu(o->item.object.parent)) {
			o = sosnap_catalog_get(&m.catalog, SOSNAP_CATALOG_OBJECT, object);
			assert_non_null(o);
			add_extents(&m, object, im);
		}
	}
	sosnap_meta_close(&m);
	io_ram_drop_cache(ram);
}

static const struct image *image_of(const struct images *images, const char *name)
{
	u32 i;

	for (i = 0; i < images->nr; i++)
		if (!strcmp(images->v[i].name, name))
			return &images->v[i];
	return NULL;
}

struct told {
	u32 ranges;
	u32 changes;
};

static void on_lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
	((struct told *)ctx)->ranges++;
}

static void on_changed(void *ctx, u32 type, u32 id, const char *what)
{
	((struct told *)ctx)->changes++;
}

static const struct sosnap_salvage_ops ops = { .lost = on_lost, .changed = on_changed };
static const struct sosnap_salvage_want want = { .name = "store", .now = 1 };

static int mend(struct io_ram *ram, struct told *t, struct sosnap_salvage_result *res)
{
	struct sosnap_salvage *s;
	int r;

	memset(t, 0, sizeof(*t));
	io_ram_drop_cache(ram);
	r = sosnap_salvage_find(&ram->io, &want, &ops, t, res, &s);
	if (!r)
		r = sosnap_salvage_write(s, &ram->io);
	sosnap_salvage_free(s);
	io_ram_drop_cache(ram);
	return r;
}

/* Number of snapshots that are not what they were; each is marked, or gone and told. */
static u32 expect_marked(const struct images *before, const struct images *after,
			 const struct told *t, const struct sosnap_salvage_result *res,
			 const char *what)
{
	bool told = t->ranges || t->changes || res->lost_commits || res->shared_blocks;
	u32 i, differ = 0;

	for (i = 0; i < before->nr; i++) {
		const struct image *was = &before->v[i], *is = image_of(after, was->name);

		if (is && !memcmp(was->store, is->store, sizeof(was->store)))
			continue;
		differ++;
		if (!told)
			fail_msg("%s: %s differs or is gone, and nothing is told", what, was->name);
		if (is && !is->lossy)
			fail_msg("%s: %s differs and is not marked", what, was->name);
	}
	return differ;
}

static void destroy(struct io_ram *ram, u64 blk)
{
	memset(io_ram_disk(ram, blk), 0xff, SOSNAP_BLOCK_SIZE);
}

static void destroy_supers(struct io_ram *ram)
{
	destroy(ram, SOSNAP_SUPER_BLK0);
	destroy(ram, SOSNAP_SUPER_BLK1);
}

static void destroy_bitmaps(struct io_ram *ram)
{
	destroy(ram, SOSNAP_BITMAP_SLOT);
	destroy(ram, SOSNAP_BITMAP_SLOT + 1);
}

static u32 top_of(struct sv_store *st, const char *name)
{
	return le32_to_cpu(sosnap_catalog_name(&st->m.catalog, SOSNAP_CATALOG_SNAPSHOT,
					       name)->item.snapshot.object);
}

static void snapshot_of(struct sv_store *st, const char *origin, const char *name)
{
	struct sosnap_pair pair = { .origin = origin, .name = name };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	sv_change(st, &c, sosnap_change_snapshot(&c, &pair, 1, 1));
}

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
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u64 leaf;
	u32 i;

	sv_new(&st, BLOCKS);
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
	look(st.ram, before);
	leaf = leaf_of(&st, 2, &super);
	destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	destroy(st.ram, leaf);
	must(mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	look(st.ram, after);
	assert_int_equal(expect_marked(before, after, &t, &res, "zeros"), 1);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* With the bitmap lost, what a catalogue says may be from before. */
static void unsure_catalogue(void **state)
{
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u32 i;

	sv_new(&st, BLOCKS);
	sv_add_snapshot(&st, "s1");
	for (i = 0; i < 20; i++)
		sv_map(&st, 1, 1 + i * 3, 1);
	sv_checkpoint(&st, 0);
	snapshot_of(&st, "s1", "copy");
	for (i = 0; i < 30; i++)
		sv_map(&st, top_of(&st, "s1"), 300 + i * 3, 1);
	sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
	sv_close_store(&st);
	look(st.ram, before);
	must(sosnap_super_read(&st.ram->io, &super));
	destroy_bitmaps(st.ram);
	destroy(st.ram, super.root[SOSNAP_TREE_CATALOG - 1].blk);
	must(mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	look(st.ram, after);
	assert_true(res.older_items && t.changes);
	assert_true(expect_marked(before, after, &t, &res, "catalogue"));
	assert_int_equal(res.marked, after->nr);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* A state that lacks a block looks like one that was never complete. */
static void state_before(void **state)
{
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct sosnap_super super;
	struct sv_store st;
	struct told t;
	u32 i;

	sv_new(&st, BLOCKS);
	sv_add_snapshot(&st, "s1");
	sv_add_snapshot(&st, "s2");
	for (i = 0; i < 20; i++)
		sv_map(&st, 1 + i % 2, 1 + i * 3, 1);
	sv_checkpoint(&st, 0);
	sv_map(&st, 1, 1, 1);
	sv_add_snapshot(&st, "young");
	sv_checkpoint(&st, 0);
	sv_close_store(&st);
	look(st.ram, before);
	must(sosnap_super_read(&st.ram->io, &super));
	destroy_supers(st.ram);
	destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	/* the journal, which makes up for it */
	for (i = 0; i < super.journal_blocks; i++)
		destroy(st.ram, super.journal_blk + i);
	must(mend(st.ram, &t, &res));
	sv_expect_clean(st.ram);
	look(st.ram, after);
	assert_true(expect_marked(before, after, &t, &res, "state"));
	assert_int_equal(res.marked, after->nr);
	assert_int_equal(io_ram_free(st.ram), 0);
	free(before);
	free(after);
}

/* Two snapshots with a few blocks each. */
static void make_two(struct sv_store *st)
{
	u32 i;

	sv_new(st, BLOCKS);
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
	struct images *images = calloc(1, sizeof(*images));

	look(ram, images);
	assert_int_equal(image_of(images, "s1")->lossy, s1);
	assert_int_equal(image_of(images, "s2")->lossy, s2);
	assert_int_equal(image_of(images, "s3")->lossy, s3);
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
	must(mend(st.ram, &t, &res));
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
		must(mend(st.ram, &t, &res));
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
	must(mend(st.ram, &t, &res));
	assert_true(clock() - start < 2 * CLOCKS_PER_SEC);
	sv_expect_clean(st.ram);
	assert_true(res.shared_blocks > BLOCKS);
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
	destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	must(mend(st.ram, &t, &res));
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
	destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
	must(mend(st.ram, &t, &res));
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
	destroy(ram, SOSNAP_BITMAP_SLOT + (le64_to_cpu(h[1]->gen) > le64_to_cpu(h[0]->gen)));
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
		destroy_supers(st.ram);
		if (older)
			destroy(st.ram, super.root[SOSNAP_TREE_EXTENT - 1].blk);
		for (i = 0; i < super.journal_blocks && older == 2; i++)
			destroy(st.ram, super.journal_blk + i);
		if (older == 2)
			destroy_younger_bitmap(st.ram);
		io_ram_log_begin(st.ram);
		must(mend(st.ram, &t, &res));
		assert_int_equal(res.older_state, older > 0);
		assert_int_equal(res.doubtful_blocks, older == 2 ? 40 : 0);
		cut = io_ram_crash(st.ram, io_ram_point_at(st.ram, 2), NULL);
		must(sosnap_meta_open(&m, &cut->io, NULL));
		assert_true(m.doubt);
		sosnap_meta_close(&m);
		io_ram_drop_cache(cut);
		must(mend(cut, &t, &again));
		assert_int_equal(again.older_state, older > 0);
		assert_int_equal(again.marked, res.marked);
		assert_int_equal(again.doubtful_blocks, res.doubtful_blocks);
		assert_int_equal(again.lost_blocks, res.lost_blocks);
		sv_expect_clean(cut);
		io_ram_free(cut);
		io_ram_free(st.ram);
	}
}

/* The random one */

#define OBJECTS	4096U

/**
 * struct family - a store and what was done to it
 * @name:    of the snapshots there are, @nr of them
 * @numbers: so many copies were made, c0 and on
 * @copy_of: by number of a copy: the one of s1 to s6 that it goes back to
 * @kin:     by object that was written to: the same
 */
struct family {
	struct sv_store st;
	u64 seed;
	char name[SNAPS][16];
	u32 nr;
	u32 numbers;
	u8 copy_of[OBJECTS];
	u8 kin[OBJECTS];
};

static u32 below(struct family *f, u32 n)
{
	return io_ram_random(&f->seed) % n;
}

/* Which of s1 to s6 a snapshot goes back to; 0: it is none of them. */
static u32 kin_of(const struct family *f, const char *name)
{
	u32 number;

	if (sscanf(name, "c%u", &number) == 1)
		return f->copy_of[number];
	return sscanf(name, "s%u", &number) == 1 ? number : 0;
}

static void write_some(struct family *f)
{
	u32 who = below(f, f->nr), object = top_of(&f->st, f->name[who]);
	u32 blk = below(f, SV_SPAN - 140);

	assert_in_range(object, 1, OBJECTS - 1);
	f->kin[object] = kin_of(f, f->name[who]);
	/* one has zeros only */
	if (who == 5 || (who == 1 && below(f, 2)))
		sv_zero(&f->st, object, blk, 1 + below(f, 120));
	else if (below(f, 4))
		sv_map(&f->st, object, blk, 1 + below(f, 3));
	else
		sv_zero(&f->st, object, blk, 1 + below(f, 20));
}

static void make_some(struct family *f)
{
	struct sosnap_change c;
	char why[128];
	u32 who;

	if (f->nr < 14 && below(f, 2)) {
		who = below(f, f->nr);
		f->copy_of[f->numbers] = kin_of(f, f->name[who]);
		snprintf(f->name[f->nr], sizeof(f->name[0]), "c%u", f->numbers++);
		snapshot_of(&f->st, f->name[who], f->name[f->nr]);
		f->nr++;
	}
	if (!below(f, 6)) {
		sosnap_change_init(&c, &f->st.m, why, sizeof(why));
		sv_change(&f->st, &c, sosnap_change_refresh(&c, f->name[below(f, f->nr)], 1));
	}
	if (!below(f, 5) && f->nr > 4) {
		who = below(f, f->nr);
		sv_remove_snapshot(&f->st, f->name[who]);
		memcpy(f->name[who], f->name[--f->nr], sizeof(f->name[0]));
	}
}

/* Trees of three levels, and states before the last one. */
static void family(struct family *f, u64 seed)
{
	u32 i, k;

	memset(f, 0, sizeof(*f));
	f->seed = seed * 7919 + 1;
	sv_new(&f->st, BLOCKS);
	f->st.m.work[0].max_items = 4 + below(f, 6);
	f->st.m.work[1].max_items = 4 + below(f, 20);
	f->st.m.reap_extents = 40;
	for (f->nr = 0; f->nr < 6; f->nr++) {
		snprintf(f->name[f->nr], sizeof(f->name[0]), "s%u", f->nr + 1);
		sv_add_snapshot(&f->st, f->name[f->nr]);
	}
	for (k = 0; k < 12; k++) {
		for (i = 0; i < 30; i++) {
			write_some(f);
			if (!below(f, 40) || sosnap_journal_used(&f->st.m.journal) > 120)
				sv_checkpoint(&f->st, 0);
		}
		make_some(f);
		if (below(f, 2))
			sv_checkpoint(&f->st, 0);
	}
	sv_checkpoint(&f->st, 0);
	for (i = below(f, 3) * 8; i > 0; i--)
		write_some(f);
	if (!below(f, 3))
		sv_add_snapshot(&f->st, "late");
}

/* Blocks with metadata, of the last state and of those before. */
static u32 find_metadata(struct io_ram *ram, u64 *blk, u32 most)
{
	u32 nr = 0;
	u64 i;

	for (i = 0; i < ram->io.nr_blocks; i++) {
		const struct sosnap_disk_header *h = (void *)ram->disk[i];
		u32 magic = h ? le32_to_cpu(h->magic) : 0;

		if ((magic == SOSNAP_MAGIC_SUPER || magic == SOSNAP_MAGIC_NODE ||
		     magic == SOSNAP_MAGIC_BITMAP || magic == SOSNAP_MAGIC_SUMMARY) &&
		    le64_to_cpu(h->blk) == i && nr < most)
			blk[nr++] = i;
	}
	return nr;
}

static void damage(struct family *f, struct io_ram *ram, const u64 *blk, u32 nr)
{
	u32 k = 1 + below(f, 5);

	if (!below(f, 3))
		destroy_supers(ram);
	if (!below(f, 4))
		destroy_bitmaps(ram);
	while (k--)
		destroy(ram, blk[below(f, nr)]);
}

/*
 * Each block has what was written to it there, by the snapshot or one of its kin; one that
 * repair has made, for an object that is nobody's, has what one kin has written.
 */
static void expect_data(const struct family *f, struct io_ram *ram, const struct images *images,
			const char *what)
{
	char data[SOSNAP_BLOCK_SIZE];
	unsigned long long blk;
	unsigned int object;
	u32 i, k, kin;

	for (i = 0; i < images->nr; i++) {
		const struct image *im = &images->v[i];

		kin = kin_of(f, im->name);
		for (k = 0; k < SV_SPAN; k++) {
			if (!im->store[k] || im->store[k] == SOSNAP_STORE_ZERO)
				continue;
			io_ram_read(ram, im->store[k], data);
			if (sscanf(data, "object %u block %llu", &object, &blk) != 2 ||
			    blk != k || object >= OBJECTS || (kin && f->kin[object] != kin))
				fail_msg("%s: %s has '%.40s' at %u", what, im->name, data, k);
			kin = f->kin[object];
		}
	}
}

static void random_damage(void **state)
{
	u64 first = getenv("TOLD_SEED") ? atoll(getenv("TOLD_SEED")) : 1, seed;
	u64 seeds = getenv("TOLD_SEEDS") ? atoll(getenv("TOLD_SEEDS")) : 25;
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	static u64 blk[BLOCKS];
	u32 rep, nr, differ = 0;
	struct family f;
	struct told t;
	char what[64];

	for (seed = first; seed < first + seeds; seed++) {
		struct io_ram *ram;

		family(&f, seed);
		sv_close_store(&f.st);
		ram = sv_copy_of(&f.st);
		look(ram, before);
		io_ram_free(ram);
		nr = find_metadata(f.st.ram, blk, ARRAY_SIZE(blk));
		for (rep = 0; rep < 20; rep++) {
			int r;

			snprintf(what, sizeof(what), "TOLD_SEED=%llu, damage %u",
				 (unsigned long long)seed, rep);
			ram = sv_copy_of(&f.st);
			damage(&f, ram, blk, nr);
			r = mend(ram, &t, &res);
			if (r)
				fail_msg("%s: error %d", what, r);
			sv_expect_clean(ram);
			look(ram, after);
			differ += expect_marked(before, after, &t, &res, what);
			expect_data(&f, ram, after, what);
			io_ram_free(ram);
		}
		io_ram_free(f.st.ram);
	}
	assert_true(differ > 0);
	free(before);
	free(after);
}

static bool keep_blocks(void *ctx, u32 write, u32 sector)
{
	u64 seed = *(u64 *)ctx + write;

	return io_ram_random(&seed) & 1;
}

static bool keep_sectors(void *ctx, u32 write, u32 sector)
{
	u64 seed = *(u64 *)ctx + write * SOSNAP_BLOCK_SECTORS + sector;

	return io_ram_random(&seed) & 1;
}

/*
 * The power goes during a checkpoint, and the superblocks are lost as well: which of two
 * states is complete has to be found out. As long as blocks are there or not, it is.
 */
static void cut_checkpoint(void **state)
{
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct io_ram_fate fate;
	struct io_ram *ram;
	struct family f;
	struct told t;
	char what[64];
	u32 at, i, end, seed, torn, differ, older = 0;
	u64 random;

	for (seed = 1; seed <= 6; seed++) {
		torn = seed % 2;
		fate.keep = torn ? keep_sectors : keep_blocks;
		fate.ctx = &random;
		family(&f, seed);
		for (i = 0; i < 20; i++)
			write_some(&f);
		io_ram_log_begin(f.st.ram);
		sv_checkpoint(&f.st, 0);
		end = f.st.ram->log_nr;
		sv_close_store(&f.st);
		for (at = 1; at <= end; at++) {
			struct io_ram_point point = io_ram_point_at(f.st.ram, at);

			snprintf(what, sizeof(what), "family %u, write %u", seed, at);
			random = io_ram_random(&f.seed);
			ram = io_ram_crash(f.st.ram, point, &fate);
			look(ram, before);
			io_ram_free(ram);
			ram = io_ram_crash(f.st.ram, point, &fate);
			destroy_supers(ram);
			must(mend(ram, &t, &res));
			sv_expect_clean(ram);
			look(ram, after);
			differ = expect_marked(before, after, &t, &res, what);
			expect_data(&f, ram, after, what);
			if (differ && (!torn || !res.doubtful_blocks))
				fail_msg("%s: %u differ", what, differ);
			older += res.older_state;
			io_ram_free(ram);
		}
		io_ram_free(f.st.ram);
	}
	assert_true(older > 0);
	free(before);
	free(after);
}

/*
 * Repair without superblocks and without another block, 0: none; what is not as before is
 * marked and told. Returns how many.
 */
static u32 mend_and_compare(struct sv_store *st, u64 lost, const char *what,
			    struct sosnap_salvage_result *res)
{
	struct images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct io_ram *copy = sv_copy_of(st);
	struct told t;
	u32 differ;

	look(copy, before);
	io_ram_free(copy);
	destroy_supers(st->ram);
	if (lost)
		destroy(st->ram, lost);
	must(mend(st->ram, &t, res));
	sv_expect_clean(st->ram);
	look(st->ram, after);
	differ = expect_marked(before, after, &t, res, what);
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
	must(mend(st.ram, &t, &res));
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
		cmocka_unit_test(cut_checkpoint),
		cmocka_unit_test(random_damage),
	};

	return cmocka_run_group_tests_name("sosnap_salvage_told", tests, NULL, NULL);
}
