// SPDX-License-Identifier: GPL-2.0
/* Lookups, walks and changes of a tree whose nodes say anything. */
#include "btree.h"
#include "cursor.h"
#include "extent.h"
#include "fuzz.h"
#include "super.h"

static u64 fresh;

/* Also blocks that the tree uses: a bitmap may say that they are free. */
static int alloc(struct sosnap_txn *txn, u64 *blk)
{
	if (++fresh >= fuzz_mem.io.nr_blocks)
		return -ENOSPC;
	*blk = fresh;
	return 0;
}

static int node_free(struct sosnap_txn *txn, u64 blk)
{
	return 0;
}

static int freed(void *ctx, u64 store, u32 len)
{
	return 0;
}

static int item(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	return 0;
}

static int bad(struct sosnap_btree_walk *w, u64 blk, int error, const struct sosnap_key *first,
	       const struct sosnap_key *end)
{
	return 0;
}

static void change(struct sosnap_tree *t, struct sosnap_txn *txn, struct fuzz_in *in, u32 what,
		   const struct sosnap_key *key)
{
	struct sosnap_extent e = { .blk = key->lo, .len = fuzz_take(in, 1) + 1 };
	struct sosnap_extent_near near;
	u8 val[SOSNAP_MAX_VALUE] = { 0 };

	switch (what) {
	case 3:
		e.store = 1000;
		if (!sosnap_extent_probe(t, txn, key->hi, &e, &near))
			sosnap_extent_write(t, txn, key->hi, &e, &near, freed, NULL);
		break;
	case 4:
		sosnap_btree_put(t, txn, key, val);
		break;
	case 5:
		sosnap_btree_del(t, txn, key);
		break;
	case 6:
		sosnap_extent_drop(t, txn, key->hi, 200, freed, NULL);
		break;
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct sosnap_btree_walk strict = { .item = item };
	static struct sosnap_btree_walk lenient = { .item = item, .bad = bad };
	struct sosnap_cursor cursor = { .t = NULL };
	struct sosnap_txn txn = { .alloc = alloc, .free = node_free, .cursor = &cursor };
	struct fuzz_in in = { data, size };
	u8 val[SOSNAP_MAX_VALUE];
	struct sosnap_super super;
	struct sosnap_key key;
	struct sosnap_tree t;
	u32 ops = 0;

	fuzz_edit(&in);
	if (sosnap_super_read(&fuzz_mem.io, &super))
		return 0;
	memset(&t, 0, sizeof(t));
	t.io = &fuzz_mem.io;
	t.id = fuzz_take(&in, 1) % 2 + 1;
	t.val_bytes = t.id == SOSNAP_TREE_CATALOG ? SOSNAP_CATALOG_BYTES :
						    sizeof(struct sosnap_disk_extent);
	t.root = super.root[t.id - 1];
	txn.gen = super.gen + 1;
	fresh = fuzz_take(&in, 1) & 1 ? 300 : SOSNAP_REGION_BLOCKS;
	sosnap_btree_walk(&t, &strict);
	sosnap_btree_walk(&t, &lenient);
	while (in.left && ops++ < 64) {
		u32 what = fuzz_take(&in, 1) % 7;

		key.hi = fuzz_take(&in, 1) % 8;
		key.lo = fuzz_take(&in, 2);
		if (what < 2)
			sosnap_btree_ge(&t, &key, &key, val);
		else if (what == 2)
			sosnap_btree_le(&t, &key, &key, val);
		else if (t.id == SOSNAP_TREE_EXTENT || what == 4 || what == 5)
			change(&t, &txn, &in, what, &key);
	}
	sosnap_cursor_close(&txn);
	sosnap_btree_walk(&t, &lenient);
	return 0;
}
