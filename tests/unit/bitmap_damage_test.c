// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata with right checksums that would have blocks in use handed out again:
 * a store is made, what it says of its space is changed, and it is used. Nothing
 * that its trees own may be lost by that.
 */
#include "change.h"
#include "check.h"
#include "extent.h"
#include "io_ram.h"
#include "many_snapshots.h"
#include "meta.h"
#include "testlib.h"

#define R		SOSNAP_REGION_BLOCKS
#define SNAPS		40U
#define MOST_NODES	64U

struct nodes {
	struct sosnap_btree_walk walk;
	u64 blk[MOST_NODES];
	u8 level[MOST_NODES];
	u32 nr;
};

struct env {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;
	struct nodes catalog;
	struct nodes extents;
	u32 lost;	/* bit r: the bitmap of region r was */
};

static void hook_lock(struct sosnap_meta *m)
{
}

static void hook_fence(struct sosnap_meta *m, u32 object)
{
}

static void hook_lost(struct sosnap_meta *m, u32 region)
{
	struct env *e = container_of(m, struct env, m);

	assert_false(e->lost >> region & 1);
	e->lost |= 1U << region;
}

static const struct sosnap_meta_host host = {
	.lock = hook_lock,
	.unlock = hook_lock,
	.fence = hook_fence,
	.lost = hook_lost,
};

static int checkpoint(struct env *e)
{
	struct sosnap_meta *m = &e->m;
	int r = sosnap_meta_checkpoint(m, &e->batch, m->journal.head, m->journal.seq, 0);

	if (r)
		return r;
	sosnap_meta_publish(m);
	return sosnap_meta_release(m, NULL, NULL);
}

static int node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	struct nodes *n = container_of(w, struct nodes, walk);

	assert_true(n->nr < MOST_NODES);
	n->level[n->nr] = level;
	n->blk[n->nr++] = blk;
	return 0;
}

static void find_nodes(struct env *e, u32 id, struct nodes *n)
{
	n->nr = 0;
	n->walk.node = node;
	assert_int_equal(sosnap_btree_walk(sosnap_meta_live(&e->m, id), &n->walk), 0);
	assert_true(n->nr > 2);
}

/* Two regions; all nodes are in the first one. */
static void env_init(struct env *e)
{
	struct sosnap_super super;
	u64 commits, store;
	u32 i, len;

	memset(e, 0, sizeof(*e));
	e->ram = io_ram_new(R + 3000);
	sosnap_super_init(&super, "s", e->ram->io.nr_blocks, 0, 1);
	assert_int_equal(sosnap_meta_format(&e->ram->io, &super), 0);
	assert_int_equal(sosnap_meta_open(&e->m, &e->ram->io, &host), 0);
	assert_int_equal(sosnap_batch_init(&e->batch, 4096), 0);
	assert_int_equal(sosnap_meta_replay(&e->m, &e->batch, &commits), 0);
	many_snapshots(&e->m, &e->batch, SNAPS, 1 << 20);
	for (i = 0; i < 2000; i++) {
		assert_int_equal(sosnap_space_alloc(&e->m.space, 1, 1, &store, &len), 0);
		assert_int_equal(sosnap_batch_add(&e->batch, 1 + i % SNAPS, i * 3, 1, store), 0);
	}
	assert_int_equal(checkpoint(e), 0);
	/* both slots of each have been written */
	assert_int_equal(sosnap_batch_add(&e->batch, 1, 0, 1, SOSNAP_STORE_ZERO), 0);
	assert_int_equal(checkpoint(e), 0);
	assert_false(e->m.doubt);
	assert_int_equal(e->lost, 0);
	find_nodes(e, SOSNAP_TREE_CATALOG, &e->catalog);
	find_nodes(e, SOSNAP_TREE_EXTENT, &e->extents);
	for (i = 0; i < e->catalog.nr; i++)
		assert_true(e->catalog.blk[i] < R);
	sosnap_meta_close(&e->m);
	io_ram_drop_cache(e->ram);
}

static void env_exit(struct env *e)
{
	sosnap_batch_exit(&e->batch);
	assert_int_equal(io_ram_free(e->ram), 0);
}

