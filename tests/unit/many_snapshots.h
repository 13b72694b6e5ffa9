/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MANY_SNAPSHOTS_H
#define MANY_SNAPSHOTS_H

#include "batch.h"
#include "meta.h"

/* A gold image of so many sectors and snapshots s0, s1 ... of it, objects 1, 2 ... */
void many_snapshots(struct sosnap_meta *m, struct sosnap_batch *batch, u32 nr, u64 sectors);

#endif /* MANY_SNAPSHOTS_H */
