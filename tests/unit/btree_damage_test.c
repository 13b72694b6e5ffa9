// SPDX-License-Identifier: GPL-2.0
/*
 * What the tree does about blocks that are not what they should be: the fault
 * names the damage and the block, nothing is believed, the rest stays usable.
 */
#include "btree_env.h"
#include "node.h"
#include "testlib.h"

#define TREE_KEYS	200U	/* ranks 0, 2, 4 ... are in the tree */

static struct env *tree_on_disk(u64 seed)
{
	struct env *e = env_new(12, 4, seed);
	u32 i;

	for (i = 0; i < TREE_KEYS / 2; i++)
		env_put(e, i * 2);
	env_commit(e);
	for (i = 0; i < TREE_KEYS / 2; i++)
		env_put(e, i * 2);
	env_commit(e);
	assert_true(e->t.root.depth >= 4);
	io_ram_drop_cache(e->ram);
	return e;
}

/* The way down to a key, by level. */
struct way {
	struct sosnap_node_ref ref[SOSNAP_MAX_DEPTH];
	u32 slot[SOSNAP_MAX_DEPTH];
};

static void find_way(struct env *e, u32 rank, struct way *way)
{
	struct sosnap_key key = env_key(rank);
	struct sosnap_node_ref ref;
	struct sosnap_buf n;

	assert_int_equal(sosnap_node_root(&e->t, &ref), 0);
	for (;;) {
		u32 i;

		assert_int_equal(sosnap_node_get(&e->t, &ref, &n), 0);
		i = sosnap_node_search(&e->t, &n, &key);
		i -= !!i;
		way->ref[ref.level] = ref;
		way->slot[ref.level] = i;
		if (!ref.level)
			break;
		sosnap_node_child(&e->t, &n, i, &ref);
		e->t.io->ops->put(e->t.io, &n);
	}
	e->t.io->ops->put(e->t.io, &n);
	io_ram_drop_cache(e->ram);
}

struct bad_walk {
	struct sosnap_btree_walk w;
	struct env *e;
	u32 seen;
	u32 bad;
	int error;
	u64 blk;
	struct sosnap_key first;
	struct sosnap_key end;
	bool bounded;
};

static int bad_item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	struct bad_walk *b = container_of(w, struct bad_walk, w);

	assert_int_equal(env_value(b->e, val), b->e->value[env_rank(key)]);
	b->seen++;
	return 0;
}

static int bad_child(struct sosnap_btree_walk *w, u64 blk, int error,
		     const struct sosnap_key *first, const struct sosnap_key *end)
{
	struct bad_walk *b = container_of(w, struct bad_walk, w);

	b->bad++;
	b->error = error;
	b->blk = blk;
	b->first = *first;
	b->bounded = end;
	if (end)
		b->end = *end;
	return 0;
}

static bool in_ref(const struct sosnap_node_ref *ref, const struct sosnap_key *key)
{
	return sosnap_key_cmp(key, &ref->first) >= 0 &&
	       (!ref->bounded || sosnap_key_cmp(key, &ref->end) < 0);
}

/* Exactly what ref leads to is lost, for the reason @what. */
static void expect_lost(struct env *e, const struct sosnap_node_ref *ref, u32 what)
{
	struct bad_walk b = { .w.item = bad_item, .w.bad = bad_child, .e = e };
	struct sosnap_fault *fault = &e->ram->io.fault;
	u32 rank, kept = 0;

	for (rank = 0; rank < ENV_KEYS; rank++) {
		struct sosnap_key key = env_key(rank), found;
		int r;

		if (!e->value[rank])
			continue;
		memset(fault, 0, sizeof(*fault));
		r = sosnap_btree_ge(&e->t, &key, &found, NULL);
		if (in_ref(ref, &key)) {
			assert_int_equal(r, -EUCLEAN);
			assert_int_equal(fault->what, what);
			assert_int_equal(fault->blk, ref->blk);
			assert_int_equal(sosnap_btree_le(&e->t, &key, &found, NULL), -EUCLEAN);
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(env_rank(&found), rank);
			assert_int_equal(sosnap_btree_le(&e->t, &key, &found, NULL), 0);
			assert_int_equal(env_rank(&found), rank);
			kept++;
		}
	}
	assert_int_equal(sosnap_btree_walk(&e->t, &b.w), 0);
	assert_int_equal(b.bad, 1);
	assert_int_equal(b.seen, kept);
	assert_int_equal(b.error, -EUCLEAN);
	assert_int_equal(b.blk, ref->blk);
	assert_int_equal(b.bounded, ref->bounded);
	assert_int_equal(sosnap_key_cmp(&b.first, &ref->first), 0);
	if (b.bounded)
		assert_int_equal(sosnap_key_cmp(&b.end, &ref->end), 0);
	assert_int_equal(e->ram->held, 0);
}

