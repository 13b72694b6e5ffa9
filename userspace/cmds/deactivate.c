// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/refs.h"
#include "lib/snap.h"

enum { OPT_ALL };

static const struct sosnap_opt options[] = {
	[OPT_ALL] = { "all", "<store>", "all snapshots of a store", 0 },
	{ 0 }
};

/* Those named, or all active ones when @names is NULL; goes on after a failure */
static int deactivate_in_store(const struct sosnap_store *store, const char *const *names,
			       size_t nr, void *ctx)
{
	struct sosnap_reply_snapshot *snaps = NULL;
	size_t nr_snaps = 0;
	int r = sosnap_store_snapshots(store, &snaps, &nr_snaps);

	for (size_t i = 0; !r && i < nr; i++)
		if (!sosnap_snapshot_need(store, snaps, nr_snaps, names[i]))
			r = -ENOENT;
	if (r)
		goto out;
	sosnap_dm_batch_begin();
	for (size_t i = 0; names && i < nr; i++)
		r = sosnap_snap_deactivate(store, sosnap_snapshot_by_name(snaps, nr_snaps,
									 names[i]),
					   false) ?: r;
	for (size_t i = 0; !names && i < nr_snaps; i++)
		if (snaps[i].active)
			r = sosnap_snap_deactivate(store, &snaps[i], false) ?: r;
	sosnap_dm_batch_end();
out:
	free(snaps);
	return r;
}

static int deactivate(const struct sosnap_args *a)
{
	struct sosnap_store store;
	int r;

	if (!a->opt[OPT_ALL] == !a->nr) {
		sosnap_error("deactivate: give snapshots as <store>/<snapshot>, or --all <store>");
		return SOSNAP_EXIT_USAGE;
	}
	if (a->opt[OPT_ALL])
		r = sosnap_store_find(a->opt[OPT_ALL], &store) ?:
		    deactivate_in_store(&store, NULL, 0, NULL);
	else
		r = sosnap_refs_each(a->arg, a->nr, deactivate_in_store, NULL);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_deactivate = {
	.name = "deactivate",
	.usage = "<store>/<snapshot>... | --all <store>",
	.help = "take the devices of snapshots away; what was written stays in the store",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 0,
	.max = -1,
	.fn = deactivate,
};
