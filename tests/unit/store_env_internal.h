/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the halves of the store's environment share: store_env.c and store_env_size.c.
 */
#ifndef STORE_ENV_INTERNAL_H
#define STORE_ENV_INTERNAL_H

#include "store_env.h"

static inline void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

void se_settle(struct se *se);
void se_take_from(struct se *se, u64 blk, u8 *taken, u32 nr);
void se_write_step(struct se *se);
void se_size_step(struct se *se);

#endif /* STORE_ENV_INTERNAL_H */
