// SPDX-License-Identifier: GPL-2.0
#include "btree_env.h"
#include "testlib.h"

#define PER_HI	97U

u32 env_random(struct env *e, u32 below)
{
	return io_ram_random(&e->seed) % below;
}

/* Ascending; the first and the last key there can be are among them. */
struct sosnap_key env_key(u32 rank)
{
	struct sosnap_key key = {
		.hi = 1 + rank / PER_HI,
		.lo = (rank % PER_HI) * 0x0123456789abcdefULL,
	};

	if (rank == 0)
		key.hi = 0;
	if (rank == ENV_KEYS - 1) {
		key.hi = U32_MAX;
		key.lo = U64_MAX;
	}
	return key;
}

u32 env_rank(const struct sosnap_key *key)
{
	if (!key->hi)
		return 0;
	if (key->hi == U32_MAX)
		return ENV_KEYS - 1;
	return (key->hi - 1) * PER_HI + key->lo / 0x0123456789abcdefULL;
}

static void make_value(const struct env *e, u32 value, u8 *val)
{
	u32 i;

	for (i = 0; i < e->t.val_bytes; i++)
		val[i] = (value >> (i % 4 * 8)) ^ (i / 4);
}

u32 env_value(const struct env *e, const void *val)
{
	const u8 *p = val;
	u8 want[SOSNAP_MAX_VALUE];
	u32 value = p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;

	make_value(e, value, want);
	assert_memory_equal(val, want, e->t.val_bytes);
	return value;
}

static int env_alloc(struct sosnap_txn *txn, u64 *blk)
{
	struct env *e = container_of(txn, struct env, txn);
	u32 i;

	if (++e->allocs == e->alloc_fail_at)
		return -ENOSPC;
	for (i = 0; i < ENV_BLOCKS; i++) {
		e->cursor = e->cursor % (ENV_BLOCKS - 1) + 1;
		if (e->use[e->cursor] == ENV_FREE) {
			e->use[e->cursor] = ENV_NEW;
			*blk = e->cursor;
			return 0;
		}
	}
	return -ENOSPC;
}

static int env_txn_free(struct sosnap_txn *txn, u64 blk)
{
	struct env *e = container_of(txn, struct env, txn);

	if (!blk || blk >= ENV_BLOCKS)
		return -EUCLEAN;
	switch (e->use[blk]) {
	case ENV_NEW:
		e->use[blk] = ENV_FREE;
		return 0;
	case ENV_LIVE:
		e->use[blk] = ENV_OLD;
		e->freed_gen[blk] = txn->gen;
		return 0;
	}
	return -EUCLEAN;
}

static bool env_frozen(void *ctx, u64 blk)
{
	const struct env *e = ctx;

	return e->use[blk] == ENV_LIVE || e->use[blk] == ENV_OLD;
}

struct env *env_new(u16 val_bytes, u16 max_items, u64 seed)
{
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->ram = io_ram_new(ENV_BLOCKS);
	e->ram->frozen = env_frozen;
	e->ram->ctx = e;
	e->ram->seed = seed;
	e->seed = seed;
	e->t.io = &e->ram->io;
	e->t.id = SOSNAP_TREE_EXTENT;
	e->t.val_bytes = val_bytes;
	e->t.max_items = max_items;
	e->txn.gen = 1;
	e->txn.alloc = env_alloc;
	e->txn.free = env_txn_free;
	e->ram->oldest = 1;
	return e;
}

void env_use_cursor(struct env *e)
{
	e->txn.cursor = &e->at;
}

void env_free(struct env *e)
{
	sosnap_cursor_close(&e->txn);
	assert_int_equal(e->ram->held, 0);
	assert_int_equal(io_ram_free(e->ram), 0);
	free(e);
}

int env_try_put(struct env *e, u32 rank, u32 value)
{
	struct sosnap_key key = env_key(rank);
	u8 val[SOSNAP_MAX_VALUE];

	make_value(e, value, val);
	return sosnap_btree_put(&e->t, &e->txn, &key, val);
}

