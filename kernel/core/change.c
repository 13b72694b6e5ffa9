// SPDX-License-Identifier: GPL-2.0
#include "change_internal.h"
#include "lineage.h"
#include "uapi.h"

/**
 * sosnap_change_init() - start a change
 * @c:         to initialise
 * @m:         the metadata
 * @why:       room for the sentence that says why it is refused
 * @why_bytes: its size
 *
 * A host that has a commit in flight sets c->seq after it, to the number that the
 * commit of the change has at most.
 */
void sosnap_change_init(struct sosnap_change *c, struct sosnap_meta *m, char *why,
			size_t why_bytes)
{
	memset(c, 0, sizeof(*c));
	c->m = m;
	c->seq = m->journal.seq;
	c->why = why;
	c->why_bytes = why_bytes;
	why[0] = '\0';
}

/**
 * sosnap_change_exit() - free the memory
 * @c: initialised
 */
void sosnap_change_exit(struct sosnap_change *c)
{
	kvfree(c->slots);
	c->slots = NULL;
}

/**
 * sosnap_change_room() - make room for records
 * @c:    the change
 * @puts: how many items will be put or deleted
 *
 * A call that puts several makes room for all first, so that nothing fails once
 * the catalogue in memory has been changed.
 * Context: may sleep.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_room(struct sosnap_change *c, u32 puts)
{
	u32 need = c->nr + puts * (1 + SOSNAP_PUT_SLOTS);
	struct sosnap_disk_record *more;

	if (need > SOSNAP_CHANGE_SLOTS)
		return sosnap_change_refuse(c, -E2BIG,
					    "too many changes at once: ask for fewer in one message");
	if (need <= c->max)
		return 0;
	more = kvmalloc_array(need, sizeof(*more), GFP_NOIO);
	if (!more)
		return sosnap_change_refuse(c, -ENOMEM, "out of memory");
	if (c->nr)
		memcpy(more, c->slots, c->nr * sizeof(*more));
	kvfree(c->slots);
	c->slots = more;
	c->max = need;
	return 0;
}

/**
 * sosnap_change_put() - give an item a value, in memory and as a record
 * @c:    the change, with room for it
 * @type: enum sosnap_catalog_type
 * @id:   which
 * @item: its value
 * Context: meta lock held.
 * Return: 0 or -ENOMEM, which an item that exists never meets.
 */
int sosnap_change_put(struct sosnap_change *c, u32 type, u32 id, const union sosnap_item *item)
{
	int r = sosnap_catalog_put(&c->m->catalog, type, id, item);

	if (r)
		return sosnap_change_refuse(c, r, "out of memory");
	sosnap_catalog_get(&c->m->catalog, type, id)->seq = c->seq;
	sosnap_record_fill(&c->slots[c->nr], SOSNAP_RECORD_PUT, type, id, SOSNAP_PUT_SLOTS, 0);
	memcpy(&c->slots[c->nr + 1], item, sizeof(*item));
	c->nr += 1 + SOSNAP_PUT_SLOTS;
	return 0;
}

/**
 * sosnap_change_del() - take an item out, in memory and as a record
 * @c:    the change, with room for it
 * @type: enum sosnap_catalog_type
 * @id:   which
 * Context: meta lock held.
 */
void sosnap_change_del(struct sosnap_change *c, u32 type, u32 id)
{
	sosnap_catalog_del(&c->m->catalog, type, id);
	sosnap_record_fill(&c->slots[c->nr++], SOSNAP_RECORD_DEL, type, id, 0, 0);
}

/**
 * sosnap_change_new_name() - whether a name may be given
 * @c:    the change
 * @type: SOSNAP_CATALOG_GOLD or _SNAPSHOT
 * @name: the name
 * Context: meta lock held.
 * Return: 0, or -EINVAL or -EEXIST with the reason in c->why.
 */
int sosnap_change_new_name(struct sosnap_change *c, u32 type, const char *name)
{
	if (!sosnap_name_valid(name))
		return sosnap_change_refuse(c, -EINVAL,
			"not a valid name: use 1 to 63 letters, digits or ._+-, not starting with - or .");
	if (sosnap_change_named(c, type, name))
		return sosnap_change_refuse(c, -EEXIST, "%s %s exists already: choose another name",
					    type == SOSNAP_CATALOG_GOLD ? "gold image" : "snapshot",
					    name);
	return 0;
}

