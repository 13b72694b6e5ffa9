// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/out.h"
#include "lib/store.h"

static const struct sosnap_col cols[] = {
	{ "name", "NAME", SOSNAP_OUT_STRING, 0 },
	{ "size", "SIZE", SOSNAP_OUT_BYTES, 0 },
	{ "snapshots", "SNAPSHOTS", SOSNAP_OUT_NUMBER, 0 },
	{ "created", "ADDED", SOSNAP_OUT_TIME, 0 },
	{ "sample_crc", NULL, SOSNAP_OUT_STRING, 0 },
	{ "sha256", "SHA256", SOSNAP_OUT_STRING, 0 },
};

static int gold_list(const struct sosnap_args *a)
{
	struct sosnap_reply_gold *golds;
	struct sosnap_store store;
	size_t nr;
	int r = sosnap_store_find(a->arg[0], &store) ?: sosnap_store_golds(&store, &golds, &nr);

	if (r)
		return SOSNAP_EXIT_FAILED;
	if (!nr && !sosnap_options.json)
		sosnap_out_text("Store %s has no gold image: 'sosnap gold add %s <device> --name <gold>' adds one.",
				store.st.name, store.st.name);
	else
		sosnap_out_table("golds", cols, ARRAY_SIZE(cols));
	for (size_t i = 0; i < nr; i++) {
		char crc[9];

		snprintf(crc, sizeof(crc), "%08x", golds[i].crc);
		sosnap_out_row((struct sosnap_val[]){
			{ .s = golds[i].name }, { .n = golds[i].sectors << 9 },
			{ .n = golds[i].snapshots }, { .n = golds[i].ctime }, { .s = crc },
			{ .s = golds[i].sha256, .none = golds[i].sha256[0] == '-' } });
	}
	if (nr || sosnap_options.json)
		sosnap_out_table_end();
	free(golds);
	return SOSNAP_EXIT_OK;
}

const struct sosnap_cmd sosnap_cmd_gold_list = {
	.name = "gold list",
	.usage = "<store>",
	.help = "show the gold images that a store knows",
	.flags = SOSNAP_CMD_JSON,
	.min = 1,
	.max = 1,
	.fn = gold_list,
};
