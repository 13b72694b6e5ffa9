/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the salvage share.
 */
#ifndef SOSNAP_SALVAGE_INTERNAL_H
#define SOSNAP_SALVAGE_INTERNAL_H

#include "btree.h"
#include "format.h"
#include "meta.h"
#include "platform.h"
#include "salvage.h"

#define SALVAGE_UUIDS	16U	/* stores told apart on one device */

/*
 * A state claims a block once; the journal and older states may again and again.
 * What claims more than so many times the store is not looked at to the end, as
 * that could take any time.
 */
#define SALVAGE_LAPS_SURE	2U
#define SALVAGE_LAPS		16U

/* No store reaches this generation or number of a commit, and there is room behind. */
#define SALVAGE_MOST_GEN	(1ULL << 56)

/* How much a node can be trusted, see salvage.h; the larger wins. */
enum salvage_class {
	SALVAGE_OLDER,		/* of an older state */
	SALVAGE_UNSURE,		/* S3 */
	SALVAGE_SURE,		/* S1, S2 */
};

/**
 * struct salvage_block - a metadata block that a scan has found
 * @first: node: key of its first item
 * @last:  node: and of its last one
 * @owner: as in its header
 * @uuid:  index into salvage.uuid
 * @class: node: enum salvage_class
 * @done:  node: its items are taken
 * @replaced: node: by a younger one, it seems
 */
struct salvage_block {
	u64 blk;
	u64 gen;
	struct sosnap_key first;
	struct sosnap_key last;
	u32 magic;
	u32 owner;
	u8 level;
	u8 uuid;
	u8 class;
	bool done;
	bool replaced;
};

/* A range of keys of which nothing, or not all, is there. */
struct salvage_range {
	struct sosnap_key first;
	struct sosnap_key end;
	bool bounded;
};

/**
 * struct salvage_claim - an extent or a record
 * @order: generation of the leaf; of records, their place in the journal
 * @class: enum salvage_class
 * @drop:  it is not taken
 */
struct salvage_claim {
	u64 blk;
	u64 store;
	u64 order;
	u32 object;
	u32 len;
	u8 class;
	bool drop;
};

/* Pieces of claims that were cut come after the @found ones. */
struct salvage_claims {
	struct salvage_claim *v;
	u64 nr;
	u64 max;
	u64 found;
};

/* Forget the pieces: what comes next looks at whole claims, or adds more. */
static inline void salvage_uncut(struct salvage_claims *c)
{
	if (c->found)
		c->nr = c->found;
	c->found = 0;
}

/**
 * struct salvage_object - count of blocks of a cache object in the state G
 * @want: what its item says, if @known
 * @sure: found
 */
struct salvage_object {
	u32 id;
	bool known;
	u64 want;
	u64 sure;
};

/* What the bitmaps in force say of a region. */
enum salvage_known { SALVAGE_BITMAP_LOST, SALVAGE_BITMAP_FRESH, SALVAGE_BITMAP };

/**
 * struct salvage_tree - what is found of one tree
 * @lost:     ranges
 * @merged:   the same in order and without overlaps, see salvage_is_lost()
 * @nr_items: found by S1 and S2
 * @top:      without a superblock: a node without a parent
 * @tops:     and how many there are
 * @whole:    nothing is lost
 */
struct salvage_tree {
	struct salvage_range *lost;
	u64 nr_lost;
	u64 max_lost;
	struct salvage_range *merged;
	u64 nr_merged;
	u64 nr_items;
	struct sosnap_root top;
	u32 tops;
	bool whole;
};

/**
 * struct sosnap_salvage - all of it
 * @meta:       super and catalogue of the result; nothing else of it is in use
 * @block:      found by a scan, by number
 * @uuid:       the stores they are of
 * @uuid_count: how many blocks of each
 * @known:      by region: what is known of @bits
 * @bits:       by region: its bitmap in force
 * @other_known: of the youngest state, when another one is found
 * @other_bits: the same, and after it is in force, of the one found
 * @node:       by region: blocks with nodes that are part of the state
 * @owned:      by region: blocks that have an owner in the result
 * @shared:     by region: blocks with two claims that cannot both be right
 * @tree:       by id - 1
 * @extents:    of the trees
 * @records:    of the journal
 * @merged_records: so many of them are part of a state that is younger than the one found
 * @object:     by id
 * @contested:  objects with such a claim, by id
 * @budget:     blocks of claims that may still be looked at
 * @guessed:    no superblock tells where the journal starts
 * @all_doubtful: more is claimed than was looked at
 * @unfinished: without a superblock: the youngest state was never complete
 * @most_gen:   no block on the device is younger
 * @most_seq:   nor a commit
 * @next_object: with a superblock: no object of the state has this number
 * @found_gen:  without a superblock: the generation of the state
 * @found_root: and the roots that lead to it
 * @bad:        blocks of the device that are of the journal and cannot be read
 * @tail:       without a superblock: where the journal of the state starts
 * @tail_seq:   with which commit
 */
