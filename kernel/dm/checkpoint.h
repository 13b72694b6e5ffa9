/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The checkpoint: merges committed records into the trees in the background.
 *
 * K1  It merges exactly the records of durable commits, all of them in order.
 * K2  Writers go on meanwhile; what they log belongs to the next one.
 * K3  Blocks it freed are handed out only when no I/O that looked them up is in
 *     flight: the epoch is flipped, and the old one drained, after the maps
 *     stopped pointing to them and before release.
 * K4  When it fails the store takes no more writes; reads go on.
 */
#ifndef SOSNAP_CHECKPOINT_H
#define SOSNAP_CHECKPOINT_H

#include "types.h"

void sosnap_checkpoint_prepare(struct sosnap_store *store);
void sosnap_checkpoint_queue(struct sosnap_store *store);
int sosnap_checkpoint_init(struct sosnap_store *store);
void sosnap_checkpoint_exit(struct sosnap_store *store);
int sosnap_checkpoint_replay(struct sosnap_store *store);
int sosnap_checkpoint_all(struct sosnap_store *store, bool closing);
int __sosnap_checkpoint(struct sosnap_store *store, bool closing);
void sosnap_checkpoint_drain(struct sosnap_store *store);
int sosnap_checkpoint(struct sosnap_store *store, bool closing);

#endif /* SOSNAP_CHECKPOINT_H */