int env_try_del(struct env *e, u32 rank)
{
	struct sosnap_key key = env_key(rank);

	return sosnap_btree_del(&e->t, &e->txn, &key);
}

void env_put(struct env *e, u32 rank)
{
	u32 value = env_random(e, U32_MAX) | 1;

	assert_int_equal(env_try_put(e, rank, value), 0);
	e->nr_items += !e->value[rank];
	e->value[rank] = value;
}

void env_del(struct env *e, u32 rank)
{
	assert_int_equal(env_try_del(e, rank), e->value[rank] ? 0 : -ENOENT);
	e->nr_items -= !!e->value[rank];
	e->value[rank] = 0;
}

struct hash_walk {
	struct sosnap_btree_walk w;
	const struct env *e;
	u64 hash;
};

static int hash_item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	struct hash_walk *h = container_of(w, struct hash_walk, w);
	u64 mix = h->hash ^ ((u64)env_rank(key) << 32 | env_value(h->e, val));

	h->hash = io_ram_random(&mix);
	return 0;
}

u64 env_hash(const struct env *e, const struct sosnap_tree *t)
{
	struct hash_walk h = { .w.item = hash_item, .e = e };

	assert_int_equal(sosnap_btree_walk(t, &h.w), 0);
	return h.hash;
}

struct verify_walk {
	struct sosnap_btree_walk w;
	struct env *e;
	u32 next;		/* rank from which the next item is looked for */
	u64 nr_nodes;
	u64 nr_items;
	u32 leaf_left;		/* items of the leaf that are still to come */
	u8 level;
};

static int verify_node(struct sosnap_btree_walk *w, u64 blk, u8 level, u32 count)
{
	struct verify_walk *v = container_of(w, struct verify_walk, w);
	u8 use = v->e->use[blk];

	assert_true(use == ENV_NEW || use == ENV_LIVE);
	assert_int_equal(v->leaf_left, 0);
	/* The first is the root; each next is one below, or beside one of its ancestors. */
	if (!v->nr_nodes)
		assert_int_equal(level, v->e->t.root.depth - 1);
	else
		assert_true(level < v->e->t.root.depth - 1 && level + 1 >= v->level);
	if (!level)
		v->leaf_left = count;
	v->level = level;
	v->nr_nodes++;
	return 0;
}

static int verify_item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	struct verify_walk *v = container_of(w, struct verify_walk, w);
	u32 rank = env_rank(key);

	while (v->next < ENV_KEYS && !v->e->value[v->next])
		v->next++;
	assert_int_equal(v->next, rank);
	assert_int_equal(env_value(v->e, val), v->e->value[rank]);
	v->next++;
	v->nr_items++;
	v->leaf_left--;
	return 0;
}

static void verify_found(struct env *e, int r, bool there, u32 rank,
			 const struct sosnap_key *found, const u8 *val)
{
	assert_int_equal(r, there ? 0 : -ENOENT);
	if (there) {
		assert_int_equal(env_rank(found), rank);
		assert_int_equal(env_value(e, val), e->value[rank]);
	}
}

/* As a reader and as the writer, whose cursor may be anywhere. */
static void verify_lookup(struct env *e, struct sosnap_key key)
{
	u32 below = env_rank(&key), above;
	struct sosnap_key k = env_key(below), found;
	u8 val[SOSNAP_MAX_VALUE];
	int r;

	/* below is the last rank at or before the key, above the first not before it */
	above = sosnap_key_cmp(&k, &key) < 0 ? below + 1 : below;
	while (above < ENV_KEYS && !e->value[above])
		above++;
	while (below && !e->value[below])
		below--;

	r = sosnap_btree_ge(&e->t, &key, &found, val);
	verify_found(e, r, above < ENV_KEYS, above, &found, val);
	r = sosnap_cursor_ge(&e->t, &e->txn, &key, &found, val);
	verify_found(e, r, above < ENV_KEYS, above, &found, val);
	r = sosnap_btree_le(&e->t, &key, &found, val);
	verify_found(e, r, e->value[below], below, &found, val);
	r = sosnap_cursor_le(&e->t, &e->txn, &key, &found, val);
	verify_found(e, r, e->value[below], below, &found, val);
}

