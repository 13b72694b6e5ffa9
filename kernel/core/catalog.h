/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The catalogue in memory: every gold image, cache object and snapshot of the
 * store, as the value that is on media. It is loaded whole at activation (a
 * few hundred bytes each); names and ids are looked up here.
 *
 * I1  Sorted by (type, id); ids are never used twice.
 * I2  Each value has passed sosnap_catalog_sane().
 * I3  A changed entry is dirty until a checkpoint has put it into the tree.
 *
 * Locking: the caller's meta lock around every call.
 */
#ifndef SOSNAP_CATALOG_H
#define SOSNAP_CATALOG_H

#include "btree.h"
#include "format.h"
#include "platform.h"

union sosnap_item {
	struct sosnap_disk_gold gold;
	struct sosnap_disk_object object;
	struct sosnap_disk_snapshot snapshot;
	u8 bytes[SOSNAP_CATALOG_BYTES];
};

/**
 * struct sosnap_entry - an item in memory
 * @type:     enum sosnap_catalog_type
 * @id:       which
 * @seq:      its last change is in a commit of this number at most
 * @children: objects: live ones on top of it, see lineage.h
 * @heir:     the youngest of them
 * @dirty:    changed since the last checkpoint
 * @fenced:   objects: part of its extents cannot be read
 * @gone:     deleted; a checkpoint takes it out of the tree
 * @item:     its value
 */
struct sosnap_entry {
	u32 type;
	u32 id;
	u64 seq;
	u32 children;
	u32 heir;
	bool dirty;
	bool fenced;
	bool gone;
	union sosnap_item item;
};

struct sosnap_catalog {
	struct sosnap_entry **entry;
	u32 nr;
	u32 max;
	u32 nr_dirty;	/* put or deleted since the last checkpoint */
};

int sosnap_catalog_load(struct sosnap_catalog *c, const struct sosnap_tree *t);
void sosnap_catalog_exit(struct sosnap_catalog *c);
bool sosnap_catalog_sane(u32 type, u64 id, const union sosnap_item *item);

struct sosnap_entry *sosnap_catalog_get(const struct sosnap_catalog *c, u32 type, u32 id);
struct sosnap_entry *sosnap_catalog_next(const struct sosnap_catalog *c, u32 type, u32 id);
struct sosnap_entry *sosnap_catalog_name(const struct sosnap_catalog *c, u32 type,
					 const char *name);
int sosnap_catalog_put(struct sosnap_catalog *c, u32 type, u32 id,
		       const union sosnap_item *item);
void sosnap_catalog_del(struct sosnap_catalog *c, u32 type, u32 id);
bool sosnap_catalog_top_shared(const struct sosnap_catalog *c, u32 object, u32 id);
u32 sosnap_catalog_count(const struct sosnap_catalog *c, u32 type);

int sosnap_catalog_store(struct sosnap_catalog *c, struct sosnap_tree *t,
			 struct sosnap_txn *txn);

#endif /* SOSNAP_CATALOG_H */
