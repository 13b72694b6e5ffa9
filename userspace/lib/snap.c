// SPDX-License-Identifier: GPL-2.0
#include "lib/snap.h"

#include <sys/sysmacros.h>

#include "lib/report.h"
#include "uapi.h"

int sosnap_activation_init(struct sosnap_activation *a, const struct sosnap_store *store,
			   const char *explicit_gold, bool read_only)
{
	memset(a, 0, sizeof(*a));
	a->store = store;
	a->explicit_gold = explicit_gold;
	a->read_only = read_only || !strcmp(store->st.state, "ro");
	sosnap_dm_batch_begin();
	return sosnap_store_golds(store, &a->golds, &a->nr_golds);
}

void sosnap_activation_exit(struct sosnap_activation *a)
{
	sosnap_dm_batch_end();
	if (a->devs.silent)
		sosnap_error("%llu more snapshots need that gold image too",
			     (unsigned long long)a->devs.silent);
	free(a->golds);
	sosnap_golddevs_free(&a->devs);
}

static void snap_uuid(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		      char uuid[SOSNAP_DM_UUID])
{
	snprintf(uuid, SOSNAP_DM_UUID, SOSNAP_DM_UUID_PREFIX "%s-%llu", store->st.uuid,
		 (unsigned long long)snap->id);
}

/* A device without our uuid that somebody made by hand under the usual name */
static int device_by_name(const struct sosnap_store *store,
			  const struct sosnap_reply_snapshot *snap, struct sosnap_dm_dev *dev)
{
	char *type = NULL, *params = NULL;
	char name[SOSNAP_DM_NAME];
	int r = sosnap_dm_name(store->st.name, snap->name, name);

	if (r)
		return r;
	r = sosnap_dm_find(name, NULL, dev);
	if (r || !dev->exists)
		return r;
	if (sosnap_dm_status(name, &type, &params) || strcmp(type, SOSNAP_TARGET_SNAPSHOT))
		dev->exists = false;
	free(type);
	free(params);
	return 0;
}

int sosnap_snap_device(const struct sosnap_store *store,
		       const struct sosnap_reply_snapshot *snap, struct sosnap_dm_dev *dev)
{
	char uuid[SOSNAP_DM_UUID];
	int r;

	snap_uuid(store, snap, uuid);
	r = sosnap_dm_find(NULL, uuid, dev);
	if (!r && !dev->exists && snap->active)
		r = device_by_name(store, snap, dev);
	if (r)
		sosnap_dm_error(r, "the device of snapshot '%s/%s' cannot be looked up",
				store->st.name, snap->name);
	return r;
}

static const char *gold_device(struct sosnap_activation *a,
			       const struct sosnap_reply_snapshot *snap)
{
	const struct sosnap_reply_gold *gold;

	gold = sosnap_gold_need(a->store, a->golds, a->nr_golds, snap->gold);
	if (!gold)
		return NULL;
	if (!a->explicit_gold)
		return sosnap_golddevs_find(&a->devs, gold, a->store->st.name);
	/* read once, not for each of its snapshots; the kernel looks at it again */
	if (a->matched != gold && sosnap_golddev_match(a->explicit_gold, gold))
		return NULL;
	a->matched = gold;
	return a->explicit_gold;
}

int sosnap_snap_activate(struct sosnap_activation *a, const struct sosnap_reply_snapshot *snap)
{
	const char *store = a->store->st.name;
	char name[SOSNAP_DM_NAME], uuid[SOSNAP_DM_UUID];
	struct sosnap_dm_dev dev;
	const char *gold;
	char *params;
	int r;

	r = sosnap_dm_name(store, snap->name, name) ?: sosnap_snap_device(a->store, snap, &dev);
	if (r)
		return r;
	if (dev.exists && dev.live && dev.suspended) {
		/* left by a tool that was killed, see freeze.h */
		r = sosnap_dm_resume(dev.name);
		if (r)
			sosnap_dm_error(r, "/dev/mapper/%s is suspended and cannot be resumed",
					dev.name);
		else
			sosnap_done("resumed %s/%s: /dev/mapper/%s", store, snap->name, dev.name);
		return r;
	}
	if (dev.exists && dev.live) {
		sosnap_done("%s/%s is active already: /dev/mapper/%s", store,
			    snap->name, dev.name);
		return 0;
	}
	if (snap->lossy && !a->lossy) {
		sosnap_error("snapshot '%s/%s' lost data that 'sosnap store repair' could not find: activate it with --lossy to see what is left, or accept that by 'sosnap set %s/%s lossy off'",
			     store, snap->name, store, snap->name);
		return -EUCLEAN;
	}
	gold = gold_device(a, snap);
	if (!gold)
		return -ENODEV;
	params = sosnap_printf("/dev/mapper/%s %llu %s", a->store->dm,
			       (unsigned long long)snap->id, gold);
	snap_uuid(a->store, snap, uuid);
	r = sosnap_dm_create(name, uuid, snap->sectors, SOSNAP_TARGET_SNAPSHOT, params,
			     a->read_only || snap->read_only);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be activated on gold device %s",
				store, snap->name, gold);
	else
		sosnap_done("activated %s/%s: /dev/mapper/%s", store, snap->name, name);
	free(params);
	return r;
}

int sosnap_snap_deactivate(const struct sosnap_store *store,
			   const struct sosnap_reply_snapshot *snap, bool quietly)
{
	struct sosnap_dm_dev dev;
	int r = sosnap_snap_device(store, snap, &dev);

	if (r)
		return r;
	if (!dev.exists && snap->active) {
		sosnap_error("snapshot '%s/%s' is active under a device that this tool did not make: find it by 'dmsetup table --target sosnap' and remove it by dmsetup",
			     store->st.name, snap->name);
		return -EBUSY;
	}
	if (!dev.exists) {
		if (!quietly)
			sosnap_done("%s/%s is not active", store->st.name, snap->name);
		return 0;
	}
	r = sosnap_dm_remove(dev.name);
	if (r == -EBUSY) {
		char *user = sosnap_dev_user(makedev(dev.major, dev.minor), false);

		sosnap_error("snapshot '%s/%s' %s: end that use first (lsof /dev/mapper/%s may tell more)",
			     store->st.name, snap->name, user ?: "is in use", dev.name);
		free(user);
	} else if (r) {
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be deactivated", store->st.name,
				snap->name);
	} else if (!quietly) {
		sosnap_done("deactivated %s/%s", store->st.name, snap->name);
	}
	return r;
}

const char *sosnap_snap_state(const struct sosnap_reply_snapshot *snap)
{
	if (!strcmp(snap->state, "rw"))
		return "active";
	return strcmp(snap->state, "ro") ? snap->state : "read-only";
}
