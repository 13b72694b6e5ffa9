// SPDX-License-Identifier: GPL-2.0
/* What is taken for a superblock is one, and is written again as it was. */
#include "fuzz.h"
#include "super.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sosnap_super super, again;
	struct sosnap_disk_super d;
	struct sosnap_fault fault;

	fuzz_edit(&in);
	if (sosnap_super_read(&fuzz_mem.io, &super))
		return 0;
	if (super.nr_blocks > fuzz_mem.io.nr_blocks ||
	    super.journal_blk + super.journal_blocks > super.nr_blocks)
		abort();
	sosnap_super_encode(&super, fuzz_mem.io.uuid, SOSNAP_SUPER_BLK0, &d);
	if (sosnap_super_decode(&d, SOSNAP_SUPER_BLK0, super.nr_blocks, &again, &fault))
		abort();
	/* what is behind the end of the name means nothing */
	memset(again.name, 0, sizeof(again.name));
	strscpy(again.name, super.name, sizeof(again.name));
	memcpy(super.name, again.name, sizeof(again.name));
	if (memcmp(&super, &again, offsetof(struct sosnap_super, read_only)))
		abort();
	return 0;
}
