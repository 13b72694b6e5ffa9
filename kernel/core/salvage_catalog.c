// SPDX-License-Identifier: GPL-2.0
/*
 * The catalogue made consistent: every reference leads somewhere, every cache
 * object has a use, every name is used once. Items that are lost are made anew,
 * so that what refers to them lives on; nothing that has blocks is let go.
 */
#include "lineage.h"
#include "salvage_internal.h"

static struct sosnap_entry *get(const struct sosnap_salvage *s, u32 type, u32 id)
{
	return sosnap_catalog_get(&s->meta.catalog, type, id);
}

static struct sosnap_entry *next(const struct sosnap_salvage *s, u32 type, u32 *id)
{
	struct sosnap_entry *e = sosnap_catalog_next(&s->meta.catalog, type, *id);

	if (e)
		*id = e->id + 1;
	return e;
}

static void tell(struct sosnap_salvage *s, u32 type, u32 id, const char *what)
{
	if (s->ops->changed)
		s->ops->changed(s->ctx, type, id, what);
}

static int put(struct sosnap_salvage *s, u32 type, u32 id, const union sosnap_item *item,
	       const char *what)
{
	struct sosnap_super *super = &s->meta.super;
	u64 *next_id = type == SOSNAP_CATALOG_GOLD ? &super->next_gold :
		       type == SOSNAP_CATALOG_OBJECT ? &super->next_object : &super->next_snapshot;

	*next_id = max(*next_id, (u64)id + 1);
	tell(s, type, id, what);
	return sosnap_catalog_put(&s->meta.catalog, type, id, item);
}

/* As where items are made: the number after it is one too. */
static int new_id(u64 *next_id, u32 *id)
{
	if (*next_id >= U32_MAX - 1)
		return -EOVERFLOW;
	*id = (*next_id)++;
	return 0;
}

/* A name that nothing of the type has yet. */
static void free_name(const struct sosnap_salvage *s, u32 type, const char *base, u32 id,
		      char name[SOSNAP_NAME_LEN])
{
	u32 n;

	snprintf(name, SOSNAP_NAME_LEN, "%.40s-%u", base, id);
	for (n = 2; sosnap_catalog_name(&s->meta.catalog, type, name); n++)
		snprintf(name, SOSNAP_NAME_LEN, "%.40s-%u.%u", base, id, n);
}

/* Made anew without all that it was. */
static int doubt(struct sosnap_salvage *s, u32 type, u32 id, int r)
{
	struct sosnap_entry *e = get(s, type, id);

	if (!r && e)
		e->fenced = true;
	return r;
}

static int make_object(struct sosnap_salvage *s, u32 id, u32 gold, u32 parent, u32 flags)
{
	union sosnap_item item = { };

	item.object.gold = cpu_to_le32(gold);
	item.object.parent = cpu_to_le32(parent);
	item.object.flags = cpu_to_le32(flags);
	item.object.ctime = cpu_to_le64(s->want->now);
	return put(s, SOSNAP_CATALOG_OBJECT, id, &item,
		   "was lost: made anew with what is found of its blocks");
}

/* Objects that only their extents tell of; their gold image is not known. */
static int unknown_objects(struct sosnap_salvage *s)
{
	u32 gold = 0;
	u64 i;
	int r = 0;

	for (i = 0; i < s->extents.nr && !r; i++) {
		const struct salvage_claim *c = &s->extents.v[i];

		if (c->drop || c->class != SALVAGE_SURE || c->object >= U32_MAX ||
		    get(s, SOSNAP_CATALOG_OBJECT, c->object))
			continue;
		if (!gold)
			r = new_id(&s->meta.super.next_gold, &gold);
		if (!r)
			r = doubt(s, SOSNAP_CATALOG_OBJECT, c->object,
				  make_object(s, c->object, gold, 0, 0));
	}
	return r;
}

/* A snapshot of an object that is being removed is from before the removal. */
static void removed_snapshots(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e, *o;
	u32 id = 0;

	while ((e = next(s, SOSNAP_CATALOG_SNAPSHOT, &id))) {
		o = get(s, SOSNAP_CATALOG_OBJECT, le32_to_cpu(e->item.snapshot.object));
		if (!o || !(le32_to_cpu(o->item.object.flags) & SOSNAP_OBJECT_DYING))
			continue;
		tell(s, SOSNAP_CATALOG_SNAPSHOT, e->id, "was being removed, and is left out");
		sosnap_catalog_del(&s->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, e->id);
	}
}

