/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The check of a whole store that is not active.
 *
 * I1  Everything that is wrong is told; nothing on media stops the check before
 *     it has seen all that can still be reached.
 * I2  Memory: one bit a block of the regions in use, and the catalogue.
 * I3  What cannot be known because of a damage told before is not told again as
 *     damage: under a lost node blocks have no owner, and counts do not match.
 *
 * The state of the last checkpoint is checked. When that is whole and the
 * journal holds commits, they are replayed, as an activation would, and the
 * result is checked too. The host's io must be an overlay: nothing that the
 * replay writes may reach the device.
 *
 * For the tool and the tests; the module does not contain it.
 */
#ifndef SOSNAP_CHECK_H
#define SOSNAP_CHECK_H

#include "fault.h"
#include "ops.h"
#include "platform.h"

/**
 * struct sosnap_check_ops - who is told
 * @found:    a damage, and a clause that says what is concerned
 * @progress: NULL, or told now and then of work done, in nodes and regions
 */
struct sosnap_check_ops {
	void (*found)(void *ctx, const struct sosnap_fault *fault, const char *detail);
	void (*progress)(void *ctx, u64 done, u64 total);
};

/**
 * struct sosnap_check_result - sums of a check
 * @damages:     how often found() was called
 * @mended:      of these, how many the next activation mends by itself
 * @commits:     commits in the journal
 * @replayed:    whether they were taken over, so that the sums below hold them
 * @incomplete:  something could not be read, so not all could be compared
 * @golds:       catalogue items
 * @snapshots:   catalogue items
 * @objects:     catalogue items
 * @extents:     items of the extent tree
 * @nodes:       nodes of both trees
 * @data_blocks: owned by cache objects
 * @free_blocks: clear bits of the bitmaps
 */
struct sosnap_check_result {
	u64 damages;
	u64 mended;
	u64 commits;
	bool replayed;
	bool incomplete;
	u64 golds;
	u64 snapshots;
	u64 objects;
	u64 extents;
	u64 nodes;
	u64 data_blocks;
	u64 free_blocks;
};

int sosnap_check(struct sosnap_io *io, const struct sosnap_check_ops *ops, void *ctx,
		 struct sosnap_check_result *result);

#endif /* SOSNAP_CHECK_H */
