/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tree on a device in memory, with an allocator that knows which blocks which
 * checkpoint refers to, and a model: an array indexed by the rank of the key.
 */
#ifndef SOSNAP_BTREE_ENV_H
#define SOSNAP_BTREE_ENV_H

#include "btree.h"
#include "cursor.h"
#include "io_ram.h"

#define ENV_KEYS	4096U	/* keys that the model knows */
#define ENV_BLOCKS	8192U
#define ENV_KEPT	3U	/* older checkpoints that stay readable */

enum env_use {
	ENV_FREE,
	ENV_NEW,	/* allocated by the txn under way */
	ENV_LIVE,	/* of the last checkpoint */
	ENV_OLD,	/* freed since, but of an older checkpoint */
};

/* A checkpoint: what a reader may hold on to. */
struct env_point {
	struct sosnap_tree tree;
	u64 gen;
	u64 hash;
};

struct env {
	struct io_ram *ram;
	struct sosnap_tree t;
	struct sosnap_txn txn;
	struct sosnap_cursor at;	/* the cursor, if it is used */
	u64 seed;
	u64 allocs;
	u64 alloc_fail_at;		/* 0, or the alloc that says -ENOSPC */
	u64 cursor;
	u8 use[ENV_BLOCKS];
	u64 freed_gen[ENV_BLOCKS];	/* ENV_OLD: the txn that freed it */
	struct env_point old[ENV_KEPT];
	u32 nr_old;
	u32 nr_items;
	u32 value[ENV_KEYS];		/* 0: not there */
};

struct env *env_new(u16 val_bytes, u16 max_items, u64 seed);
void env_use_cursor(struct env *e);
void env_free(struct env *e);		/* asserts that no rule was broken */
u32 env_random(struct env *e, u32 below);

struct sosnap_key env_key(u32 rank);
u32 env_rank(const struct sosnap_key *key);
u32 env_value(const struct env *e, const void *val);	/* asserts it is whole */

int env_try_put(struct env *e, u32 rank, u32 value);
int env_try_del(struct env *e, u32 rank);
void env_put(struct env *e, u32 rank);
void env_del(struct env *e, u32 rank);
void env_look_near(struct env *e, u32 rank);	/* lookups against model */

u64 env_hash(const struct env *e, const struct sosnap_tree *t);
void env_verify(struct env *e);		/* tree against model */
void env_commit(struct env *e);		/* end the txn, begin the next */
void env_abandon(struct env *e);	/* back to the last checkpoint */

#endif /* SOSNAP_BTREE_ENV_H */
