// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/golddev.h"
#include "lib/out.h"
#include "lib/store.h"

static const struct sosnap_col cols[] = {
	{ "store", NULL, SOSNAP_OUT_STRING, 0 },
	{ "gold", NULL, SOSNAP_OUT_STRING, 0 },
	{ "device", NULL, SOSNAP_OUT_STRING, 0 },
	{ "identical", NULL, SOSNAP_OUT_BOOL, 0 },
	{ "compared", NULL, SOSNAP_OUT_STRING, 0 },
};

/* -EUCLEAN after saying what differs */
static int compare_all(const char *path, const struct sosnap_reply_gold *gold)
{
	struct sosnap_dev dev;
	char sha256[65];
	int r = sosnap_dev_open(&dev, path, 0);

	if (r)
		return r;
	r = sosnap_golddev_sha256(&dev, sha256);
	if (!r && strcmp(sha256, gold->sha256)) {
		sosnap_error("%s is not the gold image '%s', or was modified: its SHA-256 is %s, not %s",
			     path, gold->name, sha256, gold->sha256);
		r = -EUCLEAN;
	}
	sosnap_dev_close(&dev);
	return r;
}

static int verify(const struct sosnap_store *store, const struct sosnap_reply_gold *gold,
		  const char *path)
{
	bool all = gold->sha256[0] != '-';
	int r = sosnap_golddev_match(path, gold);

	if (!r && all)
		r = compare_all(path, gold);
	if ((!r || r == -EUCLEAN) && sosnap_options.json)
		sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
			{ .s = store->st.name }, { .s = gold->name }, { .s = path },
			{ .n = !r }, { .s = all ? "all" : "samples" } });
	if (!r && all)
		sosnap_done("%s is the gold image %s: size and SHA-256 are the same", path,
			    gold->name);
	else if (!r)
		sosnap_done("%s looks like the gold image %s: size and samples are the same; its SHA-256 was not taken when it was added",
			    path, gold->name);
	return r;
}

static int gold_verify(const struct sosnap_args *a)
{
	struct sosnap_golddevs devs = { 0 };
	const struct sosnap_reply_gold *gold;
	struct sosnap_reply_gold *golds;
	struct sosnap_store store;
	const char *path;
	size_t nr;
	int r = sosnap_store_find(a->arg[0], &store) ?: sosnap_store_golds(&store, &golds, &nr);

	if (r)
		return SOSNAP_EXIT_FAILED;
	gold = sosnap_gold_need(&store, golds, nr, a->arg[1]);
	path = NULL;
	if (gold)
		path = a->nr > 2 ? a->arg[2] :
				   sosnap_golddevs_find(&devs, gold, store.st.name);
	r = path ? verify(&store, gold, path) : -ENOENT;
	sosnap_golddevs_free(&devs);
	free(golds);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_gold_verify = {
	.name = "gold verify",
	.usage = "<store> <gold> [<device>]",
	.help = "compare all of a device with a gold image that the store knows",
	.text = "Without a device, the one that holds the gold image on this host.",
	.flags = SOSNAP_CMD_JSON,
	.min = 2,
	.max = 3,
	.fn = gold_verify,
};