static void field(struct env *e, const struct sosnap_node_ref *ref, u32 offset, u32 bytes,
		  u64 flip, bool seal, u32 what)
{
	u8 *disk = io_ram_disk(e->ram, ref->blk), before[SOSNAP_BLOCK_SIZE];
	u32 i;

	memcpy(before, disk, sizeof(before));
	for (i = 0; i < bytes; i++)
		disk[offset + i] ^= flip >> i * 8;
	if (seal)
		sosnap_seal(disk, SOSNAP_BLOCK_SIZE);
	expect_lost(e, ref, what);
	io_ram_drop_cache(e->ram);
	memcpy(disk, before, sizeof(before));
}

#define FIELD(e, ref, name, flip, seal, what) \
	field(e, ref, offsetof(struct sosnap_disk_header, name), \
	      sizeof(((struct sosnap_disk_header *)0)->name), flip, seal, SOSNAP_FAULT_##what)

static void each_header_field(void **state)
{
	struct env *e = tree_on_disk(1);
	struct way way;
	u8 level;

	find_way(e, 100, &way);
	for (level = 0; level < e->t.root.depth; level++) {
		const struct sosnap_node_ref *ref = &way.ref[level];

		FIELD(e, ref, crc, 0x10, false, BLOCK_CRC);
		FIELD(e, ref, magic, 0x100, false, BLOCK_MAGIC);
		FIELD(e, ref, magic, SOSNAP_MAGIC_NODE ^ SOSNAP_MAGIC_BITMAP, true, BLOCK_MAGIC);
		FIELD(e, ref, uuid[7], 1, true, BLOCK_UUID);
		FIELD(e, ref, blk, 1, true, BLOCK_ADDRESS);
		FIELD(e, ref, gen, 1ULL << 40, true, BLOCK_GENERATION);
		FIELD(e, ref, gen, 3, true, BLOCK_GENERATION);
		FIELD(e, ref, owner, 3, true, BLOCK_OWNER);
		FIELD(e, ref, hint, 0x80, true, NODE_ORDER);
		FIELD(e, ref, count, 0xffff0000, true, NODE_COUNT);
		FIELD(e, ref, count, 0x80000000, true, NODE_COUNT);
		FIELD(e, ref, level, 1, true, NODE_LEVEL);
		FIELD(e, ref, level, 0xff, true, NODE_LEVEL);
	}
	env_free(e);
}

static void each_byte(void **state)
{
	struct env *e = tree_on_disk(2);
	struct way way;
	u32 i;

	find_way(e, 60, &way);
	for (i = 0; i < SOSNAP_BLOCK_SIZE; i += i < 200 ? 1 : 61)
		field(e, &way.ref[0], i, 1, 1 << i % 8, false,
		      i / 4 == 1 ? SOSNAP_FAULT_BLOCK_MAGIC : SOSNAP_FAULT_BLOCK_CRC);
	env_free(e);
}

static void no_items(void **state)
{
	struct env *e = tree_on_disk(3);
	struct way way;

	find_way(e, 60, &way);
	FIELD(e, &way.ref[1], count,
	      ((struct sosnap_disk_header *)io_ram_disk(e->ram, way.ref[1].blk))->count, true,
	      NODE_COUNT);
	env_free(e);
}

static void zeroed_and_torn_blocks(void **state)
{
	struct env *e = tree_on_disk(4);
	struct way way;
	u8 *disk, before[SOSNAP_BLOCK_SIZE];
	u32 sector;

	find_way(e, 100, &way);
	disk = io_ram_disk(e->ram, way.ref[1].blk);
	memcpy(before, disk, sizeof(before));
	for (sector = 0; sector < SOSNAP_BLOCK_SECTORS; sector++) {
		memset(disk + sector * 512, 0xee, 512);
		expect_lost(e, &way.ref[1], sector ? SOSNAP_FAULT_BLOCK_CRC :
			    SOSNAP_FAULT_BLOCK_MAGIC);
		io_ram_drop_cache(e->ram);
		memcpy(disk, before, sizeof(before));
	}
	memset(disk, 0, SOSNAP_BLOCK_SIZE);
	expect_lost(e, &way.ref[1], SOSNAP_FAULT_BLOCK_MAGIC);
	io_ram_drop_cache(e->ram);
	memcpy(disk, before, sizeof(before));
	env_free(e);
}

/* Change two keys or a child of a node with a right checksum. */
static struct sosnap_disk_child *child(struct env *e, const struct way *way, u8 level, u32 slot)
{
	u8 *disk = io_ram_disk(e->ram, way->ref[level].blk);

	return (struct sosnap_disk_child *)(disk + sizeof(struct sosnap_disk_header)) + slot;
}

static struct sosnap_disk_key *leaf_key(struct env *e, const struct way *way, u32 slot)
{
	u8 *disk = io_ram_disk(e->ram, way->ref[0].blk);

	return (struct sosnap_disk_key *)(disk + sizeof(struct sosnap_disk_header) + slot * 24);
}

static void reseal(struct env *e, u64 blk)
{
	struct sosnap_disk_header *h = (struct sosnap_disk_header *)io_ram_disk(e->ram, blk);
	const struct sosnap_disk_key *key = (const struct sosnap_disk_key *)(h + 1);

	h->hint = cpu_to_le64(le32_to_cpu(key->hi));
	sosnap_seal(h, SOSNAP_BLOCK_SIZE);
	io_ram_drop_cache(e->ram);
}

static void items_out_of_order(void **state)
{
	struct env *e = tree_on_disk(5);
	struct sosnap_disk_key keep;
	struct way way;

	find_way(e, 100, &way);
	keep = *leaf_key(e, &way, 1);
	*leaf_key(e, &way, 1) = *leaf_key(e, &way, 0);
	reseal(e, way.ref[0].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_NODE_ORDER);
	io_ram_drop_cache(e->ram);
	*leaf_key(e, &way, 1) = *leaf_key(e, &way, 0);
	*leaf_key(e, &way, 0) = keep;
	reseal(e, way.ref[0].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_NODE_ORDER);
	env_free(e);
}

static void items_out_of_bounds(void **state)
{
	struct env *e = tree_on_disk(6);
	u8 before[SOSNAP_BLOCK_SIZE];
	struct sosnap_disk_key *key;
	struct way way;
	u32 count;

	find_way(e, 100, &way);
	memcpy(before, io_ram_disk(e->ram, way.ref[0].blk), sizeof(before));
	key = leaf_key(e, &way, 0);
	key->hi = cpu_to_le32(way.ref[0].first.hi);
	key->lo = cpu_to_le64(way.ref[0].first.lo - 1);
	reseal(e, way.ref[0].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_NODE_BOUNDS);
	io_ram_drop_cache(e->ram);

	memcpy(io_ram_disk(e->ram, way.ref[0].blk), before, sizeof(before));
	count = le32_to_cpu(((struct sosnap_disk_header *)before)->count);
	assert_true(way.ref[0].bounded);
	key = leaf_key(e, &way, count - 1);
	key->hi = cpu_to_le32(way.ref[0].end.hi);
	key->lo = cpu_to_le64(way.ref[0].end.lo);
	reseal(e, way.ref[0].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_NODE_BOUNDS);
	env_free(e);
}

static void swapped_blocks(void **state)
{
	struct env *e = tree_on_disk(7);
	u8 data[SOSNAP_BLOCK_SIZE];
	struct way way, other;
	u8 *a, *b;

	find_way(e, 20, &way);
	find_way(e, 150, &other);
	a = io_ram_disk(e->ram, way.ref[0].blk);
	b = io_ram_disk(e->ram, other.ref[0].blk);
	memcpy(data, a, sizeof(data));
	memcpy(a, b, sizeof(data));
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_BLOCK_ADDRESS);
	io_ram_drop_cache(e->ram);
	memcpy(b, data, sizeof(data));
	memcpy(a, data, sizeof(data));
	expect_lost(e, &other.ref[0], SOSNAP_FAULT_BLOCK_ADDRESS);
	env_free(e);
}

