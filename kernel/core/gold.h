/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What identifies a gold image: its size in sectors and a checksum over a
 * fixed choice of its blocks, cheap enough to be taken at every activation.
 * (The SHA-256 of the whole image is taken by the tool and kept beside it.)
 *
 * Typical use:
 *
 *	crc = SOSNAP_GOLD_SEED;
 *	for (i = 0; i < sosnap_gold_samples(sectors); i++) {
 *		read up to 4 KiB at sosnap_gold_sample(sectors, i, &bytes)
 *		crc = crc32c(crc, data, bytes);
 *	}
 */
#ifndef SOSNAP_GOLD_H
#define SOSNAP_GOLD_H

#include "format.h"
#include "platform.h"

#define SOSNAP_GOLD_SEED	(~0U)
#define SOSNAP_GOLD_SAMPLES	64U	/* blocks read to recognise a gold image */
#define SOSNAP_GOLD_HEAD	16U	/* of these from its start */

u32 sosnap_gold_samples(u64 sectors);
u64 sosnap_gold_sample(u64 sectors, u32 i, u32 *bytes);

#endif /* SOSNAP_GOLD_H */
