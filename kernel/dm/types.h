/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-core structs of the module, their locks and who may touch what.
 *
 * Lock order, outermost first, with the reason for each edge:
 *
 *	store->resize_lock		a resize makes records and checkpoints
 *	store->meta_lock		catalogue, checkpoint
 *	  store->list_lock		messages and checkpoints look at snapshots
 *	    store->root_sem (write)	a checkpoint publishes its trees, and shortens chains
 *	    snap->load_lock		a message gives a snapshot another top; evictions
 *	  store->space_lock		a checkpoint allocates and frees
 *	snap->load_lock			one load or discard per snapshot
 *	  store->root_sem (read)	a load walks the trees ...
 *	    store->space_lock		... and compares nodes with their bitmaps
 *	  store->space_lock		a discarded window returns its reservation
 *	    store->log_lock		blocks are claimed as they are allocated
 *	    window->lock		a first write changes its window ...
 *	      store->log_lock		... and logs it: records of one window are
 *					in the order of its changes
 *	      store->stretch.lock	a first write opens a window's reservation
 *	  snap->zero_lock		a load looks at pending big discards
 *	store->parked_lock		alone: writes that wait for space
 *	store->partials.lock		alone: memory of partial writes
 *
 * A message that changes the catalogue holds meta_lock until its records are
 * durable: so a checkpoint never sees a change of which a crash could leave half.
 *
 * stores_lock (store.c), around all of these, is for activation and the end of
 * a store only. Nobody waits for log room, pending blocks or space with any of
 * them held but meta_lock, and that only where no checkpoint is needed for it.
 *
 * window->lock and all below are taken with interrupts off: first writes end
 * in the interrupt of the device. The fast path (map.c) takes none of them.
 */
#ifndef SOSNAP_TYPES_H
#define SOSNAP_TYPES_H

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/dm-bufio.h>
#include <linux/dm-io.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../compat.h"
#include "../core/meta.h"
#include "../core/own.h"
#include "slots.h"

#define DM_MSG_PREFIX "sosnap"

#define SOSNAP_WINDOW_SHIFT	6
#define SOSNAP_WINDOW_BLOCKS	(1U << SOSNAP_WINDOW_SHIFT)	/* 256 KiB */

/*
 * An entry of snap->map: NULL (not loaded), one of these values (a window
 * without changes costs one slot), or a struct sosnap_window.
 */
#define SOSNAP_WINDOW_GOLD	1
#define SOSNAP_WINDOW_ZERO	2

/* Blocks of a window that live elsewhere than at window->base + bit. */
struct sosnap_spill {
	struct rcu_head rcu;
	u32 nr;
	struct sosnap_segment {
		u64 mask;
		u64 base;	/* bit i lives at base + i */
	} seg[];
};

/**
 * struct sosnap_window - the map of 64 consecutive blocks of a snapshot
 * @lock:    for every field but @referenced
 * @seq:     lets the fast path read a consistent state without @lock
 * @held:    bits of blocks that live in the store, own or inherited
 * @own:     of these, the ones of the snapshot's own cache object, its top, as
 *           long as @gen is the snapshot's; if it is not, none of them is
 * @zero:    blocks that read as zeros
 * @pending: first write in flight; readers still see the old state
 * @based:   held blocks that live at @base + bit; the others are in @spill
 * @resv:    @base + bit is reserved for the block and not in use
 * @logged:  sequence number of the commit that has, or will have, its last record
 * @gen:     snap->gen when @own was right: a snapshot of the snapshot makes all of
 *           it inherited, whatever the number of windows
 * @dead:    evicted; look it up again
 */
struct sosnap_window {
	spinlock_t lock;	/* every field but @referenced */
	seqcount_spinlock_t seq;
	u64 held;
	u64 own;
	u64 zero;
	u64 pending;
	u64 based;
	u64 resv;
	u64 base;
	struct sosnap_spill __rcu *spill;
	u64 logged;
	u64 index;
	u32 gen;
	bool dead;
	bool referenced;	/* hint, written by the slow paths only */
	struct rcu_head rcu;
};

