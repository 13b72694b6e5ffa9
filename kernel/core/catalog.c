// SPDX-License-Identifier: GPL-2.0
#include "catalog.h"
#include "uapi.h"

/* Of an item that can exist. */
static bool ref_sane(__le32 id)
{
	return id && le32_to_cpu(id) < U32_MAX;
}

static bool name_sane(const char *name)
{
	return !name[SOSNAP_NAME_LEN - 1] && sosnap_name_valid(name);
}

/**
 * sosnap_catalog_sane() - whether a value read from media makes sense by itself
 * @type: enum sosnap_catalog_type
 * @id:   its id
 * @item: its value
 * Context: any.
 */
bool sosnap_catalog_sane(u32 type, u64 id, const union sosnap_item *item)
{
	/* the largest is left out so that id + 1 is one too */
	if (!id || id >= U32_MAX)
		return false;
	switch (type) {
	case SOSNAP_CATALOG_GOLD:
		return name_sane(item->gold.name) && item->gold.sectors &&
		       le64_to_cpu(item->gold.sectors) <= SOSNAP_MAX_BLK;
	case SOSNAP_CATALOG_OBJECT:
		return le32_to_cpu(item->object.parent) < id && ref_sane(item->object.gold) &&
		       !(le32_to_cpu(item->object.flags) & ~SOSNAP_OBJECT_KNOWN);
	case SOSNAP_CATALOG_SNAPSHOT:
		return name_sane(item->snapshot.name) && item->snapshot.sectors &&
		       le64_to_cpu(item->snapshot.sectors) <= SOSNAP_MAX_BLK &&
		       ref_sane(item->snapshot.object) && ref_sane(item->snapshot.gold);
	}
	return false;
}