struct sosnap_salvage {
	struct sosnap_io *io;
	const struct sosnap_salvage_want *want;
	const struct sosnap_salvage_ops *ops;
	void *ctx;
	struct sosnap_salvage_result *result;
	struct sosnap_meta meta;
	struct salvage_block *block;
	u64 nr_blocks;
	u64 max_blocks;
	u8 uuid[SALVAGE_UUIDS][16];
	u64 uuid_count[SALVAGE_UUIDS];
	u32 nr_regions;
	u8 *known;
	u8 **bits;
	u8 *other_known;
	u8 **other_bits;
	u8 **node;
	u8 **owned;
	u8 **shared;
	struct salvage_tree tree[SOSNAP_NR_TREES];
	struct salvage_claims extents;
	struct salvage_claims records;
	u64 merged_records;
	struct salvage_object *object;
	u32 nr_objects;
	u32 *contested;
	u64 nr_contested;
	u64 max_contested;
	u64 budget;
	bool guessed;
	bool all_doubtful;
	bool unfinished;
	u64 most_gen;
	u64 most_seq;
	u64 next_object;
	u64 found_gen;
	struct sosnap_root found_root[SOSNAP_NR_TREES];
	u64 *bad;
	u64 nr_bad;
	u64 max_bad;
	u64 tail;
	u64 tail_seq;
};

/* salvage_scan.c */
int salvage_room(void **v, u64 nr, u64 *max, size_t bytes);
int salvage_scan(struct sosnap_salvage *s);

/* salvage_super.c */
int salvage_super(struct sosnap_salvage *s);
int salvage_super_guess(struct sosnap_salvage *s);
void salvage_super_journal(struct sosnap_salvage *s, u64 commits_end);
int salvage_bitmaps(struct sosnap_salvage *s);
int salvage_bitmaps_later(struct sosnap_salvage *s);
void salvage_bitmaps_switch(struct sosnap_salvage *s);
void salvage_bitmaps_exit(struct sosnap_salvage *s);
bool salvage_is_free(const struct sosnap_salvage *s, u64 blk);
bool salvage_is_used(const struct sosnap_salvage *s, u64 blk);
bool salvage_is_kept(const struct sosnap_salvage *s, u64 blk);

/* salvage_tree.c */
int salvage_walk_roots(struct sosnap_salvage *s);
int salvage_walk_orphans(struct sosnap_salvage *s, u32 id, u8 class);
bool salvage_is_lost(const struct salvage_tree *t, const struct sosnap_key *key);
int salvage_replaced(struct salvage_block *const *v, u64 nr);
int salvage_lose(struct salvage_tree *t, const struct sosnap_key *first,
		 const struct sosnap_key *end);

/* salvage_own.c */
bool salvage_test(const struct sosnap_salvage *s, u8 *const *map, u64 blk);
int salvage_mark(struct sosnap_salvage *s, u8 **map, u64 blk);
bool salvage_spend(struct sosnap_salvage *s, u64 blocks);
int salvage_own_first(struct sosnap_salvage *s);
int salvage_own(struct sosnap_salvage *s, bool final);
int salvage_doubt_freed(struct sosnap_salvage *s);
int salvage_mismatch(struct sosnap_salvage *s, u64 *blocks);
int salvage_by_age(const void *a, const void *b);
struct salvage_object *salvage_object(const struct sosnap_salvage *s, u32 id);

/* salvage_contest.c */
int salvage_contest(struct sosnap_salvage *s);
bool salvage_is_contested(const struct sosnap_salvage *s, u32 id);

/* salvage_catalog.c */
int salvage_catalog(struct sosnap_salvage *s);

/* salvage_journal.c */
int salvage_journal(struct sosnap_salvage *s);
int salvage_journal_wipe(const struct sosnap_salvage *s, struct sosnap_io *io);

#endif /* SOSNAP_SALVAGE_INTERNAL_H */
