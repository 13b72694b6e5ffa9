/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quotas: how many blocks a snapshot may own, counted as core/own.h says.
 *
 * Q1  A first write claims its blocks under log_lock before it is sent, and gets
 *     fewer, or none, when that is all there is room for. So two CPUs never get
 *     the last block twice.
 * Q2  Only snapshots with snap->limited claim; the others pay for a look at that.
 *     It is set only while a snapshot is suspended or not active yet, so that
 *     nothing is in flight that has not claimed; it may be cleared at any time.
 * Q3  A first write that gets nothing fails with no-space at once, whatever the
 *     policy of the store: nothing that other guests do would help it. Before
 *     that, a checkpoint counts what discards of parts not in memory have freed.
 * Q4  What the snapshot owns already is read, overwritten and discarded as ever,
 *     also when it is more than the quota allows.
 */
#ifndef SOSNAP_QUOTA_H
#define SOSNAP_QUOTA_H

#include "types.h"

u32 sosnap_quota_claim(struct sosnap_snap *snap, u32 n);
void sosnap_quota_unclaim(struct sosnap_snap *snap, u32 n);
int sosnap_quota_settle(struct sosnap_snap *snap);
void __sosnap_quota_set(struct sosnap_snap *snap, const struct sosnap_disk_snapshot *s);
void sosnap_quota_follow(struct sosnap_store *store);
bool sosnap_quota_active(struct sosnap_store *store, u32 id);

#endif /* SOSNAP_QUOTA_H */