/* A write that was lost: a node of the same place, with the same keys, but older. */
static void lost_write(void **state)
{
	struct env *e = tree_on_disk(8);
	u8 data[SOSNAP_BLOCK_SIZE];
	struct way way;

	find_way(e, 100, &way);
	memcpy(data, io_ram_disk(e->ram, way.ref[0].blk), sizeof(data));
	env_put(e, 100);
	env_commit(e);
	io_ram_drop_cache(e->ram);
	find_way(e, 100, &way);
	((struct sosnap_disk_header *)data)->blk = cpu_to_le64(way.ref[0].blk);
	memcpy(io_ram_disk(e->ram, way.ref[0].blk), data, sizeof(data));
	reseal(e, way.ref[0].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_BLOCK_GENERATION);
	env_free(e);
}

static void child_of_nowhere(void **state)
{
	static const u64 nowhere[] = { 0, ENV_BLOCKS, U64_MAX };
	struct env *e = tree_on_disk(9);
	struct way way;
	u32 i;

	find_way(e, 100, &way);
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		struct sosnap_node_ref ref = way.ref[1];

		child(e, &way, 2, way.slot[2])->blk = cpu_to_le64(nowhere[i]);
		reseal(e, way.ref[2].blk);
		ref.blk = nowhere[i];
		expect_lost(e, &ref, SOSNAP_FAULT_BLOCK_RANGE);
		io_ram_drop_cache(e->ram);
	}
	env_free(e);
}

