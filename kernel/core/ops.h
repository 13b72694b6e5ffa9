/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the core asks its host for blocks. The module answers with dm-bufio and
 * dm-io, user space with files or memory.
 *
 * I1  A buffer stays valid from get or create until its put.
 * I2  A dirtied buffer may be written at any time from then on, and has been
 *     written, and has left every volatile cache, when flush returns 0. The
 *     host calls sosnap_seal() on it just before it writes.
 * I3  The core never changes a buffer without dirty(), and never dirties a
 *     block that the last complete checkpoint refers to.
 * I4  A host may read ahead or keep blocks cached, but what get returns is
 *     what was last created or written there.
 */
#ifndef SOSNAP_OPS_H
#define SOSNAP_OPS_H

#include "fault.h"
#include "format.h"
#include "platform.h"

struct sosnap_io;

/**
 * struct sosnap_buf - one metadata block held in memory
 * @data:     its 4 KiB
 * @blk:      its block number
 * @verified: true once the content has passed its verifier since it was read;
 *            lives with the cached block, not with this handle
 * @host:     the host's handle
 * @dirty:    for the host: dirty() was called; it may have to wait for the put
 */
struct sosnap_buf {
	void *data;
	u64 blk;
	bool *verified;
	void *host;
	bool dirty;
};

/**
 * struct sosnap_io_ops - what a host provides
 * @get:    read block @blk, may sleep. -EIO when the device fails
 * @create: like get without reading; the content is undefined, *verified true
 * @dirty:  the buffer was or will be changed before its put
 * @put:    end of use
 * @forget: @blk is no longer metadata; drop it from the cache if it is there
 * @flush:  write every dirtied buffer, then flush the device
 * @read:   uncached read of @nr blocks from @blk into @data
 * @write:  durable write of @nr blocks: everything completed before it and the
 *          blocks themselves are on stable media when it returns 0
 *
 * All return 0 or a negative errno. The core serialises nothing: lookups may
 * run beside the one writer because the writer never changes what they see.
 */
struct sosnap_io_ops {
	int (*get)(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf);
	int (*create)(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf);
	void (*dirty)(struct sosnap_io *io, struct sosnap_buf *buf);
	void (*put)(struct sosnap_io *io, struct sosnap_buf *buf);
	void (*forget)(struct sosnap_io *io, u64 blk);
	int (*flush)(struct sosnap_io *io);
	int (*read)(struct sosnap_io *io, u64 blk, u32 nr, void *data);
	int (*write)(struct sosnap_io *io, u64 blk, u32 nr, const void *data);
};

/**
 * struct sosnap_io - a store device as the core sees it
 * @ops:       the host
 * @nr_blocks: size of the device; no block at or beyond it is ever asked for
 * @uuid:      of the store, compared with every metadata block
 * @fault:     what the last verifier that failed has found
 * @host:      for the host, the same in every view; NULL: the host knows no views
 */
struct sosnap_io {
	const struct sosnap_io_ops *ops;
	u64 nr_blocks;
	u8 uuid[16];
	struct sosnap_fault fault;
	void *host;
};

/**
 * sosnap_io_view() - the same device, with a fault of its own
 * @view: to fill
 * @io:   the device
 *
 * Who runs beside others (a lookup, the allocator) uses a view: else what one
 * has found were told as the other's.
 * Context: any. The size is that of now.
 */
static inline void sosnap_io_view(struct sosnap_io *view, const struct sosnap_io *io)
{
	view->ops = io->ops;
	view->nr_blocks = READ_ONCE(io->nr_blocks);
	memcpy(view->uuid, io->uuid, sizeof(view->uuid));
	memset(&view->fault, 0, sizeof(view->fault));
	view->host = io->host;
}

/**
 * sosnap_seal() - fill in the checksum of a metadata block before it is written
 * @data:  the block or commit, starting with struct sosnap_disk_header
 * @bytes: its size
 */
static inline void sosnap_seal(void *data, size_t bytes)
{
	struct sosnap_disk_header *h = data;

	h->crc = cpu_to_le32(crc32c(~0U, (u8 *)data + 4, bytes - 4));
}

/**
 * sosnap_sealed() - whether the checksum of a block or commit is right
 * @data:  the block or commit
 * @bytes: its size
 */
static inline bool sosnap_sealed(const void *data, size_t bytes)
{
	const struct sosnap_disk_header *h = data;

	return le32_to_cpu(h->crc) == crc32c(~0U, (const u8 *)data + 4, bytes - 4);
}

#endif /* SOSNAP_OPS_H */
