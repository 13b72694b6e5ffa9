// SPDX-License-Identifier: GPL-2.0
#include "lib/storedev.h"

#include <uuid/uuid.h>

#include "lib/report.h"

static void say_super_error(const char *path, const struct sosnap_fault *fault, int error)
{
	if (error != -EUCLEAN)
		sosnap_error("%s: the superblock cannot be read: %s", path, strerror(-error));
	else if (fault->what == SOSNAP_FAULT_BLOCK_MAGIC)
		sosnap_error("%s holds no store: 'sosnap store create' makes one", path);
	else if (fault->what == SOSNAP_FAULT_SUPER_SIZE)
		sosnap_error("%s is smaller than the store on it, which has %llu bytes: it is cut off or not the whole device",
			     path, (unsigned long long)fault->arg << SOSNAP_BLOCK_SHIFT);
	else if (fault->what == SOSNAP_FAULT_SUPER_VERSION)
		sosnap_error("%s holds a store of format version %llu, this tool knows version %u only: use a newer one",
			     path, (unsigned long long)fault->arg, SOSNAP_VERSION);
	else
		sosnap_error("%s: the superblock (block %llu) cannot be used: %s (%s)", path,
			     (unsigned long long)fault->blk, sosnap_fault_text(fault->what),
			     sosnap_fault_name(fault->what));
}

int sosnap_storedev_open(struct sosnap_storedev *s, const char *path)
{
	int r = sosnap_dev_open(&s->dev, path, SOSNAP_DEV_EXCLUSIVE | SOSNAP_DEV_FILE);

	if (r)
		return r;
	sosnap_file_init(&s->file, &s->dev, SOSNAP_FILE_OVERLAY);
	r = sosnap_super_read(&s->file.io, &s->super);
	if (r) {
		say_super_error(path, &s->file.io.fault, r);
		sosnap_storedev_close(s);
		return r;
	}
	uuid_unparse_lower(s->file.io.uuid, s->uuid);
	return 0;
}

void sosnap_storedev_close(struct sosnap_storedev *s)
{
	sosnap_file_exit(&s->file);
	sosnap_dev_close(&s->dev);
}
