// SPDX-License-Identifier: GPL-2.0
#include "gold.h"
#include "uapi.h"

/**
 * sosnap_gold_samples() - how many blocks identify a gold image
 * @sectors: its size
 * Context: any.
 * Return: the number of samples.
 */
u32 sosnap_gold_samples(u64 sectors)
{
	u64 blocks = DIV_ROUND_UP(sectors, SOSNAP_BLOCK_SECTORS);

	return min_t(u64, blocks, SOSNAP_GOLD_SAMPLES);
}

/**
 * sosnap_gold_sample() - the place of one of these blocks
 * @sectors: size of the gold image
 * @i:       which, below sosnap_gold_samples()
 * @bytes:   set to its length, less than 4 KiB only at the end of the image
 *
 * The first SOSNAP_GOLD_HEAD blocks hold partition table and superblock; the
 * others are spread evenly and end with the last block.
 * Context: any.
 * Return: its first sector.
 */
u64 sosnap_gold_sample(u64 sectors, u32 i, u32 *bytes)
{
	u64 blocks = DIV_ROUND_UP(sectors, SOSNAP_BLOCK_SECTORS);
	u32 n = sosnap_gold_samples(sectors);
	u64 blk = i;

	if (n == SOSNAP_GOLD_SAMPLES && i >= SOSNAP_GOLD_HEAD) {
		u64 rest = blocks - SOSNAP_GOLD_HEAD;
		u32 step = i - SOSNAP_GOLD_HEAD + 1;

		blk = SOSNAP_GOLD_HEAD - 1 +
		      div_u64(rest, n - SOSNAP_GOLD_HEAD) * step;
		if (i == n - 1)
			blk = blocks - 1;
	}
	*bytes = min_t(u64, sectors - blk * SOSNAP_BLOCK_SECTORS, SOSNAP_BLOCK_SECTORS) << 9;
	return blk * SOSNAP_BLOCK_SECTORS;
}

/**
 * sosnap_name_valid() - whether a name may be used for a store, gold or snapshot
 * @name: the candidate
 *
 * 1 to 63 letters, digits and any of ._+-, not starting with '-' or '.', so
 * that it is safe as a device name, a path component and on a terminal.
 * Context: any.
 */
bool sosnap_name_valid(const char *name)
{
	size_t i;

	if (!name[0] || name[0] == '-' || name[0] == '.')
		return false;
	for (i = 0; name[i]; i++) {
		char c = name[i];

		if (i >= SOSNAP_NAME_LEN - 1)
			return false;
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' || c == '-'))
			return false;
	}
	return true;
}
