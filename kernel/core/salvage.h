/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Salvage: what is left of the metadata of a damaged store, and the store made
 * anew from that.
 *
 * What counts as part of the state G, the last complete checkpoint:
 *
 * S1  Nodes reached from the roots through references that verify are part of it.
 * S2  So is a node without a parent whose block the bitmap of G calls used, if
 *     that bitmap verifies down from the superblock. For a used block has one
 *     owner in G. If that were an extent, its data would have been written over
 *     the node before its record existed; if it were another node, that one
 *     would be there. Nodes younger than G are of a checkpoint that never ended;
 *     nodes in free blocks are of earlier ones.
 * S3  Where the bitmap is lost, of nodes of one level that overlap the younger may
 *     be part of it: the nodes of one state do not overlap, and one that left the
 *     state never comes back, as it would get a new generation. That something
 *     younger was there and is lost cannot be excluded, and no count can: what is
 *     written once more after a discard has the same number of blocks elsewhere.
 *
 * Single ownership: no block gets two owners. Claims go by S1 and S2, then the
 * journal, then S3, then older states, each the younger first; what comes late
 * is lost and told. Without superblocks, a claim of the journal on a block that G
 * owns was merged into G before. Else, and of two claims of G, one is wrong, and
 * nobody knows which: both are marked and told.
 *
 * Older states, and S3: a node that was replaced may name blocks that have been freed
 * since, given to another snapshot, and freed again. No later claim of them is
 * left then, and their content is the other's. So its extents are not taken,
 * however well they fit, unless it is asked for (doubtful); and then only for
 * ranges that are lost, blocks that the bitmaps do not call free, and that
 * nothing else claims. Its catalogue items are taken where theirs are lost: ids
 * are never used twice, so a wrong one shows nobody's blocks to anybody else.
 *
 * The journal: at most one commit is in flight, and numbers are given out one
 * by one; so a whole commit after a missing one says that the missing one was
 * whole once. The ones after it are taken all the same, and it is told. So is one
 * that would be where the device cannot read; such blocks are written with zeros.
 *
 * Without superblocks G is unknown. It is the youngest generation there is, or the one
 * before, when a checkpoint was under way: then bitmaps and trees agree to the last
 * block for that one, and do not for the other. A block of the youngest that is lost
 * looks the same, so then all that there is may be out of date. But where the youngest
 * wants a bitmap and the one that it should have replaced is there and whole, it was
 * never complete, and the one before is G; with one summary, as a second try of the same
 * generation writes that one anew. Of two slots with bitmaps the younger is in force, and
 * not believed when the other is lost.
 *
 * The one before, taken because the youngest is damaged: a block that is used in both
 * has the same owner, since what a checkpoint frees is given away after it only. One
 * that the youngest has freed may have been written by anybody since. So extents are
 * taken as far as the bitmaps of the youngest call their blocks used, where it has
 * written any; the rest is treated like that of older states. So are records of commits
 * that it had merged.
 *
 * The journal starts after its last commit that maps a block which the bitmaps of G call
 * used: a block is used in them only if its record was merged. If G is the one before
 * the youngest, it has to be used in both, since what was freed in between may have been
 * mapped again. Whatever else was merged before is applied once more, in order and up to
 * the end, and comes to the same.
 *
 * What is written: everything anew, by rebuild.h, to blocks that neither a
 * bitmap nor any node or extent found lays claim to, superblocks last. When there
 * is none, superblocks that lead to the state as it was found come first. So cut
 * short at any point it leaves the store as damaged as before, and a state that
 * is found in the same way: what it wrote is younger than G.
 *
 * Each snapshot that may not be what it was is marked (SOSNAP_SNAPSHOT_LOSSY): one
 * that lacks a range, itself or by an ancestor; whose item, or an ancestor's, was made
 * anew or is of an older state, or may be; and all of them when a commit is missing, as nobody
 * can say whose it was. An earlier mark stays.
 *
 * For the tool and the tests; the module does not contain it.
 */
#ifndef SOSNAP_SALVAGE_H
#define SOSNAP_SALVAGE_H

