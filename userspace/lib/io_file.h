/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store on an open device or file, for the metadata core (ops.h).
 *
 * I1  A block is cached at most once. One that is in use, or has content that
 *     the device does not have, stays; of the others SOSNAP_FILE_CACHED are kept.
 * I2  With SOSNAP_FILE_OVERLAY nothing is ever written to the device: what would
 *     be written stays in the cache and is what every later read sees. So a
 *     recovery can be carried out in memory.
 */
#ifndef SOSNAP_IO_FILE_H
#define SOSNAP_IO_FILE_H

#include "lib/dev.h"
#include "ops.h"
#include "super.h"

#define SOSNAP_FILE_OVERLAY	0x1
#define SOSNAP_FILE_CACHED	16384	/* blocks: 64 MiB */
#define SOSNAP_FILE_BUCKETS	32768

struct sosnap_file_block;

/**
 * struct sosnap_file - a store on a device
 * @io:      what the core gets
 * @fd:      the device
 * @overlay: see I2
 * @bucket:  cached blocks by number
 * @newest:  the cached blocks, most recently used first
 * @oldest:  the other end
 * @idle:    cached blocks that could be dropped
 */
struct sosnap_file {
	struct sosnap_io io;
	int fd;
	bool overlay;
	struct sosnap_file_block **bucket;
	struct sosnap_file_block *newest;
	struct sosnap_file_block *oldest;
	size_t idle;
};

void sosnap_file_init(struct sosnap_file *f, const struct sosnap_dev *dev, unsigned int flags);
void sosnap_file_exit(struct sosnap_file *f);

#endif /* SOSNAP_IO_FILE_H */
