// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "store.h"
#include "window.h"

static int __init sosnap_init(void)
{
	int r;

	r = sosnap_window_cache_init();
	if (r)
		return r;
	r = dm_register_target(&sosnap_store_target);
	if (r)
		goto bad_cache;
	r = dm_register_target(&sosnap_target);
	if (r)
		goto bad_store;
	return 0;

bad_store:
	dm_unregister_target(&sosnap_store_target);
bad_cache:
	sosnap_window_cache_exit();
	return r;
}

static void __exit sosnap_exit(void)
{
	dm_unregister_target(&sosnap_target);
	dm_unregister_target(&sosnap_store_target);
	sosnap_window_cache_exit();
}

module_init(sosnap_init);
module_exit(sosnap_exit);

MODULE_DESCRIPTION("device-mapper space-optimized snapshots of gold images");
MODULE_ALIAS("dm-sosnap-store");
MODULE_LICENSE("GPL");
