// SPDX-License-Identifier: GPL-2.0
#include "lib/golddev.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "gold.h"
#include "lib/progress.h"
#include "lib/report.h"
#include "lib/units.h"

#define READ_BYTES (1U << 20)

void sosnap_golddevs_free(struct sosnap_golddevs *g)
{
	free(g->blocks);
	free(g->crc);
	free(g->state);
	memset(g, 0, sizeof(*g));
}

/* Says nothing */
static int sample_crc(int fd, u64 sectors, u32 *crc)
{
	u8 data[SOSNAP_BLOCK_SIZE];
	int r = 0;

	*crc = SOSNAP_GOLD_SEED;
	for (u32 i = 0; !r && i < sosnap_gold_samples(sectors); i++) {
		u32 bytes;
		u64 sector = sosnap_gold_sample(sectors, i, &bytes);

		r = sosnap_dev_read(fd, data, bytes, sector << 9);
		if (!r)
			*crc = crc32c(*crc, data, bytes);
	}
	return r;
}

int sosnap_golddev_crc(const struct sosnap_dev *dev, u32 *crc)
{
	int r = sample_crc(dev->fd, dev->bytes >> 9, crc);

	if (r)
		sosnap_error("%s cannot be read: %s", dev->path, strerror(-r));
	return r;
}

int sosnap_golddev_sha256(const struct sosnap_dev *dev, char hex[65])
{
	u8 *data = sosnap_alloc(1, READ_BYTES);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sum[EVP_MAX_MD_SIZE];
	struct sosnap_progress progress;
	int r = 0;

	if (!ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		sosnap_die_memory();
	posix_fadvise(dev->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	sosnap_progress_start(&progress, dev->path, dev->bytes);
	for (u64 done = 0; !r && done < dev->bytes;) {
		size_t n = min_t(u64, READ_BYTES, dev->bytes - done);

		r = sosnap_dev_read(dev->fd, data, n, done);
		if (!r && !EVP_DigestUpdate(ctx, data, n))
			r = -EIO;
		done += n;
		sosnap_progress_show(&progress, done);
	}
	sosnap_progress_end(&progress);
	if (!r && !EVP_DigestFinal_ex(ctx, sum, NULL))
		r = -EIO;
	if (r)
		sosnap_error("%s cannot be read: %s", dev->path, strerror(-r));
	for (int i = 0; !r && i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	EVP_MD_CTX_free(ctx);
	free(data);
	return r;
}

int sosnap_golddev_match(const char *path, const struct sosnap_reply_gold *gold)
{
	struct sosnap_dev dev;
	u32 crc;
	int r = sosnap_dev_open(&dev, path, 0);

	if (r)
		return r;
	if (dev.bytes != gold->sectors << 9) {
		sosnap_error("%s is not the gold image '%s': its size is %llu bytes, not %llu",
			     path, gold->name, (unsigned long long)dev.bytes,
			     (unsigned long long)gold->sectors << 9);
		r = -EUCLEAN;
	} else {
		r = sosnap_golddev_crc(&dev, &crc);
	}
	if (!r && crc != gold->crc) {
		sosnap_error("%s is not the gold image '%s', or was modified: the checksum of its sampled blocks is %08x, not %08x",
			     path, gold->name, crc, gold->crc);
		r = -EUCLEAN;
	}
	sosnap_dev_close(&dev);
	return r;
}

static bool block_holds(struct sosnap_golddevs *g, size_t i, const struct sosnap_reply_gold *gold)
{
	if (g->blocks[i].sectors != gold->sectors)
		return false;
	if (!g->state[i]) {
		int fd = open(g->blocks[i].path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		g->state[i] = 2;
		if (fd >= 0 && !sample_crc(fd, gold->sectors, &g->crc[i]))
			g->state[i] = 1;
		if (fd >= 0)
			close(fd);
	}
	return g->state[i] == 1 && g->crc[i] == gold->crc;
}

static int rank(const struct sosnap_block *b)
{
	return b->ours ? 2 : !b->held;
}

static void list_blocks(struct sosnap_golddevs *g)
{
	if (g->listed || sosnap_blocks_get(&g->blocks, &g->nr))
		return;
	g->crc = sosnap_alloc(g->nr, sizeof(*g->crc));
	g->state = sosnap_alloc(g->nr, sizeof(*g->state));
	g->listed = true;
}

const char *sosnap_golddevs_find(struct sosnap_golddevs *g, const struct sosnap_reply_gold *gold,
				 const char *store)
{
	const struct sosnap_block *best = NULL, *rival = NULL;
	char size[SOSNAP_UNITS_LEN];

	list_blocks(g);
	if (!g->listed)
		return NULL;
	if (!strcmp(g->failed, gold->name)) {
		g->silent++;
		return NULL;
	}
	for (size_t i = 0; i < g->nr; i++) {
		const struct sosnap_block *b = &g->blocks[i];

		if (!block_holds(g, i, gold))
			continue;
		if (!best || rank(b) > rank(best)) {
			best = b;
			rival = NULL;
		} else if (rank(b) == rank(best)) {
			rival = b;
		}
	}
	if (!best || (rival && !best->ours))
		strscpy(g->failed, gold->name, sizeof(g->failed));
	if (!best) {
		sosnap_error("no block device holds the gold image '%s' (%s, %llu bytes) of store '%s': attach it (a file by 'losetup --find --show --read-only <file>') or name it by --gold-device",
			     gold->name, sosnap_units_format(gold->sectors << 9, size),
			     (unsigned long long)gold->sectors << 9, store);
		return NULL;
	}
	if (rival && !best->ours) {
		sosnap_error("%s and %s both look like the gold image '%s' of store '%s': say by --gold-device which one it is",
			     best->path, rival->path, gold->name, store);
		return NULL;
	}
	return best->path;
}