static int open_store(struct env *e)
{
	u64 commits;
	int r;

	io_ram_drop_cache(e->ram);
	r = sosnap_meta_open(&e->m, &e->ram->io, &host);
	if (!r && !e->m.doubt)
		assert_int_equal(sosnap_meta_replay(&e->m, &e->batch, &commits), 0);
	return r;
}

static struct sosnap_disk_super *super_of(struct env *e, u32 copy)
{
	return (void *)io_ram_disk(e->ram, copy ? SOSNAP_SUPER_BLK1 : SOSNAP_SUPER_BLK0);
}

static struct sosnap_disk_summary *summary_of(struct env *e)
{
	u32 slot = super_of(e, 0)->summary_slot[0] & 3;

	return (void *)io_ram_disk(e->ram, SOSNAP_SUMMARY_SLOT + slot - 1);
}

static struct sosnap_disk_bitmap *bitmap_of(struct env *e)
{
	u64 slot = le64_to_cpu(summary_of(e)->e[0].gen_slot) & 1;

	return (void *)io_ram_disk(e->ram, SOSNAP_BITMAP_SLOT + slot);
}

/* The bitmap has these blocks free. */
static void lie_bitmap(struct env *e, const struct nodes *n)
{
	struct sosnap_disk_bitmap *b = bitmap_of(e);
	u32 i;

	for (i = 0; i < n->nr; i++) {
		assert_true(b->bits[n->blk[i] / 8] >> n->blk[i] % 8 & 1);
		b->bits[n->blk[i] / 8] &= ~(1 << n->blk[i] % 8);
	}
	sosnap_seal(b, SOSNAP_BLOCK_SIZE);
}

static void lie_summary(struct env *e, u32 by)
{
	struct sosnap_disk_summary *d = summary_of(e);

	d->e[0].free = cpu_to_le32(le32_to_cpu(d->e[0].free) + by);
	sosnap_seal(d, SOSNAP_BLOCK_SIZE);
}

static void lie_super(struct env *e, u32 by)
{
	u32 i;

	for (i = 0; i < 2; i++) {
		struct sosnap_disk_super *d = super_of(e, i);

		d->data_blocks = cpu_to_le64(le64_to_cpu(d->data_blocks) - by);
		sosnap_seal(d, SOSNAP_BLOCK_SIZE);
	}
}

/* Everything that can be had is had, and given to snapshots. Return: how much. */
static u64 use_all(struct env *e)
{
	u64 total = 0, at = 1 << 16, store;
	u32 i, len;
	int r = 0;

	for (i = 0; i < 6 && !r; i++) {
		while (e->m.space.free > sosnap_meta_reserve(&e->m, 64) &&
		       !sosnap_space_alloc(&e->m.space, 64, 1, &store, &len)) {
			/* as a guest does */
			while (len--) {
				u8 data[SOSNAP_BLOCK_SIZE];

				memset(data, 0x77, sizeof(data));
				io_ram_submit(e->ram, store, 1, data);
				assert_int_equal(sosnap_batch_add(&e->batch, 1 + total % SNAPS,
								  at++, 1, store++), 0);
				total++;
			}
			if (e->batch.nr > 1024)
				break;
		}
		r = checkpoint(e);
	}
	return total;
}

/* What was in the store before is in it still. */
static void all_is_there(struct env *e)
{
	struct sosnap_extent found;
	u32 i;

	assert_int_equal(open_store(e), 0);
	assert_int_equal(sosnap_catalog_count(&e->m.catalog, SOSNAP_CATALOG_SNAPSHOT), SNAPS);
	for (i = 1; i < 2000; i++) {
		const struct sosnap_tree *t = sosnap_meta_live(&e->m, SOSNAP_TREE_EXTENT);

		assert_int_equal(sosnap_extent_find(t, 1 + i % SNAPS, i * 3, &found), 0);
		assert_true(found.blk == i * 3);
	}
}

