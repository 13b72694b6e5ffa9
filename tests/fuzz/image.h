/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The metadata of a store as single blocks, and edits of it that keep the
 * checksums right. A fuzzer's input is a list of edits, so that what it finds
 * lies behind the checksums, where a random change of bytes would end.
 */
#ifndef SOSNAP_FUZZ_IMAGE_H
#define SOSNAP_FUZZ_IMAGE_H

#include "format.h"
#include "platform.h"

/* blk[n] is block n, or NULL for zeros; places are the blocks with metadata */
struct image {
	u64 nr_blocks;
	u8 **blk;
	u32 *place;
	u32 nr_places;
};

#define EDIT_BROKEN	0x1	/* the checksum stays wrong */
#define EDIT_SINGLE	0x2	/* one copy of the superblock only */

/* 16 bytes of a fuzzer's input; every value means something. */
struct edit {
	__le16 place;
	__le16 offset;
	u8 width;
	u8 flags;
	u8 op;		/* set, xor, add */
	u8 unused;
	__le64 value;
} __packed;

/* A block that may be changed, from whoever keeps the changed ones. */
typedef u8 *(*image_write_fn)(void *ctx, u64 blk);

void image_init(struct image *im, u64 nr_blocks);
void image_exit(struct image *im);
void image_find_places(struct image *im);
void image_seed(struct image *im);

void edit_random(const struct image *im, struct edit *e, u64 *seed);
void edit_apply(const struct image *im, const struct edit *e, image_write_fn write, void *ctx);
u64 edit_rand(u64 *seed);

#endif /* SOSNAP_FUZZ_IMAGE_H */