static int lost_tops(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e;
	u32 id = 0;
	int r = 0;

	while (!r && (e = next(s, SOSNAP_CATALOG_SNAPSHOT, &id))) {
		u32 object = le32_to_cpu(e->item.snapshot.object);

		if (!get(s, SOSNAP_CATALOG_OBJECT, object))
			r = doubt(s, SOSNAP_CATALOG_OBJECT, object,
				  make_object(s, object, le32_to_cpu(e->item.snapshot.gold), 0, 0));
	}
	return r;
}

/* Ancestors that are lost are made anew; the rest of their chain is not known. */
static int lost_parents(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e;
	u32 id = 0;
	int r = 0;

	while (!r && (e = next(s, SOSNAP_CATALOG_OBJECT, &id))) {
		u32 parent = le32_to_cpu(e->item.object.parent);

		if (!parent || get(s, SOSNAP_CATALOG_OBJECT, parent) ||
		    sosnap_object_is(e, SOSNAP_OBJECT_DYING))
			continue;
		r = doubt(s, SOSNAP_CATALOG_OBJECT, parent,
			  make_object(s, parent, le32_to_cpu(e->item.object.gold), 0,
				      SOSNAP_OBJECT_FROZEN));
	}
	return r;
}

/*
 * Nobody reads through an object that is being removed: an item that says so is
 * from before, and what is above the object is what is left. Numbers of parents
 * are lower, so this ends.
 */
static void removed_parents(struct sosnap_salvage *s)
{
	struct sosnap_entry *e, *o;
	u32 id = 0;

	while ((e = next(s, SOSNAP_CATALOG_OBJECT, &id))) {
		if (sosnap_object_is(e, SOSNAP_OBJECT_DYING))
			continue;
		while ((o = get(s, SOSNAP_CATALOG_OBJECT, le32_to_cpu(e->item.object.parent))) &&
		       sosnap_object_is(o, SOSNAP_OBJECT_DYING)) {
			e->item.object.parent = o->item.object.parent;
			tell(s, SOSNAP_CATALOG_OBJECT, e->id,
			     "had a parent that is being removed, and has that one's now");
		}
	}
}

/*
 * By place in the catalogue: how many use an object as parent, and as top; and where
 * what is known of its extents ends, 0 if nothing is.
 */
struct uses {
	u32 children;
	u32 tops;
	u64 end;
};

static struct uses *use_of(const struct sosnap_salvage *s, struct uses *uses, u32 object)
{
	const struct sosnap_entry *e = get(s, SOSNAP_CATALOG_OBJECT, object);
	u32 lo = 0, hi = s->meta.catalog.nr;

