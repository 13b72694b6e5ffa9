// SPDX-License-Identifier: GPL-2.0
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "cmd.h"
#include "lib/io_file.h"
#include "lib/out.h"
#include "lib/probe.h"
#include "lib/store.h"
#include "lib/units.h"
#include "meta.h"

enum { OPT_NAME, OPT_JOURNAL, OPT_FORCE };

static const struct sosnap_opt options[] = {
	[OPT_NAME] = { "name", "<store>", "name of the store (needed)", 0 },
	[OPT_JOURNAL] = { "journal", "<size>", "size of the journal, 1M to 124M (default: 1/64 of the store)", 0 },
	[OPT_FORCE] = { "force", NULL, "overwrite what the device holds", 0 },
	{ 0 }
};

/* What can be said about sizes before anything is touched */
static int plan_super(const struct sosnap_dev *dev, const char *name, const char *journal,
		      struct sosnap_super *super)
{
	u64 blocks = dev->bytes >> SOSNAP_BLOCK_SHIFT;
	char have[SOSNAP_UNITS_LEN];
	u64 bytes = 0;
	int r;

	if (blocks < SOSNAP_MIN_BLOCKS) {
		sosnap_error("%s is too small for a store: it has %s, at least 8M are needed",
			     dev->path, sosnap_units_format(dev->bytes, have));
		return -EINVAL;
	}
	r = sosnap_units_option("the journal size", journal, SOSNAP_BLOCK_SIZE, &bytes);
	if (r)
		return r;
	if (bytes && (bytes >> SOSNAP_BLOCK_SHIFT < SOSNAP_MIN_JOURNAL ||
		      bytes >> SOSNAP_BLOCK_SHIFT > SOSNAP_MAX_JOURNAL)) {
		sosnap_error("the journal size '%s' must be from %dM to %dM", journal,
			     SOSNAP_MIN_JOURNAL >> 8, SOSNAP_MAX_JOURNAL >> 8);
		return -EINVAL;
	}
	sosnap_super_init(super, name, blocks, bytes >> SOSNAP_BLOCK_SHIFT, (u64)time(NULL));
	if (super->journal_blk + super->journal_blocks > super->nr_blocks / 2) {
		sosnap_error("a journal of %s is too large for a store of %s: at most half of it may be journal",
			     journal, sosnap_units_format(dev->bytes, have));
		return -EINVAL;
	}
	return 0;
}

/* No other device of this host holds a store of this name */
static int check_name_free(const struct sosnap_dev *dev, const char *name)
{
	const char *path = NULL;
	struct sosnap_found *found;
	struct sosnap_store store;
	struct stat st;
	size_t nr;
	int r;

	if (sosnap_dm_loaded()) {
		r = sosnap_store_lookup(name, &store);
		if (r && r != -ENOENT)
			return r;
		if (!r)
			path = store.path;
	}
	if (!dev->rdev)		/* a file; whoever attaches it knows more */
		return 0;
	r = sosnap_stores_inactive(&found, &nr);
	if (r)
		return r;
	for (size_t i = 0; !path && i < nr; i++)
		if (!found[i].error && !strcmp(found[i].name, name) &&
		    !stat(found[i].path, &st) && st.st_rdev != dev->rdev)
			path = found[i].path;
	if (path) {
		sosnap_error("there is a store named '%s' on %s: choose another name", name, path);
		r = -EEXIST;
	}
	free(found);
	return r;
}

static int format_store(const struct sosnap_dev *dev, struct sosnap_super *super,
			const uuid_t uuid)
{
	struct sosnap_file file;
	int r = sosnap_probe_wipe(dev);

	if (r)
		return r;
	sosnap_file_init(&file, dev, 0);
	memcpy(file.io.uuid, uuid, sizeof(file.io.uuid));
	r = sosnap_meta_format(&file.io, super);
	if (!r && fsync(dev->fd))
		r = -errno;
	sosnap_file_exit(&file);
	if (r)
		sosnap_error("the store cannot be written to %s: %s", dev->path, strerror(-r));
	return r;
}

static void print_store(const struct sosnap_dev *dev, const struct sosnap_super *super,
			const uuid_t uuid)
{
	static const struct sosnap_col cols[] = {
		{ "name", NULL, SOSNAP_OUT_STRING, 0 },
		{ "uuid", NULL, SOSNAP_OUT_STRING, 0 },
		{ "device", NULL, SOSNAP_OUT_STRING, 0 },
		{ "size", NULL, SOSNAP_OUT_BYTES, 0 },
		{ "journal", NULL, SOSNAP_OUT_BYTES, 0 },
	};
	char size[SOSNAP_UNITS_LEN], journal[SOSNAP_UNITS_LEN], text[37];

	uuid_unparse_lower(uuid, text);
	sosnap_units_format(super->nr_blocks << SOSNAP_BLOCK_SHIFT, size);
	sosnap_units_format(super->journal_blocks << SOSNAP_BLOCK_SHIFT, journal);
	if (sosnap_options.json)
		sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
			{ .s = super->name }, { .s = text }, { .s = dev->path },
			{ .n = super->nr_blocks << SOSNAP_BLOCK_SHIFT },
			{ .n = super->journal_blocks << SOSNAP_BLOCK_SHIFT } });
	sosnap_done("created store %s on %s: %s, journal %s", super->name, dev->path, size,
		    journal);
}

static int store_create(const struct sosnap_args *a)
{
	const char *name = a->opt[OPT_NAME];
	unsigned int flags = SOSNAP_DEV_EXCLUSIVE | SOSNAP_DEV_FILE;
	struct sosnap_super super;
	struct sosnap_dev dev;
	uuid_t uuid;
	int r;

	if (!name) {
		sosnap_error("a store needs a name: add --name <store>");
		return SOSNAP_EXIT_USAGE;
	}
	if (!sosnap_options.dry_run)
		flags |= SOSNAP_DEV_WRITE;
	r = sosnap_name_check("store", name) ?: sosnap_dev_open(&dev, a->arg[0], flags);
	if (r)
		return SOSNAP_EXIT_FAILED;
	uuid_generate(uuid);
	r = plan_super(&dev, name, a->opt[OPT_JOURNAL], &super) ?:
	    sosnap_probe_refuse(&dev, a->opt[OPT_FORCE]) ?:
	    check_name_free(&dev, name);
	if (!r && sosnap_options.dry_run)
		sosnap_out_step("write an empty store '%s' to %s", name, dev.path);
	else if (!r)
		r = format_store(&dev, &super, uuid);
	if (!r)
		print_store(&dev, &super, uuid);
	sosnap_dev_close(&dev);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_create = {
	.name = "store create",
	.usage = "<device> --name <store>",
	.help = "make an empty store on a block device",
	.text = "A device that holds a filesystem, a partition table, LVM or another store is\n"
		"refused unless --force is given.",
	.options = options,
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = 1,
	.fn = store_create,
};
