// SPDX-License-Identifier: GPL-2.0
#include "block_io.h"

/*
 * What is pinned at once is promised by the client's reserve, so metadata makes
 * progress without free memory: by a checkpoint a tree descent and bitmaps, by each
 * worker that loads a window a node, and it may wait for the space lock with that,
 * whose holder needs another buffer. Before 6.9 each NUMA node may run so many.
 */
#define RESERVED_BUFFERS	(SOSNAP_IO_WORKERS * num_possible_nodes() + 32)

static struct sosnap_store *store_of(struct sosnap_io *io)
{
	return io->host;
}

static void buffer_new(struct dm_buffer *b)
{
	*(bool *)dm_bufio_get_aux_data(b) = false;
}

static void buffer_write(struct dm_buffer *b)
{
	sosnap_seal(dm_bufio_get_block_data(b), SOSNAP_BLOCK_SIZE);
}

static int fill(struct sosnap_buf *buf, u64 blk, void *data, struct dm_buffer *b)
{
	if (IS_ERR(data))
		return PTR_ERR(data);
	buf->data = data;
	buf->blk = blk;
	buf->host = b;
	buf->dirty = false;
	buf->verified = dm_bufio_get_aux_data(b);
	return 0;
}

/* Say which block it was: what is done about the error does not. */
static int failed(struct sosnap_io *io, int r, const char *what, u64 blk)
{
	struct sosnap_store *store = store_of(io);

	DMERR_LIMIT("%s: %s of block %llu of %pg failed: error=%d", dm_device_name(store->md),
		    what, blk, store->bdev, r);
	return r;
}

static int op_get(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct dm_buffer *b;
	void *data = dm_bufio_read(store_of(io)->bufio, blk, &b);
	int r = fill(buf, blk, data, b);

	return r ? failed(io, r, "read", blk) : 0;
}

static int op_create(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct dm_buffer *b;
	void *data = dm_bufio_new(store_of(io)->bufio, blk, &b);
	int r = fill(buf, blk, data, b);

	if (!r)
		*buf->verified = true;
	return r;
}

/*
 * dm-bufio may write a dirty buffer, and call it clean, while it is held and
 * still being changed. So it learns of the change when the change is complete.
 */
static void op_dirty(struct sosnap_io *io, struct sosnap_buf *buf)
{
	buf->dirty = true;
}

static void op_put(struct sosnap_io *io, struct sosnap_buf *buf)
{
	if (buf->dirty)
		dm_bufio_mark_buffer_dirty(buf->host);
	dm_bufio_release(buf->host);
}

static void op_forget(struct sosnap_io *io, u64 blk)
{
	dm_bufio_forget(store_of(io)->bufio, blk);
}

/*
 * dm_bufio_write_dirty_buffers() ends with a flush of the device, and says no more
 * than that something has failed.
 */
static int op_flush(struct sosnap_io *io)
{
	struct sosnap_store *store = store_of(io);
	int r = dm_bufio_write_dirty_buffers(store->bufio);

	if (r)
		DMERR_LIMIT("%s: writing or flushing metadata on %pg failed: error=%d",
			    dm_device_name(store->md), store->bdev, r);
	return r;
}

/**
 * sosnap_sync_io() - read or write kernel memory and wait
 * @store:  for its dm-io client
 * @bdev:   the device
 * @opf:    operation and flags
 * @sector: where
 * @nr:     how many sectors
 * @data:   kmalloc or vmalloc memory
 * Context: may sleep; GFP_NOIO inside, from mempools.
 * Return: 0 or -EIO.
 */
int sosnap_sync_io(struct sosnap_store *store, struct block_device *bdev, blk_opf_t opf,
		   sector_t sector, sector_t nr, void *data)
{
	struct dm_io_region where = { .bdev = bdev, .sector = sector, .count = nr };
	struct dm_io_request rq = {
		.bi_opf = opf | REQ_SYNC,
		.mem.type = is_vmalloc_addr(data) ? DM_IO_VMA : DM_IO_KMEM,
		.client = store->dm_io,
	};

	if (rq.mem.type == DM_IO_VMA)
		rq.mem.ptr.vma = data;
	else
		rq.mem.ptr.addr = data;
	return dm_io(&rq, 1, &where, NULL, IOPRIO_DEFAULT);
}

/**
 * sosnap_sync_bio() - the same for the next sectors of a bio's data
 * @store:  for its dm-io client
 * @bdev:   the device
 * @opf:    operation and flags
 * @sector: where
 * @nr:     how many sectors
 * @bio:    whose data, from its current place on
 * Context: may sleep.
 * Return: 0 or -EIO.
 */
int sosnap_sync_bio(struct sosnap_store *store, struct block_device *bdev, blk_opf_t opf,
		    sector_t sector, sector_t nr, struct bio *bio)
{
	struct dm_io_region where = { .bdev = bdev, .sector = sector, .count = nr };
	struct dm_io_request rq = {
		.bi_opf = opf,
		.mem.type = DM_IO_BIO,
		.mem.ptr.bio = bio,
		.client = store->dm_io,
	};

	return dm_io(&rq, 1, &where, NULL, IOPRIO_DEFAULT);
}

static int op_read(struct sosnap_io *io, u64 blk, u32 nr, void *data)
{
	struct sosnap_store *store = store_of(io);
	int r = sosnap_sync_io(store, store->bdev, REQ_OP_READ | REQ_META,
			       blk * SOSNAP_BLOCK_SECTORS, nr * SOSNAP_BLOCK_SECTORS, data);

	return r ? failed(io, r, "read", blk) : 0;
}

static int op_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	struct sosnap_store *store = store_of(io);
	int r = sosnap_sync_io(store, store->bdev,
			       REQ_OP_WRITE | REQ_META | REQ_PREFLUSH | REQ_FUA,
			       blk * SOSNAP_BLOCK_SECTORS, nr * SOSNAP_BLOCK_SECTORS,
			       (void *)data);

	return r ? failed(io, r, "write", blk) : 0;
}

static const struct sosnap_io_ops block_io_ops = {
	.get = op_get,
	.create = op_create,
	.dirty = op_dirty,
	.put = op_put,
	.forget = op_forget,
	.flush = op_flush,
	.read = op_read,
	.write = op_write,
};

/**
 * sosnap_block_io_init() - open the core's door to the store device
 * @store: with bdev set
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int sosnap_block_io_init(struct sosnap_store *store)
{
	int r;

	store->io.ops = &block_io_ops;
	store->io.host = store;
	store->io.nr_blocks = bdev_nr_sectors(store->bdev) / SOSNAP_BLOCK_SECTORS;
	store->dm_io = dm_io_client_create();
	if (IS_ERR(store->dm_io)) {
		r = PTR_ERR(store->dm_io);
		store->dm_io = NULL;
		return r;
	}
	store->bufio = dm_bufio_client_create(store->bdev, SOSNAP_BLOCK_SIZE, RESERVED_BUFFERS,
					      sizeof(bool), buffer_new, buffer_write, 0);
	if (IS_ERR(store->bufio)) {
		r = PTR_ERR(store->bufio);
		store->bufio = NULL;
		sosnap_block_io_exit(store);
		return r;
	}
	return 0;
}

/**
 * sosnap_block_io_exit() - close it
 * @store: initialised, or failed to
 * Context: may sleep.
 */
void sosnap_block_io_exit(struct sosnap_store *store)
{
	if (store->bufio)
		dm_bufio_client_destroy(store->bufio);
	if (store->dm_io)
		dm_io_client_destroy(store->dm_io);
	store->bufio = NULL;
	store->dm_io = NULL;
}