	while (e && lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		const struct sosnap_entry *m = s->meta.catalog.entry[mid];

		if (m == e)
			return &uses[mid];
		if (m->type < e->type || (m->type == e->type && m->id < e->id))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static struct uses *count_uses(const struct sosnap_salvage *s)
{
	struct uses *uses = kvcalloc(max(s->meta.catalog.nr, 1U), sizeof(*uses), GFP_KERNEL), *u;
	const struct sosnap_entry *e;
	u32 id = 0;

	if (!uses)
		return NULL;
	while ((e = next(s, SOSNAP_CATALOG_OBJECT, &id))) {
		u = use_of(s, uses, le32_to_cpu(e->item.object.parent));
		if (u)
			u->children++;
	}
	id = 0;
	while ((e = next(s, SOSNAP_CATALOG_SNAPSHOT, &id))) {
		u = use_of(s, uses, le32_to_cpu(e->item.snapshot.object));
		if (u)
			u->tops++;
	}
	return uses;
}

/*
 * A snapshot writes to the top of its chain, so nobody else may look through it.
 * An item from before a snapshot of it was taken may say so: it gets a new top.
 */
static int shared_tops(struct sosnap_salvage *s)
{
	struct uses *uses = count_uses(s);
	u32 nr = s->meta.catalog.nr, i;
	struct sosnap_entry **list, *o;
	int r = 0;

	/* the catalogue changes below */
	list = kvmalloc_array(max(nr, 1U), sizeof(*list), GFP_KERNEL);
	if (!uses || !list)
		r = -ENOMEM;
	for (i = 0; i < nr && !r; i++)
		list[i] = s->meta.catalog.entry[i];
	for (i = 0; i < nr && !r; i++)
		if (list[i]->type == SOSNAP_CATALOG_OBJECT && !list[i]->gone &&
		    (uses[i].children || uses[i].tops > 1))
			list[i]->item.object.flags |= cpu_to_le32(SOSNAP_OBJECT_FROZEN);
	for (i = 0; i < nr && !r; i++) {
		union sosnap_item item = list[i]->item;
		u32 id, object = le32_to_cpu(item.snapshot.object);

		if (list[i]->type != SOSNAP_CATALOG_SNAPSHOT || list[i]->gone)
			continue;
		o = get(s, SOSNAP_CATALOG_OBJECT, object);
		if (!o || !(le32_to_cpu(o->item.object.flags) & SOSNAP_OBJECT_FROZEN))
			continue;
		r = new_id(&s->meta.super.next_object, &id);
		if (!r)
			r = make_object(s, id, le32_to_cpu(o->item.object.gold), object, 0);
		if (r)
			break;
		item.snapshot.object = cpu_to_le32(id);
		r = put(s, SOSNAP_CATALOG_SNAPSHOT, list[i]->id, &item,
			"shared its cache object: it has a new one on top of that");
	}
	kvfree(uses);
	kvfree(list);
	return r;
}

/* Neighbours mostly are of one object. */
static void count_ends(const struct sosnap_salvage *s, struct uses *uses,
		       const struct salvage_claims *claims)
{
	struct uses *u = NULL;
	u32 object = 0;
	u64 i;

	for (i = 0; i < claims->nr; i++) {
		const struct salvage_claim *c = &claims->v[i];

		if (c->drop)
			continue;
		if (c->object != object)
			u = use_of(s, uses, c->object);
		object = c->object;
		if (u)
			u->end = max(u->end, c->blk + c->len);
	}
}

static int make_snapshot(struct sosnap_salvage *s, const struct sosnap_entry *o, u64 blocks)
{
	u32 id, gold = le32_to_cpu(o->item.object.gold), i;
	const struct sosnap_entry *g = get(s, SOSNAP_CATALOG_GOLD, gold);
	u64 sectors = blocks * SOSNAP_BLOCK_SECTORS;
	union sosnap_item item = { };
	int r = new_id(&s->meta.super.next_snapshot, &id);

	if (r)
		return r;
	if (g)
		sectors = max(sectors, le64_to_cpu(g->item.gold.sectors));
	free_name(s, SOSNAP_CATALOG_SNAPSHOT, "lost-object", o->id, item.snapshot.name);
	item.snapshot.sectors = cpu_to_le64(clamp_t(u64, sectors, 8, SOSNAP_MAX_BLK));
	item.snapshot.ctime = cpu_to_le64(s->want->now);
	item.snapshot.object = cpu_to_le32(o->id);
	item.snapshot.gold = cpu_to_le32(gold);
	memcpy(item.snapshot.uuid, s->io->uuid, sizeof(item.snapshot.uuid));
	for (i = 0; i < 4; i++)
		item.snapshot.uuid[12 + i] ^= (u8)((id + 1) >> (8 * i));
	return doubt(s, SOSNAP_CATALOG_SNAPSHOT, id,
		     put(s, SOSNAP_CATALOG_SNAPSHOT, id, &item,
			 "made for a cache object whose snapshot is lost"));
}

/* Objects that nothing refers to: with blocks they get a snapshot, else they go. */
static int unused_objects(struct sosnap_salvage *s)
{
	struct uses *uses = count_uses(s);
	bool whole = s->tree[SOSNAP_TREE_CATALOG - 1].whole;
	u32 nr = s->meta.catalog.nr, i;
	struct sosnap_entry **list;
	int r = 0;

	list = kvmalloc_array(max(nr, 1U), sizeof(*list), GFP_KERNEL);
	if (!uses || !list)
		r = -ENOMEM;
	for (i = 0; i < nr && !r; i++)
		list[i] = s->meta.catalog.entry[i];
	if (!r) {
		count_ends(s, uses, &s->extents);
		count_ends(s, uses, &s->records);
	}
	for (i = 0; i < nr && !r; i++) {
		if (list[i]->type != SOSNAP_CATALOG_OBJECT || list[i]->gone || uses[i].children ||
		    uses[i].tops || sosnap_object_is(list[i], SOSNAP_OBJECT_DYING))
			continue;
		/* the next checkpoint gives it up, unless its user is what was lost */
		if (whole && sosnap_object_is(list[i], SOSNAP_OBJECT_FROZEN))
			continue;
		if (uses[i].end) {
			list[i]->item.object.flags &= cpu_to_le32(~SOSNAP_OBJECT_FROZEN);
			r = make_snapshot(s, list[i], uses[i].end);
			continue;
		}
		tell(s, SOSNAP_CATALOG_OBJECT, list[i]->id,
		     "has no blocks and no snapshot, and is left out");
		sosnap_catalog_del(&s->meta.catalog, SOSNAP_CATALOG_OBJECT, list[i]->id);
	}
	kvfree(uses);
	kvfree(list);
	return r;
}

static int make_gold(struct sosnap_salvage *s, u32 id, u64 sectors)
{
	struct sosnap_entry *e = get(s, SOSNAP_CATALOG_GOLD, id);
	union sosnap_item item = { };

	if (e)
		return 0;
	free_name(s, SOSNAP_CATALOG_GOLD, "lost-gold", id, item.gold.name);
	item.gold.sectors = cpu_to_le64(sectors);
	item.gold.ctime = cpu_to_le64(s->want->now);
	return put(s, SOSNAP_CATALOG_GOLD, id, &item,
		   "was lost: what it looked like is not known, so no device will fit");
}

static int lost_golds(struct sosnap_salvage *s)
{
	const struct sosnap_entry *e;
	u32 id = 0;
	int r = 0;

	while (!r && (e = next(s, SOSNAP_CATALOG_SNAPSHOT, &id)))
		r = make_gold(s, le32_to_cpu(e->item.snapshot.gold),
			      le64_to_cpu(e->item.snapshot.sectors));
	id = 0;
	while (!r && (e = next(s, SOSNAP_CATALOG_OBJECT, &id)))
		if (!(le32_to_cpu(e->item.object.flags) & SOSNAP_OBJECT_DYING))
			r = make_gold(s, le32_to_cpu(e->item.object.gold), SOSNAP_BLOCK_SECTORS);
	return r;
}

/* Of two with one name, the one that may be out of date gets another. */
static void names(struct sosnap_salvage *s, u32 type)
{
	struct sosnap_entry *e, *first;
	char name[SOSNAP_NAME_LEN];
	u32 id = 0;

	while ((e = next(s, type, &id))) {
		first = sosnap_catalog_name(&s->meta.catalog, type, e->item.gold.name);
		if (first == e)
			continue;
		if (!first->fenced)
			first = e;
		free_name(s, type, first->item.gold.name, first->id, name);
		/* both start with the name */
		memset(first->item.gold.name, 0, sizeof(first->item.gold.name));
		strscpy(first->item.gold.name, name, sizeof(first->item.gold.name));
		tell(s, type, first->id, "has a new name: the old one is another's too");
	}
}

static void tell_older(struct sosnap_salvage *s)
{
	u32 i;

	for (i = 0; i < s->meta.catalog.nr; i++) {
		const struct sosnap_entry *e = s->meta.catalog.entry[i];

		if (e->fenced && !e->gone)
			tell(s, e->type, e->id,
			     "is of an older state: it may have been changed or removed since");
	}
}

/**
 * salvage_catalog() - make the catalogue consistent
 * @s: the journal was read, and it is decided who owns which block
 * Context: may sleep.
 * Return: 0, -ENOMEM, or -EOVERFLOW when no number is left for an item.
 */
int salvage_catalog(struct sosnap_salvage *s)
{
	int r;

	tell_older(s);
	removed_snapshots(s);
	removed_parents(s);
	r = unknown_objects(s);
	if (!r)
		r = lost_tops(s);
	if (!r)
		r = lost_parents(s);
	if (!r)
		r = shared_tops(s);
	if (!r)
		r = unused_objects(s);
	if (!r)
		r = lost_golds(s);
	names(s, SOSNAP_CATALOG_GOLD);
	names(s, SOSNAP_CATALOG_SNAPSHOT);
	return r;
}
