/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of everything that can be wrong with a store. Each damage is raised in
 * one place, so the name tells the check that failed. Numbers are stable.
 */
#ifndef SOSNAP_FAULT_H
#define SOSNAP_FAULT_H

#include "platform.h"

/* number, name, sentence */
#define SOSNAP_FAULTS(X) \
	X(0,  NONE,             "no damage") \
	X(1,  BLOCK_RANGE,      "refers to a block outside of the store") \
	X(2,  BLOCK_MAGIC,      "is not a metadata block of the expected kind") \
	X(3,  BLOCK_CRC,        "has a wrong checksum") \
	X(4,  BLOCK_UUID,       "belongs to another store") \
	X(5,  BLOCK_ADDRESS,    "was written for another place") \
	X(6,  BLOCK_GENERATION, "has another generation than the block that refers to it") \
	X(7,  BLOCK_OWNER,      "belongs to another tree or region") \
	X(8,  NODE_LEVEL,       "is a node of the wrong level") \
	X(9,  NODE_COUNT,       "has an impossible number of items") \
	X(10, NODE_ORDER,       "has items out of order") \
	X(11, NODE_BOUNDS,      "has items outside of what its parent says") \
	X(12, EXTENT_VALUE,     "has an extent that is empty, too long or outside of the store") \
	X(13, EXTENT_OVERLAP,   "has extents that overlap") \
	X(14, CATALOG_VALUE,    "has a catalogue item that makes no sense") \
	X(15, SUPER_FIELD,      "superblock has a field out of bounds") \
	X(16, SUPER_VERSION,    "superblock has an unknown version") \
	X(17, SUPER_INCOMPAT,   "store uses a feature this version does not know") \
	X(18, SUPER_SIZE,       "device is smaller than the store on it") \
	X(19, SUPER_LOST,       "no valid superblock found") \
	X(20, RECORD_VALUE,     "journal has a record that makes no sense") \
	X(21, BITMAP_LOST,      "bitmap has lost both slots") \
	X(22, BITMAP_COUNT,     "bitmap and its free count disagree") \
	X(23, BITMAP_FREE,      "block is in use but free in the bitmap") \
	X(24, BITMAP_LEAK,      "block is in use in the bitmap but has no owner") \
	X(25, BLOCK_SHARED,     "block has two owners") \
	X(26, OBJECT_COUNT,     "cache object has a wrong block count") \
	X(27, OBJECT_ORPHAN,    "extent belongs to no cache object") \
	X(28, OBJECT_PARENT,    "cache object has a missing ancestor, or one that takes writes") \
	X(29, SNAPSHOT_REF,     "snapshot refers to a missing cache object or gold image") \
	X(30, NAME_TWICE,       "name is used twice") \
	X(31, SUPER_COUNT,      "superblock has a wrong block or item count") \
	X(32, SUPER_COPY,       "one copy of the superblock is lost or stale") \
	X(33, OBJECT_UNUSED,    "cache object is not used by any snapshot") \
	X(34, NODE_MANY,        "tree has more levels or nodes than possible") \
	X(35, BLOCK_READ,       "cannot be read") \
	X(36, JOURNAL_LOST,     "journal lacks a commit that others follow") \
	X(37, SUPER_WRITE,      "superblock cannot be written")

enum sosnap_fault_what {
#define X(number, name, text) SOSNAP_FAULT_##name = (number),
	SOSNAP_FAULTS(X)
#undef X
};

/**
 * struct sosnap_fault - one damage found
 * @what: which, enum sosnap_fault_what
 * @blk:  the block it was found in
 * @arg:  what it is about: an item, a block, an object, depending on @what
 */
struct sosnap_fault {
	u32 what;
	u64 blk;
	u64 arg;
};

const char *sosnap_fault_name(u32 what);
const char *sosnap_fault_text(u32 what);

/**
 * sosnap_fault_set() - note a damage and make the errno for it
 * @f:    where to note it
 * @what: enum sosnap_fault_what
 * @blk:  the block it was found in
 * @arg:  what it is about
 * Return: -EUCLEAN, so that callers can return the call.
 */
static inline int sosnap_fault_set(struct sosnap_fault *f, u32 what, u64 blk, u64 arg)
{
	f->what = what;
	f->blk = blk;
	f->arg = arg;
	return -EUCLEAN;
}

#endif /* SOSNAP_FAULT_H */