/* A big discard that the trees do not know yet; overrides what they say. */
struct sosnap_zero_range {
	struct list_head list;
	u64 first;	/* blocks [first, end) */
	u64 end;
	u64 seq;	/* of the commit of its record */
};

struct sosnap_log_chunk {
	struct list_head list;
	u32 nr;		/* records in it; under log_lock for the open chunk */
	struct sosnap_disk_record record[4095];
};

#define SOSNAP_LOG_CHUNK	4095U
#define SOSNAP_LOG_SPARE	4U	/* chunks kept ready */
#define SOSNAP_IO_WORKERS	64U	/* most that go the slow path at once */
#define SOSNAP_MERGE_SECONDS	20U	/* until an idle store is merged */
#define SOSNAP_LOG_OPEN_MAX	(SOSNAP_COMMIT_SLOTS - SOSNAP_CHANGE_SLOTS)

/**
 * struct sosnap_log - mapping records since the last checkpoint, in order
 * @chunks:    oldest first; the last one is open
 * @spares:    empty ones
 * @first:     position of the first record of the oldest chunk
 * @merged:    records before this position are in the trees
 * @committed: records before this one are durable
 * @committing: records before this one are durable or in the commit in flight
 * @end:       the next record's position
 * @cursor:    chunk of the record at committing, @cursor_off its place there
 * @reserved:  slots promised to first writes in flight
 * @room:      slots of the open and spare chunks that are not promised
 *
 * All under store->log_lock.
 */
struct sosnap_log {
	struct list_head chunks;
	struct list_head spares;
	u64 first;
	u64 merged;
	u64 committed;
	u64 committing;
	u64 end;
	struct sosnap_log_chunk *cursor;
	u32 cursor_off;
	u32 reserved;
	u32 room;
	u32 nr_spares;
	u32 nr_chunks;
	u32 max_chunks;
	wait_queue_head_t wait;	/* for room */
};

/* Catalogue records that a message wants committed. */
struct sosnap_commit_request {
	const struct sosnap_disk_record *slots;
	u32 nr;
	int error;
	struct completion done;
};

/**
 * struct sosnap_commit - the commit in flight and those who wait for the next
 * @in_flight: the buffer, @bio and meta.journal belong to the commit in flight
 * @next_seq:  number that the commit of the open records will have
 * @pos:       place of the one in flight in the journal, @blocks long
 * @end:       log position behind its records; @chunk, @off, @nr: where they are
 * @durable:   number of the last durable commit
 * @serving:   flushes and FUA writes that end with it
 * @waiting:   those that came later
 * @request:   the message that waits to be in a commit: there is one at most
 * @serving_request: the one that is in it
 */
struct sosnap_commit {
	bool in_flight;
	bool journal_full;	/* the next one waits for a checkpoint */
	bool merge_asked;	/* the journal is half full, and a checkpoint was asked for */
	bool wanted;		/* somebody waits for what is open now to be durable */
	u64 next_seq;
	u64 durable;
	u64 pos;
	u32 blocks;
	u64 end;		/* log position behind its records */
	struct sosnap_log_chunk *chunk;	/* of its first record */
	u32 off;
	u32 nr;			/* its mapping records */
	struct bio_list serving;
	struct bio_list waiting;
	struct sosnap_commit_request *request;
	struct sosnap_commit_request *serving_request;
	struct bio bio;
	struct bio_vec vec[SOSNAP_COMMIT_BLOCKS];
	void *buf;
	size_t dirty;		/* behind these bytes buf is zeros */
	struct work_struct work;
	struct delayed_work timer;
	wait_queue_head_t wait;
};

#define SOSNAP_STRETCHES	128U

/* Runs of 64 free blocks, ready to be taken by windows. */
struct sosnap_stretch {
	spinlock_t lock;	/* all of it */
	u32 head;
	u32 nr;
	u64 blk[SOSNAP_STRETCHES];
	struct work_struct refill;
};

/* Writes of parts of blocks, see partial.c. */
struct sosnap_partials {
	spinlock_t lock;	/* idle, nr */
	struct sosnap_partial *idle;
	u32 nr;
	struct workqueue_struct *wq;
};

