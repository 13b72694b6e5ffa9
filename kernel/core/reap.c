// SPDX-License-Identifier: GPL-2.0
#include "extent.h"
#include "lineage.h"
#include "meta_internal.h"
#include "reap.h"

/* Drop extents. Return: how many, or an error. */
static int drop(struct sosnap_meta *m, struct sosnap_entry *e, u32 budget)
{
	int n;

	m->object = e;
	n = sosnap_extent_drop(sosnap_meta_extents(m), &m->txn, e->id, budget,
			       sosnap_meta_freed, m);
	sosnap_meta_object_done(m);
	if (n >= 0 && (u32)n < budget)
		sosnap_catalog_del(&m->catalog, SOSNAP_CATALOG_OBJECT, e->id);
	return n;
}

/* Hand extents to the heir, and the object's place when it has none left. */
static int merge(struct sosnap_meta *m, struct sosnap_entry *e, u32 budget)
{
	struct sosnap_entry *heir = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT,
						       e->heir);
	u64 moved = 0;
	int n;

	if (!heir)
		return 0;
	m->object = e;
	n = sosnap_extent_merge(sosnap_meta_extents(m), &m->txn, e->id, heir->id, budget,
				&moved, sosnap_meta_freed, m);
	sosnap_meta_object_done(m);
	if (moved) {
		sosnap_meta_count(m, e, -(s64)moved);
		sosnap_meta_count(m, heir, moved);
	}
	if (n >= 0 && (u32)n < budget) {
		heir->item.object.parent = e->item.object.parent;
		heir->dirty = true;
		sosnap_catalog_del(&m->catalog, SOSNAP_CATALOG_OBJECT, e->id);
	}
	return n;
}

/* Whether there is something to do about an object; counted before. */
static bool is_dropped(const struct sosnap_entry *e)
{
	return !e->fenced && !sosnap_object_live(e);
}

static bool is_merged(const struct sosnap_entry *e)
{
	return !e->fenced && sosnap_object_live(e) &&
	       sosnap_object_is(e, SOSNAP_OBJECT_FROZEN) && e->children == 1;
}

/**
 * sosnap_reap() - take a step with every object that is not needed any more
 * @m:        the metadata; its checkpoint has merged its records
 * @tail_seq: number of the first commit that it did not merge
 * @budget:   how many extents may be dropped or moved
 * @merges:   whether any may be moved (R6)
 * Context: meta lock held; may sleep.
 * Return: 0 or an error that ends the checkpoint.
 */
int sosnap_reap(struct sosnap_meta *m, u64 tail_seq, u32 budget, bool merges)
{
	struct sosnap_entry *e;
	u32 id = 0;
	int n;

	m->reap_waits = !merges;
	sosnap_lineage_count(&m->catalog);
	while (budget && (e = sosnap_catalog_next(&m->catalog, SOSNAP_CATALOG_OBJECT, id))) {
		id = e->id + 1;
		if (is_dropped(e))
			n = drop(m, e, budget);
		else if (merges && is_merged(e) && e->seq < tail_seq)
			n = merge(m, e, budget);
		else
			continue;
		if (n == -EUCLEAN) {
			sosnap_meta_fence(m, e);
			continue;
		}
		if (n < 0)
			return n;
		budget -= n;
	}
	return 0;
}

/**
 * sosnap_reap_pending() - whether objects wait for more checkpoints
 * @m:      the metadata
 * @blocks: NULL, or set to the blocks of those, and of those that wait for space
 * Context: meta lock held.
 * Return: whether the next checkpoint will do something about them.
 */
bool sosnap_reap_pending(struct sosnap_meta *m, u64 *blocks)
{
	struct sosnap_entry *e;
	bool pending = false;
	u32 id = 0;

	if (blocks)
		*blocks = 0;
	sosnap_lineage_count(&m->catalog);
	while ((e = sosnap_catalog_next(&m->catalog, SOSNAP_CATALOG_OBJECT, id))) {
		id = e->id + 1;
		if (!is_dropped(e) && !is_merged(e))
			continue;
		pending |= is_dropped(e) || !m->reap_waits;
		if (blocks)
			*blocks += le64_to_cpu(e->item.object.blocks);
	}
	return pending;
}
