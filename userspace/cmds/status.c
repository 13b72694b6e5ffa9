// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/metrics.h"
#include "lib/out.h"
#include "lib/refs.h"
#include "lib/snap.h"
#include "lib/units.h"
#include "lib/watch.h"

enum { OPT_WATCH, OPT_COUNT, OPT_PROMETHEUS };

static const struct sosnap_opt options[] = {
	[OPT_WATCH] = { "watch", "<seconds>", "a table of all that is active, again every so many seconds", 1 << OPT_PROMETHEUS },
	[OPT_COUNT] = { "count", "<number>", "so many tables (default: until interrupted)", 1 << OPT_PROMETHEUS },
	[OPT_PROMETHEUS] = { "prometheus", NULL, "all that is active, as Prometheus reads it", 0 },
	{ 0 }
};

static const struct sosnap_col cols[] = {
	{ "store", "Store", SOSNAP_OUT_STRING, 0 },
	{ "name", "Snapshot", SOSNAP_OUT_STRING, 0 },
	{ "state", "State", SOSNAP_OUT_STRING, 0 },
	{ "device", "Device", SOSNAP_OUT_STRING, 0 },
	{ "opens", "Open", SOSNAP_OUT_NUMBER, 0 },
	{ "size", "Size", SOSNAP_OUT_BYTES, 0 },
	{ "changed", "Changed", SOSNAP_OUT_BYTES, 0 },
	{ "changed_percent", "Of the gold image", SOSNAP_OUT_PERCENT, 0 },
	{ "quota", "Quota", SOSNAP_OUT_BYTES, 0 },
	{ "reservation", "Reservation", SOSNAP_OUT_BYTES, 0 },
	{ "gold", "Gold image", SOSNAP_OUT_STRING, 0 },
	{ "gold_size", "Its size", SOSNAP_OUT_BYTES, 0 },
	{ "auto", "Starts with the store", SOSNAP_OUT_BOOL, 0 },
	{ "disposable", "Removed for space", SOSNAP_OUT_BOOL, 0 },
	{ "read_only", "Set read-only", SOSNAP_OUT_BOOL, 0 },
	{ "lossy", "Lost data", SOSNAP_OUT_BOOL, 0 },
	{ "map_memory", "Memory of its map", SOSNAP_OUT_BYTES, 0 },
	{ "created", "Created", SOSNAP_OUT_TIME, 0 },
	{ "id", "Id", SOSNAP_OUT_NUMBER, 0 },
	{ "uuid", "UUID", SOSNAP_OUT_STRING, 0 },
};

/* The status of the device itself, zero if there is none */
static void device_status(const struct sosnap_dm_dev *dev, struct sosnap_reply_status *st)
{
	char *type = NULL, *params = NULL;

	memset(st, 0, sizeof(*st));
	if (!dev->exists || sosnap_dm_status(dev->name, &type, &params))
		return;
	if (sosnap_reply_parse_status(params, st))
		memset(st, 0, sizeof(*st));
	free(type);
	free(params);
}

static int print_one(const struct sosnap_store *store, const struct sosnap_reply_snapshot *s,
		     const struct sosnap_reply_gold *g)
{
	u64 changed = s->blocks << SOSNAP_BLOCK_SHIFT;
	struct sosnap_reply_status st;
	struct sosnap_dm_dev dev;
	char *path;
	int r = sosnap_snap_device(store, s, &dev);

	if (r)
		return r;
	device_status(&dev, &st);
	path = sosnap_printf("/dev/mapper/%s", dev.name);
	sosnap_out_object(NULL);
	sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
		{ .s = store->st.name }, { .s = s->name }, { .s = sosnap_snap_state(s) },
		{ .s = path, .none = !dev.exists }, { .n = (u64)dev.opens, .none = !dev.exists },
		{ .n = s->sectors << 9 }, { .n = changed },
		{ .n = g ? sosnap_units_share(changed, g->sectors << 9) : 0, .none = !g },
		{ .n = s->quota << SOSNAP_BLOCK_SHIFT, .none = !s->quota },
		{ .n = s->reservation << SOSNAP_BLOCK_SHIFT, .none = !s->reservation },
		{ .s = s->gold }, { .n = g ? g->sectors << 9 : 0, .none = !g },
		{ .n = s->auto_activate }, { .n = s->disposable }, { .n = s->read_only },
		{ .n = s->lossy },
		{ .n = st.map_kib << 10, .none = !dev.exists },
		{ .n = s->ctime }, { .n = s->id }, { .s = s->uuid } });
	sosnap_out_close();
	free(path);
	return 0;
}

static int status_in_store(const struct sosnap_store *store, const char *const *names, size_t nr,
			   void *ctx)
{
	struct sosnap_reply_snapshot *snaps = NULL;
	struct sosnap_reply_gold *golds = NULL;
	size_t nr_snaps, nr_golds;
	bool *again = ctx;
	int r = sosnap_store_snapshots(store, &snaps, &nr_snaps) ?:
		sosnap_store_golds(store, &golds, &nr_golds);

	for (size_t i = 0; !r && i < nr; i++) {
		const struct sosnap_reply_snapshot *s;

		s = sosnap_snapshot_need(store, snaps, nr_snaps, names[i]);
		if (!s) {
			r = -ENOENT;
			break;
		}
		if (*again)
			sosnap_out_text("%s", "");
		*again = true;
		r = print_one(store, s, sosnap_gold_by_name(golds, nr_golds, s->gold));
	}
	free(golds);
	free(snaps);
	return r;
}

static int watch(const struct sosnap_args *a)
{
	u64 seconds, times = 0;
	int r = sosnap_units_number("--watch", a->opt[OPT_WATCH], 86400, &seconds) ?:
		sosnap_units_number("--count", a->opt[OPT_COUNT], 1000000, &times);

	if (!r && !seconds && times != 1) {
		sosnap_error("--watch takes a number of seconds from 1 on");
		r = -EINVAL;
	}
	return sosnap_exit_code(r ?: sosnap_watch(seconds, times));
}

static int prometheus(void)
{
	struct sosnap_measured *m;
	size_t nr;
	int r = sosnap_measure(&m, &nr);

	if (r)
		return SOSNAP_EXIT_FAILED;
	sosnap_metrics_print(stdout, m, nr);
	sosnap_measured_free(m, nr);
	return SOSNAP_EXIT_OK;
}

static int status(const struct sosnap_args *a)
{
	bool all = a->opt[OPT_WATCH] || a->opt[OPT_PROMETHEUS];
	bool again = false;
	int r;

	if (all == !!a->nr || (all && sosnap_options.json) ||
	    (a->opt[OPT_COUNT] && !a->opt[OPT_WATCH])) {
		sosnap_error("status: give snapshots as <store>/<snapshot>, or --watch <seconds>, or --prometheus");
		return SOSNAP_EXIT_USAGE;
	}
	if (a->opt[OPT_WATCH])
		return watch(a);
	if (a->opt[OPT_PROMETHEUS])
		return prometheus();
	sosnap_out_array("snapshots");
	r = sosnap_refs_each(a->arg, a->nr, status_in_store, &again);
	sosnap_out_close();
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_status = {
	.name = "status",
	.usage = "<store>/<snapshot>... | --watch <seconds> | --prometheus",
	.help = "show all about snapshots, or watch all that is active",
	.options = options,
	.flags = SOSNAP_CMD_JSON,
	.min = 0,
	.max = -1,
	.fn = status,
};
