// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/refs.h"
#include "lib/snap.h"
#include "lib/units.h"

enum { OPT_FORCE, OPT_IF_EXISTS };

static const struct sosnap_opt options[] = {
	[OPT_FORCE] = { "force", NULL, "deactivate them first", 0 },
	[OPT_IF_EXISTS] = { "if-exists", NULL, "it is fine if they do not exist", 0 },
	{ 0 }
};

/* What is to be removed from one store */
struct removal {
	const struct sosnap_store *store;
	const struct sosnap_reply_snapshot **snaps;
	size_t nr;
	bool force;
};

static int choose(struct removal *rm, const struct sosnap_args *a,
		  const struct sosnap_reply_snapshot *all, size_t nr_all,
		  const char *const *names, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct sosnap_reply_snapshot *snap;

		if (a->opt[OPT_IF_EXISTS] && !sosnap_snapshot_by_name(all, nr_all, names[i])) {
			sosnap_done("there is no %s/%s", rm->store->st.name, names[i]);
			continue;
		}
		snap = sosnap_snapshot_need(rm->store, all, nr_all, names[i]);
		if (!snap)
			return -ENOENT;
		if (snap->active && !rm->force) {
			sosnap_error("snapshot '%s/%s' is active: deactivate it first, or add --force",
				     rm->store->st.name, snap->name);
			return -EBUSY;
		}
		rm->snaps[rm->nr++] = snap;
	}
	return 0;
}

static bool confirm(const struct removal *rm)
{
	char size[SOSNAP_UNITS_LEN];
	u64 blocks = 0;

	for (size_t i = 0; i < rm->nr; i++)
		blocks += rm->snaps[i]->blocks;
	sosnap_units_format(blocks << SOSNAP_BLOCK_SHIFT, size);
	if (rm->nr == 1)
		return sosnap_confirm("remove snapshot %s/%s with %s of changes",
				      rm->store->st.name, rm->snaps[0]->name, size);
	return sosnap_confirm("remove %zu snapshots from store %s with %s of changes", rm->nr,
			      rm->store->st.name, size);
}

static int send_some(const struct removal *rm, size_t from, size_t to)
{
	char *message = NULL;
	size_t size;
	FILE *f = open_memstream(&message, &size);
	int r;

	if (!f)
		sosnap_die_memory();
	fputs("remove", f);
	for (size_t i = from; i < to; i++)
		fprintf(f, " %s", rm->snaps[i]->name);
	if (fclose(f))
		sosnap_die_memory();
	r = sosnap_dm_message(rm->store->dm, message, NULL);
	if (r && to - from == 1)
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be removed", rm->store->st.name,
				rm->snaps[from]->name);
	else if (r)
		sosnap_dm_error(r, "%zu snapshots from '%s' on cannot be removed from store '%s'",
				to - from, rm->snaps[from]->name, rm->store->st.name);
	for (size_t i = from; !r && i < to; i++)
		sosnap_done("removed %s/%s", rm->store->st.name, rm->snaps[i]->name);
	free(message);
	return r;
}

static int send_remove(const struct removal *rm)
{
	int r = 0;

	for (size_t i = 0; !r && i < rm->nr; i += SOSNAP_STORE_AT_ONCE)
		r = send_some(rm, i, min(i + SOSNAP_STORE_AT_ONCE, rm->nr));
	return r;
}

static int remove_from_store(const struct sosnap_store *store, const char *const *names, size_t nr,
			     void *ctx)
{
	const struct sosnap_args *a = ctx;
	struct removal rm = { .store = store, .force = a->opt[OPT_FORCE] };
	struct sosnap_reply_snapshot *all;
	size_t nr_all;
	int r = sosnap_store_snapshots(store, &all, &nr_all);

	if (r)
		return r;
	rm.snaps = sosnap_alloc(nr, sizeof(*rm.snaps));
	r = choose(&rm, a, all, nr_all, names, nr);
	if (!r && rm.nr && !confirm(&rm))
		r = -ECANCELED;
	sosnap_dm_batch_begin();
	for (size_t i = 0; !r && i < rm.nr; i++)
		if (rm.snaps[i]->active)
			r = sosnap_snap_deactivate(store, rm.snaps[i], true);
	sosnap_dm_batch_end();
	if (!r && rm.nr)
		r = send_remove(&rm);
	free(rm.snaps);
	free(all);
	return r;
}

static int remove_snapshots(const struct sosnap_args *a)
{
	return sosnap_exit_code(sosnap_refs_each(a->arg, a->nr, remove_from_store, (void *)a));
}

const struct sosnap_cmd sosnap_cmd_remove = {
	.name = "remove",
	.usage = "<store>/<snapshot>...",
	.help = "remove snapshots with all that was written to them",
	.text = "Asks on a terminal; elsewhere --yes is needed. Their space comes back in the\n"
		"background.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS,
	.min = 1,
	.max = -1,
	.fn = remove_snapshots,
};
