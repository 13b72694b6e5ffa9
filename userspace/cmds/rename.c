// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/snap.h"

/* The device of an active snapshot follows; the store knows the new name already */
static int rename_device(const struct sosnap_store *store,
			 const struct sosnap_reply_snapshot *snap, const char *new_name)
{
	char dm[SOSNAP_DM_NAME];
	struct sosnap_dm_dev dev;
	int r;

	if (!snap->active)
		return 0;
	r = sosnap_snap_device(store, snap, &dev);
	if (r || !dev.exists)
		return r;
	r = sosnap_dm_name(store->st.name, new_name, dm);
	if (r || !strcmp(dm, dev.name))
		return r;
	r = sosnap_dm_rename(dev.name, dm);
	if (r)
		sosnap_dm_error(r, "the snapshot is renamed, but its device keeps the name /dev/mapper/%s until it is deactivated",
				dev.name);
	return r;
}

static int rename_in_store(const struct sosnap_store *store, const char *name,
			   const char *new_name)
{
	const struct sosnap_reply_snapshot *snap;
	struct sosnap_reply_snapshot *snaps;
	char dm[SOSNAP_DM_NAME], *message;
	size_t nr;
	int r = sosnap_dm_name(store->st.name, new_name, dm) ?:
		sosnap_store_snapshots(store, &snaps, &nr);

	if (r)
		return r;
	snap = sosnap_snapshot_need(store, snaps, nr, name);
	if (!snap) {
		r = -ENOENT;
	} else if (sosnap_snapshot_by_name(snaps, nr, new_name)) {
		sosnap_error("snapshot '%s/%s' exists already: choose another name",
			     store->st.name, new_name);
		r = -EEXIST;
	} else {
		message = sosnap_printf("rename %s %s", name, new_name);
		r = sosnap_dm_message(store->dm, message, NULL);
		if (r)
			sosnap_dm_error(r, "snapshot '%s/%s' cannot be renamed", store->st.name,
					name);
		else
			r = rename_device(store, snap, new_name);
		free(message);
	}
	free(snaps);
	if (!r)
		sosnap_done("renamed %s/%s to %s/%s", store->st.name, name, store->st.name,
			    new_name);
	return r;
}

static int rename_snapshot(const struct sosnap_args *a)
{
	struct sosnap_ref from, to;
	struct sosnap_store store;
	int r = sosnap_ref_parse(a->arg[0], &from);

	if (!r && !strchr(a->arg[1], '/')) {
		r = sosnap_name_check("snapshot", a->arg[1]);
		to = from;
		if (!r)
			strscpy(to.snap, a->arg[1], sizeof(to.snap));
	} else if (!r) {
		r = sosnap_ref_parse(a->arg[1], &to);
	}
	if (!r && strcmp(from.store, to.store)) {
		sosnap_error("a snapshot cannot move from store '%s' to store '%s' by a new name",
			     from.store, to.store);
		r = -EINVAL;
	}
	r = r ?: sosnap_store_find(from.store, &store) ?:
		 rename_in_store(&store, from.snap, to.snap);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_rename = {
	.name = "rename",
	.usage = "<store>/<snapshot> [<store>/]<new name>",
	.help = "give a snapshot another name, also while it is in use",
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 2,
	.max = 2,
	.fn = rename_snapshot,
};
