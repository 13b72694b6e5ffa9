/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file that asks which kernel this is. Features are probed where a
 * macro tells them apart, versions are compared where none does.
 */
#ifndef SOSNAP_COMPAT_H
#define SOSNAP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/version.h>

#ifdef BLK_OPEN_READ
#define sosnap_mode_ro(mode)	((mode) & ~BLK_OPEN_WRITE)
#define sosnap_mode_writes(mode) ((mode) & BLK_OPEN_WRITE)
#else
#define sosnap_mode_ro(mode)	((mode) & ~FMODE_WRITE)
#define sosnap_mode_writes(mode) ((mode) & FMODE_WRITE)
#endif

static inline void sosnap_limit_discard(struct queue_limits *limits, unsigned int sectors)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	limits->max_hw_discard_sectors = sectors;
#else
	limits->max_discard_sectors = sectors;
	limits->max_hw_discard_sectors = sectors;
#endif
}

#endif /* SOSNAP_COMPAT_H */
