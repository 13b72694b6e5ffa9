// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/freeze.h"
#include "lib/refs.h"
#include "lib/units.h"

/* What is asked before anything is forgotten */
static bool confirm(const struct sosnap_store *store,
		    const struct sosnap_reply_snapshot *const *snaps, size_t nr)
{
	char size[SOSNAP_UNITS_LEN];
	u64 blocks = 0;

	for (size_t i = 0; i < nr; i++)
		blocks += snaps[i]->blocks;
	sosnap_units_format(blocks << SOSNAP_BLOCK_SHIFT, size);
	if (nr == 1)
		return sosnap_confirm("forget %s of changes of snapshot %s/%s", size,
				      store->st.name, snaps[0]->name);
	return sosnap_confirm("forget %s of changes of %zu snapshots of store %s", size, nr,
			      store->st.name);
}

static int refresh_one(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap)
{
	struct sosnap_freeze freeze;
	char *message;
	int r, resumed;

	r = sosnap_freeze_begin(&freeze, store, &snap, 1);
	if (r)
		return r;
	message = sosnap_printf("refresh %s", snap->name);
	r = sosnap_dm_message(store->dm, message, NULL);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be refreshed", store->st.name,
				snap->name);
	free(message);
	resumed = sosnap_freeze_end(&freeze);
	r = r ?: resumed;
	if (!r)
		sosnap_done("refreshed %s/%s: it looks like gold image %s again", store->st.name,
			    snap->name, snap->gold);
	return r;
}

static int refresh_in_store(const struct sosnap_store *store, const char *const *names, size_t nr,
			    void *ctx)
{
	const struct sosnap_reply_snapshot **chosen = sosnap_alloc(nr, sizeof(*chosen));
	struct sosnap_reply_snapshot *snaps = NULL;
	size_t nr_snaps;
	int r = sosnap_store_snapshots(store, &snaps, &nr_snaps);

	for (size_t i = 0; !r && i < nr; i++) {
		chosen[i] = sosnap_snapshot_need(store, snaps, nr_snaps, names[i]);
		if (!chosen[i])
			r = -ENOENT;
	}
	if (!r && !confirm(store, chosen, nr))
		r = -ECANCELED;
	for (size_t i = 0; !r && i < nr; i++)
		r = refresh_one(store, chosen[i]);
	free(chosen);
	free(snaps);
	return r;
}

static int refresh(const struct sosnap_args *a)
{
	return sosnap_exit_code(sosnap_refs_each(a->arg, a->nr, refresh_in_store, NULL));
}

const struct sosnap_cmd sosnap_cmd_refresh = {
	.name = "refresh",
	.usage = "<store>/<snapshot>...",
	.help = "forget all changes: snapshots look like their gold image again",
	.text = "Also while they are active; a guest that runs on one sees its disk change under\n"
		"it, so stop it first. Takes no longer for many changes; their space comes back in\n"
		"the background. Asks on a terminal; elsewhere --yes is needed.",
	.flags = SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS,
	.min = 1,
	.max = -1,
	.fn = refresh,
};
