// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/freeze.h"
#include "lib/units.h"

enum { OPT_TO };

static const struct sosnap_opt options[] = {
	[OPT_TO] = { "to", "<snapshot>", "what it shall look like (needed)", 0 },
	{ 0 }
};

static int send(const struct sosnap_store *store,
		const struct sosnap_reply_snapshot *const pair[2])
{
	struct sosnap_freeze freeze;
	char *message;
	int r, resumed;

	r = sosnap_freeze_begin(&freeze, store, pair, 2);
	if (r)
		return r;
	message = sosnap_printf("rollback %s %s", pair[0]->name, pair[1]->name);
	r = sosnap_dm_message(store->dm, message, NULL);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be rolled back to '%s'",
				store->st.name, pair[0]->name, pair[1]->name);
	free(message);
	resumed = sosnap_freeze_end(&freeze);
	return r ?: resumed;
}

static int rollback_in_store(const struct sosnap_store *store, const char *name, const char *to)
{
	const struct sosnap_reply_snapshot *pair[2] = { NULL, NULL };
	struct sosnap_reply_snapshot *snaps;
	char size[SOSNAP_UNITS_LEN];
	size_t nr;
	int r = sosnap_store_snapshots(store, &snaps, &nr);

	if (r)
		return r;
	pair[0] = sosnap_snapshot_need(store, snaps, nr, name);
	if (pair[0])
		pair[1] = sosnap_snapshot_need(store, snaps, nr, to);
	if (!pair[1])
		r = -ENOENT;
	else if (!sosnap_confirm("forget %s of changes of snapshot %s/%s, and make it look like %s/%s",
				 sosnap_units_format(pair[0]->blocks << SOSNAP_BLOCK_SHIFT, size),
				 store->st.name, name, store->st.name, to))
		r = -ECANCELED;
	r = r ?: send(store, pair);
	if (!r)
		sosnap_done("rolled %s/%s back to %s/%s", store->st.name, name, store->st.name,
			    to);
	free(snaps);
	return r;
}

static int rollback(const struct sosnap_args *a)
{
	const char *to = a->opt[OPT_TO];
	struct sosnap_store store;
	struct sosnap_ref ref;
	int r;

	if (!to) {
		sosnap_error("a rollback needs something to go back to: add --to <snapshot>");
		return SOSNAP_EXIT_USAGE;
	}
	r = sosnap_ref_parse(a->arg[0], &ref) ?: sosnap_name_check("snapshot", to) ?:
	    sosnap_store_find(ref.store, &store) ?: rollback_in_store(&store, ref.snap, to);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_rollback = {
	.name = "rollback",
	.usage = "<store>/<snapshot> --to <snapshot>",
	.help = "let a snapshot look like another one of its store does now",
	.text = "The other one, of the same gold image and size, stays what it is: it can be gone back\n"
		"to again. What the snapshot had changed is forgotten. Also while it is active; a\n"
		"guest that runs on it sees its disk change under it, so stop it first. Asks on a\n"
		"terminal; elsewhere --yes is needed.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS,
	.min = 1,
	.max = 1,
	.fn = rollback,
};
