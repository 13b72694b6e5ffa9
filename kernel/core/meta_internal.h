/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of a checkpoint share: meta.c, which merges records, reap.c, which
 * takes away what nobody reads any more, and evacuate.c, which empties the tail.
 */
#ifndef SOSNAP_META_INTERNAL_H
#define SOSNAP_META_INTERNAL_H

#include "meta.h"
#include "platform.h"

/* The space lock of the host, if it has one. */
static inline void sosnap_meta_lock(struct sosnap_meta *m)
{
	if (m->host)
		m->host->lock(m);
}

static inline void sosnap_meta_unlock(struct sosnap_meta *m)
{
	if (m->host)
		m->host->unlock(m);
}

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
