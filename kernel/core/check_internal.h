/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the check share: one pass over one state of the store.
 */
#ifndef SOSNAP_CHECK_INTERNAL_H
#define SOSNAP_CHECK_INTERNAL_H

#include "catalog.h"
#include "check.h"
#include "format.h"
#include "ops.h"
#include "platform.h"
#include "super.h"

/**
 * struct sosnap_check - one pass
 * @super:       of the state that is checked
 * @catalog:     every item that makes sense
 * @owned:       by index of @catalog: for cache objects, store blocks in extents
 * @used:        by region: blocks that have an owner, NULL: only the fixed ones
 * @nr_regions:  in @used
 * @marked:      blocks that got an owner
 * @lost_items:  catalogue items were lost
 * @lost_extents: extents were lost
 * @object:      the extents seen last are of this one, 0: none yet
 * @end:         where the last of them ended
 * @orphans:     of them, if the object does not exist
 * @slot:        place of @object in @catalog, U32_MAX: does not exist
 * @leaf:        the leaf that is looked at
 * @done:        for progress
 * @total:       for progress
 * @text:        a detail being written
 */
struct sosnap_check {
	struct sosnap_io *io;
	const struct sosnap_check_ops *ops;
	void *ctx;
	struct sosnap_check_result *result;
	struct sosnap_super super;
	struct sosnap_catalog catalog;
	u64 *owned;
	u8 **used;
	u32 nr_regions;
	u64 marked;
	bool lost_items;
	bool lost_extents;
	u32 object;
	u32 slot;
	u64 end;
	u64 orphans;
	u64 leaf;
	u64 done;
	u64 total;
	char text[256];
};

/* Tell a damage; the detail is a format with its arguments. */
#define sosnap_check_say(c, what, blk, arg, ...) do {			\
	snprintf((c)->text, sizeof((c)->text), __VA_ARGS__);		\
	sosnap_check_found(c, what, blk, arg);				\
} while (0)

void sosnap_check_found(struct sosnap_check *c, u32 what, u64 blk, u64 arg);
void sosnap_check_fault(struct sosnap_check *c, int error, u64 blk);
void sosnap_check_step(struct sosnap_check *c);

int sosnap_check_catalog(struct sosnap_check *c);
const char *sosnap_check_type(u32 type);
u32 sosnap_check_slot(const struct sosnap_check *c, u32 id);

int sosnap_check_mark(struct sosnap_check *c, u64 blk, u32 len);
int sosnap_check_bitmaps(struct sosnap_check *c);

#endif /* SOSNAP_CHECK_INTERNAL_H */
