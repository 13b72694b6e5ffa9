/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, below events/sosnap/ of tracefs. dev is the store's device-mapper
 * device. One that is off costs a jump that is not taken.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sosnap

#if !defined(SOSNAP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define SOSNAP_TRACE_H

#include <linux/tracepoint.h>

#include "types.h"

#define sosnap_trace_dev(store)	disk_devt(dm_disk((store)->md))

TRACE_EVENT(sosnap_first_write,
	TP_PROTO(const struct sosnap_snap *snap, u64 blk, u32 len, u64 place),
	TP_ARGS(snap, blk, len, place),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, snapshot)
		__field(u32, len)
		__field(u64, blk)
		__field(u64, place)
	),
	TP_fast_assign(
		__entry->dev = sosnap_trace_dev(snap->store);
		__entry->snapshot = snap->id;
		__entry->len = len;
		__entry->blk = blk;
		__entry->place = place;
	),
	TP_printk("dev=%u:%u snapshot=%u blk=%llu len=%u store_blk=%llu",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->snapshot, __entry->blk,
		  __entry->len, __entry->place)
);

TRACE_EVENT(sosnap_commit,
	TP_PROTO(const struct sosnap_store *store, u64 seq, u32 records, u32 slots),
	TP_ARGS(store, seq, records, slots),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, records)
		__field(u64, seq)
		__field(u64, pos)
		__field(u32, slots)
		__field(u32, blocks)
	),
	TP_fast_assign(
		__entry->dev = sosnap_trace_dev(store);
		__entry->records = records;
		__entry->seq = seq;
		__entry->pos = store->commit.pos;
		__entry->slots = slots;
		__entry->blocks = store->commit.blocks;
	),
	TP_printk("dev=%u:%u seq=%llu records=%u slots=%u pos=%llu blocks=%u",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->seq, __entry->records,
		  __entry->slots, __entry->pos, __entry->blocks)
);

TRACE_EVENT(sosnap_checkpoint,
	TP_PROTO(const struct sosnap_store *store, u64 seq, u64 records, int error),
	TP_ARGS(store, seq, records, error),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(int, error)
		__field(u64, seq)
		__field(u64, records)
		__field(u64, gen)
	),
	TP_fast_assign(
		__entry->dev = sosnap_trace_dev(store);
		__entry->error = error;
		__entry->seq = seq;
		__entry->records = records;
		__entry->gen = store->meta.super.gen;
	),
	TP_printk("dev=%u:%u gen=%llu seq=%llu records=%llu error=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->gen, __entry->seq,
		  __entry->records, __entry->error)
);

TRACE_EVENT(sosnap_evict,
	TP_PROTO(const struct sosnap_store *store, long before, long keep),
	TP_ARGS(store, before, keep),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(long, before)
		__field(long, after)
		__field(long, keep)
	),
	TP_fast_assign(
		__entry->dev = sosnap_trace_dev(store);
		__entry->before = before;
		__entry->after = atomic_long_read(&store->map_bytes);
		__entry->keep = keep;
	),
	TP_printk("dev=%u:%u before=%ld after=%ld keep=%ld",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->before, __entry->after,
		  __entry->keep)
);

TRACE_EVENT(sosnap_no_space,
	TP_PROTO(const struct sosnap_snap *snap, u64 sector, bool fails),
	TP_ARGS(snap, sector, fails),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u32, snapshot)
		__field(u64, sector)
		__field(u64, free)
		__field(bool, fails)
	),
	TP_fast_assign(
		__entry->dev = sosnap_trace_dev(snap->store);
		__entry->snapshot = snap->id;
		__entry->sector = sector;
		__entry->free = READ_ONCE(snap->store->meta.space.free);
		__entry->fails = fails;
	),
	TP_printk("dev=%u:%u snapshot=%u sector=%llu free_blocks=%llu fails=%d",
		  MAJOR(__entry->dev), MINOR(__entry->dev), __entry->snapshot, __entry->sector,
		  __entry->free, __entry->fails)
);

#endif /* SOSNAP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
