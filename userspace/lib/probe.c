// SPDX-License-Identifier: GPL-2.0
#include "lib/probe.h"

#include <blkid.h>
#include <unistd.h>

#include "lib/io_file.h"
#include "lib/out.h"
#include "lib/report.h"

static blkid_probe probe_new(const struct sosnap_dev *dev, int flags)
{
	blkid_probe pr = blkid_new_probe();

	if (!pr)
		sosnap_die_memory();
	if (blkid_probe_set_device(pr, dev->fd, 0, 0)) {
		blkid_free_probe(pr);
		return NULL;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
					  BLKID_SUBLKS_LABEL | flags);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, flags ? BLKID_PARTS_MAGIC : 0);
	return pr;
}

static const char *value(blkid_probe pr, const char *name)
{
	const char *s = NULL;

	return blkid_probe_lookup_value(pr, name, &s, NULL) ? NULL : s;
}

/* "ext4 filesystem 'root'" */
static char *describe(blkid_probe pr)
{
	const char *type = value(pr, "TYPE");
	const char *usage = value(pr, "USAGE");
	const char *label = value(pr, "LABEL");
	const char *kind = "";

	if (!type) {
		type = value(pr, "PTTYPE");
		return type ? sosnap_printf("a partition table (%s)", type) :
			      sosnap_strdup("content of a known kind");
	}
	if (usage && !strcmp(usage, "filesystem"))
		kind = " filesystem";
	else if (usage && !strcmp(usage, "raid"))
		kind = " member";
	if (label)
		return sosnap_printf("%s%s '%s'", type, kind, label);
	return sosnap_printf("%s%s", type, kind);
}

/* A store of ours is not something that libblkid knows */
static char *describe_store(const struct sosnap_dev *dev)
{
	struct sosnap_super super;
	struct sosnap_file file;
	char *what = NULL;
	int r;

	sosnap_file_init(&file, dev, SOSNAP_FILE_OVERLAY);
	r = sosnap_super_read(&file.io, &super);
	if (!r)
		what = sosnap_printf("the sosnap store '%s'", super.name);
	else if (r == -EUCLEAN && file.io.fault.what != SOSNAP_FAULT_BLOCK_MAGIC)
		what = sosnap_strdup("a damaged sosnap store");
	sosnap_file_exit(&file);
	return what;
}

int sosnap_probe_content(const struct sosnap_dev *dev, char **what)
{
	blkid_probe pr;
	int r;

	*what = describe_store(dev);
	if (*what)
		return 0;
	pr = probe_new(dev, 0);
	if (!pr) {
		sosnap_error("%s cannot be read to see what it holds", dev->path);
		return -EIO;
	}
	r = blkid_do_safeprobe(pr);
	if (!r)
		*what = describe(pr);
	else if (r == -2)
		*what = sosnap_strdup("content of several kinds at once");
	blkid_free_probe(pr);
	if (r == -1) {
		sosnap_error("%s cannot be read to see what it holds", dev->path);
		return -EIO;
	}
	return 0;
}

int sosnap_probe_wipe(const struct sosnap_dev *dev)
{
	blkid_probe pr = probe_new(dev, BLKID_SUBLKS_MAGIC);
	int r = pr ? 0 : -EIO;

	while (!r && !blkid_do_probe(pr))
		if (blkid_do_wipe(pr, 0))
			r = errno ? -errno : -EIO;
	if (pr)
		blkid_free_probe(pr);
	if (r)
		sosnap_error("%s: the old content cannot be wiped: %s", dev->path, strerror(-r));
	return r;
}

int sosnap_probe_refuse(const struct sosnap_dev *dev, bool forced)
{
	char *what;
	int r = sosnap_probe_content(dev, &what);

	if (!r && what && !forced) {
		sosnap_error("%s holds %s: choose another device, or add --force to overwrite it",
			     dev->path, what);
		r = -EEXIST;
	}
	if (!r && what && sosnap_options.dry_run)
		sosnap_out_step("overwrite %s on %s", what, dev->path);
	free(what);
	return r;
}