/**
 * sosnap_change_gold_add() - make a gold image known
 * @c:          the change
 * @name:       its name
 * @sectors:    its size
 * @sample_crc: see gold.h
 * @sha256:     32 bytes, or NULL when it was not computed
 * @now:        seconds since 1970
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_gold_add(struct sosnap_change *c, const char *name, u64 sectors,
			   u32 sample_crc, const u8 *sha256, u64 now)
{
	union sosnap_item item;
	int r;

	r = sosnap_change_new_name(c, SOSNAP_CATALOG_GOLD, name);
	if (r)
		return r;
	if (!sectors || sectors > SOSNAP_MAX_BLK)
		return sosnap_change_refuse(c, -EINVAL, "gold image %s has an impossible size",
					    name);
	if (c->m->super.next_gold >= U32_MAX)
		return sosnap_change_refuse(c, -EOVERFLOW, "the store has used up its numbers");
	r = sosnap_change_room(c, 1);
	if (r)
		return r;
	memset(&item, 0, sizeof(item));
	strscpy(item.gold.name, name, sizeof(item.gold.name));
	item.gold.sectors = cpu_to_le64(sectors);
	item.gold.ctime = cpu_to_le64(now);
	item.gold.sample_crc = cpu_to_le32(sample_crc);
	if (sha256)
		memcpy(item.gold.sha256, sha256, sizeof(item.gold.sha256));
	r = sosnap_change_put(c, SOSNAP_CATALOG_GOLD, c->m->super.next_gold, &item);
	if (!r)
		c->m->super.next_gold++;
	return r;
}

/**
 * sosnap_change_gold_remove() - forget a gold image that nothing uses
 * @c:    the change
 * @name: its name
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_gold_remove(struct sosnap_change *c, const char *name)
{
	struct sosnap_entry *gold = sosnap_change_named(c, SOSNAP_CATALOG_GOLD, name);
	struct sosnap_entry *e;
	u32 id = 0;
	int r;

	if (!gold)
		return sosnap_change_refuse(c, -ENOENT, "no such gold image");
	while ((e = sosnap_catalog_next(&c->m->catalog, SOSNAP_CATALOG_SNAPSHOT, id))) {
		if (le32_to_cpu(e->item.snapshot.gold) == gold->id)
			return sosnap_change_refuse(c, -EBUSY,
				      "gold image %s is used by snapshot %s: remove its snapshots first",
				      name, e->item.snapshot.name);
		id = e->id + 1;
	}
	r = sosnap_change_room(c, 1);
	if (!r)
		sosnap_change_del(c, SOSNAP_CATALOG_GOLD, gold->id);
	return r;
}

static int create_check(struct sosnap_change *c, const struct sosnap_create *list, u32 i)
{
	u32 k;
	int r = sosnap_change_new_name(c, SOSNAP_CATALOG_SNAPSHOT, list[i].name);

	if (r)
		return r;
	for (k = 0; k < i; k++)
		if (!strcmp(list[k].name, list[i].name))
			return sosnap_change_refuse(c, -EEXIST, "snapshot %s is named twice",
						    list[i].name);
	if (!sosnap_change_named(c, SOSNAP_CATALOG_GOLD, list[i].gold))
		return sosnap_change_refuse(c, -ENOENT,
					    "snapshot %s: no such gold image: add it first",
					    list[i].name);
	if (!list[i].sectors || list[i].sectors > SOSNAP_MAX_BLK)
		return sosnap_change_refuse(c, -EINVAL, "snapshot %s: impossible size",
					    list[i].name);
	if (c->m->super.next_object + i >= U32_MAX || c->m->super.next_snapshot + i >= U32_MAX)
		return sosnap_change_refuse(c, -EOVERFLOW, "the store has used up its numbers");
	return 0;
}

/**
 * sosnap_change_create() - make snapshots of gold images, all or none
 * @c:    the change
 * @list: what to make; the ids are filled in
 * @nr:   how many
 * @now:  seconds since 1970
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_create(struct sosnap_change *c, struct sosnap_create *list, u32 nr, u64 now)
{
	struct sosnap_super *s = &c->m->super;
	union sosnap_item item;
	u32 i;
	int r;

	for (i = 0; i < nr; i++) {
		r = create_check(c, list, i);
		if (r)
			return r;
	}
	if (nr > SOSNAP_CHANGE_SLOTS)
		return sosnap_change_refuse(c, -E2BIG, "too many snapshots at once");
	r = sosnap_change_room(c, 2 * nr);
	for (i = 0; i < nr && !r; i++) {
		u32 gold = sosnap_change_named(c, SOSNAP_CATALOG_GOLD, list[i].gold)->id;
		u32 object = s->next_object++;

		memset(&item, 0, sizeof(item));
		item.object.ctime = cpu_to_le64(now);
		item.object.gold = cpu_to_le32(gold);
		r = sosnap_change_put(c, SOSNAP_CATALOG_OBJECT, object, &item);
		if (r)
			break;
		list[i].id = s->next_snapshot++;
		memset(&item, 0, sizeof(item));
		strscpy(item.snapshot.name, list[i].name, sizeof(item.snapshot.name));
		memcpy(item.snapshot.uuid, list[i].uuid, sizeof(item.snapshot.uuid));
		item.snapshot.sectors = cpu_to_le64(list[i].sectors);
		item.snapshot.ctime = cpu_to_le64(now);
		item.snapshot.object = cpu_to_le32(object);
		item.snapshot.gold = cpu_to_le32(gold);
		r = sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, list[i].id, &item);
	}
	if (!r)
		return 0;
	/* out of memory half-way: take back what was added */
	while (i-- > 0) {
		struct sosnap_entry *e = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT,
							     list[i].name);

		if (!e)
			continue;
		sosnap_catalog_del(&c->m->catalog, SOSNAP_CATALOG_OBJECT,
				   le32_to_cpu(e->item.snapshot.object));
		sosnap_catalog_del(&c->m->catalog, SOSNAP_CATALOG_SNAPSHOT, e->id);
	}
	return r;
}

