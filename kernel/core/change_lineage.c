// SPDX-License-Identifier: GPL-2.0
/*
 * Changes that make cache objects out of cache objects: snapshots of snapshots,
 * refresh, rollback. All are a few items in one commit, whatever the size.
 *
 * What a snapshot looks like now becomes a *base*: a frozen object that several
 * can be put on. That is the parent of its top, when the top has no changes and
 * the parent is one that may get another child (lineage.h, L5): so any number of
 * snapshots of one that is never written to costs no depth. Else its top is
 * frozen, and it gets an empty one on that like the others.
 *
 * New items go in first. Only they can meet a lack of memory, and then they are
 * taken out again; what changes items that exist comes last and cannot fail.
 */
#include "change_internal.h"
#include "extent.h"
#include "lineage.h"

static struct sosnap_entry *top_of(struct sosnap_change *c, const struct sosnap_entry *s)
{
	return sosnap_catalog_get(&c->m->catalog, SOSNAP_CATALOG_OBJECT,
				  le32_to_cpu(s->item.snapshot.object));
}

/* Whether an object changes nothing of what is below it, zeros included. */
static bool has_nothing(struct sosnap_change *c, const struct sosnap_entry *o, bool merged)
{
	struct sosnap_extent e;

	return merged && !o->item.object.blocks &&
	       sosnap_extent_find(sosnap_meta_live(c->m, SOSNAP_TREE_EXTENT), o->id, 0,
				  &e) == -ENOENT;
}

/* The object that s can share as it is, 0: its top has to be frozen. */
static u32 base_of(struct sosnap_change *c, const struct sosnap_entry *s, bool merged)
{
	struct sosnap_entry *top = top_of(c, s), *parent;

	if (!top || !top->item.object.parent || !has_nothing(c, top, merged))
		return 0;
	parent = sosnap_catalog_get(&c->m->catalog, SOSNAP_CATALOG_OBJECT,
				    le32_to_cpu(top->item.object.parent));
	return parent && parent->children >= 2 ? parent->id : 0;
}

static int check_ids(struct sosnap_change *c, u32 objects, u32 snapshots)
{
	if (c->m->super.next_object + objects >= U32_MAX ||
	    c->m->super.next_snapshot + snapshots >= U32_MAX)
		return sosnap_change_refuse(c, -EOVERFLOW, "the store has used up its numbers");
	return 0;
}

/* What it reads as is not changed by a message either. */
static int check_writable(struct sosnap_change *c, const struct sosnap_entry *s)
{
	if (le32_to_cpu(s->item.snapshot.flags) & SOSNAP_SNAPSHOT_RO)
		return sosnap_change_refuse(c, -EROFS,
					    "snapshot %s is set read-only: end that first",
					    s->item.snapshot.name);
	return 0;
}

static int check_origin(struct sosnap_change *c, const char *name)
{
	struct sosnap_entry *s = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name), *top;

	if (!s)
		return sosnap_change_refuse(c, -ENOENT, "snapshot %s does not exist", name);
	top = top_of(c, s);
	if (!top || top->fenced)
		return sosnap_change_refuse(c, -EUCLEAN,
					    "snapshot %s is damaged: run sosnap store check", name);
	if (sosnap_lineage_depth(&c->m->catalog, top->id) >= SOSNAP_MAX_CHAIN)
		return sosnap_change_refuse(c, -EMLINK,
					    "snapshot %s has too many ancestors: remove some of them first",
					    name);
	return 0;
}

/* An empty object on another one, or on the gold image. Return: its id, 0: no memory. */
static u32 new_object(struct sosnap_change *c, u32 parent, __le32 gold, u64 now)
{
	u32 id = c->m->super.next_object;
	union sosnap_item item;

	memset(&item, 0, sizeof(item));
	item.object.ctime = cpu_to_le64(now);
	item.object.parent = cpu_to_le32(parent);
	item.object.gold = gold;
	if (sosnap_change_put(c, SOSNAP_CATALOG_OBJECT, id, &item))
		return 0;
	c->m->super.next_object++;
	return id;
}

/* Forget the items that were put from an id on; nobody has seen them. */
static void forget_from(struct sosnap_change *c, u32 type, u64 id)
{
	struct sosnap_entry *e;

	while ((e = sosnap_catalog_next(&c->m->catalog, type, id)))
		sosnap_catalog_del(&c->m->catalog, type, e->id);
}

/* Of an item that exists: cannot fail. */
static void add_flag(struct sosnap_change *c, struct sosnap_entry *o, u32 flag)
{
	union sosnap_item item = o->item;

	item.object.flags |= cpu_to_le32(flag);
	sosnap_change_put(c, SOSNAP_CATALOG_OBJECT, o->id, &item);
}

