/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of a checkpoint share: meta.c, which merges records, and
 * reap.c, which takes away what nobody reads any more.
 */
#ifndef SOSNAP_META_INTERNAL_H
#define SOSNAP_META_INTERNAL_H

#include "meta.h"
#include "platform.h"

static inline struct sosnap_tree *sosnap_meta_extents(struct sosnap_meta *m)
{
	return &m->work[SOSNAP_TREE_EXTENT - 1];
}

int sosnap_meta_freed(void *ctx, u64 store, u32 len);
u64 sosnap_meta_sum(u64 count, s64 delta, u64 most);
void sosnap_meta_count(struct sosnap_meta *m, struct sosnap_entry *e, s64 delta);
void sosnap_meta_object_done(struct sosnap_meta *m);
void sosnap_meta_fence(struct sosnap_meta *m, struct sosnap_entry *object);

#endif /* SOSNAP_META_INTERNAL_H */