/**
 * sosnap_change_leaves() - the cache object that dies when a snapshot leaves it
 * @c: the change
 * @s: the snapshot
 *
 * In a catalogue that is damaged others may read through it; then it stays.
 * Context: meta lock held.
 * Return: NULL when there is none.
 */
struct sosnap_entry *sosnap_change_leaves(struct sosnap_change *c, const struct sosnap_entry *s)
{
	struct sosnap_entry *o = sosnap_catalog_get(&c->m->catalog, SOSNAP_CATALOG_OBJECT,
						    le32_to_cpu(s->item.snapshot.object));

	sosnap_lineage_count(&c->m->catalog);
	if (!o || o->children || le32_to_cpu(o->item.object.flags) & SOSNAP_OBJECT_FROZEN ||
	    sosnap_catalog_top_shared(&c->m->catalog, o->id, s->id))
		return NULL;
	return o;
}

/**
 * sosnap_change_remove() - forget a snapshot; its cache object dies
 * @c:    the change
 * @name: its name; the caller has made sure that it is not in use
 *
 * The blocks come back by and by, with the next checkpoints.
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_remove(struct sosnap_change *c, const char *name)
{
	struct sosnap_entry *e = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name), *o;
	union sosnap_item item;
	int r;

	if (!e)
		return sosnap_change_refuse(c, -ENOENT, "no such snapshot");
	r = sosnap_change_room(c, 2);
	if (r)
		return r;
	o = sosnap_change_leaves(c, e);
	if (o) {
		item = o->item;
		item.object.flags |= cpu_to_le32(SOSNAP_OBJECT_DYING);
		r = sosnap_change_put(c, SOSNAP_CATALOG_OBJECT, o->id, &item);
		if (r)
			return r;
	}
	sosnap_change_del(c, SOSNAP_CATALOG_SNAPSHOT, e->id);
	return 0;
}

/**
 * sosnap_change_rename() - give a snapshot another name
 * @c:    the change
 * @name: its name
 * @to:   the new one
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_rename(struct sosnap_change *c, const char *name, const char *to)
{
	struct sosnap_entry *e = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name);
	union sosnap_item item;
	int r;

	if (!e)
		return sosnap_change_refuse(c, -ENOENT, "no such snapshot");
	r = sosnap_change_new_name(c, SOSNAP_CATALOG_SNAPSHOT, to);
	if (!r)
		r = sosnap_change_room(c, 1);
	if (r)
		return r;
	item = e->item;
	memset(item.snapshot.name, 0, sizeof(item.snapshot.name));
	strscpy(item.snapshot.name, to, sizeof(item.snapshot.name));
	return sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, e->id, &item);
}

/**
 * sosnap_change_set_auto() - whether a snapshot is activated with its store
 * @c:    the change
 * @name: its name
 * @on:   or not
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_set_auto(struct sosnap_change *c, const char *name, bool on)
{
	return sosnap_change_set_flag(c, name, SOSNAP_SNAPSHOT_AUTO, on);
}

/**
 * sosnap_change_resize_check() - whether a snapshot can have another size
 * @c:         the catalogue
 * @s:         the snapshot
 * @to:        what it shall have, in sectors
 * @why:       room for the sentence that says why not
 * @why_bytes: its size
 *
 * The rest of a last block that is there in part would show what was cut off,
 * so only a new snapshot, or one that keeps its size, has such a block. If it
 * became larger, what the gold image has in that rest would show.
 * Context: meta lock held.
 * Return: 0 or -EINVAL.
 */