/* Store with the damage is used; the first region must not be. */
static void first_region_is_left_alone(struct env *e)
{
	assert_int_equal(open_store(e), 0);
	assert_false(e->m.doubt);
	assert_int_equal(checkpoint(e), 0);
	assert_true(use_all(e) > 1000);
	assert_int_equal(e->lost, 1);
	assert_true(e->m.space.free < 3000);
	sosnap_meta_close(&e->m);
	e->lost = 0;
	all_is_there(e);
	sosnap_meta_close(&e->m);
	env_exit(e);
}

static void bitmap_alone(void **state)
{
	struct env e;

	env_init(&e);
	lie_bitmap(&e, &e.catalog);
	first_region_is_left_alone(&e);
}

/* Nobody reads those: the count tells. */
static void bitmap_alone_for_data(void **state)
{
	struct nodes data = { };
	struct sosnap_extent found;
	struct env e;
	u32 i;

	env_init(&e);
	assert_int_equal(open_store(&e), 0);
	for (i = 1; i <= MOST_NODES; i++) {
		assert_int_equal(sosnap_extent_find(sosnap_meta_live(&e.m, SOSNAP_TREE_EXTENT),
						    1 + i % SNAPS, i * 3, &found), 0);
		data.blk[data.nr++] = found.store;
	}
	sosnap_meta_close(&e.m);
	io_ram_drop_cache(e.ram);
	lie_bitmap(&e, &data);
	first_region_is_left_alone(&e);
}

static void bitmap_said_to_be_unwritten(void **state)
{
	struct sosnap_disk_summary *d;
	struct env e;

	env_init(&e);
	d = summary_of(&e);
	d->e[0].gen_slot = 0;
	sosnap_seal(d, SOSNAP_BLOCK_SIZE);
	first_region_is_left_alone(&e);
}

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	assert_int_equal(fault->what, SOSNAP_FAULT_BITMAP_COUNT);
	++*(u32 *)ctx;
}

/* Nothing of it is in use: the module gives it up all the same, and the check says why. */
static void unwritten_with_a_wrong_count(void **state)
{
	static const struct sosnap_check_ops ops = { .found = found };
	struct sosnap_check_result result;
	struct sosnap_disk_summary *d;
	struct env e;
	u32 told = 0;

	env_init(&e);
	d = summary_of(&e);
	assert_int_equal(le64_to_cpu(d->e[1].gen_slot), 0);
	d->e[1].free = cpu_to_le32(5);
	sosnap_seal(d, SOSNAP_BLOCK_SIZE);
	assert_int_equal(sosnap_check(&e.ram->io, &ops, &told, &result), 0);
	assert_int_equal(told, 1);
	assert_int_equal(open_store(&e), 0);
	assert_int_equal(e.lost, 2);
	sosnap_meta_close(&e.m);
	env_exit(&e);
}

/* Both agree, and the superblock does not. */
static void bitmap_and_its_count(void **state)
{
	struct env e;

	env_init(&e);
	lie_bitmap(&e, &e.catalog);
	lie_summary(&e, e.catalog.nr);
	assert_int_equal(open_store(&e), 0);
	assert_true(e.m.doubt);
	sosnap_meta_close(&e.m);
	env_exit(&e);
}

static void summary_said_to_be_unwritten(void **state)
{
	struct env e;
	u32 i;

	env_init(&e);
	for (i = 0; i < 2; i++) {
		super_of(&e, i)->summary_slot[0] = 0;
		sosnap_seal(super_of(&e, i), SOSNAP_BLOCK_SIZE);
	}
	assert_int_equal(open_store(&e), 0);
	assert_true(e.m.doubt);
	sosnap_meta_close(&e.m);
	env_exit(&e);
}

/* All three agree: the nodes themselves tell. */
static void all_counts_for_the_catalogue(void **state)
{
	struct env e;

	env_init(&e);
	lie_bitmap(&e, &e.catalog);
	lie_summary(&e, e.catalog.nr);
	lie_super(&e, e.catalog.nr);
	first_region_is_left_alone(&e);
}