struct sosnap_inflight {
	long n[2];
};

enum sosnap_store_state {
	SOSNAP_STORE_RW,
	SOSNAP_STORE_RO,
	SOSNAP_STORE_FAILED,
};

struct sosnap_options {
	bool read_only;
	bool error_if_no_space;
	bool no_discard_passdown;
	u32 no_space_timeout;	/* seconds, 0: for ever */
	u32 map_memory;		/* MiB */
	u64 low_water;		/* blocks */
};

struct sosnap_store {
	struct mutex resize_lock;	/* sizes of snapshots, and the store's that shrinks */
	struct list_head list;		/* of all stores; stores_lock */
	u32 refs;			/* targets and snapshots; stores_lock */
	struct mapped_device *md;
	struct dm_target *ti;		/* the one that is current, or NULL; list_lock */
	struct block_device *bdev;
	struct sosnap_options opt;
	enum sosnap_store_state state;	/* only ever gets worse */
	bool full;			/* first writes wait or fail; parked_lock */
	bool low;			/* the low water event was sent */

	struct sosnap_io io;
	struct dm_bufio_client *bufio;
	struct dm_io_client *dm_io;

	struct mutex meta_lock;		/* meta, but for what others name */
	struct sosnap_meta meta;
	struct mutex space_lock;	/* meta.space */
	struct rw_semaphore root_sem;	/* meta.live against publish */

	spinlock_t log_lock;		/* log, commit, meta.journal */
	struct sosnap_log log;
	struct sosnap_commit commit;
	u64 pending_blocks;		/* mapped by records not merged; log_lock */
	u64 merging_blocks;
	u64 data_blocks;		/* owned in the trees; log_lock */
	u64 removing;			/* of these, still to be freed by removals */
	u32 nr_snapshots;		/* in the catalogue, for status */
	u32 nr_golds;
	bool reserves;			/* some snapshot has a reservation; meta_lock */

	struct sosnap_stretch stretch;
	struct sosnap_partials partials;

	int epoch;			/* written by the checkpoint only */
	struct sosnap_inflight __percpu *inflight;
	u64 checkpointed;		/* commits up to this one are in the trees */
	struct work_struct checkpoint;
	struct sosnap_shrink_step *moves;	/* that a checkpoint merges; meta_lock */
	u64 shrinks_to;			/* blocks, 0: it does not; for status, as ... */
	u64 shrink_left;		/* ... those in use beyond */
	struct delayed_work merge_timer;	/* idle stores are merged too */
	bool stopping;			/* no checkpoint in the background */
	struct work_struct evict;
	struct list_head dropped;	/* maps that are to be freed; list_lock */
	struct work_struct drop;
	u64 frozen;	/* no map is loaded before this commit is in the trees; meta_lock */
	bool evict_waits;		/* for a checkpoint: what is left has records */
	u64 evict_begun;		/* evictions so far; the eviction only ... */
	u64 evict_done;			/* ... of these, the last that has ended, and ... */
	u64 evict_merged;		/* ... log.merged when it began */
	wait_queue_head_t map_wait;	/* for an eviction to end */
	struct shrinker *shrinker;
	atomic_long_t shrink;		/* bytes of maps it has asked for */
	int freeing;			/* a checkpoint would free something */
	int reclaiming;			/* one is under way */
	int keeping;			/* more is kept than may turn out, see reserve.h, V5 */
	atomic64_t soft;		/* blocks in stretches and reservations */

	struct mutex list_lock;		/* snaps, which change with meta_lock held too; ti */
	struct list_head snaps;

	atomic_long_t map_bytes;	/* of all maps */
	long map_peak;			/* the most there was, for the statistics */
	mempool_t *pages;

	spinlock_t parked_lock;		/* parked to no_space_at, full, and snap->suspending */
	u64 freed;			/* how often a checkpoint has given space back */
	struct bio_list parked;		/* first writes that wait for space */
	struct delayed_work no_space;	/* somebody's time is up */
	bool no_space_set;		/* it is due at no_space_at, or runs and waits */
	unsigned long no_space_at;	/* jiffies */

