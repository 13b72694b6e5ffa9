/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices of snapshots. All functions say why they failed.
 */
#ifndef SOSNAP_SNAP_H
#define SOSNAP_SNAP_H

#include "lib/golddev.h"
#include "lib/store.h"

/**
 * struct sosnap_activation - how the snapshots of one store are activated
 * @store:     the store
 * @golds:     its gold images
 * @nr_golds:  how many
 * @devs:      where they are looked for
 * @explicit_gold: device given by the user, or NULL
 * @matched:   the gold image that it was found to hold
 * @read_only: make read-only devices
 * @lossy:     those too of which a repair could not find all
 */
struct sosnap_activation {
	const struct sosnap_store *store;
	struct sosnap_reply_gold *golds;
	size_t nr_golds;
	struct sosnap_golddevs devs;
	const char *explicit_gold;
	const struct sosnap_reply_gold *matched;
	bool read_only;
	bool lossy;
};

/* Devices are there, and seen by udev, after exit; it must follow init in any case */
int sosnap_activation_init(struct sosnap_activation *a, const struct sosnap_store *store,
			   const char *explicit_gold, bool read_only);
void sosnap_activation_exit(struct sosnap_activation *a);

/* Make the device of a snapshot; fine when it is there already */
int sosnap_snap_activate(struct sosnap_activation *a, const struct sosnap_reply_snapshot *snap);

/* Remove it; fine when it is not there. @quietly: without saying that it was done */
int sosnap_snap_deactivate(const struct sosnap_store *store,
			   const struct sosnap_reply_snapshot *snap, bool quietly);

/* Its device; dev->exists says whether there is one */
int sosnap_snap_device(const struct sosnap_store *store,
		       const struct sosnap_reply_snapshot *snap, struct sosnap_dm_dev *dev);

/* "active", "inactive", "read-only" or "fenced" */
const char *sosnap_snap_state(const struct sosnap_reply_snapshot *snap);

#endif /* SOSNAP_SNAP_H */
