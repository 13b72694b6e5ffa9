// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/golddev.h"
#include "lib/out.h"
#include "lib/store.h"
#include "lib/units.h"

enum { OPT_NAME, OPT_NO_SHA256 };

static const struct sosnap_opt options[] = {
	[OPT_NAME] = { "name", "<gold>", "name of the gold image (needed)", 0 },
	[OPT_NO_SHA256] = { "no-sha256", NULL, "do not read all of it; 'gold verify' can then compare samples only", 0 },
	{ 0 }
};

static int check_device(const struct sosnap_dev *dev)
{
	char *user = sosnap_dev_user(dev->rdev, true);
	int r = 0;

	if (!dev->bytes) {
		sosnap_error("%s is empty: a gold image needs content", dev->path);
		r = -EINVAL;
	} else if (user) {
		sosnap_error("%s %s and can change: unmount it or mount it read-only, a gold image must stay as it is",
			     dev->path, user);
		r = -EBUSY;
	}
	free(user);
	return r;
}

static int check_name(const struct sosnap_store *store, const char *name)
{
	struct sosnap_reply_gold *golds;
	size_t nr;
	int r = sosnap_store_golds(store, &golds, &nr);

	if (!r && sosnap_gold_by_name(golds, nr, name)) {
		sosnap_error("store '%s' has a gold image '%s' already: choose another name",
			     store->st.name, name);
		r = -EEXIST;
	}
	free(golds);
	return r;
}

/* Both checksums; the samples are taken again after all was read, to see that nobody writes */
static int fingerprint(const struct sosnap_dev *dev, bool all, u32 *crc, char sha256[65])
{
	struct sosnap_dev again;
	u32 crc_after;
	int r = sosnap_golddev_crc(dev, crc);

	strcpy(sha256, "-");
	if (r || !all || sosnap_options.dry_run)
		return r;
	r = sosnap_golddev_sha256(dev, sha256) ?: sosnap_dev_open(&again, dev->path, 0);
	if (r)
		return r;
	r = sosnap_golddev_crc(&again, &crc_after);
	if (!r && (crc_after != *crc || again.bytes != dev->bytes)) {
		sosnap_error("%s changed while it was read: end what writes to it, a gold image must stay as it is",
			     dev->path);
		r = -EBUSY;
	}
	sosnap_dev_close(&again);
	return r;
}

static void print_gold(const char *store, const char *name, const struct sosnap_dev *dev, u32 crc,
		       const char *sha256)
{
	static const struct sosnap_col cols[] = {
		{ "store", NULL, SOSNAP_OUT_STRING, 0 },
		{ "name", NULL, SOSNAP_OUT_STRING, 0 },
		{ "size", NULL, SOSNAP_OUT_BYTES, 0 },
		{ "sample_crc", NULL, SOSNAP_OUT_STRING, 0 },
		{ "sha256", NULL, SOSNAP_OUT_STRING, 0 },
	};
	char size[SOSNAP_UNITS_LEN], hex[9];

	snprintf(hex, sizeof(hex), "%08x", crc);
	if (sosnap_options.json)
		sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
			{ .s = store }, { .s = name }, { .n = dev->bytes }, { .s = hex },
			{ .s = sha256, .none = sha256[0] == '-' } });
	sosnap_done("added gold image %s to store %s: %s, sha256 %s", name, store,
		    sosnap_units_format(dev->bytes, size), sha256);
}

static int gold_add(const struct sosnap_args *a)
{
	const char *name = a->opt[OPT_NAME];
	struct sosnap_store store;
	struct sosnap_dev dev;
	char sha256[65], *message;
	u32 crc;
	int r;

	if (!name) {
		sosnap_error("a gold image needs a name: add --name <gold>");
		return SOSNAP_EXIT_USAGE;
	}
	r = sosnap_name_check("gold image", name) ?: sosnap_store_find(a->arg[0], &store) ?:
	    check_name(&store, name) ?: sosnap_dev_open(&dev, a->arg[1], 0);
	if (r)
		return SOSNAP_EXIT_FAILED;
	r = check_device(&dev) ?: fingerprint(&dev, !a->opt[OPT_NO_SHA256], &crc, sha256);
	if (!r) {
		if (sosnap_options.dry_run && !a->opt[OPT_NO_SHA256])
			strcpy(sha256, "<sha256>");
		message = sosnap_printf("gold_add %s %llu %08x %s", name,
					(unsigned long long)dev.bytes >> 9, crc, sha256);
		r = sosnap_dm_message(store.dm, message, NULL);
		if (r)
			sosnap_dm_error(r, "gold image '%s' cannot be added to store '%s'", name,
					store.st.name);
		else
			print_gold(store.st.name, name, &dev, crc, sha256);
		free(message);
	}
	sosnap_dev_close(&dev);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_gold_add = {
	.name = "gold add",
	.usage = "<store> <device> --name <gold>",
	.help = "tell a store of a gold image, so that snapshots of it can be made",
	.text = "The image stays where it is and must never change from now on. It is read once;\n"
		"the store keeps its size, a checksum of samples and its SHA-256, and knows it by\n"
		"these on whatever device it is found later.",
	.options = options,
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_DRY_RUN,
	.min = 2,
	.max = 2,
	.fn = gold_add,
};
