// SPDX-License-Identifier: GPL-2.0
/*
 * Stores that are not active, found by their superblocks.
 */
#include <fcntl.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "lib/blocks.h"
#include "lib/io_file.h"
#include "lib/report.h"
#include "lib/store.h"
#include "super.h"

/* Superblocks, journal, and two slots for each bitmap and each summary */
static u64 fixed_blocks(const struct sosnap_super *super)
{
	u64 regions = DIV_ROUND_UP(super->nr_blocks, SOSNAP_REGION_BLOCKS);

	return 2 + super->journal_blocks + 2 * regions +
	       2 * DIV_ROUND_UP(regions, SOSNAP_SUMMARY_REGIONS);
}

/* Whether the block device holds a store; fills @found */
static bool look(const struct sosnap_block *b, struct sosnap_found *found)
{
	struct sosnap_dev dev = { .path = b->path, .bytes = b->sectors << 9 };
	struct sosnap_super super;
	struct sosnap_file file;
	int r;

	/*
	 * Ours is an active store or a gold image. What something else is built on
	 * cannot be activated; where that passes the store through, it is found there.
	 */
	if (b->ours || b->held)
		return false;
	dev.fd = open(b->path, O_RDONLY | O_CLOEXEC);
	if (dev.fd < 0)
		return false;
	posix_fadvise(dev.fd, 0, 0, POSIX_FADV_DONTNEED);
	sosnap_file_init(&file, &dev, SOSNAP_FILE_OVERLAY);
	r = sosnap_super_read(&file.io, &super);
	memset(found, 0, sizeof(*found));
	if (!r) {
		strscpy(found->name, super.name, sizeof(found->name));
		uuid_unparse_lower(file.io.uuid, found->uuid);
		found->blocks = super.nr_blocks;
		found->used = super.data_blocks + super.node_blocks + fixed_blocks(&super);
	}
	strscpy(found->path, b->path, sizeof(found->path));
	found->error = r;
	if (r == -EUCLEAN && file.io.fault.what == SOSNAP_FAULT_BLOCK_MAGIC)
		r = -ENOENT;
	sosnap_file_exit(&file);
	sosnap_dev_close(&dev);
	return !r || r == -EUCLEAN;
}

static int by_name_and_path(const void *a, const void *b)
{
	const struct sosnap_found *x = a, *y = b;

	return strverscmp(x->name, y->name) ?: strverscmp(x->path, y->path);
}

int sosnap_stores_inactive(struct sosnap_found **found, size_t *nr)
{
	struct sosnap_block *blocks;
	size_t nr_blocks;
	int r = sosnap_blocks_get(&blocks, &nr_blocks);

	if (r)
		return r;
	*found = sosnap_alloc(nr_blocks, sizeof(**found));
	*nr = 0;
	for (size_t i = 0; i < nr_blocks; i++)
		if (look(&blocks[i], *found + *nr))
			++*nr;
	if (*nr)
		qsort(*found, *nr, sizeof(**found), by_name_and_path);
	free(blocks);
	return 0;
}