/* Or the writer would take it for its own and change it in place. */
static void child_younger_than_its_parent(void **state)
{
	struct env *e = tree_on_disk(10);
	struct sosnap_disk_header *h;
	struct way way;

	find_way(e, 100, &way);
	h = (struct sosnap_disk_header *)io_ram_disk(e->ram, way.ref[0].blk);
	h->gen = cpu_to_le64(e->txn.gen);
	reseal(e, way.ref[0].blk);
	child(e, &way, 1, way.slot[1])->gen = h->gen;
	reseal(e, way.ref[1].blk);
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_BLOCK_GENERATION);
	env_free(e);
}

/* One cached block, verified by way of a right parent, reached by a wrong one. */
static void verified_block_of_wrong_parent(void **state)
{
	struct env *e = tree_on_disk(11);
	struct way way, other;
	struct sosnap_key key = env_key(150), found;
	struct sosnap_disk_child *c;

	find_way(e, 20, &way);
	find_way(e, 150, &other);
	c = child(e, &way, 1, way.slot[1]);
	c->blk = cpu_to_le64(other.ref[0].blk);
	c->gen = cpu_to_le64(other.ref[0].gen);
	reseal(e, way.ref[1].blk);
	assert_int_equal(sosnap_btree_ge(&e->t, &key, &found, NULL), 0);
	way.ref[0].blk = other.ref[0].blk;
	expect_lost(e, &way.ref[0], SOSNAP_FAULT_NODE_BOUNDS);
	env_free(e);
}

static void wrong_root(void **state)
{
	struct env *e = tree_on_disk(12);
	struct sosnap_root good = e->t.root;
	struct sosnap_fault *fault = &e->ram->io.fault;
	struct sosnap_key key = env_key(100), found;
	struct bad_walk b = { .w.item = bad_item, .w.bad = bad_child, .e = e };
	struct {
		u64 blk;
		u64 gen;
		u8 depth;
		u32 what;
	} wrong[] = {
		{ good.blk, good.gen, 0, SOSNAP_FAULT_NODE_MANY },
		{ good.blk, good.gen, SOSNAP_MAX_DEPTH + 1, SOSNAP_FAULT_NODE_MANY },
		{ good.blk, good.gen, 255, SOSNAP_FAULT_NODE_MANY },
		{ good.blk, good.gen, good.depth + 1, SOSNAP_FAULT_NODE_LEVEL },
		{ good.blk, good.gen - 1, good.depth, SOSNAP_FAULT_BLOCK_GENERATION },
		{ ENV_BLOCKS, good.gen, good.depth, SOSNAP_FAULT_BLOCK_RANGE },
		{ good.blk + 1000, good.gen, good.depth, SOSNAP_FAULT_BLOCK_MAGIC },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		e->t.root.blk = wrong[i].blk;
		e->t.root.gen = wrong[i].gen;
		e->t.root.depth = wrong[i].depth;
		memset(fault, 0, sizeof(*fault));
		assert_int_equal(sosnap_btree_ge(&e->t, &key, &found, NULL), -EUCLEAN);
		assert_int_equal(fault->what, wrong[i].what);
		assert_int_equal(sosnap_btree_le(&e->t, &key, &found, NULL), -EUCLEAN);
		assert_int_equal(env_try_put(e, 100, 1), -EUCLEAN);
		assert_int_equal(env_try_del(e, 100), -EUCLEAN);
		b.bad = 0;
		assert_int_equal(sosnap_btree_walk(&e->t, &b.w), 0);
		assert_int_equal(b.bad, 1);
		assert_false(b.bounded);
	}
	e->t.root = good;
	env_verify(e);
	env_free(e);
}

