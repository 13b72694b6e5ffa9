// SPDX-License-Identifier: GPL-2.0
#include "lib/grow.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/report.h"
#include "lib/units.h"
#include "uapi.h"

u64 sosnap_store_device_blocks(const struct sosnap_store *store)
{
	int fd = open(store->path, O_RDONLY | O_CLOEXEC);
	u64 bytes = 0;

	if (fd < 0)
		return 0;
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		bytes = 0;
	close(fd);
	return min_t(u64, bytes >> SOSNAP_BLOCK_SHIFT, SOSNAP_MAX_BLOCKS);
}

int sosnap_store_set_table(const struct sosnap_store *store, u64 blocks)
{
	char *type = NULL, *params = NULL;
	int r = sosnap_dm_table(store->dm, &type, &params);

	if (!r)
		r = sosnap_dm_reload(store->dm, blocks * SOSNAP_BLOCK_SECTORS, type, params, false);
	if (r)
		sosnap_dm_error(r, "device %s of store '%s' cannot take the new size: repeat the command",
				store->dm, store->st.name);
	free(type);
	free(params);
	return r;
}

int sosnap_store_grow(const struct sosnap_store *store)
{
	char from[SOSNAP_UNITS_LEN], to[SOSNAP_UNITS_LEN];
	u64 blocks = sosnap_store_device_blocks(store);
	int r;

	if (!blocks) {
		sosnap_error("the size of %s, which holds store '%s', cannot be read", store->path,
			     store->st.name);
		return -EIO;
	}
	sosnap_units_format(store->st.total << SOSNAP_BLOCK_SHIFT, from);
	sosnap_units_format(blocks << SOSNAP_BLOCK_SHIFT, to);
	if (blocks < store->st.total) {
		sosnap_error("store '%s' has %s, but %s has only %s: restore its size",
			     store->st.name, from, store->path, to);
		return -EINVAL;
	}
	if (blocks == store->st.total) {
		sosnap_done("store %s uses all of %s already: %s", store->st.name, store->path,
			    from);
		return 0;
	}
	r = sosnap_store_set_table(store, blocks);
	if (r)
		return r;
	r = sosnap_dm_message(store->dm, "grow", NULL);
	if (r)
		sosnap_dm_error(r, "store '%s' cannot grow to the %s of %s", store->st.name, to,
				store->path);
	else
		sosnap_done("grew store %s from %s to %s", store->st.name, from, to);
	return r;
}
