/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The superblock: two copies of the same content, rewritten one after the
 * other, so that one of them is whole at any time.
 */
#ifndef SOSNAP_SUPER_H
#define SOSNAP_SUPER_H

#include "btree.h"
#include "format.h"
#include "ops.h"
#include "platform.h"

/**
 * struct sosnap_super - a superblock in core, fields as in sosnap_disk_super
 * @read_only:  it has ro_compat features that are not known
 * @bad_copies: which copies could not be used or were older: bit 0, bit 1
 */
struct sosnap_super {
	char name[SOSNAP_NAME_LEN];
	u64 gen;
	u32 flags;
	u64 compat;
	u64 ro_compat;
	u64 nr_blocks;
	u64 journal_blk;
	u64 journal_blocks;
	u64 tail;
	u64 tail_seq;
	u64 ctime;
	u64 next_object;
	u64 next_snapshot;
	u64 next_gold;
	u64 data_blocks;
	u64 node_blocks;
	struct sosnap_root root[SOSNAP_NR_TREES];
	u8 summary_slot[sizeof_field(struct sosnap_disk_super, summary_slot)];
	bool read_only;
	u8 bad_copies;
};

void sosnap_super_init(struct sosnap_super *s, const char *name, u64 nr_blocks,
		       u64 journal_blocks, u64 now);
void sosnap_super_encode(const struct sosnap_super *s, const u8 *uuid, u64 blk,
			 struct sosnap_disk_super *d);
int sosnap_super_decode(const struct sosnap_disk_super *d, u64 blk, u64 device_blocks,
			struct sosnap_super *s, struct sosnap_fault *fault);
int sosnap_super_read(struct sosnap_io *io, struct sosnap_super *s);
int sosnap_super_write(struct sosnap_io *io, const struct sosnap_super *s);

static inline u32 sosnap_super_slot(const struct sosnap_super *s, u64 summary)
{
	return (s->summary_slot[summary >> 2] >> ((summary & 3) * 2)) & 3;
}

static inline void sosnap_super_set_slot(struct sosnap_super *s, u64 summary, u32 slot)
{
	u32 shift = (summary & 3) * 2;

	s->summary_slot[summary >> 2] &= ~(3U << shift);
	s->summary_slot[summary >> 2] |= slot << shift;
}

#endif /* SOSNAP_SUPER_H */