void env_look_near(struct env *e, u32 rank)
{
	u32 near = rank + env_random(e, 5), i;

	for (i = 0; i < 2; i++) {
		near = near > 2 ? near - 2 : 0;
		if (near < ENV_KEYS - 1)
			verify_lookup(e, env_key(near));
	}
}

void env_verify(struct env *e)
{
	struct verify_walk v = { .w.node = verify_node, .w.item = verify_item, .e = e };
	u64 in_use = 0;
	u32 i;

	assert_int_equal(sosnap_btree_walk(&e->t, &v.w), 0);
	while (v.next < ENV_KEYS && !e->value[v.next])
		v.next++;
	assert_int_equal(v.next, ENV_KEYS);
	assert_int_equal(v.nr_items, e->nr_items);
	assert_int_equal(v.nr_items, e->t.root.nr_items);
	assert_int_equal(v.nr_nodes, e->t.root.nr_nodes);
	for (i = 0; i < ENV_BLOCKS; i++)
		in_use += e->use[i] == ENV_NEW || e->use[i] == ENV_LIVE;
	assert_int_equal(in_use, v.nr_nodes);

	e->ram->most_held = 0;
	for (i = 0; i < 40; i++) {
		struct sosnap_key key = env_key(env_random(e, ENV_KEYS));

		verify_lookup(e, key);
		if (key.lo < U64_MAX) {
			key.lo++;
			if (key.hi)
				verify_lookup(e, key);
		}
	}
	verify_lookup(e, env_key(0));
	verify_lookup(e, env_key(ENV_KEYS - 1));
	assert_true(e->ram->most_held <= 1 + !!e->at.t);
}

static void release_oldest(struct env *e)
{
	u64 gen = e->old[0].gen;
	u32 i;

	/* What this txn frees belongs to no checkpoint but those before it. */
	for (i = 0; i < ENV_BLOCKS; i++)
		if (e->use[i] == ENV_OLD && e->freed_gen[i] <= gen + 1)
			e->use[i] = ENV_FREE;
	memmove(e->old, e->old + 1, --e->nr_old * sizeof(e->old[0]));
}

void env_commit(struct env *e)
{
	u32 i;

	sosnap_cursor_close(&e->txn);
	assert_int_equal(e->ram->io.ops->flush(&e->ram->io), 0);
	for (i = 0; i < ENV_BLOCKS; i++)
		if (e->use[i] == ENV_NEW)
			e->use[i] = ENV_LIVE;
	if (e->nr_old == ENV_KEPT)
		release_oldest(e);
	e->old[e->nr_old++] = (struct env_point){
		.tree = e->t,
		.gen = e->txn.gen,
		.hash = env_hash(e, &e->t),
	};
	for (i = 0; i < e->nr_old; i++)
		assert_int_equal(env_hash(e, &e->old[i].tree), e->old[i].hash);
	e->txn.gen++;
	e->ram->oldest = e->txn.gen;
}

void env_abandon(struct env *e)
{
	u32 i;

	sosnap_cursor_close(&e->txn);
	io_ram_drop_cache(e->ram);
	for (i = 0; i < ENV_BLOCKS; i++) {
		if (e->use[i] == ENV_NEW)
			e->use[i] = ENV_FREE;
		else if (e->use[i] == ENV_OLD && e->freed_gen[i] == e->txn.gen)
			e->use[i] = ENV_LIVE;
	}
	e->t = e->old[e->nr_old - 1].tree;
}
