/* SPDX-License-Identifier: GPL-2.0 */
/* The core's door to the store device (core/ops.h), by dm-bufio and dm-io. */
#ifndef SOSNAP_BLOCK_IO_H
#define SOSNAP_BLOCK_IO_H

#include "types.h"

int sosnap_block_io_init(struct sosnap_store *store);
void sosnap_block_io_exit(struct sosnap_store *store);
int sosnap_sync_io(struct sosnap_store *store, struct block_device *bdev, blk_opf_t opf,
		   sector_t sector, sector_t nr, void *data);
int sosnap_sync_bio(struct sosnap_store *store, struct block_device *bdev, blk_opf_t opf,
		    sector_t sector, sector_t nr, struct bio *bio);

#endif /* SOSNAP_BLOCK_IO_H */
