// SPDX-License-Identifier: GPL-2.0
/*
 * For the rules of udev: what a device holds, or what a device of ours is for,
 * as lines of KEY=value. Reads the two superblocks and nothing else.
 */
#include <uuid/uuid.h>

#include "cmd.h"
#include "lib/io_file.h"
#include "lib/store.h"

enum { OPT_DM_NAME };

static const struct sosnap_opt options[] = {
	[OPT_DM_NAME] = { "dm-name", "<name>", "take a device-mapper name apart instead", 0 },
	{ 0 }
};

static int probe_name(const char *name)
{
	struct sosnap_ref ref;

	if (sosnap_dm_name_split(name, &ref)) {
		sosnap_error("'%s' is not the name that a store or snapshot of ours has", name);
		return SOSNAP_EXIT_FAILED;
	}
	printf("SOSNAP_STORE=%s\n", ref.store);
	if (ref.snap[0])
		printf("SOSNAP_SNAPSHOT=%s\n", ref.snap);
	return SOSNAP_EXIT_OK;
}

/*
 * Names have been verified with the superblock: no character of theirs has to
 * be encoded for udev, so that the _ENC variants are the same.
 */
static void print_store(const struct sosnap_super *super, const u8 *id)
{
	char uuid[37];

	uuid_unparse_lower(id, uuid);
	printf("ID_FS_TYPE=sosnap_store\n"
	       "ID_FS_USAGE=other\n"
	       "ID_FS_VERSION=%u\n"
	       "ID_FS_UUID=%s\n"
	       "ID_FS_UUID_ENC=%s\n"
	       "ID_FS_LABEL=%s\n"
	       "ID_FS_LABEL_ENC=%s\n", SOSNAP_VERSION, uuid, uuid, super->name, super->name);
}

static int probe(const struct sosnap_args *a)
{
	struct sosnap_super super;
	struct sosnap_file file;
	struct sosnap_dev dev;
	int r;

	if (!a->opt[OPT_DM_NAME] == !a->nr) {
		sosnap_error("probe: give a device, or --dm-name <name>");
		return SOSNAP_EXIT_USAGE;
	}
	if (a->opt[OPT_DM_NAME])
		return probe_name(a->opt[OPT_DM_NAME]);
	r = sosnap_dev_open(&dev, a->arg[0], SOSNAP_DEV_FILE);
	if (r)
		return SOSNAP_EXIT_FAILED;
	sosnap_file_init(&file, &dev, SOSNAP_FILE_OVERLAY);
	r = sosnap_super_read(&file.io, &super);
	if (r)
		sosnap_error("%s holds no store that could be activated", dev.path);
	else
		print_store(&super, file.io.uuid);
	sosnap_file_exit(&file);
	sosnap_dev_close(&dev);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_probe = {
	.name = "probe",
	.usage = "<device>",
	.help = "tell udev which store a device holds",
	.text = "Prints lines of KEY=value and succeeds if there is a store, active or not.",
	.options = options,
	.min = 0,
	.max = 1,
	.fn = probe,
};
