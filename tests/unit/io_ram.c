// SPDX-License-Identifier: GPL-2.0
/*
 * The device in memory: pages of the disk by number, cached buffers by number,
 * and a log of writes with, for each, how many before it were stable.
 */
#include "io_ram.h"

struct io_ram_cached {
	u8 data[SOSNAP_BLOCK_SIZE];
	u32 held;
	bool verified;
	bool dirty;
	bool is_new;		/* created, not dirtied yet: content undefined */
};

struct io_ram_write {
	u64 blk;
	u32 stable;
	u8 data[SOSNAP_BLOCK_SIZE];
};

static struct io_ram *to_ram(struct sosnap_io *io)
{
	return container_of(io, struct io_ram, io);
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void violation(struct io_ram *ram, u64 blk, const char *what)
{
	if (ram->violations++ < 20)
		fprintf(stderr, "io_ram: block %llu: %s\n", (unsigned long long)blk, what);
}

u64 io_ram_random(u64 *seed)
{
	u64 z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

u8 *io_ram_disk(struct io_ram *ram, u64 blk)
{
	if (blk >= ram->io.nr_blocks)
		abort();
	if (!ram->disk[blk]) {
		ram->disk[blk] = must(calloc(1, SOSNAP_BLOCK_SIZE));
		if (ram->lower && ram->lower[blk])
			memcpy(ram->disk[blk], ram->lower[blk], SOSNAP_BLOCK_SIZE);
	}
	return ram->disk[blk];
}

static const u8 *page(const struct io_ram *ram, u64 blk)
{
	if (ram->disk[blk] || !ram->lower)
		return ram->disk[blk];
	return ram->lower[blk];
}

static void disk_read(struct io_ram *ram, u64 blk, void *data)
{
	const u8 *from = page(ram, blk);

	if (from)
		memcpy(data, from, SOSNAP_BLOCK_SIZE);
	else
		memset(data, 0, SOSNAP_BLOCK_SIZE);
}

void io_ram_read(struct io_ram *ram, u64 blk, void *data)
{
	disk_read(ram, blk, data);
}

static void disk_write(struct io_ram *ram, u64 blk, const void *data)
{
	struct io_ram_write *w;

	memcpy(io_ram_disk(ram, blk), data, SOSNAP_BLOCK_SIZE);
	ram->written++;
	if (!ram->logging)
		return;
	if (ram->log_nr == ram->log_max) {
		ram->log_max = ram->log_max * 2 + 64;
		ram->log = must(realloc(ram->log, ram->log_max * sizeof(*ram->log)));
	}
	w = &ram->log[ram->log_nr++];
	w->blk = blk;
	w->stable = ram->stable;
	memcpy(w->data, data, SOSNAP_BLOCK_SIZE);
}

static bool fails(struct io_ram *ram)
{
	return ++ram->calls == ram->fail_at;
}

static void check_writable(struct io_ram *ram, u64 blk)
{
	if (ram->frozen && ram->frozen(ram->ctx, blk))
		violation(ram, blk, "is changed, but the last checkpoint refers to it");
}

static void check_gen(struct io_ram *ram, u64 blk, const void *data)
{
	const struct sosnap_disk_header *h = data;

	if (ram->oldest && le64_to_cpu(h->gen) < ram->oldest)
		violation(ram, blk, "is changed, but is of an older generation");
}

static void hand_out(struct io_ram *ram, u64 blk, struct io_ram_cached *c, struct sosnap_buf *buf)
{
	c->held++;
	ram->held++;
	ram->most_held = max(ram->most_held, ram->held);
	buf->data = c->data;
	buf->blk = blk;
	buf->verified = &c->verified;
	buf->host = c;
}

static int ram_get(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct io_ram *ram = to_ram(io);
	struct io_ram_cached *c;

	if (blk >= io->nr_blocks) {
		violation(ram, blk, "does not exist");
		return -EIO;
	}
	if (fails(ram))
		return ram->fail_error;
	c = ram->cache[blk];
	if (!c) {
		c = must(calloc(1, sizeof(*c)));
		disk_read(ram, blk, c->data);
		ram->reads++;
		ram->cache[blk] = c;
	}
	hand_out(ram, blk, c, buf);
	return 0;
}

static int ram_create(struct sosnap_io *io, u64 blk, struct sosnap_buf *buf)
{
	struct io_ram *ram = to_ram(io);
	struct io_ram_cached *c;

	if (blk >= io->nr_blocks) {
		violation(ram, blk, "does not exist");
		return -EIO;
	}
	if (fails(ram))
		return ram->fail_error;
	c = ram->cache[blk];
	if (c && c->held)
		violation(ram, blk, "is created while it is held");
	if (!c)
		c = must(calloc(1, sizeof(*c)));
	check_writable(ram, blk);
	memset(c->data, 0xa5, sizeof(c->data));
	c->verified = true;
	c->dirty = false;
	c->is_new = true;
	ram->cache[blk] = c;
	hand_out(ram, blk, c, buf);
	return 0;
}

static void ram_dirty(struct sosnap_io *io, struct sosnap_buf *buf)
{
	struct io_ram *ram = to_ram(io);
	struct io_ram_cached *c = buf->host;

	if (!c->held)
		violation(ram, buf->blk, "is dirtied, but not held");
	if (!c->is_new) {
		check_gen(ram, buf->blk, c->data);
		check_writable(ram, buf->blk);
	}
	c->is_new = false;
	c->dirty = true;
}

static void write_out(struct io_ram *ram, u64 blk, struct io_ram_cached *c)
{
	check_gen(ram, blk, c->data);
	check_writable(ram, blk);
	sosnap_seal(c->data, SOSNAP_BLOCK_SIZE);
	disk_write(ram, blk, c->data);
	c->dirty = false;
}

/* A clean buffer is what is on the disk, unless it was changed behind our back. */
static void check_clean(struct io_ram *ram, u64 blk, const struct io_ram_cached *c)
{
	u8 data[SOSNAP_BLOCK_SIZE];

	if (c->dirty || c->is_new)
		return;
	disk_read(ram, blk, data);
	if (c->verified && memcmp(data, c->data, sizeof(data)))
		violation(ram, blk, "is changed without dirty");
}

static void ram_put(struct sosnap_io *io, struct sosnap_buf *buf)
{
	struct io_ram *ram = to_ram(io);
	struct io_ram_cached *c = buf->host;

	if (!c->held) {
		violation(ram, buf->blk, "is put, but not held");
		return;
	}
	check_clean(ram, buf->blk, c);
	c->held--;
	ram->held--;
	if (ram->lazy && c->dirty && !c->held && io_ram_random(&ram->seed) % ram->lazy == 0)
		write_out(ram, buf->blk, c);
	memset(buf, 0xa5, sizeof(*buf));
}

static void ram_forget(struct sosnap_io *io, u64 blk)
{
	struct io_ram *ram = to_ram(io);
	struct io_ram_cached *c = blk < io->nr_blocks ? ram->cache[blk] : NULL;

	if (!c)
		return;
	if (c->held) {
		violation(ram, blk, "is forgotten while it is held");
		return;
	}
	ram->cache[blk] = NULL;
	free(c);
}

static int ram_flush(struct sosnap_io *io)
{
	struct io_ram *ram = to_ram(io);
	u64 blk;

	if (fails(ram))
		return ram->fail_error;
	for (blk = 0; blk < io->nr_blocks; blk++) {
		struct io_ram_cached *c = ram->cache[blk];

		if (!c)
			continue;
		check_clean(ram, blk, c);
		if (c->dirty)
			write_out(ram, blk, c);
	}
	ram->stable = ram->log_nr;
	return 0;
}

static int ram_read(struct sosnap_io *io, u64 blk, u32 nr, void *data)
{
	struct io_ram *ram = to_ram(io);
	u32 i;

	if (blk > io->nr_blocks || nr > io->nr_blocks - blk) {
		violation(ram, blk, "does not exist");
		return -EIO;
	}
	if (fails(ram))
		return ram->fail_error;
	for (i = 0; i < nr; i++)
		disk_read(ram, blk + i, (u8 *)data + (size_t)i * SOSNAP_BLOCK_SIZE);
	ram->reads += nr;
	return 0;
}

void io_ram_submit(struct io_ram *ram, u64 blk, u32 nr, const void *data)
{
	u32 i;

	for (i = 0; i < nr; i++)
		disk_write(ram, blk + i, (const u8 *)data + (size_t)i * SOSNAP_BLOCK_SIZE);
}

void io_ram_sync(struct io_ram *ram)
{
	ram->stable = ram->log_nr;
}

/* PREFLUSH: what came before is stable before the first block is written. */
static int ram_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	struct io_ram *ram = to_ram(io);

	if (blk > io->nr_blocks || nr > io->nr_blocks - blk) {
		violation(ram, blk, "does not exist");
		return -EIO;
	}
	if (fails(ram))
		return ram->fail_error;
	ram->stable = ram->log_nr;
	io_ram_submit(ram, blk, nr, data);
	ram->stable = ram->log_nr;
	return 0;
}

static const struct sosnap_io_ops ram_ops = {
	.get = ram_get,
	.create = ram_create,
	.dirty = ram_dirty,
	.put = ram_put,
	.forget = ram_forget,
	.flush = ram_flush,
	.read = ram_read,
	.write = ram_write,
};

struct io_ram *io_ram_new(u64 nr_blocks)
{
	struct io_ram *ram = must(calloc(1, sizeof(*ram)));
	u32 i;

