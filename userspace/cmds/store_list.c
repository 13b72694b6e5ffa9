// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/out.h"
#include "lib/store.h"
#include "lib/units.h"

static const struct sosnap_col cols[] = {
	{ "name", "NAME", SOSNAP_OUT_STRING, 0 },
	{ "state", "STATE", SOSNAP_OUT_STRING, 0 },
	{ "size", "SIZE", SOSNAP_OUT_BYTES, 0 },
	{ "used", "USED", SOSNAP_OUT_BYTES, 0 },
	{ "used_percent", "USED%", SOSNAP_OUT_PERCENT, 0 },
	{ "free", "FREE", SOSNAP_OUT_BYTES, 0 },
	{ "golds", "GOLDS", SOSNAP_OUT_NUMBER, 0 },
	{ "snapshots", "SNAPSHOTS", SOSNAP_OUT_NUMBER, 0 },
	{ "device", "DEVICE", SOSNAP_OUT_STRING, 0 },
	{ "uuid", NULL, SOSNAP_OUT_STRING, 0 },
};

static void row_active(const struct sosnap_store *s)
{
	u64 used = s->st.used << SOSNAP_BLOCK_SHIFT, total = s->st.total << SOSNAP_BLOCK_SHIFT;

	sosnap_out_row((struct sosnap_val[]){
		{ .s = s->st.name }, { .s = sosnap_store_state(s) }, { .n = total }, { .n = used },
		{ .n = sosnap_units_share(used, total) }, { .n = total - used },
		{ .n = s->st.golds }, { .n = s->st.snapshots }, { .s = s->path },
		{ .s = s->st.uuid } });
}

static void row_inactive(const struct sosnap_found *f)
{
	u64 total = f->blocks << SOSNAP_BLOCK_SHIFT;
	u64 used = f->used << SOSNAP_BLOCK_SHIFT;

	if (f->error) {
		sosnap_out_row((struct sosnap_val[]){
			SOSNAP_NONE, { .s = "damaged" }, SOSNAP_NONE, SOSNAP_NONE, SOSNAP_NONE,
			SOSNAP_NONE, SOSNAP_NONE, SOSNAP_NONE, { .s = f->path }, SOSNAP_NONE });
		return;
	}
	sosnap_out_row((struct sosnap_val[]){
		{ .s = f->name }, { .s = "inactive" }, { .n = total }, { .n = used },
		{ .n = sosnap_units_share(used, total) }, { .n = total - used }, SOSNAP_NONE,
		SOSNAP_NONE, { .s = f->path }, { .s = f->uuid } });
}

static int store_list(const struct sosnap_args *a)
{
	struct sosnap_store *stores = NULL;
	struct sosnap_found *found = NULL;
	size_t nr_active = 0, nr_found = 0;
	int r;

	r = sosnap_stores_active(&stores, &nr_active) ?:
	    sosnap_stores_inactive(&found, &nr_found);
	if (!r && !nr_active && !nr_found && !sosnap_options.json) {
		sosnap_out_text("There is no store: 'sosnap store create <device> --name <store>' makes one.");
	} else if (!r) {
		sosnap_out_table("stores", cols, ARRAY_SIZE(cols));
		for (size_t i = 0; i < nr_active; i++)
			row_active(&stores[i]);
		for (size_t i = 0; i < nr_found; i++)
			row_inactive(&found[i]);
		sosnap_out_table_end();
	}
	free(found);
	free(stores);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_list = {
	.name = "store list",
	.usage = "",
	.help = "show the stores on this host's block devices",
	.flags = SOSNAP_CMD_JSON,
	.min = 0,
	.max = 0,
	.fn = store_list,
};
