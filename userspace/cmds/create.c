// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/out.h"
#include "lib/refs.h"
#include "lib/snap.h"
#include "lib/units.h"

enum { OPT_GOLD, OPT_SIZE, OPT_ACTIVATE, OPT_GOLD_DEVICE, OPT_IF_MISSING };

static const struct sosnap_opt options[] = {
	[OPT_GOLD] = { "gold", "<gold>", "gold image they start from (needed)", 0 },
	[OPT_SIZE] = { "size", "<size>", "their size; what is beyond the gold image reads as zeros (default: its size)", 0 },
	[OPT_ACTIVATE] = { "activate", NULL, "and make their devices", 0 },
	[OPT_GOLD_DEVICE] = { "gold-device", "<device>", "where the gold image is (default: look for it)", 0 },
	[OPT_IF_MISSING] = { "if-missing", NULL, "it is fine if they exist with this gold image and size", 0 },
	{ 0 }
};

static const struct sosnap_col cols[] = {
	{ "store", NULL, SOSNAP_OUT_STRING, 0 },
	{ "name", NULL, SOSNAP_OUT_STRING, 0 },
	{ "id", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "size", NULL, SOSNAP_OUT_BYTES, 0 },
	{ "gold", NULL, SOSNAP_OUT_STRING, 0 },
	{ "created_now", NULL, SOSNAP_OUT_BOOL, 0 },
	{ "device", NULL, SOSNAP_OUT_STRING, 0 },
};

/* What is to be made in one store */
struct creation {
	const struct sosnap_args *a;
	const struct sosnap_store *store;
	const struct sosnap_reply_gold *gold;
	u64 sectors;
	const char *const *names;
	size_t nr;
	bool *exists;
};

/* Whether an existing snapshot is what was asked for */
static int check_existing(const struct creation *c, const struct sosnap_reply_snapshot *snap)
{
	char size[SOSNAP_UNITS_LEN];

	if (!c->a->opt[OPT_IF_MISSING]) {
		sosnap_error("snapshot '%s/%s' exists already: choose another name, remove it, or add --if-missing",
			     c->store->st.name, snap->name);
		return -EEXIST;
	}
	if (strcmp(snap->gold, c->gold->name) || snap->sectors != c->sectors) {
		sosnap_error("snapshot '%s/%s' exists already, but with gold image '%s' and size %s (%llu bytes)",
			     c->store->st.name, snap->name, snap->gold,
			     sosnap_units_format(snap->sectors << 9, size),
			     (unsigned long long)snap->sectors << 9);
		return -EEXIST;
	}
	return 0;
}

static int check_names(struct creation *c)
{
	struct sosnap_reply_snapshot *snaps;
	char dm[SOSNAP_DM_NAME];
	size_t nr;
	int r = sosnap_store_snapshots(c->store, &snaps, &nr);

	if (r)
		return r;
	for (size_t i = 0; !r && i < c->nr; i++) {
		const struct sosnap_reply_snapshot *snap;

		r = sosnap_dm_name(c->store->st.name, c->names[i], dm);
		snap = sosnap_snapshot_by_name(snaps, nr, c->names[i]);
		if (r || !snap)
			continue;
		c->exists[i] = true;
		r = check_existing(c, snap);
	}
	free(snaps);
	return r;
}

/* Those of names[from..to) that are missing, by one message: all or none */
static int send_some(const struct creation *c, const char *word, size_t from, size_t to)
{
	bool create = !strcmp(word, "create");
	char *message = NULL;
	size_t size, nr = 0;
	FILE *f = open_memstream(&message, &size);
	int r = 0;

	if (!f)
		sosnap_die_memory();
	fputs(word, f);
	for (size_t i = from; i < to; i++) {
		if (c->exists[i])
			continue;
		fprintf(f, " %s", c->names[i]);
		if (create)
			fprintf(f, " %s %llu", c->gold->name, (unsigned long long)c->sectors);
		nr++;
	}
	if (fclose(f))
		sosnap_die_memory();
	if (nr)
		r = sosnap_dm_message(c->store->dm, message, NULL);
	free(message);
	return r;
}

/* What was created before a later message failed goes away again */
static void undo(const struct creation *c, size_t to)
{
	for (size_t i = 0; i < to; i += SOSNAP_STORE_AT_ONCE)
		if (send_some(c, "remove", i, min(i + SOSNAP_STORE_AT_ONCE, to)))
			sosnap_warn("store '%s' keeps snapshots from '%s' on that were created before the failure",
				    c->store->st.name, c->names[i]);
}

static int send_create(const struct creation *c)
{
	for (size_t i = 0; i < c->nr; i += SOSNAP_STORE_AT_ONCE) {
		int r = send_some(c, "create", i, min(i + SOSNAP_STORE_AT_ONCE, c->nr));

		if (!r)
			continue;
		if (c->nr == 1)
			sosnap_dm_error(r, "snapshot '%s/%s' cannot be created",
					c->store->st.name, c->names[0]);
		else
			sosnap_dm_error(r, "the %zu snapshots cannot be created in store '%s'",
					c->nr, c->store->st.name);
		undo(c, i);
		return r;
	}
	return 0;
}

