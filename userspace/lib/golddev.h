/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device of a gold image. A store keeps size, sample checksum and SHA-256
 * of its gold images, never a path: devices are recognised by what they hold.
 */
#ifndef SOSNAP_GOLDDEV_H
#define SOSNAP_GOLDDEV_H

#include "lib/blocks.h"
#include "lib/dev.h"
#include "lib/reply.h"

/**
 * struct sosnap_golddevs - where gold images are looked for
 *
 * Zero it before the first use. It remembers what it has read of which device,
 * so that a thousand snapshots of one gold image cost one search.
 */
struct sosnap_golddevs {
	struct sosnap_block *blocks;
	size_t nr;
	u32 *crc;		/* of blocks[i] ... */
	u8 *state;		/* ... 0: not read, 1: read, 2: unreadable */
	bool listed;
	char failed[SOSNAP_NAME_LEN];	/* the gold image that was not found last */
	u64 silent;		/* how often it was looked for after that was said */
};

void sosnap_golddevs_free(struct sosnap_golddevs *g);

/**
 * sosnap_golddevs_find() - the device that holds a gold image
 * @g:     see above
 * @gold:  what the store knows of it
 * @store: the store, for the error
 * Return: a path that lives as long as @g, or NULL after saying what to do.
 * Of several, one that snapshots use already is taken, then the only one that
 * nothing else is built on. A copy looks the same but may have been changed where
 * the samples are not: when nothing tells them apart, the user must.
 */
const char *sosnap_golddevs_find(struct sosnap_golddevs *g, const struct sosnap_reply_gold *gold,
				 const char *store);

/* Whether @path holds it; says what differs and returns -EUCLEAN if not */
int sosnap_golddev_match(const char *path, const struct sosnap_reply_gold *gold);

/* The sample checksum of gold.h; says why it failed */
int sosnap_golddev_crc(const struct sosnap_dev *dev, u32 *crc);

/* SHA-256 of all of it as 64 hex digits, with progress; says why it failed */
int sosnap_golddev_sha256(const struct sosnap_dev *dev, char hex[65]);

#endif /* SOSNAP_GOLDDEV_H */
