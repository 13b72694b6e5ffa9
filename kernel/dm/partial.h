/* SPDX-License-Identifier: GPL-2.0 */
/*
 * First writes of a part of one block: see partial.c for how, and why it is right.
 */
#ifndef SOSNAP_PARTIAL_H
#define SOSNAP_PARTIAL_H

#include "types.h"

struct sosnap_partial;

struct sosnap_partial *sosnap_partial_begin(struct sosnap_window *w, struct bio *bio, u64 blk,
					    u32 off, u32 sectors, u64 place, int epoch);
void sosnap_partial_go(struct sosnap_partial *p);

int sosnap_partial_init(struct sosnap_store *store);
void sosnap_partial_exit(struct sosnap_store *store);

#endif /* SOSNAP_PARTIAL_H */