static __le32 lossy(const struct sosnap_entry *s)
{
	return s->item.snapshot.flags & cpu_to_le32(SOSNAP_SNAPSHOT_LOSSY);
}

/*
 * @like: the snapshot that it looks like from now on, NULL: its gold image. What
 * that one lacks it lacks as well.
 */
static void set_top(struct sosnap_change *c, struct sosnap_entry *s, u32 object,
		    const struct sosnap_entry *like)
{
	union sosnap_item item = s->item;

	item.snapshot.object = cpu_to_le32(object);
	item.snapshot.flags &= ~cpu_to_le32(SOSNAP_SNAPSHOT_LOSSY);
	if (like)
		item.snapshot.flags |= lossy(like);
	sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, s->id, &item);
}

/* What has to be remembered of each pair until nothing can fail any more. */
struct plan {
	struct sosnap_entry *origin;
	u32 base;
	u32 top;	/* the origin's new one; 0: it keeps its own, or an earlier pair says */
};

/* The first pair with the same origin. */
static u32 first_with(const struct sosnap_pair *list, u32 i)
{
	u32 k;

	for (k = 0; strcmp(list[k].origin, list[i].origin); k++)
		;
	return k;
}

static u32 nr_origins(const struct sosnap_pair *list, u32 nr)
{
	u32 i, n = 0;

	for (i = 0; i < nr; i++)
		n += first_with(list, i) == i;
	return n;
}

static int check_pairs(struct sosnap_change *c, const struct sosnap_pair *list, u32 nr)
{
	u32 i, k;
	int r = 0;

	for (i = 0; i < nr && !r; i++) {
		r = check_origin(c, list[i].origin);
		if (!r)
			r = sosnap_change_new_name(c, SOSNAP_CATALOG_SNAPSHOT, list[i].name);
		for (k = 0; k < i && !r; k++)
			if (!strcmp(list[k].name, list[i].name))
				r = sosnap_change_refuse(c, -EEXIST, "snapshot %s is named twice",
							 list[i].name);
	}
	return r ? r : check_ids(c, 2 * nr, nr);
}

static int add_snapshot(struct sosnap_change *c, struct sosnap_pair *pair,
			const struct sosnap_entry *origin, u32 object, u64 now)
{
	const struct sosnap_disk_snapshot *from = &origin->item.snapshot;
	union sosnap_item item;
	int r;

	memset(&item, 0, sizeof(item));
	strscpy(item.snapshot.name, pair->name, sizeof(item.snapshot.name));
	memcpy(item.snapshot.uuid, pair->uuid, sizeof(item.snapshot.uuid));
	item.snapshot.sectors = from->sectors;
	item.snapshot.ctime = cpu_to_le64(now);
	item.snapshot.object = cpu_to_le32(object);
	item.snapshot.gold = from->gold;
	item.snapshot.origin = cpu_to_le32(origin->id);
	item.snapshot.flags = lossy(origin);
	pair->id = c->m->super.next_snapshot;
	r = sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, pair->id, &item);
	if (!r)
		c->m->super.next_snapshot++;
	return r;
}

/* The new items of one pair. */
static int add_pair(struct sosnap_change *c, struct sosnap_pair *list, struct plan *plan, u32 i,
		    u64 now)
{
	u32 first = first_with(list, i), object;
	struct plan *p = &plan[i];
	__le32 gold;

	p->origin = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, list[i].origin);
	gold = p->origin->item.snapshot.gold;
	p->base = first < i ? plan[first].base : base_of(c, p->origin, list[i].merged);
	p->top = 0;
	if (!p->base) {
		p->base = le32_to_cpu(p->origin->item.snapshot.object);
		p->top = new_object(c, p->base, gold, now);
		if (!p->top)
			return -ENOMEM;
	}
	object = new_object(c, p->base, gold, now);
	return object ? add_snapshot(c, &list[i], p->origin, object, now) : -ENOMEM;
}

