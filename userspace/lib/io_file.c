// SPDX-License-Identifier: GPL-2.0
#include "lib/io_file.h"

#include <unistd.h>

#include "lib/report.h"

/**
 * struct sosnap_file_block - one cached block
 * @data:     its content
 * @blk:      its number
 * @users:    handles given out
 * @verified: see struct sosnap_buf
 * @dirty:    changed since it was last sealed
 * @kept:     the device does not have this content (dirty, or overlay)
 */
struct sosnap_file_block {
	struct sosnap_file_block *chain;
	struct sosnap_file_block *newer;
	struct sosnap_file_block *older;
	u64 blk;
	u32 users;
	bool verified;
	bool dirty;
	bool kept;
	u8 data[SOSNAP_BLOCK_SIZE] __attribute__((aligned(8)));
};

static struct sosnap_file *to_file(struct sosnap_io *io)
{
	return container_of(io, struct sosnap_file, io);
}

static struct sosnap_file_block **bucket_of(struct sosnap_file *f, u64 blk)
{
	return &f->bucket[(blk * 0x9e3779b97f4a7c15ULL >> 32) % SOSNAP_FILE_BUCKETS];
}

static struct sosnap_file_block *block_find(struct sosnap_file *f, u64 blk)
{
	struct sosnap_file_block *b = *bucket_of(f, blk);

	while (b && b->blk != blk)
		b = b->chain;
	return b;
}

static void list_remove(struct sosnap_file *f, struct sosnap_file_block *b)
{
	*(b->newer ? &b->newer->older : &f->newest) = b->older;
	*(b->older ? &b->older->newer : &f->oldest) = b->newer;
}

static void list_add(struct sosnap_file *f, struct sosnap_file_block *b)
{
	b->newer = NULL;
	b->older = f->newest;
	*(f->newest ? &f->newest->newer : &f->oldest) = b;
	f->newest = b;
}

static bool block_idle(const struct sosnap_file_block *b)
{
	return !b->users && !b->kept;
}

static void block_drop(struct sosnap_file *f, struct sosnap_file_block *b)
{
	struct sosnap_file_block **p = bucket_of(f, b->blk);

	while (*p != b)
		p = &(*p)->chain;
	*p = b->chain;
	if (block_idle(b))
		f->idle--;
	list_remove(f, b);
	free(b);
}

/* An eighth at a time, so that blocks which must stay are not passed too often */
static void trim(struct sosnap_file *f)
{
	struct sosnap_file_block *b = f->oldest;

	if (f->idle < SOSNAP_FILE_CACHED)
		return;
	while (b && f->idle > SOSNAP_FILE_CACHED / 8 * 7) {
		struct sosnap_file_block *next = b->newer;

		if (block_idle(b))
			block_drop(f, b);
		b = next;
	}
}

/* The cached block, made if it is not there; counts as idle */
static struct sosnap_file_block *block_get(struct sosnap_file *f, u64 blk, bool *is_new)
{
	struct sosnap_file_block *b = block_find(f, blk);

	*is_new = !b;
	if (b) {
		list_remove(f, b);
		list_add(f, b);
		return b;
	}
	trim(f);
	b = sosnap_alloc(1, sizeof(*b));
	b->blk = blk;
	b->chain = *bucket_of(f, blk);
	*bucket_of(f, blk) = b;
	list_add(f, b);
	f->idle++;
	return b;
}

static void block_set_kept(struct sosnap_file *f, struct sosnap_file_block *b, bool kept)
{
	f->idle -= block_idle(b);
	b->kept = kept;
	f->idle += block_idle(b);
}

static void block_use(struct sosnap_file *f, struct sosnap_file_block *b, int change)
{
	f->idle -= block_idle(b);
	b->users += (u32)change;
	f->idle += block_idle(b);
}

static void to_buf(struct sosnap_file_block *b, struct sosnap_buf *buf)
{
	buf->data = b->data;
	buf->blk = b->blk;
	buf->verified = &b->verified;
	buf->host = b;
}

static int file_get(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct sosnap_file *f = to_file(io);
	struct sosnap_file_block *b;
	bool is_new;
	int r;

	if (blk >= io->nr_blocks)
		return -EIO;
	b = block_get(f, blk, &is_new);
	if (is_new) {
		r = sosnap_dev_read(f->fd, b->data, SOSNAP_BLOCK_SIZE, blk << SOSNAP_BLOCK_SHIFT);
		if (r) {
			block_drop(f, b);
			return r;
		}
	}
	block_use(f, b, 1);
	to_buf(b, buf);
	return 0;
}

static int file_create(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct sosnap_file *f = to_file(io);
	struct sosnap_file_block *b;
	bool is_new;

	if (blk >= io->nr_blocks)
		return -EIO;
	b = block_get(f, blk, &is_new);
	b->verified = true;
	block_use(f, b, 1);
	to_buf(b, buf);
	return 0;
}

