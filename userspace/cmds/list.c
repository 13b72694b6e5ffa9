// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/out.h"
#include "lib/snap.h"
#include "lib/units.h"

static const struct sosnap_col cols[] = {
	{ "name", "SNAPSHOT", SOSNAP_OUT_STRING, 0 },
	{ "size", "SIZE", SOSNAP_OUT_BYTES, 0 },
	{ "changed", "CHANGED", SOSNAP_OUT_BYTES, 0 },
	{ "changed_percent", "OF GOLD", SOSNAP_OUT_PERCENT, 0 },
	{ "quota", "QUOTA", SOSNAP_OUT_BYTES, 0 },
	{ "reservation", "RESERVED", SOSNAP_OUT_BYTES, 0 },
	{ "gold", "GOLD", SOSNAP_OUT_STRING, 0 },
	{ "origin", "OF", SOSNAP_OUT_STRING, 0 },
	{ "state", "STATE", SOSNAP_OUT_STRING, 0 },
	{ "auto", "AUTO", SOSNAP_OUT_BOOL, 0 },
	{ "id", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "created", NULL, SOSNAP_OUT_TIME, 0 },
	{ "uuid", NULL, SOSNAP_OUT_STRING, 0 },
	{ "ancestors", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "disposable", NULL, SOSNAP_OUT_BOOL, 0 },
	{ "read_only", NULL, SOSNAP_OUT_BOOL, 0 },
	{ "lossy", NULL, SOSNAP_OUT_BOOL, 0 },
};

static const struct sosnap_col total_cols[] = {
	{ "snapshots", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "full_copies", NULL, SOSNAP_OUT_BYTES, 0 },
	{ "used", NULL, SOSNAP_OUT_BYTES, 0 },
	{ "saved_percent", NULL, SOSNAP_OUT_PERCENT, 0 },
	{ "free", NULL, SOSNAP_OUT_BYTES, 0 },
	{ "size", NULL, SOSNAP_OUT_BYTES, 0 },
};

/* What a copy of the gold image for each snapshot would take */
static u64 copies(const struct sosnap_reply_snapshot *snaps, size_t nr,
		  const struct sosnap_reply_gold *golds, size_t nr_golds)
{
	u64 bytes = 0;

	for (size_t i = 0; i < nr; i++) {
		const struct sosnap_reply_gold *g = sosnap_gold_by_name(golds, nr_golds,
									snaps[i].gold);

		bytes += (g ? min(g->sectors, snaps[i].sectors) : snaps[i].sectors) << 9;
	}
	return bytes;
}

static void print_total(const struct sosnap_store *store, size_t nr, u64 full)
{
	u64 used = store->st.used << SOSNAP_BLOCK_SHIFT;
	u64 total = store->st.total << SOSNAP_BLOCK_SHIFT;
	u64 saved = used < full ? sosnap_units_share(full - used, full) : 0;
	char a[SOSNAP_UNITS_LEN], b[SOSNAP_UNITS_LEN], c[SOSNAP_UNITS_LEN];

	if (sosnap_options.json)
		sosnap_out_record("total", total_cols, ARRAY_SIZE(total_cols),
				  (struct sosnap_val[]){ { .n = nr }, { .n = full },
				  { .n = used }, { .n = saved }, { .n = total - used },
				  { .n = total } });
	sosnap_out_text("%s", "");
	if (nr)
		sosnap_out_text("%zu snapshot%s: full copies would take %s, the store uses %s (%llu.%llu%% saved)",
				nr, nr > 1 ? "s" : "", sosnap_units_format(full, a),
				sosnap_units_format(used, b), (unsigned long long)saved / 100,
				(unsigned long long)saved / 10 % 10);
	sosnap_out_text("store %s: %s used, %s free of %s", store->st.name,
			sosnap_units_format(used, a), sosnap_units_format(total - used, b),
			sosnap_units_format(total, c));
}

static int list_store(const struct sosnap_store *store)
{
	struct sosnap_reply_snapshot *snaps = NULL;
	struct sosnap_reply_gold *golds = NULL;
	size_t nr, nr_golds;
	int r = sosnap_store_snapshots(store, &snaps, &nr) ?:
		sosnap_store_golds(store, &golds, &nr_golds);

	if (r)
		goto out;
	sosnap_out_object(NULL);
	sosnap_out_record(NULL, (struct sosnap_col[]){ { "store", NULL, SOSNAP_OUT_STRING, 0 } }, 1,
			  (struct sosnap_val[]){ { .s = store->st.name } });
	if (!nr && !sosnap_options.json)
		sosnap_out_text("Store %s has no snapshot: 'sosnap create %s/<snapshot> --gold <gold>' makes one.",
				store->st.name, store->st.name);
	else
		sosnap_out_table("snapshots", cols, ARRAY_SIZE(cols));
	for (size_t i = 0; i < nr; i++) {
		const struct sosnap_reply_snapshot *s = &snaps[i];
		const struct sosnap_reply_gold *g = sosnap_gold_by_name(golds, nr_golds, s->gold);
		u64 changed = s->blocks << SOSNAP_BLOCK_SHIFT;
		char *name = sosnap_options.json ? sosnap_strdup(s->name) :
			     sosnap_printf("%s/%s", store->st.name, s->name);

		/* in JSON it is a member of its own */
		char *state = sosnap_printf("%s%s", sosnap_snap_state(s),
					    s->lossy && !sosnap_options.json ? ", lossy" : "");

		sosnap_out_row((struct sosnap_val[]){
			{ .s = name }, { .n = s->sectors << 9 }, { .n = changed },
			{ .n = g ? sosnap_units_share(changed, g->sectors << 9) : 0, .none = !g },
			{ .n = s->quota << SOSNAP_BLOCK_SHIFT, .none = !s->quota },
			{ .n = s->reservation << SOSNAP_BLOCK_SHIFT, .none = !s->reservation },
			{ .s = s->gold }, { .s = s->origin, .none = !strcmp(s->origin, "-") },
			{ .s = state },
			{ .n = s->auto_activate }, { .n = s->id }, { .n = s->ctime },
			{ .s = s->uuid }, { .n = s->ancestors }, { .n = s->disposable },
			{ .n = s->read_only }, { .n = s->lossy } });
		free(state);
		free(name);
	}
	if (nr || sosnap_options.json)
		sosnap_out_table_end();
	print_total(store, nr, copies(snaps, nr, golds, nr_golds));
	sosnap_out_close();
out:
	free(golds);
	free(snaps);
	return r;
}

static int list(const struct sosnap_args *a)
{
	struct sosnap_store one, *all = &one;
	size_t nr = 1;
	int r;

	r = a->nr ? sosnap_store_find(a->arg[0], &one) : sosnap_stores_active(&all, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	if (!nr)
		sosnap_out_text("No store is active: 'sosnap store list' shows the stores there are.");
	sosnap_out_array("stores");
	for (size_t i = 0; !r && i < nr; i++) {
		if (i)
			sosnap_out_text("%s", "");
		r = list_store(&all[i]);
	}
	sosnap_out_close();
	if (all != &one)
		free(all);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_list = {
	.name = "list",
	.usage = "[<store>]",
	.help = "show the snapshots of a store, or of all active ones, and what they save",
	.text = "Full copies: what copying the gold image for every snapshot would take.",
	.flags = SOSNAP_CMD_JSON,
	.min = 0,
	.max = 1,
	.fn = list,
};
