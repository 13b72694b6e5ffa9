/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A batch of mapping records, brought into tree order.
 *
 * Records come in journal order and may overlap; the later one wins. A batch
 * yields runs that do not overlap, sorted by (object, block), and names every
 * store block of a record that was overridden before it reached a tree.
 *
 * I1  Every block of every record is in exactly one emitted run of the last
 *     record that covers it.
 * I2  Every store block of a MAP record is either emitted or lost, once.
 */
#ifndef SOSNAP_BATCH_H
#define SOSNAP_BATCH_H

#include "format.h"
#include "platform.h"

struct sosnap_batch_record {
	u64 blk;
	u64 store;	/* first store block, or SOSNAP_STORE_ZERO */
	u64 done;	/* blocks before this one are emitted or lost */
	u32 object;
	u32 len;
	u32 order;	/* position in the journal */
	u32 next;	/* the record behind it, once sorted */
};

struct sosnap_batch {
	struct sosnap_batch_record *record;
	u32 *heap;	/* scratch of the sweep */
	u32 nr;
	u32 max;
};

/**
 * struct sosnap_batch_ops - where a batch goes
 * @emit: blocks @blk.. of @object now live at @store.., or read as zeros
 * @lost: these store blocks belong to nobody
 */
struct sosnap_batch_ops {
	int (*emit)(void *ctx, u32 object, u64 blk, u32 len, u64 store);
	int (*lost)(void *ctx, u32 object, u64 store, u32 len);
};

int sosnap_batch_init(struct sosnap_batch *b, u32 max);
void sosnap_batch_exit(struct sosnap_batch *b);
int sosnap_batch_add(struct sosnap_batch *b, u32 object, u64 blk, u32 len, u64 store);
int sosnap_batch_run(struct sosnap_batch *b, const struct sosnap_batch_ops *ops, void *ctx);

#endif /* SOSNAP_BATCH_H */
