/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A store with snapshots and data, for the tests that damage it.
 */
#ifndef SALVAGE_ENV_H
#define SALVAGE_ENV_H

#include "change.h"
#include "io_ram.h"
#include "meta.h"
#include "testlib.h"

#define SV_SPAN	4000U	/* blocks of a snapshot */

struct sv_store {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;
};

static inline void must(int r)
{
	assert_int_equal(r, 0);
}

void sv_new(struct sv_store *st, u64 blocks);
void sv_commit(struct sv_store *st, const struct sosnap_disk_record *slots, u32 nr);
void sv_change(struct sv_store *st, struct sosnap_change *c, int r);
void sv_add_gold(struct sv_store *st, const char *name);
void sv_add_snapshot(struct sv_store *st, const char *name);
void sv_remove_snapshot(struct sv_store *st, const char *name);
void sv_map(struct sv_store *st, u32 object, u64 blk, u32 len);
void sv_zero(struct sv_store *st, u32 object, u64 blk, u32 len);
void sv_checkpoint(struct sv_store *st, u32 flags);
void sv_open_store(struct sv_store *st);
void sv_close_store(struct sv_store *st);
struct io_ram *sv_copy_of(struct sv_store *st);
void sv_expect_clean(struct io_ram *ram);

#endif /* SALVAGE_ENV_H */
