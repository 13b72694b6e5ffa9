/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The store on media. Everything is little-endian; every metadata block is
 * 4 KiB and starts with struct sosnap_disk_header; reserved fields are zero.
 *
 * Places (block numbers; R = SOSNAP_REGION_BLOCKS):
 *
 *	0			superblock, first copy
 *	r * R + 2, + 3		two slots of the bitmap of region r
 *	g * R * S + 4, + 5	two slots of summary g, which describes the
 *				bitmaps of S = SOSNAP_SUMMARY_REGIONS regions
 *	256			superblock, second copy
 *	257 ...			journal, super.journal_blocks long
 *
 * All other blocks are given out by the bitmaps to tree nodes and data.
 *
 * How blocks are found: the superblock names the two tree roots and, two bits
 * a summary, which summary slot is current. A summary entry names the current
 * slot of a bitmap by its generation. Both places are fixed, so writing them
 * allocates nothing. A region whose entry has generation 0 was never written:
 * in its bitmap only the fixed blocks above are set.
 */
#ifndef SOSNAP_FORMAT_H
#define SOSNAP_FORMAT_H

#include "platform.h"

#define SOSNAP_BLOCK_SHIFT	12
#define SOSNAP_BLOCK_SIZE	(1U << SOSNAP_BLOCK_SHIFT)
#define SOSNAP_BLOCK_SECTORS	(SOSNAP_BLOCK_SIZE >> 9)

#define SOSNAP_MAGIC_SUPER	0x50534f53U	/* "SOSP" */
#define SOSNAP_MAGIC_NODE	0x444e4f53U	/* "SOND" */
#define SOSNAP_MAGIC_BITMAP	0x4d424f53U	/* "SOBM" */
#define SOSNAP_MAGIC_SUMMARY	0x4d534f53U	/* "SOSM" */
#define SOSNAP_MAGIC_COMMIT	0x4a434f53U	/* "SOCJ" */

/**
 * struct sosnap_disk_header - first 64 bytes of every metadata block
 * @crc:   crc32c (seed ~0) of everything after this field: to the end of the
 *         block, or of the last record of a commit
 * @magic: what the block is
 * @uuid:  the store it belongs to
 * @blk:   its own block number
 * @gen:   the checkpoint that wrote it; for a commit its sequence number
 * @owner: node: enum sosnap_tree_id; bitmap: region; summary: its number
 * @hint:  node: key.hi of its first item, so that lost nodes can be sorted
 * @count: node: items; commit: record slots
 * @level: node: 0 for a leaf
 */
struct sosnap_disk_header {
	__le32 crc;
	__le32 magic;
	__u8 uuid[16];
	__le64 blk;
	__le64 gen;
	__le64 owner;
	__le64 hint;
	__le32 count;
	__u8 level;
	__u8 reserved[3];
} __packed;

#define SOSNAP_NAME_LEN		64	/* with the terminating zero */

/* Superblock */

#define SOSNAP_SUPER_BLK0	0
#define SOSNAP_SUPER_BLK1	256
#define SOSNAP_JOURNAL_BLK	257
#define SOSNAP_VERSION		1
#define SOSNAP_MIN_BLOCKS	2048		/* 8 MiB */
#define SOSNAP_MAX_BLOCKS	(8192ULL * 252 * 32256)	/* 248 TiB: what summary_slot covers */
#define SOSNAP_MIN_JOURNAL	256		/* blocks; one commit is at most 97 */
#define SOSNAP_MAX_JOURNAL	31744		/* ends within the first region */

#define SOSNAP_COMPAT_KNOWN	0ULL	/* unknown bits: harmless */
#define SOSNAP_RO_COMPAT_KNOWN	0ULL	/* unknown bits: read only */
#define SOSNAP_INCOMPAT_KNOWN	0ULL	/* unknown bits: refused */

#define SOSNAP_SUPER_CLEAN	0x1	/* the journal holds nothing to replay */

enum sosnap_tree_id {
	SOSNAP_TREE_CATALOG = 1,
	SOSNAP_TREE_EXTENT = 2,
};

#define SOSNAP_NR_TREES		2

