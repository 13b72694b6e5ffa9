/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The slots of a snapshot's map: window index -> entry, as a tree of pages with
 * 512 slots each, like a page table. Its depth follows from the snapshot's size
 * and never changes, so that a look-up is one load a level and no decision; it
 * is done for every I/O. (An xarray of the same windows took 130 instructions
 * more for each; Documentation/design/performance.md.)
 *
 * An entry is NULL, a value (xa_mk_value) or a pointer.
 *
 * S1  A slot that is NULL is set under snap->load_lock only. So a page that is
 *     found empty under it stays empty, and is freed then, after a grace period.
 * S2  A slot that is not NULL may be replaced under the RCU read lock alone
 *     (sosnap_slots_replace): its page cannot be freed meanwhile.
 */
#ifndef SOSNAP_SLOTS_H
#define SOSNAP_SLOTS_H

#include <linux/mm.h>
#include <linux/xarray.h>

#define SOSNAP_SLOTS_SHIFT	(PAGE_SHIFT - 3)
#define SOSNAP_SLOTS		(1U << SOSNAP_SLOTS_SHIFT)	/* in a page */

/**
 * struct sosnap_slots - the map of one snapshot
 * @root:  first page, or NULL
 * @shift: bits of an index below those that choose a slot of @root
 * @pages: how many pages there are; under load_lock
 */
struct sosnap_slots {
	void **root;
	u32 shift;
	u32 pages;
};

/* The slot of an index that is in range; NULL if its page does not exist. RCU read lock held. */
static inline void **sosnap_slots_find(const struct sosnap_slots *t, u64 index)
{
	void **page = READ_ONCE(t->root);
	u32 shift = t->shift;

	for (; page && shift; shift -= SOSNAP_SLOTS_SHIFT)
		page = READ_ONCE(page[index >> shift & (SOSNAP_SLOTS - 1)]);
	return page ? &page[index & (SOSNAP_SLOTS - 1)] : NULL;
}

/* What an index that is in range holds. RCU read lock, or load_lock, held. */
static inline void *sosnap_slots_load(const struct sosnap_slots *t, u64 index)
{
	void **slot = sosnap_slots_find(t, index);

	return slot ? READ_ONCE(*slot) : NULL;
}

void sosnap_slots_init(struct sosnap_slots *t, u64 nr);
void sosnap_slots_exit(struct sosnap_slots *t);
int sosnap_slots_store(struct sosnap_slots *t, u64 index, void *entry, gfp_t gfp);
bool sosnap_slots_replace(struct sosnap_slots *t, u64 index, void *old, void *entry);
void sosnap_slots_fill(struct sosnap_slots *t, u64 index, u64 end, void *entry);
void *sosnap_slots_next(const struct sosnap_slots *t, u64 *index, u64 end);
void sosnap_slots_trim(struct sosnap_slots *t, u64 index);

/* Every entry of [index, end) that is not NULL; load_lock held. index is changed. */
#define sosnap_slots_for_each(t, index, end, entry)				\
	for ((entry) = sosnap_slots_next(t, &(index), end); (entry);		\
	     (index)++, (entry) = sosnap_slots_next(t, &(index), end))

#endif /* SOSNAP_SLOTS_H */
