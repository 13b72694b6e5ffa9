/* SPDX-License-Identifier: GPL-2.0 */
/* The sosnap-store target: life of a store, and the list of all of them. */
#ifndef SOSNAP_STORE_H
#define SOSNAP_STORE_H

#include "types.h"

extern struct target_type sosnap_store_target;
extern struct target_type sosnap_target;
extern const struct sosnap_meta_host sosnap_meta_host;

struct sosnap_store *sosnap_store_get_device(struct dm_dev *dev);
void sosnap_store_put(struct sosnap_store *store);
void sosnap_store_fail(struct sosnap_store *store, const char *why);

int sosnap_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		   unsigned int maxlen);
void sosnap_store_status(struct sosnap_store *store, char *result, unsigned int maxlen);
const char *sosnap_snap_state(const struct sosnap_snap *snap);
void sosnap_snap_status(struct sosnap_snap *snap, char *result, unsigned int maxlen);
struct sosnap_store *sosnap_store_of_target(struct dm_target *ti);
void sosnap_snap_fence(struct sosnap_snap *snap, const struct sosnap_fault *fault);
void __sosnap_snap_shorten(struct sosnap_store *store);
void sosnap_snap_follow(struct sosnap_store *store);
void sosnap_snap_read_only(struct sosnap_store *store);
int sosnap_snap_hold(struct sosnap_store *store, u32 id, bool freeze, bool *merged);
void sosnap_snap_let_go(struct sosnap_store *store);
bool __sosnap_snap_active(struct sosnap_store *store, u32 id);

#endif /* SOSNAP_STORE_H */
