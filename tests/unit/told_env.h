/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What snapshots show before and after a repair, and what was told of it.
 */
#ifndef TOLD_ENV_H
#define TOLD_ENV_H

#include "salvage.h"
#include "salvage_env.h"

#define TOLD_BLOCKS	8192U	/* of a store */
#define TOLD_SNAPS	24U

/* A snapshot as its guest sees it. */
struct told_image {
	char name[SOSNAP_NAME_LEN];
	bool lossy;
	u64 store[SV_SPAN];
};

struct told_images {
	u32 nr;
	struct told_image v[TOLD_SNAPS];
};

struct told {
	u32 ranges;
	u32 changes;
};

void told_look(struct io_ram *ram, struct told_images *images);
const struct told_image *told_image_of(const struct told_images *images, const char *name);
int told_mend(struct io_ram *ram, struct told *t, struct sosnap_salvage_result *res);
u32 told_expect_marked(const struct told_images *before, const struct told_images *after,
		       const struct told *t, const struct sosnap_salvage_result *res,
		       const char *what);
void told_destroy(struct io_ram *ram, u64 blk);
void told_destroy_supers(struct io_ram *ram);
void told_destroy_bitmaps(struct io_ram *ram);
u32 told_top_of(struct sv_store *st, const char *name);
void told_snapshot_of(struct sv_store *st, const char *origin, const char *name);

#endif /* TOLD_ENV_H */