static void file_dirty(struct sosnap_io *io, struct sosnap_buf *buf)
{
	struct sosnap_file_block *b = buf->host;

	b->dirty = true;
	block_set_kept(to_file(io), b, true);
}

static void file_put(struct sosnap_io *io, struct sosnap_buf *buf)
{
	block_use(to_file(io), buf->host, -1);
}

static void file_forget(struct sosnap_io *io, u64 blk)
{
	struct sosnap_file *f = to_file(io);
	struct sosnap_file_block *b = block_find(f, blk);

	/* in an overlay the content may be the only one that is right */
	if (b && !b->users && (!f->overlay || block_idle(b)))
		block_drop(f, b);
}

static int write_all(int fd, const void *data, size_t bytes, u64 offset)
{
	while (bytes) {
		ssize_t n = pwrite(fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		bytes -= (size_t)n;
		offset += (u64)n;
	}
	return 0;
}

static int sync_device(struct sosnap_file *f)
{
	return !f->overlay && fdatasync(f->fd) ? -errno : 0;
}

static int file_flush(struct sosnap_io *io)
{
	struct sosnap_file *f = to_file(io);
	struct sosnap_file_block *b;
	int r;

	for (b = f->oldest; b; b = b->newer) {
		if (!b->dirty)
			continue;
		sosnap_seal(b->data, SOSNAP_BLOCK_SIZE);
		b->dirty = false;
		if (f->overlay)
			continue;
		r = write_all(f->fd, b->data, SOSNAP_BLOCK_SIZE, b->blk << SOSNAP_BLOCK_SHIFT);
		if (r) {
			b->dirty = true;
			return r;
		}
		block_set_kept(f, b, false);
	}
	return sync_device(f);
}

/* What stands for a block of the device in an overlay, or NULL */
static const struct sosnap_file_block *block_over(struct sosnap_file *f, u64 blk)
{
	const struct sosnap_file_block *b = f->overlay ? block_find(f, blk) : NULL;

	return b && b->kept ? b : NULL;
}

/* The device is not asked for what it does not have: it may not be able to tell */
static int file_read(struct sosnap_io *io, u64 blk, u32 nr, void *data)
{
	struct sosnap_file *f = to_file(io);
	u8 *to = data;
	int r = 0;

	if (blk >= io->nr_blocks || nr > io->nr_blocks - blk)
		return -EIO;
	for (u32 n; nr && !r; blk += n, nr -= n, to += (size_t)n << SOSNAP_BLOCK_SHIFT) {
		const struct sosnap_file_block *b = block_over(f, blk);

		n = 1;
		if (b) {
			memcpy(to, b->data, SOSNAP_BLOCK_SIZE);
			continue;
		}
		while (n < nr && !block_over(f, blk + n))
			n++;
		r = sosnap_dev_read(f->fd, to, (size_t)n << SOSNAP_BLOCK_SHIFT,
				    blk << SOSNAP_BLOCK_SHIFT);
	}
	return r;
}

static int file_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	struct sosnap_file *f = to_file(io);
	bool is_new;
	int r = 0;

	if (blk >= io->nr_blocks || nr > io->nr_blocks - blk)
		return -EIO;
	if (!f->overlay)
		r = write_all(f->fd, data, (size_t)nr << SOSNAP_BLOCK_SHIFT,
			      blk << SOSNAP_BLOCK_SHIFT);
	for (u32 i = 0; !r && i < nr; i++) {
		struct sosnap_file_block *b = block_find(f, blk + i);

		if (!b && !f->overlay)
			continue;
		b = b ?: block_get(f, blk + i, &is_new);
		memcpy(b->data, (const u8 *)data + ((size_t)i << SOSNAP_BLOCK_SHIFT),
		       SOSNAP_BLOCK_SIZE);
		b->verified = false;
		b->dirty = false;
		block_set_kept(f, b, f->overlay);
	}
	return r ?: sync_device(f);
}

static const struct sosnap_io_ops file_ops = {
	.get = file_get,
	.create = file_create,
	.dirty = file_dirty,
	.put = file_put,
	.forget = file_forget,
	.flush = file_flush,
	.read = file_read,
	.write = file_write,
};

void sosnap_file_init(struct sosnap_file *f, const struct sosnap_dev *dev, unsigned int flags)
{
	memset(f, 0, sizeof(*f));
	f->io.ops = &file_ops;
	f->io.nr_blocks = dev->bytes >> SOSNAP_BLOCK_SHIFT;
	f->fd = dev->fd;
	f->overlay = flags & SOSNAP_FILE_OVERLAY;
	f->bucket = sosnap_alloc(SOSNAP_FILE_BUCKETS, sizeof(*f->bucket));
}

void sosnap_file_exit(struct sosnap_file *f)
{
	while (f->oldest)
		block_drop(f, f->oldest);
	free(f->bucket);
	f->bucket = NULL;
}
