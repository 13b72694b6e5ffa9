// SPDX-License-Identifier: GPL-2.0
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pattern.h"

#define MAGIC	0x6c65646f6d736f73ULL
#define WORDS	(SECTOR / sizeof(uint64_t))

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

static void words(uint64_t *w, const struct tag *tag)
{
	uint64_t x;
	size_t i;

	w[0] = MAGIC;
	w[1] = tag->seed;
	w[2] = (uint64_t)tag->epoch << 32 | tag->thread;
	w[3] = tag->op;
	w[4] = tag->sector;
	x = mix(mix(w[1] + mix(w[2])) + mix(tag->op * 31 + mix(tag->sector)));
	for (i = 5; i < WORDS; i++) {
		x += 0x9e3779b97f4a7c15ULL;
		w[i] = x ^ x >> 27;
	}
}

/* The content of a sector that carries a tag. */
void pattern_fill(void *sector, const struct tag *tag)
{
	uint64_t w[WORDS];

	words(w, tag);
	memcpy(sector, w, sizeof(w));
}

/* Whether a sector is exactly what this tag makes. */
bool pattern_is(const void *sector, const struct tag *tag)
{
	uint64_t w[WORDS];

	words(w, tag);
	return !memcmp(sector, w, sizeof(w));
}

bool pattern_zero(const void *sector)
{
	static const uint8_t zero[SECTOR];

	return !memcmp(sector, zero, sizeof(zero));
}

/* What a sector holds, and its tag; a tag whose content is damaged is garbage. */
enum content pattern_read(const void *sector, struct tag *tag)
{
	uint64_t w[5];

	if (pattern_zero(sector))
		return CONTENT_ZERO;
	memcpy(w, sector, sizeof(w));
	tag->seed = w[1];
	tag->epoch = w[2] >> 32;
	tag->thread = (uint32_t)w[2];
	tag->op = w[3];
	tag->sector = w[4];
	return w[0] == MAGIC && pattern_is(sector, tag) ? CONTENT_TAG : CONTENT_GARBAGE;
}

/* The same in words, for a message. */
void pattern_describe(const void *sector, char *out, size_t bytes)
{
	struct tag tag;
	uint64_t w[4];

	switch (pattern_read(sector, &tag)) {
	case CONTENT_ZERO:
		snprintf(out, bytes, "zeros");
		break;
	case CONTENT_TAG:
		if (tag.thread == THREAD_GOLD)
			snprintf(out, bytes, "gold of sector %" PRIu64, tag.sector);
		else if (tag.thread == THREAD_FIXED)
			snprintf(out, bytes, "tag %" PRIu64 " of sector %" PRIu64, tag.op,
				 tag.sector);
		else
			snprintf(out, bytes, "seed %" PRIu64 " epoch %u thread %u op %" PRIu64
				 " of sector %" PRIu64, tag.seed, tag.epoch, tag.thread, tag.op,
				 tag.sector);
		break;
	default:
		memcpy(w, sector, sizeof(w));
		snprintf(out, bytes, "garbage %016" PRIx64 " %016" PRIx64 " %016" PRIx64
			 " %016" PRIx64, w[0], w[1], w[2], w[3]);
	}
}