/* All other keys can be changed and deleted while one leaf is lost. */
static void write_beside(u32 lost_rank)
{
	struct env *e = tree_on_disk(13);
	struct sosnap_node_ref lost;
	struct way way;
	u32 rank, i;

	find_way(e, lost_rank, &way);
	lost = way.ref[0];
	io_ram_disk(e->ram, lost.blk)[2000] ^= 1;
	for (i = 0; i < 3000; i++) {
		struct sosnap_key key;

		rank = env_random(e, TREE_KEYS);
		key = env_key(rank);
		if (in_ref(&lost, &key))
			continue;
		if (env_random(e, 3))
			env_del(e, rank);
		else
			env_put(e, rank);
	}
	expect_lost(e, &lost, SOSNAP_FAULT_BLOCK_CRC);
	for (rank = 0; rank < TREE_KEYS; rank++) {
		struct sosnap_key key = env_key(rank);

		if (!in_ref(&lost, &key))
			env_del(e, rank);
	}
	expect_lost(e, &lost, SOSNAP_FAULT_BLOCK_CRC);
	/* What leads to the lost leaf, it, and maybe empty leaves on either side. */
	assert_in_range(e->t.root.nr_nodes, e->t.root.depth, e->t.root.depth + 4);
	for (rank = 0; rank < TREE_KEYS; rank++) {
		struct sosnap_key key = env_key(rank);

		if (in_ref(&lost, &key) && e->value[rank])
			assert_int_equal(env_try_del(e, rank), -EUCLEAN);
	}
	for (rank = 0; rank < TREE_KEYS; rank++) {
		struct sosnap_key key = env_key(rank);

		if (!in_ref(&lost, &key))
			env_put(e, rank);
	}
	expect_lost(e, &lost, SOSNAP_FAULT_BLOCK_CRC);
	env_free(e);
}

static void writes_beside_a_lost_leaf(void **state)
{
	u32 rank;

	for (rank = 0; rank < TREE_KEYS; rank += 2)
		write_beside(rank);
}

/* Mutate anything, with right checksums: nothing may crash, hang or be overwritten. */
static void mutations(void **state)
{
	u32 round, i;

	for (round = 0; round < 400; round++) {
		struct env *e = tree_on_disk(1000 + round);
		struct bad_walk b = { .w.bad = bad_child, .e = e };

		for (i = 0; i < 1 + round % 5; i++) {
			u32 blk = 1 + env_random(e, e->cursor);
			u8 *disk = io_ram_disk(e->ram, blk);
			u32 at = 56 + env_random(e, 8 + 5 * 28);

			if (e->use[blk] != ENV_LIVE)
				continue;
			if (env_random(e, 2))
				disk[at] ^= 1 << env_random(e, 8);
			else
				memcpy(disk + at, disk + 64 + env_random(e, 112), 8);
			if (env_random(e, 2))
				reseal(e, blk);
			else
				sosnap_seal(disk, SOSNAP_BLOCK_SIZE);
		}
		sosnap_btree_walk(&e->t, &b.w);
		for (i = 0; i < 200; i++) {
			u32 rank = env_random(e, TREE_KEYS);
			struct sosnap_key key = env_key(rank), found;
			int r;

			r = sosnap_btree_ge(&e->t, &key, &found, NULL);
			assert_true(!r || r == -ENOENT || r == -EUCLEAN);
			r = sosnap_btree_le(&e->t, &key, &found, NULL);
			assert_true(!r || r == -ENOENT || r == -EUCLEAN);
			r = env_random(e, 2) ? env_try_put(e, rank, 1) : env_try_del(e, rank);
			if (r && r != -ENOENT)
				env_abandon(e);
		}
		assert_int_equal(e->ram->held, 0);
		env_free(e);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_header_field),
		cmocka_unit_test(each_byte),
		cmocka_unit_test(no_items),
		cmocka_unit_test(zeroed_and_torn_blocks),
		cmocka_unit_test(items_out_of_order),
		cmocka_unit_test(items_out_of_bounds),
		cmocka_unit_test(swapped_blocks),
		cmocka_unit_test(lost_write),
		cmocka_unit_test(child_of_nowhere),
		cmocka_unit_test(child_younger_than_its_parent),
		cmocka_unit_test(verified_block_of_wrong_parent),
		cmocka_unit_test(wrong_root),
		cmocka_unit_test(writes_beside_a_lost_leaf),
		cmocka_unit_test(mutations),
	};

	return cmocka_run_group_tests_name("sosnap_btree_damage", tests, NULL, NULL);
}