/* The place of (type, id), or where it would be inserted. */
static u32 place(const struct sosnap_catalog *c, u32 type, u32 id)
{
	u32 lo = 0, hi = c->nr;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		const struct sosnap_entry *e = c->entry[mid];

		if (e->type < type || (e->type == type && e->id < id))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static struct sosnap_entry *find(const struct sosnap_catalog *c, u32 type, u32 id)
{
	u32 i = place(c, type, id);

	if (i < c->nr && c->entry[i]->type == type && c->entry[i]->id == id)
		return c->entry[i];
	return NULL;
}

/**
 * sosnap_catalog_get() - an entry by id
 * @c:    the catalogue
 * @type: enum sosnap_catalog_type
 * @id:   which
 * Context: meta lock held.
 * Return: the entry, NULL if there is none.
 */
struct sosnap_entry *sosnap_catalog_get(const struct sosnap_catalog *c, u32 type, u32 id)
{
	struct sosnap_entry *e = find(c, type, id);

	return e && !e->gone ? e : NULL;
}

/**
 * sosnap_catalog_next() - walk over all entries of a type
 * @c:    the catalogue
 * @type: enum sosnap_catalog_type
 * @id:   the lowest id that is wanted: 0 first, then the last one's + 1
 * Context: meta lock held.
 * Return: the entry with the lowest id from @id on, NULL at the end.
 */
struct sosnap_entry *sosnap_catalog_next(const struct sosnap_catalog *c, u32 type, u32 id)
{
	u32 i;

	for (i = place(c, type, id); i < c->nr && c->entry[i]->type == type; i++)
		if (!c->entry[i]->gone)
			return c->entry[i];
	return NULL;
}

/**
 * sosnap_catalog_name() - a gold image or snapshot by name
 * @c:    the catalogue
 * @type: SOSNAP_CATALOG_GOLD or SOSNAP_CATALOG_SNAPSHOT
 * @name: which
 * Context: meta lock held.
 * Return: the entry, NULL if there is none.
 */
struct sosnap_entry *sosnap_catalog_name(const struct sosnap_catalog *c, u32 type,
					 const char *name)
{
	u32 i;

	for (i = place(c, type, 0); i < c->nr && c->entry[i]->type == type; i++)
		/* both start with the name */
		if (!c->entry[i]->gone && !strcmp(c->entry[i]->item.gold.name, name))
			return c->entry[i];
	return NULL;
}

/**
 * sosnap_catalog_top_shared() - whether a cache object is the top of another snapshot too
 * @c:      the catalogue
 * @object: the cache object
 * @id:     the snapshot it should belong to alone
 * Context: meta lock held.
 */
bool sosnap_catalog_top_shared(const struct sosnap_catalog *c, u32 object, u32 id)
{
	u32 i;

	for (i = place(c, SOSNAP_CATALOG_SNAPSHOT, 0);
	     i < c->nr && c->entry[i]->type == SOSNAP_CATALOG_SNAPSHOT; i++)
		if (!c->entry[i]->gone && c->entry[i]->id != id &&
		    le32_to_cpu(c->entry[i]->item.snapshot.object) == object)
			return true;
	return false;
}

/**
 * sosnap_catalog_count() - how many entries of a type there are
 * @c:    the catalogue
 * @type: enum sosnap_catalog_type
 * Context: meta lock held.
 */
u32 sosnap_catalog_count(const struct sosnap_catalog *c, u32 type)
{
	u32 i, n = 0;

	for (i = place(c, type, 0); i < c->nr && c->entry[i]->type == type; i++)
		n += !c->entry[i]->gone;
	return n;
}

/*
 * In the kernel this does not fail: a change that puts several entries could
 * not take the first ones back.
 */
static struct sosnap_entry *insert(struct sosnap_catalog *c, u32 type, u32 id)
{
	u32 i = place(c, type, id);
	struct sosnap_entry *e;

	if (c->nr == c->max) {
		u32 max = c->max ? c->max * 2 : 64;
		struct sosnap_entry **more = kvmalloc_array(max, sizeof(*more),
							    GFP_NOIO | __GFP_NOFAIL);

		if (!more)
			return NULL;
		if (c->nr)
			memcpy(more, c->entry, c->nr * sizeof(*more));
		kvfree(c->entry);
		c->entry = more;
		c->max = max;
	}
	e = kzalloc(sizeof(*e), GFP_NOIO | __GFP_NOFAIL);
	if (!e)
		return NULL;
	e->type = type;
	e->id = id;
	memmove(&c->entry[i + 1], &c->entry[i], (c->nr - i) * sizeof(*c->entry));
	c->entry[i] = e;
	c->nr++;
	return e;
}

/**
 * sosnap_catalog_put() - add an entry or change its value
 * @c:    the catalogue
 * @type: enum sosnap_catalog_type
 * @id:   which
 * @item: its value
 * Context: meta lock held.
 * Return: 0 or -ENOMEM.
 */
int sosnap_catalog_put(struct sosnap_catalog *c, u32 type, u32 id,
		       const union sosnap_item *item)
{
	struct sosnap_entry *e = find(c, type, id);

	if (!e)
		e = insert(c, type, id);
	if (!e)
		return -ENOMEM;
	e->item = *item;
	c->nr_dirty += !e->dirty;
	e->dirty = true;
	e->gone = false;
	return 0;
}

/**
 * sosnap_catalog_del() - remove an entry
 * @c:    the catalogue
 * @type: enum sosnap_catalog_type
 * @id:   which; no harm if it is not there
 * Context: meta lock held.
 */
void sosnap_catalog_del(struct sosnap_catalog *c, u32 type, u32 id)
{
	struct sosnap_entry *e = find(c, type, id);

	if (e) {
		c->nr_dirty += !e->dirty;
		e->gone = true;
		e->dirty = true;
	}
}

/**
 * sosnap_catalog_load() - read the catalogue of a store
 * @c: to fill
 * @t: the catalogue tree
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO or -EUCLEAN.
 */
int sosnap_catalog_load(struct sosnap_catalog *c, const struct sosnap_tree *t)
{
	struct sosnap_key key = { 0, 0 }, found;
	union sosnap_item item;
	struct sosnap_entry *e;
	int r;

	memset(c, 0, sizeof(*c));
	for (;;) {
		r = sosnap_btree_ge(t, &key, &found, &item);
		if (r == -ENOENT)
			return 0;
		if (!r && !sosnap_catalog_sane(found.hi, found.lo, &item))
			r = sosnap_fault_set(&t->io->fault, SOSNAP_FAULT_CATALOG_VALUE,
					     0, found.lo);
		if (!r) {
			e = insert(c, found.hi, found.lo);
			if (e)
				e->item = item;
			else
				r = -ENOMEM;
		}
		if (r) {
			sosnap_catalog_exit(c);
			return r;
		}
		key = found;
		key.lo++;
	}
}

/**
 * sosnap_catalog_exit() - free the memory
 * @c: loaded, or failed to
 */
void sosnap_catalog_exit(struct sosnap_catalog *c)
{
	u32 i;

	for (i = 0; i < c->nr; i++)
		kfree(c->entry[i]);
	kvfree(c->entry);
	memset(c, 0, sizeof(*c));
}

/**
 * sosnap_catalog_store() - put every dirty entry into the tree
 * @c:   the catalogue
 * @t:   its tree
 * @txn: the checkpoint
 * Context: meta lock held; may sleep.
 * Return: 0 or an error that ends the checkpoint.
 */
int sosnap_catalog_store(struct sosnap_catalog *c, struct sosnap_tree *t,
			 struct sosnap_txn *txn)
{
	u32 i, kept = 0;
	int r = 0;

	for (i = 0; i < c->nr && !r; i++) {
		struct sosnap_entry *e = c->entry[i];
		struct sosnap_key key = { .hi = e->type, .lo = e->id };

		if (!e->dirty)
			continue;
		if (!e->gone)
			r = sosnap_btree_put(t, txn, &key, &e->item);
		else
			r = sosnap_btree_del(t, txn, &key);
		if (r == -ENOENT && e->gone)	/* made and deleted since the last one */
			r = 0;
		if (!r)
			e->dirty = false;
	}
	if (r)
		return r;
	for (i = 0; i < c->nr; i++) {
		if (c->entry[i]->gone)
			kfree(c->entry[i]);
		else
			c->entry[kept++] = c->entry[i];
	}
	c->nr = kept;
	c->nr_dirty = 0;
	return 0;
}
