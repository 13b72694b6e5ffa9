// SPDX-License-Identifier: GPL-2.0
/*
 * What the catalogue says about itself: names, references, ancestors, numbers.
 */
#include "check_internal.h"
#include "lineage.h"

/**
 * sosnap_check_type() - what a catalogue item is
 * @type: enum sosnap_catalog_type
 * Context: any.
 * Return: words for it.
 */
const char *sosnap_check_type(u32 type)
{
	switch (type) {
	case SOSNAP_CATALOG_GOLD:
		return "gold image";
	case SOSNAP_CATALOG_OBJECT:
		return "cache object";
	case SOSNAP_CATALOG_SNAPSHOT:
		return "snapshot";
	}
	return "item of unknown type";
}

static const struct sosnap_entry *get(const struct sosnap_check *c, u32 type, u32 id)
{
	return id ? sosnap_catalog_get(&c->catalog, type, id) : NULL;
}

/**
 * sosnap_check_slot() - place of a cache object in the catalogue
 * @c:  the pass
 * @id: of the object
 * Context: any.
 * Return: its index, U32_MAX: there is none.
 */
u32 sosnap_check_slot(const struct sosnap_check *c, u32 id)
{
	u32 lo = 0, hi = c->catalog.nr;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		const struct sosnap_entry *e = c->catalog.entry[mid];

		if (e->type < SOSNAP_CATALOG_OBJECT ||
		    (e->type == SOSNAP_CATALOG_OBJECT && e->id < id))
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < c->catalog.nr && c->catalog.entry[lo]->type == SOSNAP_CATALOG_OBJECT &&
	    c->catalog.entry[lo]->id == id)
		return lo;
	return U32_MAX;
}

static int by_name(const void *x, const void *y)
{
	const struct sosnap_entry *a = *(const struct sosnap_entry * const *)x;
	const struct sosnap_entry *b = *(const struct sosnap_entry * const *)y;
	int r;

	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->type == SOSNAP_CATALOG_OBJECT)
		return 0;
	/* both start with the name, and it is terminated: they are sane */
	r = strcmp(a->item.gold.name, b->item.gold.name);
	return r ? r : a->id < b->id ? -1 : a->id > b->id;
}

static int check_names(struct sosnap_check *c)
{
	struct sosnap_entry **sorted;
	u32 i, nr = c->catalog.nr;

	if (nr < 2)
		return 0;
	sorted = kvmalloc_array(nr, sizeof(*sorted), GFP_KERNEL);
	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, c->catalog.entry, nr * sizeof(*sorted));
	sort(sorted, nr, sizeof(*sorted), by_name, NULL);
	for (i = 1; i < nr; i++) {
		const struct sosnap_entry *a = sorted[i - 1], *b = sorted[i];

		if (a->type == b->type && a->type != SOSNAP_CATALOG_OBJECT &&
		    !strcmp(a->item.gold.name, b->item.gold.name))
			sosnap_check_say(c, SOSNAP_FAULT_NAME_TWICE, 0, b->id, "%ss %u and %u: %s",
					 sosnap_check_type(a->type), a->id, b->id,
					 a->item.gold.name);
	}
	kvfree(sorted);
	return 0;
}

static void check_number(struct sosnap_check *c, const struct sosnap_entry *e)
{
	u64 next = e->type == SOSNAP_CATALOG_GOLD ? c->super.next_gold :
		   e->type == SOSNAP_CATALOG_OBJECT ? c->super.next_object :
		   c->super.next_snapshot;

	if (e->id >= next)
		sosnap_check_say(c, SOSNAP_FAULT_SUPER_COUNT, 0, next,
				 "%s %u exists, the next one would be %llu",
				 sosnap_check_type(e->type), e->id, (unsigned long long)next);
}

