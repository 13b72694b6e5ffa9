// SPDX-License-Identifier: GPL-2.0
#include <sys/sysmacros.h>

#include "cmd.h"
#include "lib/dev.h"
#include "lib/snap.h"

enum { OPT_FORCE };

static const struct sosnap_opt options[] = {
	[OPT_FORCE] = { "force", NULL, "deactivate its snapshots first", 0 },
	{ 0 }
};

/* None is active afterwards, or an error was said */
static int deactivate_snapshots(const struct sosnap_store *store, bool force)
{
	struct sosnap_reply_snapshot *snaps;
	const char *first = NULL;
	size_t nr, active = 0;
	int r = sosnap_store_snapshots(store, &snaps, &nr);

	if (r)
		return r;
	sosnap_dm_batch_begin();
	for (size_t i = 0; i < nr; i++) {
		if (!snaps[i].active)
			continue;
		if (force)
			r = sosnap_snap_deactivate(store, &snaps[i], false) ?: r;
		else if (!active++)
			first = snaps[i].name;
	}
	sosnap_dm_batch_end();
	if (active) {
		sosnap_error("store '%s' has %zu active snapshot%s (%s%s): deactivate them by 'sosnap deactivate --all %s', or add --force",
			     store->st.name, active, active > 1 ? "s" : "", first,
			     active > 1 ? ", ..." : "", store->st.name);
		r = -EBUSY;
	}
	free(snaps);
	return r;
}

static int store_deactivate(const struct sosnap_args *a)
{
	struct sosnap_store store;
	struct sosnap_dm_dev dev;
	int r;

	r = strchr(a->arg[0], '/') ? sosnap_store_on(a->arg[0], &store) :
				     sosnap_store_lookup(a->arg[0], &store);
	if (r == -ENOENT) {
		sosnap_done(strchr(a->arg[0], '/') ? "no active store is on %s" :
							     "store %s is not active", a->arg[0]);
		return SOSNAP_EXIT_OK;
	}
	r = r ?: deactivate_snapshots(&store, a->opt[OPT_FORCE]);
	if (r)
		return SOSNAP_EXIT_FAILED;
	r = sosnap_dm_remove(store.dm);
	if (r == -EBUSY && !sosnap_dm_find(store.dm, NULL, &dev)) {
		char *user = sosnap_dev_user(makedev(dev.major, dev.minor), false);

		sosnap_error("store '%s' %s: end that use first", store.st.name,
			     user ?: "is in use");
		free(user);
	} else if (r) {
		sosnap_dm_error(r, "store '%s' cannot be deactivated", store.st.name);
	} else {
		sosnap_done("deactivated store %s", store.st.name);
	}
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_deactivate = {
	.name = "store deactivate",
	.usage = "<store>|<device>",
	.help = "write everything down and let go of the store's device",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = 1,
	.fn = store_deactivate,
};