	ram->io.ops = &ram_ops;
	ram->io.nr_blocks = nr_blocks;
	for (i = 0; i < sizeof(ram->io.uuid); i++)
		ram->io.uuid[i] = 0x50 + i;
	ram->fail_error = -EIO;
	ram->disk = must(calloc(nr_blocks, sizeof(*ram->disk)));
	ram->cache = must(calloc(nr_blocks, sizeof(*ram->cache)));
	return ram;
}

void io_ram_drop_cache(struct io_ram *ram)
{
	u64 blk;

	for (blk = 0; blk < ram->io.nr_blocks; blk++) {
		struct io_ram_cached *c = ram->cache[blk];

		if (!c)
			continue;
		check_clean(ram, blk, c);
		if (c->held) {
			violation(ram, blk, "was never put");
			ram->held -= c->held;
		}
		free(c);
		ram->cache[blk] = NULL;
	}
}

static void pages_free(u8 **pages, u64 nr)
{
	u64 i;

	for (i = 0; pages && i < nr; i++)
		free(pages[i]);
	free(pages);
}

static u8 *page_copy(const u8 *from)
{
	u8 *copy = must(malloc(SOSNAP_BLOCK_SIZE));

	memcpy(copy, from, SOSNAP_BLOCK_SIZE);
	return copy;
}

static u8 **pages_copy(const struct io_ram *ram)
{
	u8 **copy = must(calloc(ram->io.nr_blocks, sizeof(*copy)));
	u64 i;

	for (i = 0; i < ram->io.nr_blocks; i++)
		if (page(ram, i))
			copy[i] = page_copy(page(ram, i));
	return copy;
}

u32 io_ram_free(struct io_ram *ram)
{
	u32 violations;

	io_ram_drop_cache(ram);
	violations = ram->violations;
	pages_free(ram->disk, ram->io.nr_blocks);
	pages_free(ram->base, ram->io.nr_blocks);
	pages_free(ram->shadow, ram->io.nr_blocks);
	free(ram->cache);
	free(ram->log);
	free(ram);
	return violations;
}

void io_ram_log_begin(struct io_ram *ram)
{
	pages_free(ram->base, ram->io.nr_blocks);
	pages_free(ram->shadow, ram->io.nr_blocks);
	ram->base = pages_copy(ram);
	ram->shadow = NULL;
	ram->logging = true;
	ram->log_nr = 0;
	ram->stable = 0;
}

struct io_ram_point io_ram_now(const struct io_ram *ram)
{
	return (struct io_ram_point){ .stable = ram->stable, .written = ram->log_nr };
}

/* Just after so many writes, before a flush that may have followed them. */
struct io_ram_point io_ram_point_at(const struct io_ram *ram, u32 written)
{
	return (struct io_ram_point){
		.stable = written ? ram->log[written - 1].stable : 0,
		.written = written,
	};
}

u64 io_ram_log_blk(const struct io_ram *ram, u32 write)
{
	return ram->log[write].blk;
}

const u8 *io_ram_log_data(const struct io_ram *ram, u32 write)
{
	return ram->log[write].data;
}

/* Bring the shadow to the disk after so many writes; cheap in rising order. */
static void shadow_move(struct io_ram *ram, u32 to)
{
	u64 i;

	if (ram->shadow && ram->shadow_at > to) {
		pages_free(ram->shadow, ram->io.nr_blocks);
		ram->shadow = NULL;
	}
	if (!ram->shadow) {
		ram->shadow = must(calloc(ram->io.nr_blocks, sizeof(*ram->shadow)));
		for (i = 0; i < ram->io.nr_blocks; i++)
			if (ram->base[i])
				ram->shadow[i] = page_copy(ram->base[i]);
		ram->shadow_at = 0;
	}
	for (; ram->shadow_at < to; ram->shadow_at++) {
		const struct io_ram_write *w = &ram->log[ram->shadow_at];

		free(ram->shadow[w->blk]);
		ram->shadow[w->blk] = page_copy(w->data);
	}
}

struct io_ram *io_ram_crash(struct io_ram *ram, struct io_ram_point point,
			    const struct io_ram_fate *fate)
{
	struct io_ram *after = io_ram_new(ram->io.nr_blocks);
	u32 i, sector;

	memcpy(after->io.uuid, ram->io.uuid, sizeof(after->io.uuid));
	shadow_move(ram, point.stable);
	after->lower = ram->shadow;
	for (i = point.stable; i < point.written; i++) {
		const struct io_ram_write *w = &ram->log[i];

		for (sector = 0; sector < SOSNAP_BLOCK_SECTORS; sector++) {
			bool keep = fate && fate->keep ? fate->keep(fate->ctx, i, sector) :
				    io_ram_random(&ram->seed) & 1;

			if (keep)
				memcpy(io_ram_disk(after, w->blk) + sector * 512,
				       w->data + sector * 512, 512);
		}
	}
	return after;
}