/* After the message: their ids, their devices, and what to print */
static int finish(const struct creation *c, struct sosnap_activation *activation)
{
	struct sosnap_reply_snapshot *snaps;
	char dm[SOSNAP_DM_NAME];
	size_t nr;
	int r = sosnap_store_snapshots(c->store, &snaps, &nr);

	for (size_t i = 0; !r && i < c->nr; i++) {
		const struct sosnap_reply_snapshot *snap;
		char size[SOSNAP_UNITS_LEN];
		char *path;

		snap = sosnap_snapshot_need(c->store, snaps, nr, c->names[i]);
		if (!snap) {
			r = -ENOENT;
			break;
		}
		sosnap_done("%s %s/%s: %s, gold image %s",
			    c->exists[i] ? "there is already" : "created", c->store->st.name,
			    snap->name, sosnap_units_format(snap->sectors << 9, size),
			    snap->gold);
		if (activation)
			r = sosnap_snap_activate(activation, snap);
		sosnap_dm_name(c->store->st.name, snap->name, dm);
		path = sosnap_printf("/dev/mapper/%s", dm);
		if (sosnap_options.json)
			sosnap_out_row((struct sosnap_val[]){
				{ .s = c->store->st.name }, { .s = snap->name }, { .n = snap->id },
				{ .n = snap->sectors << 9 }, { .s = snap->gold },
				{ .n = !c->exists[i] },
				{ .s = path, .none = !(activation && !r) && !snap->active } });
		free(path);
	}
	free(snaps);
	return r;
}

static int create_all(struct creation *c, struct sosnap_activation *activation)
{
	char dm[SOSNAP_DM_NAME];
	int r = send_create(c);

	if (!r && !sosnap_options.dry_run)
		return finish(c, activation);
	for (size_t i = 0; !r && activation && i < c->nr; i++) {
		r = sosnap_dm_name(c->store->st.name, c->names[i], dm);
		sosnap_out_step("make the device /dev/mapper/%s", dm);
	}
	return r;
}

static int create_in_store(const struct sosnap_store *store, const char *const *names, size_t nr,
			   void *ctx)
{
	struct sosnap_activation activation;
	struct creation c = { .a = ctx, .store = store, .names = names, .nr = nr };
	const char *gold_device = c.a->opt[OPT_GOLD_DEVICE];
	u64 bytes = 0;
	int r;

	r = sosnap_activation_init(&activation, store, gold_device, false);
	if (r)
		goto out;
	c.gold = sosnap_gold_need(store, activation.golds, activation.nr_golds,
				  c.a->opt[OPT_GOLD]);
	if (!c.gold) {
		r = -ENOENT;
		goto out;
	}
	r = sosnap_units_option("the size", c.a->opt[OPT_SIZE], 512, &bytes);
	if (r)
		goto out;
	c.sectors = bytes ? bytes >> 9 : c.gold->sectors;
	c.exists = sosnap_alloc(nr, sizeof(*c.exists));
	r = check_names(&c);
	/* better before than after they were created */
	if (!r && c.a->opt[OPT_ACTIVATE] &&
	    (gold_device ? sosnap_golddev_match(gold_device, c.gold) != 0 :
			   !sosnap_golddevs_find(&activation.devs, c.gold, store->st.name)))
		r = -ENODEV;
	if (!r)
		r = create_all(&c, c.a->opt[OPT_ACTIVATE] ? &activation : NULL);
	free(c.exists);
out:
	sosnap_activation_exit(&activation);
	return r;
}

static int create(const struct sosnap_args *a)
{
	int r;

	if (!a->opt[OPT_GOLD]) {
		sosnap_error("a snapshot needs a gold image: add --gold <gold>");
		return SOSNAP_EXIT_USAGE;
	}
	if (a->opt[OPT_GOLD_DEVICE] && !a->opt[OPT_ACTIVATE]) {
		sosnap_error("--gold-device is of use with --activate only");
		return SOSNAP_EXIT_USAGE;
	}
	if (sosnap_options.json)
		sosnap_out_table("snapshots", cols, ARRAY_SIZE(cols));
	r = sosnap_refs_each(a->arg, a->nr, create_in_store, (void *)a);
	if (sosnap_options.json)
		sosnap_out_table_end();
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_create = {
	.name = "create",
	.usage = "<store>/<snapshot>... --gold <gold>",
	.help = "make writable snapshots of a gold image",
	.text = "Of several in one store either all are made or none. Each has a device,\n"
		"/dev/mapper/<store>-<snapshot>, while it is active.",
	.options = options,
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = -1,
	.fn = create,
};
