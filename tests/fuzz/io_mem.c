// SPDX-License-Identifier: GPL-2.0
#include "io_mem.h"

#define MAX_STEPS	2000000U	/* nothing that ends comes near to it */

static void give_up(const char *why, u64 blk)
{
	fprintf(stderr, "%s: block %llu\n", why, (unsigned long long)blk);
	abort();
}

static void step(struct io_mem *m, u64 blk, u64 nr)
{
	if (blk >= m->io.nr_blocks || nr > m->io.nr_blocks - blk)
		give_up("a block beyond the end of the device is asked for", blk);
	if (++m->steps > MAX_STEPS)
		give_up("no end in sight", blk);
}

u8 *io_mem_block(void *ctx, u64 blk)
{
	struct io_mem *m = ctx;

	if (!m->blk[blk]) {
		m->blk[blk] = malloc(SOSNAP_BLOCK_SIZE);
		if (!m->blk[blk])
			abort();
		if (m->base->blk[blk])
			memcpy(m->blk[blk], m->base->blk[blk], SOSNAP_BLOCK_SIZE);
		else
			memset(m->blk[blk], 0, SOSNAP_BLOCK_SIZE);
		m->touched[m->nr_touched++] = blk;
	}
	return m->blk[blk];
}

static int mem_get(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct io_mem *m = container_of(io, struct io_mem, io);

	step(m, blk, 1);
	memset(buf, 0, sizeof(*buf));
	buf->data = io_mem_block(m, blk);
	buf->blk = blk;
	buf->verified = &m->verified[blk];
	m->held++;
	return 0;
}

static int mem_create(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct io_mem *m = container_of(io, struct io_mem, io);

	mem_get(io, blk, buf);
	memset(buf->data, 0xa5, SOSNAP_BLOCK_SIZE);
	m->verified[blk] = true;
	return 0;
}

static void mem_dirty(struct sosnap_io *io, struct sosnap_buf *buf)
{
	buf->dirty = true;
}

static void mem_put(struct sosnap_io *io, struct sosnap_buf *buf)
{
	struct io_mem *m = container_of(io, struct io_mem, io);

	if (buf->dirty)
		sosnap_seal(buf->data, SOSNAP_BLOCK_SIZE);
	m->held--;
}

static void mem_forget(struct sosnap_io *io, u64 blk)
{
	struct io_mem *m = container_of(io, struct io_mem, io);

	step(m, blk, 1);
	m->verified[blk] = false;
}

static int mem_flush(struct sosnap_io *io)
{
	return 0;
}

static int mem_read(struct sosnap_io *io, u64 blk, u32 nr, void *data)
{
	struct io_mem *m = container_of(io, struct io_mem, io);
	u32 i;

	step(m, blk, nr);
	for (i = 0; i < nr; i++)
		memcpy((u8 *)data + i * SOSNAP_BLOCK_SIZE, io_mem_block(m, blk + i),
		       SOSNAP_BLOCK_SIZE);
	return 0;
}

static int mem_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	struct io_mem *m = container_of(io, struct io_mem, io);
	u32 i;

	step(m, blk, nr);
	for (i = 0; i < nr; i++) {
		memcpy(io_mem_block(m, blk + i), (const u8 *)data + i * SOSNAP_BLOCK_SIZE,
		       SOSNAP_BLOCK_SIZE);
		m->verified[blk + i] = false;
	}
	return 0;
}

static const struct sosnap_io_ops ops = {
	.get = mem_get,
	.create = mem_create,
	.dirty = mem_dirty,
	.put = mem_put,
	.forget = mem_forget,
	.flush = mem_flush,
	.read = mem_read,
	.write = mem_write,
};

void io_mem_init(struct io_mem *m, const struct image *base)
{
	memset(m, 0, sizeof(*m));
	m->io.ops = &ops;
	m->io.nr_blocks = base->nr_blocks;
	m->base = base;
	m->blk = calloc(base->nr_blocks, sizeof(*m->blk));
	m->verified = calloc(base->nr_blocks, sizeof(*m->verified));
	m->touched = calloc(base->nr_blocks, sizeof(*m->touched));
	if (!m->blk || !m->verified || !m->touched)
		abort();
}

/* As a new activation would find it. */
void io_mem_drop_verified(struct io_mem *m)
{
	if (m->held)
		give_up("a buffer was not put", 0);
	memset(m->verified, 0, m->base->nr_blocks * sizeof(*m->verified));
}

void io_mem_reset(struct io_mem *m)
{
	io_mem_drop_verified(m);
	while (m->nr_touched) {
		u32 blk = m->touched[--m->nr_touched];

		free(m->blk[blk]);
		m->blk[blk] = NULL;
	}
	m->steps = 0;
}

void io_mem_exit(struct io_mem *m)
{
	io_mem_reset(m);
	free(m->blk);
	free(m->verified);
	free(m->touched);
}
