/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Block devices (and regular files, where an image will do) given by the user.
 */
#ifndef SOSNAP_DEV_H
#define SOSNAP_DEV_H

#include <sys/types.h>

#include "platform.h"

#define SOSNAP_DEV_WRITE	0x1
#define SOSNAP_DEV_EXCLUSIVE	0x2	/* refused while anything else uses it */
#define SOSNAP_DEV_FILE		0x4	/* a regular file is fine */

/**
 * struct sosnap_dev - an open device
 * @path:  as given
 * @fd:    open
 * @bytes: its size
 * @rdev:  its number, 0 for a file
 */
struct sosnap_dev {
	const char *path;
	int fd;
	u64 bytes;
	dev_t rdev;
};

/* Says why it failed; what the page cache held of the device is dropped */
int sosnap_dev_open(struct sosnap_dev *dev, const char *path, unsigned int flags);
void sosnap_dev_close(struct sosnap_dev *dev);

/*
 * Who uses a block device: "is mounted on /mnt", to be freed; NULL when nobody is
 * known. @writers: only mounts that may write, of its partitions too.
 */
char *sosnap_dev_user(dev_t rdev, bool writers);

/* 0, or a short read's -EIO; says nothing */
int sosnap_dev_read(int fd, void *data, size_t bytes, u64 offset);

#endif /* SOSNAP_DEV_H */
