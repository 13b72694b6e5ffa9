/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The block devices of this host, from /sys/class/block. Devices without a
 * size, our own ones and those built on them are left out.
 */
#ifndef SOSNAP_BLOCKS_H
#define SOSNAP_BLOCKS_H

#include <sys/types.h>

#include "platform.h"

/**
 * struct sosnap_block - one block device
 * @path:      below /dev, /dev/mapper for device-mapper
 * @sectors:   its size
 * @rdev:      its number
 * @partition: of another one
 * @ours:      a snapshot or store of ours is built on it
 * @held:      something else is
 */
struct sosnap_block {
	char path[280];
	u64 sectors;
	dev_t rdev;
	bool partition;
	bool ours;
	bool held;
};

/* An array to be freed, sorted by path; says why it failed */
int sosnap_blocks_get(struct sosnap_block **blocks, size_t *nr);

/* The path of a device number, "259:0" itself when there is none */
void sosnap_blocks_path(const char *number, char *path, size_t size);

#endif /* SOSNAP_BLOCKS_H */
