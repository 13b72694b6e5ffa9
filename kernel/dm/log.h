/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log in memory: mapping records in order, from the moment they are made
 * until a checkpoint has merged them.
 *
 *	merged        committed     committing      end
 *	  v               v              v           v
 *	  [ in the journal][ commit in flight][ open  ]
 *
 * A first write reserves its slot before it is submitted, so that its end, in
 * interrupt context, cannot fail.
 */
#ifndef SOSNAP_LOG_H
#define SOSNAP_LOG_H

#include "types.h"

int sosnap_log_init(struct sosnap_store *store);
void sosnap_log_exit(struct sosnap_store *store);
bool sosnap_log_reserve(struct sosnap_store *store);
int sosnap_log_reserve_wait(struct sosnap_store *store);
void sosnap_log_unreserve(struct sosnap_store *store);
u64 sosnap_log_append(struct sosnap_snap *snap, u32 type, u64 blk, u32 len, u64 place,
		      s64 delta, u32 claimed);
u64 sosnap_log_append_move(struct sosnap_store *store, u32 object, u64 blk, u32 len, u64 place);
void sosnap_log_append_zero(struct sosnap_store *store, u32 object, u64 blk, u32 len);
void __sosnap_log_take(struct sosnap_store *store, u32 nr, struct sosnap_log_chunk **c,
		       u32 *off);
void sosnap_log_copy(const struct sosnap_log_chunk *c, u32 off, u32 nr,
		     struct sosnap_disk_record *out);
int sosnap_log_batch(struct sosnap_store *store, u64 to, struct sosnap_batch *batch);
void sosnap_log_merged(struct sosnap_store *store, u64 to);
void sosnap_log_grow(struct sosnap_store *store);

#endif /* SOSNAP_LOG_H */