#include "ops.h"
#include "platform.h"
#include "super.h"

/**
 * struct sosnap_salvage_want - what the user says
 * @name:           of the store, when no superblock tells; or NULL
 * @uuid:           16 bytes, when none tells and several are found; or NULL
 * @journal_blocks: size of the journal, when none tells; 0: found out
 * @now:            seconds since 1970, for what is made anew
 * @doubtful:       take extents that may be out of date, see above
 */
struct sosnap_salvage_want {
	const char *name;
	const u8 *uuid;
	u64 journal_blocks;
	u64 now;
	bool doubtful;
};

/**
 * struct sosnap_salvage_loss - a range of a snapshot that reads as gold again
 * @snapshot: name
 * @id:       of the snapshot
 * @object:   the cache object of its chain that has lost something
 * @blk:      first block
 * @len:      blocks; what is lost is within them
 * @blocks:   store blocks that the object lacks in all; 0: zeros only, if anything
 * @counted:  whether @blocks is known
 */
struct sosnap_salvage_loss {
	const char *snapshot;
	u32 id;
	u32 object;
	u64 blk;
	u64 len;
	u64 blocks;
	bool counted;
};

/**
 * struct sosnap_salvage_ops - who is told
 * @lost:     a range that is lost
 * @changed:  an item of the catalogue that is not as it was, and what was done
 * @progress: NULL, or told now and then, in blocks of the device that are scanned
 */
struct sosnap_salvage_ops {
	void (*lost)(void *ctx, const struct sosnap_salvage_loss *loss);
	void (*changed)(void *ctx, u32 type, u32 id, const char *what);
	void (*progress)(void *ctx, u64 done, u64 total);
};

/**
 * struct sosnap_salvage_result - sums
 * @super:           what the new superblocks are made from
 * @super_lost:      neither copy could be used
 * @older_state:     the state is the one before the youngest, which is not complete
 * @scanned:         the whole device was searched
 * @uuids:           of stores whose blocks were met, when no superblock tells
 * @nodes:           that are part of the state
 * @orphans:         of these, found without a parent
 * @older_items:     of the catalogue, known from an older state only
 * @commits:         of the journal that are taken over
 * @lost_commits:    missing between others, or where the device cannot read
 * @data_blocks:     store blocks that are taken over from the trees
 * @lost_blocks:     that cache objects lack
 * @shared_blocks:   claimed a second time, and not given
 * @doubtful_blocks: that may be out of date: taken if asked for
 * @lost_snapshots:  with something lost
 * @marked:          snapshots of the result that are marked as lossy
 */
struct sosnap_salvage_result {
	struct sosnap_super super;
	bool super_lost;
	bool older_state;
	bool scanned;
	u32 uuids;
	u64 nodes;
	u64 orphans;
	u64 older_items;
	u64 commits;
	u64 lost_commits;
	u64 data_blocks;
	u64 lost_blocks;
	u64 shared_blocks;
	u64 doubtful_blocks;
	u64 lost_snapshots;
	u64 marked;
};

struct sosnap_salvage;

int sosnap_salvage_find(struct sosnap_io *io, const struct sosnap_salvage_want *want,
			const struct sosnap_salvage_ops *ops, void *ctx,
			struct sosnap_salvage_result *result, struct sosnap_salvage **salvage);
int sosnap_salvage_write(struct sosnap_salvage *s, struct sosnap_io *io);
void sosnap_salvage_free(struct sosnap_salvage *s);

/**
 * struct sosnap_salvage_commit - a whole commit in the journal
 * @pos:    block from the start of the journal
 * @seq:    its number
 * @blocks: its size
 */
struct sosnap_salvage_commit {
	u64 pos;
	u64 seq;
	u32 blocks;
};

int sosnap_salvage_commits(struct sosnap_io *io, u64 journal_blk, u64 journal_blocks,
			   u64 tail_seq, struct sosnap_salvage_commit **commits, u32 *nr,
			   u64 *bad);

#endif /* SOSNAP_SALVAGE_H */
