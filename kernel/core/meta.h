/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The metadata of one store, and the checkpoint that moves it from one complete
 * state to the next.
 *
 * I1  On disk there is always one complete state: what the newest superblock
 *     that verifies refers to, and the commits that follow its tail.
 * I2  A checkpoint writes only blocks that are free in that state and the other
 *     slots of bitmaps and summaries, flushes, then writes the superblocks one
 *     after the other. What it freed is free only after both.
 * I3  Commits that a checkpoint has merged are never replayed: the superblock
 *     says which sequence number comes first.
 * I4  An allocation is known to disk only through a record. What is allocated
 *     in memory without one is free again after a crash.
 * I5  Between two checkpoints no store block is given out twice: blocks become
 *     free only when a checkpoint is released. So replay meets each at most once.
 *
 * Life: open, replay, then rounds of checkpoint, publish, release; close.
 * When checkpoint fails, the state on disk is the old or the new one, both
 * complete; the one in memory may be neither: nothing may be written any more.
 *
 * Locks are the host's. "Meta lock": one at a time for the catalogue, checkpoint
 * and all below unless said otherwise. "Space lock": taken inside, through
 * host->lock, around each call of space.h. The trees in live[] may be read
 * without either while the host keeps publish and release away.
 */
#ifndef SOSNAP_META_H
#define SOSNAP_META_H

#include "batch.h"
#include "btree.h"
#include "catalog.h"
#include "cursor.h"
#include "format.h"
#include "journal.h"
#include "ops.h"
#include "space.h"
#include "super.h"

struct sosnap_meta;

/**
 * struct sosnap_meta_host - what the host has to do with it
 * @lock:   take the space lock
 * @unlock: and drop it
 * @fence:  part of the extents of @object cannot be read, io->fault says why:
 *          its snapshots must take no more writes. Called under the meta lock
 * @lost:   the bitmap of @region cannot be right, io->fault says why: nothing of
 *          it is handed out any more. Called under the space lock
 */
struct sosnap_meta_host {
	void (*lock)(struct sosnap_meta *m);
	void (*unlock)(struct sosnap_meta *m);
	void (*fence)(struct sosnap_meta *m, u32 object);
	void (*lost)(struct sosnap_meta *m, u32 region);
};

/* Blocks that are allocated but owned by nobody, until release. */
struct sosnap_stray {
	u64 blk;
	u32 len;
};

/**
 * struct sosnap_evacuation - the tail of the store is being emptied
 * @nr_blocks: what the store shall have; 0: nothing is being emptied
 * @object:    the pass over the extents goes on in this object ...
 * @blk:       ... at this block
 * @met:       extents beyond the end that this pass has met
 * @clear:     the last whole pass has met none
 * @nodes:     that the last checkpoint has met there
 */
struct sosnap_evacuation {
	u64 nr_blocks;
	u32 object;
	u64 blk;
	u64 met;
	bool clear;
	u32 nodes;
};

/**
 * struct sosnap_meta - see above
 * @io:       the device, with the fault of who holds the meta lock
 * @space_io: a view of it, with the fault of who holds the space lock
 * @live:     the trees of the last complete checkpoint, for lookups
 * @work:     the trees the checkpoint under way is making
 * @object:   entry whose block count is being added up, see checkpoint
 * @delta:    its change so far
 * @doubt:    more is free than the superblock's counts leave: the store must not be
 *            written to
 * @in_catalog: the checkpoint under way changes the catalogue's tree
 * @reap_extents: how many extents a checkpoint drops or moves at most
 * @reap_waits: it moves none, for lack of space
 * @evac:     see evacuate.h
 * @kept:     blocks that the host keeps for some snapshots: neither merging nor
 *            emptying takes them. Under a lock of the host's
 * @kept_metadata: and for their metadata, some of which may be in use already
 */
struct sosnap_meta {
	struct sosnap_io *io;
	struct sosnap_io space_io;
	const struct sosnap_meta_host *host;
	struct sosnap_super super;
	struct sosnap_tree live[SOSNAP_NR_TREES];
	struct sosnap_tree work[SOSNAP_NR_TREES];
	struct sosnap_catalog catalog;
	struct sosnap_space space;
	struct sosnap_journal journal;
	struct sosnap_txn txn;
	struct sosnap_cursor cursor;
	struct sosnap_stray *stray;
	u32 nr_strays;
	u32 max_strays;
	bool have_space;
	bool doubt;
	bool in_catalog;
	struct sosnap_entry *object;
	s64 delta;
	u32 reap_extents;
	bool reap_waits;
	struct sosnap_evacuation evac;
	u64 kept;
	u64 kept_metadata;
};

#define SOSNAP_EVACUATE_NODES	8192U	/* a checkpoint moves at most */
#define SOSNAP_REAP_EXTENTS	8192U	/* so that a checkpoint is not held up */

int sosnap_meta_format(struct sosnap_io *io, const struct sosnap_super *s);
int sosnap_meta_open(struct sosnap_meta *m, struct sosnap_io *io,
		     const struct sosnap_meta_host *host);
int sosnap_meta_replay(struct sosnap_meta *m, struct sosnap_batch *batch, u64 *commits);
void sosnap_meta_close(struct sosnap_meta *m);

int sosnap_meta_checkpoint(struct sosnap_meta *m, struct sosnap_batch *batch, u64 tail,
			   u64 tail_seq, u32 flags);
void sosnap_meta_publish(struct sosnap_meta *m);
int sosnap_meta_release(struct sosnap_meta *m, sosnap_space_freed_fn fn, void *ctx);

int sosnap_meta_apply(struct sosnap_meta *m, struct sosnap_batch *batch,
		      const struct sosnap_disk_record *slots, u32 nr);
bool sosnap_meta_merges(struct sosnap_meta *m);
u64 sosnap_meta_reserve(const struct sosnap_meta *m, u64 records);

static inline const struct sosnap_tree *sosnap_meta_live(const struct sosnap_meta *m, u32 id)
{
	return &m->live[id - 1];
}

/**
 * sosnap_meta_view() - the trees of the last complete checkpoint, for one lookup
 * @m:  the metadata
 * @id: enum sosnap_tree_id
 * @t:  filled: the tree, on @io
 * @io: filled: the device, with a fault of the lookup's own
 * Context: nothing is published while @t is in use.
 */
static inline void sosnap_meta_view(const struct sosnap_meta *m, u32 id, struct sosnap_tree *t,
				    struct sosnap_io *io)
{
	sosnap_io_view(io, m->io);
	*t = *sosnap_meta_live(m, id);
	t->io = io;
}

#endif /* SOSNAP_META_H */
