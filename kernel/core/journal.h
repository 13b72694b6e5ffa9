/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The journal: commits one after the other in a circular region.
 *
 *	tail                     head
 *	 v                        v
 *	[commit n][commit n+1]...|            (or wrapped)
 *
 * I1  A commit has the sequence number that follows its predecessor's; numbers
 *     are never used twice in the life of a store, so what is left of earlier
 *     laps is recognised by its number, of other stores by its uuid.
 * I2  A commit never wraps: one that does not fit before the end of the region
 *     starts at 0. So a reader that finds no successor at its place looks at 0.
 * I3  At most one commit is in flight. So a torn one is the last, and a number
 *     is skipped after recovery in case it turns up whole later.
 * I4  head never catches up with tail: head == tail means empty.
 */
#ifndef SOSNAP_JOURNAL_H
#define SOSNAP_JOURNAL_H

#include "format.h"
#include "ops.h"
#include "platform.h"
#include "super.h"

/**
 * struct sosnap_journal - places, in blocks from the start of the region
 * @blocks: size of the region
 * @tail:   the oldest commit that is needed
 * @head:   where the next one goes
 * @seq:    its sequence number
 */
struct sosnap_journal {
	u64 blocks;
	u64 tail;
	u64 head;
	u64 seq;
};

static inline u32 sosnap_commit_blocks(u32 slots)
{
	return DIV_ROUND_UP(sizeof(struct sosnap_disk_header) +
			    slots * sizeof(struct sosnap_disk_record), SOSNAP_BLOCK_SIZE);
}

/* What the checksum of a commit covers; the padding behind it means nothing. */
static inline size_t sosnap_commit_bytes(u32 slots)
{
	return sizeof(struct sosnap_disk_header) + slots * sizeof(struct sosnap_disk_record);
}

static inline u64 sosnap_record_blk(const struct sosnap_disk_record *r)
{
	return le64_to_cpu(r->blk) & ((1ULL << SOSNAP_RECORD_BLK_BITS) - 1);
}

static inline u32 sosnap_record_type(const struct sosnap_disk_record *r)
{
	return le64_to_cpu(r->blk) >> SOSNAP_RECORD_BLK_BITS;
}

static inline void sosnap_record_fill(struct sosnap_disk_record *r, u32 type, u32 object,
				      u64 blk, u32 len, u64 store)
{
	r->object = cpu_to_le32(object);
	r->len = cpu_to_le32(len);
	r->blk = cpu_to_le64(blk | (u64)type << SOSNAP_RECORD_BLK_BITS);
	r->store = cpu_to_le64(store);
}

u64 sosnap_journal_used(const struct sosnap_journal *j);
int sosnap_journal_place(const struct sosnap_journal *j, u32 blocks, u64 *pos);
void sosnap_journal_encode(const struct sosnap_io *io, const struct sosnap_super *s, u64 pos,
			   u64 seq, u32 slots, void *buf);
int sosnap_journal_write(struct sosnap_io *io, const struct sosnap_super *s,
			 struct sosnap_journal *j, const struct sosnap_disk_record *slots,
			 u32 nr);

/**
 * typedef sosnap_journal_fn - takes the slots of one commit
 * @ctx:   the caller's
 * @seq:   its number
 * @slots: its record slots
 * @nr:    how many
 * Return: 0 to go on, or an error that ends the scan.
 */
typedef int (*sosnap_journal_fn)(void *ctx, u64 seq, const struct sosnap_disk_record *slots,
				 u32 nr);

int sosnap_journal_scan(struct sosnap_io *io, const struct sosnap_super *s,
			struct sosnap_journal *j, sosnap_journal_fn fn, void *ctx);

#endif /* SOSNAP_JOURNAL_H */
