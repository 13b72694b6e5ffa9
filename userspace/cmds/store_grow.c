// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/grow.h"

static int store_grow(const struct sosnap_args *a)
{
	struct sosnap_store store;
	int r = sosnap_store_find(a->arg[0], &store) ?: sosnap_store_grow(&store);

	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_grow = {
	.name = "store grow",
	.usage = "<store>",
	.help = "use all of a store's device, after it became larger",
	.text = "Make the device larger first: 'lvextend -L +10G <volume>' for an LVM volume, or\n"
		"'truncate -s +10G <file>' and 'losetup -c <loop device>'. Guests keep running;\n"
		"writes that wait for space go on.",
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = 1,
	.fn = store_grow,
};