/**
 * sosnap_change_snapshot() - make snapshots of snapshots, all or none
 * @c:    the change
 * @list: what to make; the ids are filled in
 * @nr:   how many
 * @now:  seconds since 1970
 *
 * The caller has made sure that no write to an origin is under way.
 * Context: meta lock held; may sleep.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_snapshot(struct sosnap_change *c, struct sosnap_pair *list, u32 nr, u64 now)
{
	u64 object = c->m->super.next_object, snapshot = c->m->super.next_snapshot;
	struct plan *plan;
	u32 i;
	int r = check_pairs(c, list, nr);

	/* two new items a pair; three for each origin that is frozen */
	if (!r)
		r = sosnap_change_room(c, 2 * nr + 3 * nr_origins(list, nr));
	if (r)
		return r;
	plan = kvcalloc(nr, sizeof(*plan), GFP_NOIO);
	if (!plan)
		return sosnap_change_refuse(c, -ENOMEM, "out of memory");
	sosnap_lineage_count(&c->m->catalog);
	for (i = 0; i < nr && !r; i++)
		r = add_pair(c, list, plan, i, now);
	if (r) {
		forget_from(c, SOSNAP_CATALOG_SNAPSHOT, snapshot);
		forget_from(c, SOSNAP_CATALOG_OBJECT, object);
		c->nr = 0;
	}
	for (i = 0; i < nr && !r; i++) {
		if (!plan[i].top)
			continue;
		add_flag(c, top_of(c, plan[i].origin), SOSNAP_OBJECT_FROZEN);
		set_top(c, plan[i].origin, plan[i].top, plan[i].origin);
	}
	kvfree(plan);
	return r;
}

/**
 * sosnap_change_refresh() - let a snapshot look like its gold image again
 * @c:    the change
 * @name: the snapshot
 * @now:  seconds since 1970
 *
 * Its changes are forgotten in the background. No write to it is under way.
 * Context: meta lock held; may sleep.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_refresh(struct sosnap_change *c, const char *name, u64 now)
{
	struct sosnap_entry *s = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name), *old;
	u32 object;
	int r;

	if (!s)
		return sosnap_change_refuse(c, -ENOENT, "snapshot %s does not exist", name);
	r = check_writable(c, s);
	if (!r)
		r = check_ids(c, 1, 0);
	if (!r)
		r = sosnap_change_room(c, 3);
	if (r)
		return r;
	old = sosnap_change_leaves(c, s);
	object = new_object(c, 0, s->item.snapshot.gold, now);
	if (!object)
		return -ENOMEM;
	if (old)
		add_flag(c, old, SOSNAP_OBJECT_DYING);
	set_top(c, s, object, NULL);
	return 0;
}

static int check_rollback(struct sosnap_change *c, const char *name, const char *to)
{
	struct sosnap_entry *s = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name), *from;
	int r = check_origin(c, to);

	if (r)
		return r;
	from = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, to);
	if (!s)
		return sosnap_change_refuse(c, -ENOENT, "snapshot %s does not exist", name);
	if (s == from)
		return sosnap_change_refuse(c, -EINVAL,
					    "snapshot %s cannot be rolled back to itself", name);
	if (s->item.snapshot.gold != from->item.snapshot.gold)
		return sosnap_change_refuse(c, -EINVAL,
					    "snapshots %s and %s are of different gold images",
					    name, to);
	if (s->item.snapshot.sectors != from->item.snapshot.sectors)
		return sosnap_change_refuse(c, -EINVAL,
					    "snapshots %s and %s have different sizes: resize %s first",
					    name, to, name);
	r = check_writable(c, s);
	return r ? r : check_ids(c, 2, 0);
}

/**
 * sosnap_change_rollback() - let a snapshot look like another one does now
 * @c:      the change
 * @name:   the snapshot
 * @to:     the other one, of the same gold image and size
 * @merged: the trees know all records of @to
 * @now:    seconds since 1970
 *
 * Its changes are forgotten in the background. No write to either is under way.
 * Context: meta lock held; may sleep.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_rollback(struct sosnap_change *c, const char *name, const char *to,
			   bool merged, u64 now)
{
	struct sosnap_entry *s, *from, *old;
	u64 first = c->m->super.next_object;
	u32 base, top = 0, object = 0;
	int r = check_rollback(c, name, to);

	if (!r)
		r = sosnap_change_room(c, 6);
	if (r)
		return r;
	s = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name);
	from = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, to);
	sosnap_lineage_count(&c->m->catalog);
	base = base_of(c, from, merged);
	if (!base) {
		base = le32_to_cpu(from->item.snapshot.object);
		top = new_object(c, base, from->item.snapshot.gold, now);
	}
	if (top || base != le32_to_cpu(from->item.snapshot.object))
		object = new_object(c, base, from->item.snapshot.gold, now);
	if (!object) {
		forget_from(c, SOSNAP_CATALOG_OBJECT, first);
		c->nr = 0;
		return -ENOMEM;
	}
	if (top) {
		add_flag(c, top_of(c, from), SOSNAP_OBJECT_FROZEN);
		set_top(c, from, top, from);
	}
	old = sosnap_change_leaves(c, s);
	if (old)
		add_flag(c, old, SOSNAP_OBJECT_DYING);
	set_top(c, s, object, from);
	return 0;
}
