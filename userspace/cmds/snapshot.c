// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/freeze.h"
#include "lib/out.h"

enum { OPT_ACTIVATE };

static const struct sosnap_opt options[] = {
	[OPT_ACTIVATE] = { "activate", NULL, "and make the devices of the new ones", 0 },
	{ 0 }
};

static const struct sosnap_col cols[] = {
	{ "store", NULL, SOSNAP_OUT_STRING, 0 },
	{ "name", NULL, SOSNAP_OUT_STRING, 0 },
	{ "id", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "origin", NULL, SOSNAP_OUT_STRING, 0 },
	{ "device", NULL, SOSNAP_OUT_STRING, 0 },
};

/* What is to be made: pairs of names, all of one store */
struct pairs {
	const struct sosnap_store *store;
	const struct sosnap_reply_snapshot **origin;
	char (*name)[SOSNAP_NAME_LEN];
	size_t nr;
};

static int parse_pair(const struct sosnap_args *a, size_t i, char *store, char *origin, char *name)
{
	struct sosnap_ref from, to;
	int r = sosnap_ref_parse(a->arg[2 * i], &from) ?: sosnap_ref_parse(a->arg[2 * i + 1], &to);

	if (r)
		return r;
	if (!i)
		strscpy(store, from.store, SOSNAP_NAME_LEN);
	if (strcmp(from.store, store) || strcmp(to.store, store)) {
		sosnap_error("one point in time is a matter of one store: '%s' and '%s' are not both of store '%s'",
			     a->arg[2 * i], a->arg[2 * i + 1], store);
		return -EINVAL;
	}
	strscpy(origin, from.snap, SOSNAP_NAME_LEN);
	strscpy(name, to.snap, SOSNAP_NAME_LEN);
	return 0;
}

/* By one message: all or none, and at one point in time */
static int send(const struct pairs *p)
{
	struct sosnap_freeze freeze;
	char *message = NULL;
	size_t size;
	FILE *f = open_memstream(&message, &size);
	int r, resumed;

	if (!f)
		sosnap_die_memory();
	fputs("snapshot", f);
	for (size_t i = 0; i < p->nr; i++)
		fprintf(f, " %s %s", p->origin[i]->name, p->name[i]);
	if (fclose(f))
		sosnap_die_memory();
	r = sosnap_freeze_begin(&freeze, p->store, p->origin, p->nr);
	if (!r) {
		r = sosnap_dm_message(p->store->dm, message, NULL);
		if (r)
			sosnap_dm_error(r, "snapshot '%s/%s' cannot be made", p->store->st.name,
					p->name[0]);
		resumed = sosnap_freeze_end(&freeze);
		r = r ?: resumed;
	}
	free(message);
	return r;
}

static void print_row(const struct pairs *p, size_t i, const struct sosnap_reply_snapshot *snap,
		      bool active)
{
	char dm[SOSNAP_DM_NAME];
	char *path;

	sosnap_dm_name(p->store->st.name, snap->name, dm);
	path = sosnap_printf("/dev/mapper/%s", dm);
	sosnap_out_row((struct sosnap_val[]){
		{ .s = p->store->st.name }, { .s = snap->name }, { .n = snap->id },
		{ .s = p->origin[i]->name }, { .s = path, .none = !active } });
	free(path);
}

/* After the message: the devices, and what to print */
static int finish(const struct pairs *p, bool activate)
{
	struct sosnap_activation activation;
	struct sosnap_reply_snapshot *snaps = NULL;
	size_t nr;
	int r = sosnap_activation_init(&activation, p->store, NULL, false) ?:
		sosnap_store_snapshots(p->store, &snaps, &nr);

	for (size_t i = 0; !r && i < p->nr; i++) {
		const struct sosnap_reply_snapshot *snap;

		snap = sosnap_snapshot_need(p->store, snaps, nr, p->name[i]);
		if (!snap) {
			r = -ENOENT;
			break;
		}
		sosnap_done("made %s/%s of %s/%s", p->store->st.name, snap->name,
			    p->store->st.name, p->origin[i]->name);
		if (activate)
			r = sosnap_snap_activate(&activation, snap);
		if (sosnap_options.json)
			print_row(p, i, snap, activate && !r);
	}
	sosnap_activation_exit(&activation);
	free(snaps);
	return r;
}

/*
 * The suspend would end writes that wait for space, those of a file system that is
 * frozen among them: not for a snapshot that there is no space for.
 */
static int check_space(const struct sosnap_store *store)
{
	if (strcmp(store->st.state, "full"))
		return 0;
	sosnap_error("store '%s' has no space left: remove some snapshots or grow it",
		     store->st.name);
	return -ENOSPC;
}

static int make(const struct sosnap_args *a, struct pairs *p, const char (*origin)[SOSNAP_NAME_LEN])
{
	struct sosnap_reply_snapshot *snaps;
	size_t nr;
	int r = check_space(p->store) ?: sosnap_store_snapshots(p->store, &snaps, &nr);

	if (r)
		return r;
	p->origin = sosnap_alloc(p->nr, sizeof(*p->origin));
	for (size_t i = 0; !r && i < p->nr; i++) {
		p->origin[i] = sosnap_snapshot_need(p->store, snaps, nr, origin[i]);
		if (!p->origin[i]) {
			r = -ENOENT;
		} else if (sosnap_snapshot_by_name(snaps, nr, p->name[i])) {
			sosnap_error("snapshot '%s/%s' exists already: choose another name",
				     p->store->st.name, p->name[i]);
			r = -EEXIST;
		}
	}
	r = r ?: send(p);
	if (!r && !sosnap_options.dry_run)
		r = finish(p, a->opt[OPT_ACTIVATE]);
	free(p->origin);
	free(snaps);
	return r;
}

static int snapshot(const struct sosnap_args *a)
{
	char (*origin)[SOSNAP_NAME_LEN], name[SOSNAP_NAME_LEN];
	struct pairs p = { .nr = a->nr / 2 };
	struct sosnap_store store;
	int r = 0;

	if (a->nr % 2) {
		sosnap_error("each snapshot needs a name for its own: give pairs, <store>/<snapshot> <store>/<new>");
		return SOSNAP_EXIT_USAGE;
	}
	origin = sosnap_alloc(p.nr, sizeof(*origin));
	p.name = sosnap_alloc(p.nr, sizeof(*p.name));
	for (size_t i = 0; !r && i < p.nr; i++)
		r = parse_pair(a, i, name, origin[i], p.name[i]);
	r = r ?: sosnap_store_find(name, &store);
	p.store = &store;
	if (sosnap_options.json)
		sosnap_out_table("snapshots", cols, ARRAY_SIZE(cols));
	r = r ?: make(a, &p, (const char (*)[SOSNAP_NAME_LEN])origin);
	if (sosnap_options.json)
		sosnap_out_table_end();
	free(p.name);
	free(origin);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_snapshot = {
	.name = "snapshot",
	.usage = "<store>/<snapshot> <store>/<new> [<store>/<snapshot> <store>/<new>]...",
	.help = "make snapshots of snapshots, also of ones in use",
	.text = "The new one is what the other is at this moment; each goes its own way from then\n"
		"on. Active ones are held still for that moment, and a file system that this host\n"
		"has mounted from them is frozen. Several pairs are all taken at one point in time,\n"
		"all or none. It takes no longer for a large one, and copies nothing.",
	.options = options,
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_DRY_RUN,
	.min = 2,
	.max = -1,
	.fn = snapshot,
};
