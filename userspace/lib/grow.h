/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The size of an active store, and growing into a device that became larger.
 */
#ifndef SOSNAP_GROW_H
#define SOSNAP_GROW_H

#include "lib/store.h"

/* Size of the device that holds an active store, in blocks; 0: not known */
u64 sosnap_store_device_blocks(const struct sosnap_store *store);

/* The same table for its device-mapper device, so long; says why it failed */
int sosnap_store_set_table(const struct sosnap_store *store, u64 blocks);

/*
 * Takes all of it in use; fine when it is already. Killed between its two steps
 * it leaves a device-mapper device that is longer than its store, which harms
 * nothing. Says what was done, or why it failed.
 */
int sosnap_store_grow(const struct sosnap_store *store);

#endif /* SOSNAP_GROW_H */
