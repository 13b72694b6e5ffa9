/* SPDX-License-Identifier: GPL-2.0 */
/* The bio path of a snapshot: what runs in the caller's context. */
#ifndef SOSNAP_MAP_H
#define SOSNAP_MAP_H

#include "types.h"

int sosnap_map(struct dm_target *ti, struct bio *bio);
int sosnap_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);

/*
 * Enter the I/O about to be sent to a place in the store, so that the place is
 * not given to anybody else before it ends. The epoch is read before the map is
 * looked at and entered in the same RCU section (checkpoint.c, sosnap_checkpoint_drain).
 */
static inline void sosnap_enter(struct sosnap_store *store, struct sosnap_bio *pb, int epoch)
{
	this_cpu_inc(store->inflight->n[epoch]);
	pb->flags |= SOSNAP_BIO_COUNTED | (epoch ? SOSNAP_BIO_EPOCH : 0);
}

static inline void sosnap_leave(struct sosnap_store *store, struct sosnap_bio *pb)
{
	this_cpu_dec(store->inflight->n[pb->flags & SOSNAP_BIO_EPOCH]);
	pb->flags &= ~(SOSNAP_BIO_COUNTED | SOSNAP_BIO_EPOCH);
}

#endif /* SOSNAP_MAP_H */