static void all_counts_for_one_extent_leaf(void **state)
{
	struct sosnap_extent found;
	struct nodes one = { };
	struct env e;
	u32 i, r;

	env_init(&e);
	for (i = 0; i < e.extents.nr && e.extents.level[i]; i++)
		;
	one.blk[0] = e.extents.blk[i];
	one.nr = 1;
	lie_bitmap(&e, &one);
	lie_summary(&e, 1);
	lie_super(&e, 1);
	assert_int_equal(open_store(&e), 0);
	assert_false(e.m.doubt);
	assert_int_equal(e.lost, 0);
	/* a guest reads what the first leaf has */
	r = sosnap_extent_find(sosnap_meta_live(&e.m, SOSNAP_TREE_EXTENT), 1, 0, &found);
	assert_int_equal(r, 0);
	assert_int_equal(e.lost, 1);
	use_all(&e);
	sosnap_meta_close(&e.m);
	e.lost = 0;
	all_is_there(&e);
	sosnap_meta_close(&e.m);
	env_exit(&e);
}

/* The first extent of the first leaf says that its data lies at blk. */
static void lie_extent(struct env *e, u64 blk)
{
	struct sosnap_disk_extent *d;
	u8 *data;
	u32 i;

	for (i = 0; i < e->extents.nr && e->extents.level[i]; i++)
		;
	data = io_ram_disk(e->ram, e->extents.blk[i]);
	/* the first one is zeros */
	d = (void *)(data + sizeof(struct sosnap_disk_header) +
		     sizeof(struct sosnap_disk_key) + 24);
	assert_int_equal(le32_to_cpu(d->len), 1);
	d->store = cpu_to_le64(blk);
	sosnap_seal(data, SOSNAP_BLOCK_SIZE);
}

/* What an extent claims to own is not freed when the catalogue lies there. */
static void extent_on_the_catalogue(void **state)
{
	u32 i, k;

	for (i = 0; i < 3; i++) {
		struct env e;

		env_init(&e);
		/* of the snapshots, which no checkpoint here changes */
		lie_extent(&e, e.catalog.blk[e.catalog.nr - 1 - i]);
		assert_int_equal(open_store(&e), 0);
		for (k = 0; k < 200; k++)
			assert_int_equal(sosnap_batch_add(&e.batch, 1, k, 1,
							  SOSNAP_STORE_ZERO), 0);
		assert_int_equal(checkpoint(&e), 0);
		use_all(&e);
		sosnap_meta_close(&e.m);
		assert_int_equal(open_store(&e), 0);
		assert_int_equal(sosnap_catalog_count(&e.m.catalog, SOSNAP_CATALOG_SNAPSHOT),
				 SNAPS);
		sosnap_meta_close(&e.m);
		env_exit(&e);
	}
}

/* A guest would write there. */
static void extent_on_a_fixed_place(void **state)
{
	u64 place[] = { 0, 2, 3, 4, 5, 256, 257, 300, R + 2, R + 3, R + 3000 }, i;

	for (i = 0; i < ARRAY_SIZE(place); i++) {
		const struct sosnap_tree *t;
		struct sosnap_extent found;
		struct env e;

		env_init(&e);
		lie_extent(&e, place[i]);
		assert_int_equal(open_store(&e), 0);
		t = sosnap_meta_live(&e.m, SOSNAP_TREE_EXTENT);
		assert_int_equal(sosnap_extent_find(t, 1, 120, &found), -EUCLEAN);
		assert_int_equal(e.ram->io.fault.what, SOSNAP_FAULT_EXTENT_VALUE);
		sosnap_meta_close(&e.m);
		env_exit(&e);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bitmap_alone),
		cmocka_unit_test(bitmap_alone_for_data),
		cmocka_unit_test(bitmap_said_to_be_unwritten),
		cmocka_unit_test(unwritten_with_a_wrong_count),
		cmocka_unit_test(bitmap_and_its_count),
		cmocka_unit_test(summary_said_to_be_unwritten),
		cmocka_unit_test(all_counts_for_the_catalogue),
		cmocka_unit_test(all_counts_for_one_extent_leaf),
		cmocka_unit_test(extent_on_the_catalogue),
		cmocka_unit_test(extent_on_a_fixed_place),
	};

	return cmocka_run_group_tests_name("sosnap_bitmap_damage", tests, NULL, NULL);
}
