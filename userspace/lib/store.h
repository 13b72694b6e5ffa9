/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stores and snapshots as the tool names them.
 *
 * A store is active when there is a device-mapper device with the target
 * sosnap-store. Nothing is written down anywhere on the host: active stores
 * are found by device-mapper, others by their superblocks.
 *
 * All functions say why they failed.
 */
#ifndef SOSNAP_STORE_H
#define SOSNAP_STORE_H

#include "lib/dm.h"
#include "lib/reply.h"

/**
 * struct sosnap_store - an active store
 * @dm:   its device-mapper name
 * @path: of the device that holds it
 * @st:   its status when it was found
 */
struct sosnap_store {
	char dm[SOSNAP_DM_NAME];
	char path[280];
	struct sosnap_reply_store st;
};

/* Most snapshots that one message creates or removes */
#define SOSNAP_STORE_AT_ONCE 64

/* <store>/<snap>, both valid names */
struct sosnap_ref {
	char store[SOSNAP_NAME_LEN];
	char snap[SOSNAP_NAME_LEN];
};

int sosnap_ref_parse(const char *text, struct sosnap_ref *ref);

/* A valid name, or what is wrong with it; @what says of what */
int sosnap_name_check(const char *what, const char *name);

/*
 * Device-mapper name of a store, or of a snapshot when @snap is not NULL: '-'
 * within a name is doubled, so that no two pairs give one name.
 */
int sosnap_dm_name(const char *store, const char *snap, char name[SOSNAP_DM_NAME]);

/*
 * The way back; @ref->snap is empty for a store. -EINVAL, without a word, when it
 * is not a name that the function above makes.
 */
int sosnap_dm_name_split(const char *name, struct sosnap_ref *ref);

/* The active store of this name */
int sosnap_store_find(const char *name, struct sosnap_store *store);

/* The same; -ENOENT without a word when there is none */
int sosnap_store_lookup(const char *name, struct sosnap_store *store);

/* The one on this block device; -ENOENT without a word when there is none */
int sosnap_store_on(const char *path, struct sosnap_store *store);

/* "active", "read-only", "full" or "failed" */
const char *sosnap_store_state(const struct sosnap_store *store);

/* All active stores, sorted by name, to be freed */
int sosnap_stores_active(struct sosnap_store **stores, size_t *nr);

/**
 * struct sosnap_found - a device that holds a store that is not active
 * @error: 0, or -EUCLEAN: name and size could not be read
 */
struct sosnap_found {
	char path[280];
	char name[SOSNAP_NAME_LEN];
	char uuid[37];
	u64 blocks;
	u64 used;
	int error;
};

/* All inactive stores on this host's block devices, by name; to be freed */
int sosnap_stores_inactive(struct sosnap_found **found, size_t *nr);

/* Golds and snapshots of a store, in the order of the module; to be freed */
int sosnap_store_golds(const struct sosnap_store *store, struct sosnap_reply_gold **golds,
		       size_t *nr);
int sosnap_store_snapshots(const struct sosnap_store *store,
			   struct sosnap_reply_snapshot **snaps, size_t *nr);

/* One of them by name, NULL if there is none; says nothing */
const struct sosnap_reply_gold *sosnap_gold_by_name(const struct sosnap_reply_gold *golds,
						    size_t nr, const char *name);
const struct sosnap_reply_snapshot *
sosnap_snapshot_by_name(const struct sosnap_reply_snapshot *snaps, size_t nr, const char *name);

/* The gold image or the sentence that there is no such one */
const struct sosnap_reply_gold *sosnap_gold_need(const struct sosnap_store *store,
						 const struct sosnap_reply_gold *golds,
						 size_t nr, const char *name);
const struct sosnap_reply_snapshot *
sosnap_snapshot_need(const struct sosnap_store *store,
		     const struct sosnap_reply_snapshot *snaps, size_t nr, const char *name);

#endif /* SOSNAP_STORE_H */
