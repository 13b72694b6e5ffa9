/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device that holds a store which is not active.
 */
#ifndef SOSNAP_STOREDEV_H
#define SOSNAP_STOREDEV_H

#include "lib/io_file.h"

/**
 * struct sosnap_storedev - such a device
 * @super: its superblock
 * @uuid:  of the store, as text
 */
struct sosnap_storedev {
	struct sosnap_dev dev;
	struct sosnap_file file;
	struct sosnap_super super;
	char uuid[37];
};

/*
 * Opens it, claimed so that it does not become active meanwhile, and reads the
 * superblock. Never written. Says why it failed; -EUCLEAN when that is damage.
 */
int sosnap_storedev_open(struct sosnap_storedev *s, const char *path);
void sosnap_storedev_close(struct sosnap_storedev *s);

#endif /* SOSNAP_STOREDEV_H */
