/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole store on a device in memory, driven as the module drives it: first
 * writes go to new blocks, their records into a commit that is open, flushes
 * write it; checkpoints merge what was committed while writers go on.
 *
 * The model is the list of all states that were committed, each with the part
 * of the device's log that its commit is, and for each store block the writes
 * of data it got. So what a crash may leave is known exactly:
 *
 * M1  The catalogue and every mapping are those of the last commit that was
 *     acknowledged, or of the one in flight: all of it or nothing.
 * M2  Every sector of a mapped block is what was last written to it before a
 *     flush, or what was written to it after.
 * M3  Every block of the store is owned or free.
 * M4  Its size is that of the last complete checkpoint, or of the one under way.
 */
#ifndef SOSNAP_STORE_ENV_H
#define SOSNAP_STORE_ENV_H

#include "check.h"
#include "io_ram.h"
#include "meta.h"

#define SE_SNAPS	8U
#define SE_GOLDS	2U
#define SE_BLKS		48U	/* blocks of a snapshot that the model knows */
#define SE_SLOTS	64U	/* records in an open commit */
#define SE_REAP_EXTENTS	5U	/* few, so that dropping and merging take many checkpoints */

struct se_snap {
	bool live;
	bool starts;		/* SOSNAP_SNAPSHOT_AUTO */
	u32 id;
	u32 object;
	char name[16];
	u64 own;		/* blocks that its own object has; others are inherited */
	u64 map[SE_BLKS];	/* 0: gold, SOSNAP_STORE_ZERO, or a store block */
};

/* What a map says: a block of the store, neither gold nor zeros. */
static inline bool se_owned(u64 store)
{
	return store && store != SOSNAP_STORE_ZERO;
}

struct se_state {
	u32 gold[SE_GOLDS];	/* ids, 0: none */
	struct se_snap snap[SE_SNAPS];
};

/* A commit, and the state after it. */
struct se_commit {
	u32 from;		/* its first write in the log */
	u32 to;			/* after its last; acknowledged once more is written */
	struct se_state state;
};

/* A checkpoint that gave the store another size; places in the log as above. */
struct se_size {
	u32 from;
	u32 to;
	u64 blocks;
};

/* Writes of data to one store block, by place in the log. */
struct se_writes {
	u32 *at;
	u32 nr;
	u32 max;
};

/* Bugs that are planted, to see that they are found. */
enum se_plant {
	SE_PLANT_NONE,
	SE_PLANT_COMMIT_UNFLUSHED,	/* a commit is acknowledged without a flush */
	SE_PLANT_SUPER_UNFLUSHED,	/* superblocks go before what they refer to */
	SE_PLANT_RELEASE_EARLY,		/* freed blocks are used before the superblock */
	SE_PLANT_NO_CHECKSUM,		/* no torn block is recognised */
	SE_PLANT_STALE_SUPER_LAST,	/* the older superblock is written last */
	SE_PLANT_GROWN_EARLY,		/* new blocks are used before the superblock */
	SE_PLANT_MOVE_UNFLUSHED,	/* a move is logged before its copy is written */
	SE_PLANT_MOVE_STALE,		/* what was written meanwhile is not looked at */
	SE_NR_PLANTS
};

struct se {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;	/* committed, not merged */
	struct sosnap_disk_record slot[SE_SLOTS];
	u32 nr_slots;
	struct se_state now;
	struct se_commit *commit;	/* [0]: before the log was begun */
	u32 nr_commits;
	struct se_writes *writes;
	enum se_plant plant;
	u64 seed;
	u32 version;
	u32 names;
	struct se_size *size;	/* [0]: when the log was begun */
	u32 nr_sizes;
	bool shrinks;		/* and what is written is spread over all of the store */
	u64 moved;		/* blocks, by emptying the tail */
	u64 shrunk;		/* how often it became smaller */
	u64 early;		/* SE_PLANT_GROWN_EARLY: the block that was used */
	u32 concurrent;		/* 0, or writers step in once in so many chances */
	bool busy;
	bool merging;
	u64 checkpoints;
	u64 steps;
};

struct se *se_new(u64 nr_blocks, u64 seed);
struct se *se_new_growing(u64 nr_blocks, u64 most, u64 seed);
struct se *se_new_shrinking(u64 nr_blocks, u64 seed);
void se_free(struct se *se);
u32 se_random(struct se *se, u32 below);

void se_step(struct se *se);	/* one random thing */
void se_write(struct se *se, struct se_snap *sn, u32 blk, u32 len);
void se_zero(struct se *se, struct se_snap *sn, u32 blk, u32 len);
void se_flush(struct se *se);
void se_create(struct se *se);
void se_remove(struct se *se, struct se_snap *sn);
void se_snapshot(struct se *se, struct se_snap *sn);
void se_refresh(struct se *se, struct se_snap *sn);
void se_rollback(struct se *se, struct se_snap *sn, struct se_snap *to);
void se_checkpoint(struct se *se, u32 flags);
void se_grow(struct se *se, u64 by);
void se_push_up(struct se *se);
int se_shrink_begin(struct se *se, u64 to);
bool se_shrink_step(struct se *se);
bool se_shrink(struct se *se, u64 to);
void se_reopen(struct se *se);

/* Each returns NULL, or what is wrong. */
const char *se_compare(const struct se_state *state, struct sosnap_meta *m);
const char *se_check(struct sosnap_io *io, struct sosnap_check_result *result);

void se_log_begin(struct se *se);
int se_recover(struct sosnap_io *io, struct sosnap_meta *m, enum se_plant plant);
const char *se_judge(struct se *se, struct io_ram_point point, struct io_ram *after,
		     struct sosnap_meta *m, u32 *which);
void se_go_on(struct se *se, struct io_ram *after, u32 which);

#endif /* SOSNAP_STORE_ENV_H */
