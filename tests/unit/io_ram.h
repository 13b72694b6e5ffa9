/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store device in memory, with what a real one can do to its user.
 *
 * The disk and the cache of metadata blocks are apart: a dirty buffer reaches
 * the disk, sealed, at a flush (or before it, see lazy). Every write to the
 * disk can be logged, so that a test can make the disk of any crash.
 *
 * Broken rules of ops.h and btree.h are counted and told on stderr:
 *  - a buffer put twice, never, or forgotten while held
 *  - a buffer changed without dirty
 *  - a block dirtied or written with a generation below oldest, or while frozen
 *    says that the last checkpoint refers to it
 */
#ifndef SOSNAP_IO_RAM_H
#define SOSNAP_IO_RAM_H

#include "ops.h"

struct io_ram_cached;
struct io_ram_write;

/**
 * struct io_ram - the device
 * @io:         for the core
 * @oldest:     0, or the generation that written metadata has to have at least
 * @frozen:     whether a block may not be written now; may be NULL
 * @ctx:        for @frozen
 * @lazy:       0, or write one of so many dirty buffers early, at its put
 * @seed:       for @lazy and crashes
 * @calls:      calls that could have failed so far
 * @fail_at:    0, or the call (counted by @calls) that fails with @fail_error
 * @held:       buffers got and not put
 * @most_held:  highest value of @held; a test may reset it
 * @written:    blocks written so far
 * @reads:      blocks read from the disk so far, which what is cached is not
 * @violations: rules broken
 */
struct io_ram {
	struct sosnap_io io;
	u64 oldest;
	bool (*frozen)(void *ctx, u64 blk);
	void *ctx;
	u32 lazy;
	u64 seed;
	u64 calls;
	u64 fail_at;
	int fail_error;
	u32 held;
	u32 most_held;
	u64 written;
	u64 reads;
	u32 violations;
	/* private */
	u8 **disk;			/* NULL: as in lower */
	u8 *const *lower;		/* of the device that crashed; NULL: zeros */
	struct io_ram_cached **cache;
	bool logging;
	u8 **base;			/* the disk when the log was begun */
	u8 **shadow;			/* and after the first shadow_at writes */
	u32 shadow_at;
	struct io_ram_write *log;
	u32 log_nr;
	u32 log_max;
	u32 stable;			/* writes before the last flush */
};

struct io_ram *io_ram_new(u64 nr_blocks);
u32 io_ram_free(struct io_ram *ram);	/* returns the violations */
u64 io_ram_random(u64 *seed);

u8 *io_ram_disk(struct io_ram *ram, u64 blk);
void io_ram_drop_cache(struct io_ram *ram);	/* what is dirty is lost */

/* A plain write of the I/O path: on the disk, but not stable before a flush. */
void io_ram_submit(struct io_ram *ram, u64 blk, u32 nr, const void *data);
void io_ram_sync(struct io_ram *ram);		/* a plain flush of the device */
void io_ram_read(struct io_ram *ram, u64 blk, void *data);	/* past the cache */

/*
 * Crashes. The log is a list of writes of one block each. At a crash, writes
 * before point.stable are on the disk, those from point.written on are not, and
 * of those between any 512-byte sector is or is not, as keep() says. That
 * covers every order and every tear. keep NULL: by random.
 */
struct io_ram_point {
	u32 stable;
	u32 written;
};

struct io_ram_fate {
	bool (*keep)(void *ctx, u32 write, u32 sector);
	void *ctx;
};

void io_ram_log_begin(struct io_ram *ram);
struct io_ram_point io_ram_now(const struct io_ram *ram);
struct io_ram_point io_ram_point_at(const struct io_ram *ram, u32 written);
u64 io_ram_log_blk(const struct io_ram *ram, u32 write);
const u8 *io_ram_log_data(const struct io_ram *ram, u32 write);
/* The new device is good until the next crash of @ram, which stays as it is. */
struct io_ram *io_ram_crash(struct io_ram *ram, struct io_ram_point point,
			    const struct io_ram_fate *fate);

#endif /* SOSNAP_IO_RAM_H */
