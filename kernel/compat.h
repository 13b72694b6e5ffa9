/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file that asks which kernel this is. Features are probed where a
 * macro tells them apart, versions are compared where none does.
 */
#ifndef SOSNAP_COMPAT_H
#define SOSNAP_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device-mapper.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
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

typedef unsigned long sosnap_shrink_fn(struct shrinker *s, struct shrink_control *sc);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *sosnap_shrinker_start(sosnap_shrink_fn *count,
						     sosnap_shrink_fn *scan, void *owner)
{
	struct shrinker *s = shrinker_alloc(0, "sosnap");

	if (s) {
		s->count_objects = count;
		s->scan_objects = scan;
		s->private_data = owner;
		shrinker_register(s);
	}
	return s;
}

static inline void sosnap_shrinker_stop(struct shrinker *s)
{
	shrinker_free(s);
}

static inline void *sosnap_shrinker_owner(struct shrinker *s)
{
	return s->private_data;
}
#else
struct sosnap_old_shrinker {
	struct shrinker shrinker;
	void *owner;
};

static inline struct shrinker *sosnap_shrinker_start(sosnap_shrink_fn *count,
						     sosnap_shrink_fn *scan, void *owner)
{
	struct sosnap_old_shrinker *old = kzalloc(sizeof(*old), GFP_KERNEL);

	if (!old)
		return NULL;
	old->owner = owner;
	old->shrinker.count_objects = count;
	old->shrinker.scan_objects = scan;
	old->shrinker.seeks = DEFAULT_SEEKS;
	if (register_shrinker(&old->shrinker, "sosnap")) {
		kfree(old);
		return NULL;
	}
	return &old->shrinker;
}

static inline void sosnap_shrinker_stop(struct shrinker *s)
{
	if (s) {
		unregister_shrinker(s);
		kfree(container_of(s, struct sosnap_old_shrinker, shrinker));
	}
}

static inline void *sosnap_shrinker_owner(struct shrinker *s)
{
	return container_of(s, struct sosnap_old_shrinker, shrinker)->owner;
}
#endif

#endif /* SOSNAP_COMPAT_H */
