// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "model.h"

#define COMPARE_SECTORS	1024U
#define COMPARE_SHOWN	8U

/* kind 2 (a write) in two bits, thread in 10, epoch in 12, operation in 40 */
uint64_t version_of(uint32_t epoch, uint32_t thread, uint64_t op)
{
	return op << 24 | (uint64_t)(epoch & 0xfff) << 12 | (uint64_t)(thread & 0x3ff) << 2 | 2;
}

void version_tag(const struct model *m, uint64_t version, uint64_t sector, struct tag *tag)
{
	tag->sector = sector;
	if (version == VERSION_GOLD) {
		tag->seed = 0;
		tag->epoch = 0;
		tag->thread = THREAD_GOLD;
		tag->op = 0;
		return;
	}
	tag->seed = m->h.seed;
	tag->thread = version >> 2 & 0x3ff;
	tag->epoch = version >> 12 & 0xfff;
	tag->op = version >> 24;
}

static void model_alloc(struct model *m)
{
	m->version = calloc(m->h.sectors, sizeof(*m->version));
	if (!m->version)
		fail("out of memory");
}

/* A fresh snapshot: gold, and zeros behind it. */
void model_new(struct model *m, uint64_t sectors, uint64_t gold_sectors, uint64_t seed)
{
	uint64_t i;

	m->h = (struct model_header) {
		.magic = MODEL_MAGIC, .sectors = sectors,
		.gold_sectors = gold_sectors, .seed = seed,
	};
	model_alloc(m);
	for (i = gold_sectors; i < sectors; i++)
		m->version[i] = VERSION_ZERO;
}

void model_load(struct model *m, const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f || fread(&m->h, sizeof(m->h), 1, f) != 1 || m->h.magic != MODEL_MAGIC)
		fail("%s: not a model: %s", path, strerror(errno));
	model_alloc(m);
	if (fread(m->version, sizeof(*m->version), m->h.sectors, f) != m->h.sectors)
		fail("%s: too short", path);
	fclose(f);
}

void model_save(const struct model *m, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(&m->h, sizeof(m->h), 1, f) != 1 ||
	    fwrite(m->version, sizeof(*m->version), m->h.sectors, f) != m->h.sectors ||
	    fflush(f) || fsync(fileno(f)) || fclose(f))
		fail("cannot write %s: %s", path, strerror(errno));
}

/* Whether a sector is what the model says, all 512 bytes of it. */
bool model_is(const struct model *m, uint64_t sector, const void *data)
{
	struct tag tag;

	if (m->version[sector] == VERSION_ZERO)
		return pattern_zero(data);
	version_tag(m, m->version[sector], sector, &tag);
	return pattern_is(data, &tag);
}

static void describe_version(const struct model *m, uint64_t sector, char *out, size_t bytes)
{
	uint8_t data[SECTOR] = { 0 };
	struct tag tag;

	if (m->version[sector] != VERSION_ZERO) {
		version_tag(m, m->version[sector], sector, &tag);
		pattern_fill(data, &tag);
	}
	pattern_describe(data, out, bytes);
}

/* Compare a range of a device with the model. Return: how many sectors differ. */
unsigned int model_compare(const struct model *m, int fd, uint64_t first, uint64_t end)
{
	uint8_t *buf = dev_buffer(COMPARE_SECTORS * SECTOR);
	unsigned int bad = 0;
	uint64_t at, i, n;

	for (at = first; at < end; at += n) {
		int r;

		n = end - at < COMPARE_SECTORS ? end - at : COMPARE_SECTORS;
		r = dev_read(fd, buf, at, n);
		if (r)
			fail("reading sectors %" PRIu64 "+%" PRIu64 ": %s", at, n, strerror(-r));
		for (i = 0; i < n; i++) {
			char want[160], have[160];

			if (model_is(m, at + i, buf + i * SECTOR))
				continue;
			if (bad++ >= COMPARE_SHOWN)
				continue;
			describe_version(m, at + i, want, sizeof(want));
			pattern_describe(buf + i * SECTOR, have, sizeof(have));
			fprintf(stderr, "sector %" PRIu64 " (block %" PRIu64 "): want %s, have %s\n",
				at + i, (at + i) / 8, want, have);
		}
	}
	free(buf);
	return bad;
}

/* Checksum that tells a torn page of the log. */
uint64_t log_sum(const void *data, size_t bytes)
{
	const uint8_t *p = data;
	uint64_t sum = 0xcbf29ce484222325ULL;

	while (bytes--)
		sum = (sum ^ *p++) * 0x100000001b3ULL;
	return sum;
}
