// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/snap.h"
#include "lib/units.h"
#include "uapi.h"

enum { OPT_SIZE };

static const struct sosnap_opt options[] = {
	[OPT_SIZE] = { "size", "<size>", "the new size, a multiple of 4K (needed)", 0 },
	{ 0 }
};

/* An active one has the new size from its next table on */
static int reload(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		  const struct sosnap_dm_dev *dev, u64 sectors)
{
	char *type = NULL, *params = NULL;
	int r = sosnap_dm_table(dev->name, &type, &params);

	if (!r)
		r = sosnap_dm_reload(dev->name, sectors, type, params, dev->read_only);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' has the new size, its device %s cannot take it: repeat the command or deactivate it",
				store->st.name, snap->name, dev->name);
	free(type);
	free(params);
	return r;
}

static int confirm(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		   u64 sectors)
{
	char from[SOSNAP_UNITS_LEN], to[SOSNAP_UNITS_LEN];

	if (sectors >= snap->sectors || sosnap_options.dry_run)
		return 0;
	sosnap_units_format(snap->sectors << 9, from);
	sosnap_units_format(sectors << 9, to);
	return sosnap_confirm("shrink snapshot %s/%s from %s to %s, with the loss of all beyond",
			      store->st.name, snap->name, from, to) ? 0 : -ECANCELED;
}

static int resize_one(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		      u64 sectors)
{
	char size[SOSNAP_UNITS_LEN];
	struct sosnap_dm_dev dev;
	char *message;
	int r;

	r = sosnap_snap_device(store, snap, &dev);
	if (r)
		return r;
	if (dev.exists && dev.suspended) {
		sosnap_error("snapshot '%s/%s' is suspended: 'dmsetup resume %s' first",
			     store->st.name, snap->name, dev.name);
		return -EBUSY;
	}
	r = confirm(store, snap, sectors);
	if (r)
		return r;
	message = sosnap_printf("resize %s %llu", snap->name, (unsigned long long)sectors);
	r = sosnap_dm_message(store->dm, message, NULL);
	free(message);
	if (r) {
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be resized", store->st.name,
				snap->name);
		return r;
	}
	if (dev.exists && dev.live)
		r = reload(store, snap, &dev, sectors);
	if (!r)
		sosnap_done("resized %s/%s to %s", store->st.name, snap->name,
			    sosnap_units_format(sectors << 9, size));
	return r;
}

static int resize(const struct sosnap_args *a)
{
	const struct sosnap_reply_snapshot *snap;
	struct sosnap_reply_snapshot *snaps;
	struct sosnap_store store;
	struct sosnap_ref ref;
	u64 bytes = 0;
	size_t nr;
	int r;

	if (!a->opt[OPT_SIZE]) {
		sosnap_error("resize: add --size <size>");
		return SOSNAP_EXIT_USAGE;
	}
	if (sosnap_units_option("--size", a->opt[OPT_SIZE], SOSNAP_BLOCK_SIZE, &bytes))
		return SOSNAP_EXIT_USAGE;
	r = sosnap_ref_parse(a->arg[0], &ref) ?: sosnap_store_find(ref.store, &store) ?:
	    sosnap_store_snapshots(&store, &snaps, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	snap = sosnap_snapshot_need(&store, snaps, nr, ref.snap);
	r = snap ? resize_one(&store, snap, bytes >> 9) : -ENOENT;
	free(snaps);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_resize = {
	.name = "resize",
	.usage = "<store>/<snapshot>",
	.help = "make a snapshot larger or smaller, also while it is in use",
	.text = "What it gains reads as zeros, also where something was cut off before. Shrinking\n"
		"asks on a terminal; elsewhere --yes is needed. Shrink the filesystem on it first.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS,
	.min = 1,
	.max = 1,
	.fn = resize,
};