static void check_snapshot(struct sosnap_check *c, const struct sosnap_entry *e, u8 *in_use)
{
	u32 object = le32_to_cpu(e->item.snapshot.object);
	u32 gold = le32_to_cpu(e->item.snapshot.gold);
	u32 slot = sosnap_check_slot(c, object);

	if (!get(c, SOSNAP_CATALOG_GOLD, gold))
		sosnap_check_say(c, SOSNAP_FAULT_SNAPSHOT_REF, 0, e->id,
				 "snapshot %s: gold image %u does not exist",
				 e->item.snapshot.name, gold);
	if (slot == U32_MAX) {
		sosnap_check_say(c, SOSNAP_FAULT_SNAPSHOT_REF, 0, e->id,
				 "snapshot %s: cache object %u does not exist",
				 e->item.snapshot.name, object);
		return;
	}
	if (in_use[slot])
		sosnap_check_say(c, SOSNAP_FAULT_SNAPSHOT_REF, 0, e->id,
				 "snapshot %s: cache object %u is another snapshot's",
				 e->item.snapshot.name, object);
	in_use[slot] = 1;
	if (sosnap_object_is(c->catalog.entry[slot], SOSNAP_OBJECT_DYING | SOSNAP_OBJECT_FROZEN))
		sosnap_check_say(c, SOSNAP_FAULT_SNAPSHOT_REF, 0, e->id,
				 "snapshot %s: cache object %u is frozen or being removed",
				 e->item.snapshot.name, object);
}

/* Of an object that some snapshot reads through, lineage.h. */
static void check_object(struct sosnap_check *c, const struct sosnap_entry *e)
{
	u32 gold = le32_to_cpu(e->item.object.gold);
	u32 parent = le32_to_cpu(e->item.object.parent);
	u32 slot;

	if (!get(c, SOSNAP_CATALOG_GOLD, gold))
		sosnap_check_say(c, SOSNAP_FAULT_SNAPSHOT_REF, 0, e->id,
				 "cache object %u: gold image %u does not exist", e->id, gold);
	if (!parent)
		return;
	slot = sosnap_check_slot(c, parent);
	if (slot == U32_MAX)
		sosnap_check_say(c, SOSNAP_FAULT_OBJECT_PARENT, 0, e->id,
				 "cache object %u: its parent %u does not exist", e->id, parent);
	else if (!sosnap_object_is(c->catalog.entry[slot], SOSNAP_OBJECT_FROZEN) ||
		 sosnap_object_is(c->catalog.entry[slot], SOSNAP_OBJECT_DYING))
		sosnap_check_say(c, SOSNAP_FAULT_OBJECT_PARENT, 0, e->id,
				 "cache object %u: its parent %u takes writes or is being removed",
				 e->id, parent);
}

static void check_unused(struct sosnap_check *c, u32 i, const u8 *in_use)
{
	const struct sosnap_entry *e = c->catalog.entry[i];

	/* a frozen one is given up when nobody reads through it any more */
	if (e->type != SOSNAP_CATALOG_OBJECT || in_use[i] ||
	    sosnap_object_is(e, SOSNAP_OBJECT_DYING | SOSNAP_OBJECT_FROZEN))
		return;
	sosnap_check_say(c, SOSNAP_FAULT_OBJECT_UNUSED, 0, e->id,
			 "cache object %u, with %llu blocks", e->id,
			 (unsigned long long)le64_to_cpu(e->item.object.blocks));
}

/**
 * sosnap_check_catalog() - check the items of the catalogue against each other
 * @c: the pass, after the catalogue tree was walked
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_check_catalog(struct sosnap_check *c)
{
	u8 *in_use;	/* objects that a snapshot names */
	u32 i;
	int r;

	if (!c->catalog.nr)
		return 0;
	for (i = 0; i < c->catalog.nr; i++)
		check_number(c, c->catalog.entry[i]);
	r = check_names(c);
	/* the rest looks for items that may be among those lost */
	if (r || c->lost_items)
		return r;
	in_use = kvcalloc(c->catalog.nr, 1, GFP_KERNEL);
	if (!in_use)
		return -ENOMEM;
	sosnap_lineage_count(&c->catalog);
	for (i = 0; i < c->catalog.nr; i++) {
		const struct sosnap_entry *e = c->catalog.entry[i];

		if (e->type == SOSNAP_CATALOG_SNAPSHOT)
			check_snapshot(c, e, in_use);
		else if (e->type == SOSNAP_CATALOG_OBJECT && sosnap_object_live(e))
			check_object(c, e);
	}
	for (i = 0; i < c->catalog.nr; i++)
		check_unused(c, i, in_use);
	kvfree(in_use);
	return 0;
}
