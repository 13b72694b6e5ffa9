// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/refs.h"
#include "lib/snap.h"

enum { OPT_ALL, OPT_READ_ONLY, OPT_GOLD_DEVICE, OPT_LOSSY };

static const struct sosnap_opt options[] = {
	[OPT_ALL] = { "all", "<store>", "all snapshots of a store", 0 },
	[OPT_READ_ONLY] = { "read-only", NULL, "make read-only devices", 0 },
	[OPT_GOLD_DEVICE] = { "gold-device", "<device>", "where the gold image is (default: look for it)", 0 },
	[OPT_LOSSY] = { "lossy", NULL, "also those that lost data when their store was repaired", 0 },
	{ 0 }
};

/* Those named, or all when @names is NULL; goes on after a failure */
static int activate_in_store(const struct sosnap_store *store, const char *const *names, size_t nr,
			     void *ctx)
{
	const struct sosnap_args *a = ctx;
	struct sosnap_reply_snapshot *snaps = NULL;
	struct sosnap_activation activation;
	size_t nr_snaps = 0;
	int r;

	r = sosnap_activation_init(&activation, store, a->opt[OPT_GOLD_DEVICE],
				   a->opt[OPT_READ_ONLY]);
	activation.lossy = a->opt[OPT_LOSSY];
	if (!r)
		r = sosnap_store_snapshots(store, &snaps, &nr_snaps);
	for (size_t i = 0; !r && i < nr; i++)
		if (!sosnap_snapshot_need(store, snaps, nr_snaps, names[i]))
			r = -ENOENT;
	if (r)
		goto out;
	for (size_t i = 0; i < (names ? nr : nr_snaps); i++) {
		const struct sosnap_reply_snapshot *snap = &snaps[i];

		if (names)
			snap = sosnap_snapshot_by_name(snaps, nr_snaps, names[i]);
		r = sosnap_snap_activate(&activation, snap) ?: r;
	}
out:
	free(snaps);
	sosnap_activation_exit(&activation);
	return r;
}

static int activate(const struct sosnap_args *a)
{
	struct sosnap_store store;
	int r;

	if (!a->opt[OPT_ALL] == !a->nr) {
		sosnap_error("activate: give snapshots as <store>/<snapshot>, or --all <store>");
		return SOSNAP_EXIT_USAGE;
	}
	if (a->opt[OPT_ALL])
		r = sosnap_store_find(a->opt[OPT_ALL], &store) ?:
		    activate_in_store(&store, NULL, 0, (void *)a);
	else
		r = sosnap_refs_each(a->arg, a->nr, activate_in_store, (void *)a);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_activate = {
	.name = "activate",
	.usage = "<store>/<snapshot>... | --all <store>",
	.help = "make the devices of snapshots",
	.text = "The gold image is looked for among the block devices of this host, by its size\n"
		"and checksum.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 0,
	.max = -1,
	.fn = activate,
};