struct sosnap_disk_root {
	__le64 blk;		/* 0: the tree is empty */
	__le64 gen;		/* of the root node */
	__le64 nr_nodes;
	__le64 nr_items;
	__u8 depth;		/* levels; 0 when empty */
	__u8 reserved[31];
} __packed;

struct sosnap_disk_super {
	struct sosnap_disk_header h;	/* gen: the last complete checkpoint */
	__le32 version;
	__le32 flags;
	__le64 compat;
	__le64 ro_compat;
	__le64 incompat;
	char name[SOSNAP_NAME_LEN];
	__le64 nr_blocks;		/* of the store device */
	__le64 journal_blk;
	__le64 journal_blocks;
	__le64 tail;			/* block in the journal where replay starts */
	__le64 tail_seq;		/* sequence number expected there */
	__le64 ctime;			/* seconds since 1970 */
	__le64 next_object;		/* object ids are never used twice */
	__le64 next_snapshot;
	__le64 next_gold;
	__le64 data_blocks;		/* owned by cache objects */
	__le64 node_blocks;		/* owned by trees */
	struct sosnap_disk_root root[SOSNAP_NR_TREES];	/* by tree id - 1 */
	__u8 reserved[512];
	__u8 summary_slot[2048];	/* two bits each: 0 none, 1 first, 2 second */
	__u8 reserved2[1160];
} __packed;

/* Bitmaps and summaries */

#define SOSNAP_BITMAP_BYTES	(SOSNAP_BLOCK_SIZE - 64)
#define SOSNAP_REGION_BLOCKS	(SOSNAP_BITMAP_BYTES * 8U)	/* 32256: 126 MiB */
#define SOSNAP_BITMAP_SLOT	2	/* and 3: offset in the region */
#define SOSNAP_SUMMARY_SLOT	4	/* and 5: offset in the first region described */

struct sosnap_disk_bitmap {
	struct sosnap_disk_header h;
	__u8 bits[SOSNAP_BITMAP_BYTES];	/* bit set: in use */
} __packed;

struct sosnap_disk_summary_entry {
	__le64 gen_slot;	/* generation << 1 | slot; 0: never written */
	__le32 free;		/* clear bits */
	__le32 reserved;
} __packed;

#define SOSNAP_SUMMARY_REGIONS	((SOSNAP_BLOCK_SIZE - 64) / 16U)	/* 252 */

struct sosnap_disk_summary {
	struct sosnap_disk_header h;
	struct sosnap_disk_summary_entry e[SOSNAP_SUMMARY_REGIONS];
} __packed;

/* Trees: fixed-size items, sorted by (hi, lo), packed from the header on */

struct sosnap_disk_key {
	__le32 hi;
	__le64 lo;
} __packed;

struct sosnap_disk_child {	/* item of a node of level > 0 */
	struct sosnap_disk_key key;	/* <= every key below; the first acts as -inf */
	__le64 blk;
	__le64 gen;		/* of the child; anything else there is stale */
} __packed;

/* Extent tree. key: hi = object, lo = first block in the snapshot */
struct sosnap_disk_extent {
	__le64 store;		/* first store block, or SOSNAP_STORE_ZERO */
	__le32 len;		/* blocks, > 0 */
} __packed;

#define SOSNAP_STORE_ZERO	(1ULL << 63)	/* the run reads as zeros */
#define SOSNAP_MAX_BLK		(1ULL << 48)	/* bound of a snapshot's block numbers */
#define SOSNAP_MAX_EXTENT	(1U << 31)	/* bound of an extent's length */

/* Catalogue. key: hi = enum sosnap_catalog_type, lo = id */
enum sosnap_catalog_type {
	SOSNAP_CATALOG_GOLD = 1,
	SOSNAP_CATALOG_OBJECT = 2,
	SOSNAP_CATALOG_SNAPSHOT = 3,
};

#define SOSNAP_CATALOG_BYTES	240

struct sosnap_disk_gold {
	char name[SOSNAP_NAME_LEN];
	__le64 sectors;
	__le64 ctime;
	__le32 sample_crc;	/* of the sampled blocks, see gold.h */
	__le32 flags;
	__u8 sha256[32];	/* of the whole image; zero: not computed */
	__u8 reserved[120];
} __packed;