int sosnap_change_resize_check(const struct sosnap_catalog *c,
			       const struct sosnap_disk_snapshot *s, u64 to, char *why,
			       size_t why_bytes)
{
	struct sosnap_entry *g = sosnap_catalog_get(c, SOSNAP_CATALOG_GOLD, le32_to_cpu(s->gold));
	u64 sectors = le64_to_cpu(s->sectors);
	bool partial = sectors % SOSNAP_BLOCK_SECTORS &&
		       (!g || le64_to_cpu(g->item.gold.sectors) > sectors);

	if (!to || to > SOSNAP_MAX_BLK)
		snprintf(why, why_bytes, "impossible size");
	else if (to != sectors && to % SOSNAP_BLOCK_SECTORS)
		snprintf(why, why_bytes, "size is no multiple of 4 KiB: round it up");
	else if (to > sectors && partial)
		snprintf(why, why_bytes,
			 "its last block is there in part: make it smaller first, to %llu sectors",
			 (unsigned long long)(sectors - sectors % SOSNAP_BLOCK_SECTORS));
	else
		return 0;
	return -EINVAL;
}

/**
 * sosnap_change_resize() - give a snapshot another size
 * @c:    the change
 * @name: its name
 * @to:   sectors; when it grows, the caller has seen to it that what it gains
 *        reads as zeros
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_resize(struct sosnap_change *c, const char *name, u64 to)
{
	struct sosnap_entry *e = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name);
	union sosnap_item item;
	int r;

	if (!e)
		return sosnap_change_refuse(c, -ENOENT, "no such snapshot");
	r = sosnap_change_resize_check(&c->m->catalog, &e->item.snapshot, to, c->why,
				       c->why_bytes);
	if (!r)
		r = sosnap_change_room(c, 1);
	if (r)
		return r;
	item = e->item;
	item.snapshot.sectors = cpu_to_le64(to);
	return sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, e->id, &item);
}

/* A snapshot's item, to be changed and put: there is room for that. */
static int edit(struct sosnap_change *c, const char *name, struct sosnap_entry **e,
		union sosnap_item *item)
{
	int r;

	*e = sosnap_change_named(c, SOSNAP_CATALOG_SNAPSHOT, name);
	if (!*e)
		return sosnap_change_refuse(c, -ENOENT, "no such snapshot");
	r = sosnap_change_room(c, 1);
	if (!r)
		*item = (*e)->item;
	return r;
}

/**
 * sosnap_change_set_flag() - set or clear a flag of a snapshot
 * @c:    the change
 * @name: its name
 * @flag: SOSNAP_SNAPSHOT_*
 * @on:   set, or clear
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_set_flag(struct sosnap_change *c, const char *name, u32 flag, bool on)
{
	struct sosnap_entry *e;
	union sosnap_item item;
	int r = edit(c, name, &e, &item);

	if (r)
		return r;
	item.snapshot.flags &= cpu_to_le32(~flag);
	if (on)
		item.snapshot.flags |= cpu_to_le32(flag);
	return sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, e->id, &item);
}

/**
 * sosnap_change_set_quota() - how many blocks a snapshot may own
 * @c:      the change
 * @name:   its name
 * @blocks: the bound, 0: none; what it owns now may be more
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_set_quota(struct sosnap_change *c, const char *name, u64 blocks)
{
	struct sosnap_entry *e;
	union sosnap_item item;
	int r = edit(c, name, &e, &item);

	if (r)
		return r;
	if (blocks > SOSNAP_MAX_BLK)
		return sosnap_change_refuse(c, -EINVAL, "impossible quota");
	if (blocks && blocks < le64_to_cpu(item.snapshot.reservation))
		return sosnap_change_refuse(c, -EINVAL,
					    "less than its reservation: lower that first");
	item.snapshot.quota = cpu_to_le64(blocks);
	return sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, e->id, &item);
}

/**
 * sosnap_change_set_reservation() - how many blocks others leave for a snapshot
 * @c:      the change
 * @name:   its name
 * @blocks: with those that it owns; 0: none. The caller has seen to it that they
 *          are there
 * Context: meta lock held.
 * Return: 0 or -errno with the reason in c->why.
 */
int sosnap_change_set_reservation(struct sosnap_change *c, const char *name, u64 blocks)
{
	struct sosnap_entry *e;
	union sosnap_item item;
	int r = edit(c, name, &e, &item);

	if (r)
		return r;
	if (blocks > SOSNAP_MAX_BLOCKS)
		return sosnap_change_refuse(c, -EINVAL, "impossible reservation");
	if (item.snapshot.quota && blocks > le64_to_cpu(item.snapshot.quota))
		return sosnap_change_refuse(c, -EINVAL, "more than its quota: raise that first");
	item.snapshot.reservation = cpu_to_le64(blocks);
	return sosnap_change_put(c, SOSNAP_CATALOG_SNAPSHOT, e->id, &item);
}
