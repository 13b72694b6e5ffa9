/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extents: runs of blocks of one cache object in the extent tree.
 *
 * I1  Extents of one object never overlap.
 * I2  Neighbours that could be one extent are one, as far as they meet in a
 *     write; so sequential writes cost one item however they were split.
 * I3  What a write takes out of the tree is handed to the caller, block by
 *     block exactly once (single ownership).
 */
#ifndef SOSNAP_EXTENT_H
#define SOSNAP_EXTENT_H

#include "btree.h"
#include "format.h"
#include "platform.h"

struct sosnap_extent {
	u64 blk;
	u64 store;	/* first store block or SOSNAP_STORE_ZERO */
	u32 len;
};

typedef int (*sosnap_extent_freed_fn)(void *ctx, u64 store, u32 len);

/* What is beside a run, and whether the run itself is clear of extents. */
struct sosnap_extent_near {
	bool clear;
	bool has_left;
	bool has_right;
	struct sosnap_extent left;
	struct sosnap_extent right;
};

int sosnap_extent_find(const struct sosnap_tree *t, u32 object, u64 blk,
		       struct sosnap_extent *e);
int sosnap_extent_before(const struct sosnap_tree *t, u32 object, u64 blk, u64 *end);
int sosnap_extent_probe(const struct sosnap_tree *t, struct sosnap_txn *txn, u32 object,
			const struct sosnap_extent *e, struct sosnap_extent_near *near);
int sosnap_extent_write(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object,
			const struct sosnap_extent *e, struct sosnap_extent_near *near,
			sosnap_extent_freed_fn freed, void *ctx);
int sosnap_extent_drop(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u32 most,
		       sosnap_extent_freed_fn freed, void *ctx);
int sosnap_extent_merge(struct sosnap_tree *t, struct sosnap_txn *txn, u32 object, u32 heir,
			u32 most, u64 *moved, sosnap_extent_freed_fn freed, void *ctx);

#endif /* SOSNAP_EXTENT_H */