	struct workqueue_struct *io_wq;		/* deferred bios */
	struct workqueue_struct *commit_wq;	/* commits that cannot start inline */
	struct workqueue_struct *meta_wq;	/* checkpoint, refill, eviction */
	struct work_struct event;
};

/* Bits of snap->refuses: why a snapshot takes no writes, read by anybody. */
#define SOSNAP_SNAP_FENCED	0	/* set once: its metadata is damaged */
#define SOSNAP_SNAP_READ_ONLY	1	/* it is set so in the catalogue */

struct sosnap_snap {
	struct list_head list;		/* of the store's; list_lock */
	u32 refs;			/* tables of md that use it; list_lock */
	struct sosnap_store *store;
	struct mapped_device *md;
	struct block_device *gold;
	u32 id;
	u32 object;			/* top of the chain: where records go; log_lock */
	u32 gen;			/* how often the top was frozen; changes while suspended */
	bool limited;			/* first writes claim their blocks, see quota.h */
	u32 nr_chain;
	u32 *chain;			/* the top and its ancestors; load_lock, root_sem */
	u64 sectors;
	u64 gold_sectors;
	u32 gold_id;
	unsigned long refuses;		/* SOSNAP_SNAP_*: not 0, it takes no writes */
	bool table_writes;		/* its table would let it; list_lock */
	bool suspending;		/* nothing may be parked any more ... */
	bool noflush;			/* ... but is requeued */
	bool suspended;			/* no I/O; list_lock */
	bool changing;			/* and stays so until a message is done; list_lock */

	struct sosnap_slots map;	/* window index -> see above */
	atomic_long_t map_bytes;	/* windows, their spills and the pages of slots */
	struct mutex load_lock;		/* scratch; loads, discards, evictions */
	spinlock_t zero_lock;		/* zero_ranges */
	struct list_head zero_ranges;
	wait_queue_head_t wait;		/* for pending bits to clear */

	struct sosnap_own own;		/* its changed blocks; log_lock */
	bool at_quota;			/* somebody was told of that; log_lock */
	struct sosnap_window_state {
		u64 store[SOSNAP_WINDOW_BLOCKS];
	} scratch;			/* load_lock */
};

/* Flags of struct sosnap_bio. */
#define SOSNAP_BIO_EPOCH	0x1	/* which inflight counter */
#define SOSNAP_BIO_COUNTED	0x2	/* in an inflight counter */
#define SOSNAP_BIO_JOIN		0x4	/* wait for a commit at the end */
#define SOSNAP_BIO_PARKED	0x8	/* has waited for space, since parked */
#define SOSNAP_BIO_CLAIMED	0x10	/* the blocks of @window are claimed, see quota.h */

/**
 * struct sosnap_bio - per-bio data
 * @window: set for a first write in flight: its pending range
 * @first:  its first bit in the window
 * @count:  its length
 * @flags:  SOSNAP_BIO_*
 * @parked: jiffies when it first waited for space
 */
struct sosnap_bio {
	struct sosnap_snap *snap;
	struct sosnap_window *window;
	u8 first;
	u8 count;
	u8 flags;
	unsigned long parked;
	struct work_struct work;
};

static inline u64 sosnap_mask(u32 first, u32 count)
{
	return (count >= 64 ? ~0ULL : (1ULL << count) - 1) << first;
}

static inline struct sosnap_bio *sosnap_bio(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct sosnap_bio));
}

/* ti->private of a snapshot starts with the pointer to it. */
static inline struct sosnap_snap *sosnap_snap_of(struct dm_target *ti)
{
	return *(struct sosnap_snap **)ti->private;
}

/* How many windows a snapshot has; the last one may lie behind its end in part. */
static inline u64 sosnap_windows(const struct sosnap_snap *snap)
{
	return DIV_ROUND_UP_ULL(snap->sectors, SOSNAP_WINDOW_BLOCKS * SOSNAP_BLOCK_SECTORS);
}

static inline bool sosnap_writable(const struct sosnap_store *store)
{
	return READ_ONCE(store->state) == SOSNAP_STORE_RW;
}

#endif /* SOSNAP_TYPES_H */