#define SOSNAP_OBJECT_FROZEN	0x1	/* has children, takes no writes */
#define SOSNAP_OBJECT_DYING	0x2	/* its extents are being dropped */
#define SOSNAP_OBJECT_KNOWN	(SOSNAP_OBJECT_FROZEN | SOSNAP_OBJECT_DYING)

struct sosnap_disk_object {
	__le64 blocks;		/* store blocks it owns, at the last checkpoint */
	__le64 ctime;
	__le32 parent;		/* older object, or 0: directly on the gold image */
	__le32 gold;
	__le32 flags;
	__u8 reserved[212];
} __packed;

#define SOSNAP_SNAPSHOT_AUTO	0x1	/* activate with the store */
#define SOSNAP_SNAPSHOT_RO	0x2
#define SOSNAP_SNAPSHOT_DISPOSABLE 0x4	/* a monitor may remove it when space runs out */
#define SOSNAP_SNAPSHOT_LOSSY	0x8	/* a repair could not find all that it had */

struct sosnap_disk_snapshot {
	char name[SOSNAP_NAME_LEN];
	__u8 uuid[16];
	__le64 sectors;
	__le64 ctime;
	__le64 quota;		/* blocks, 0: none */
	__le64 reservation;	/* blocks */
	__le32 object;		/* the top of its chain */
	__le32 gold;
	__le32 flags;
	__le32 origin;		/* id of the snapshot it was taken of, 0: of the gold image */
	__u8 reserved[112];
} __packed;

/*
 * Journal. A commit is a header and count record slots, padded with zeros to
 * whole blocks, never wrapped: one that does not fit before the end of the
 * journal starts at block 0 of it.
 */
struct sosnap_disk_record {
	__le32 object;		/* PUT, DEL: enum sosnap_catalog_type */
	__le32 len;		/* blocks; PUT: payload slots that follow */
	__le64 blk;		/* top byte enum sosnap_record_type; PUT, DEL: id */
	__le64 store;		/* MAP: first store block; else 0 */
} __packed;

enum sosnap_record_type {
	SOSNAP_RECORD_MAP = 1,	/* blocks now live at store.. */
	SOSNAP_RECORD_ZERO = 2,	/* blocks read as zeros */
	SOSNAP_RECORD_PUT = 3,	/* catalogue item, value in the next slots */
	SOSNAP_RECORD_DEL = 4,	/* catalogue item is gone */
};

#define SOSNAP_RECORD_BLK_BITS	56
#define SOSNAP_PUT_SLOTS	(SOSNAP_CATALOG_BYTES / 24U)
#define SOSNAP_COMMIT_SLOTS	16384U	/* most slots in one commit */
#define SOSNAP_CHANGE_SLOTS	2048U	/* of these, most for the catalogue */
#define SOSNAP_COMMIT_BLOCKS	DIV_ROUND_UP(64 + SOSNAP_COMMIT_SLOTS * 24U, SOSNAP_BLOCK_SIZE)

static_assert(sizeof(struct sosnap_disk_header) == 64, "header");
static_assert(offsetof(struct sosnap_disk_header, count) == 56, "header.count");
static_assert(sizeof(struct sosnap_disk_root) == 64, "root");
static_assert(sizeof(struct sosnap_disk_super) == SOSNAP_BLOCK_SIZE, "super");
static_assert(sizeof(struct sosnap_disk_bitmap) == SOSNAP_BLOCK_SIZE, "bitmap");
static_assert(sizeof(struct sosnap_disk_summary) == SOSNAP_BLOCK_SIZE, "summary");
static_assert(sizeof(struct sosnap_disk_key) == 12, "key");
static_assert(sizeof(struct sosnap_disk_child) == 28, "child");
static_assert(sizeof(struct sosnap_disk_extent) == 12, "extent");
static_assert(sizeof(struct sosnap_disk_gold) == SOSNAP_CATALOG_BYTES, "gold");
static_assert(sizeof(struct sosnap_disk_object) == SOSNAP_CATALOG_BYTES, "object");
static_assert(sizeof(struct sosnap_disk_snapshot) == SOSNAP_CATALOG_BYTES, "snapshot");
static_assert(sizeof(struct sosnap_disk_record) == 24, "record");
static_assert(SOSNAP_COMMIT_BLOCKS == 97, "commit");

#endif /* SOSNAP_FORMAT_H */
