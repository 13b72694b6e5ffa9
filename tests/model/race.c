// SPDX-License-Identifier: GPL-2.0
/*
 * Eight threads let go at the same fresh blocks at the same moment, round after
 * round; after each, every sector has to hold what one of them left there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "pattern.h"
#include "race.h"

#define NR		8U
#define SPAN		16U	/* sectors of a round: two blocks */

enum act { ACT_WRITE, ACT_DSYNC, ACT_DISCARD, ACT_READ, ACT_FLUSH };

struct action {
	enum act act;
	uint32_t first;		/* within the span */
	uint32_t n;
	uint64_t tag;
};

static struct action todo[NR];
static pthread_barrier_t start, end;
static _Atomic uint32_t writers;
static uint64_t base;
static uint32_t nr_rounds;
static int fd;
static uint64_t rng = 88172645463325252ULL;

static uint32_t dice(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % n;
}

static void set(uint32_t i, enum act act, uint32_t first, uint32_t n, uint32_t round)
{
	todo[i] = (struct action) { act, first, n, (uint64_t)round * NR + i + 1 };
}

/* Every thread the whole of one block. */
static void plan_whole(uint32_t round)
{
	for (uint32_t i = 0; i < NR; i++)
		set(i, i & 1 ? ACT_DSYNC : ACT_WRITE, 0, 8, round);
}

/* Every thread one sector of one block: none may be lost. */
static void plan_disjoint(uint32_t round)
{
	for (uint32_t i = 0; i < NR; i++)
		set(i, ACT_WRITE, i, 1, round);
}

/* Any ranges across two blocks. */
static void plan_overlap(uint32_t round)
{
	for (uint32_t i = 0; i < NR; i++) {
		uint32_t first = dice(SPAN - 1);

		set(i, ACT_WRITE, first, 1 + dice(SPAN - first), round);
	}
}

/* Whole block, parts of it, and both blocks at once. */
static void plan_mixed(uint32_t round)
{
	set(0, ACT_WRITE, 0, 8, round);
	set(1, ACT_WRITE, 0, 16, round);
	for (uint32_t i = 2; i < NR; i++)
		set(i, dice(4) ? ACT_WRITE : ACT_DSYNC, dice(15), 1, round);
}

/* Discards of the block, of one sector and of a part, among writes. */
static void plan_discard(uint32_t round)
{
	set(0, ACT_DISCARD, 0, 8, round);
	set(1, ACT_DISCARD, dice(8), 1, round);
	set(2, ACT_DISCARD, 4, 8, round);
	for (uint32_t i = 3; i < NR; i++)
		set(i, ACT_WRITE, i & 1 ? 0 : dice(8), i & 1 ? 8 : 2, round);
}

/* Readers while the first write happens, and flushes. */
static void plan_read(uint32_t round)
{
	set(0, ACT_WRITE, round % 3 ? 0 : 3, round % 3 ? 8 : 2, round);
	for (uint32_t i = 1; i < NR; i++)
		set(i, i == NR - 1 ? ACT_FLUSH : ACT_READ, 0, SPAN, round);
}

/* A reader while the block is discarded. */
static void plan_read_discard(uint32_t round)
{
	set(0, ACT_DISCARD, round & 1 ? 0 : 2, round & 1 ? 16 : 3, round);
	for (uint32_t i = 1; i < NR; i++)
		set(i, ACT_READ, 0, SPAN, round);
}

/* Parts of two blocks that are whole only by what lies below; all else that may meet them. */
static void plan_partial(uint32_t round)
{
	for (uint32_t i = 0; i < 4; i++)
		set(i, i ? ACT_WRITE : ACT_DSYNC, 2 * i + dice(2), 1, round);
	set(4, ACT_WRITE, 5 + dice(3), 6, round);
	if (round & 1)
		set(5, ACT_WRITE, 8 * dice(2), 8, round);
	else
		set(5, ACT_DISCARD, 8 * dice(2), 8, round);
	set(6, ACT_FLUSH, 0, SPAN, round);
	set(7, ACT_FLUSH, 0, SPAN, round);
}

static const struct {
	const char *name;
	void (*plan)(uint32_t round);
} modes[] = {
	{ "whole", plan_whole }, { "disjoint", plan_disjoint }, { "overlap", plan_overlap },
	{ "mixed", plan_mixed }, { "discard", plan_discard }, { "read", plan_read },
	{ "read-discard", plan_read_discard }, { "partial", plan_partial },
};

static bool content_is(const uint8_t *data, uint64_t sector, uint64_t op, uint32_t thread)
{
	struct tag tag = { .thread = thread, .op = op, .sector = sector };

	return pattern_is(data, &tag);
}

static bool is_old(const uint8_t *data, uint64_t sector)
{
	return content_is(data, sector, 0, THREAD_GOLD);
}

static bool is_from(const uint8_t *data, uint64_t sector, const struct action *a)
{
	if (a->act == ACT_DISCARD)
		return pattern_zero(data);
	return content_is(data, sector, a->tag, THREAD_FIXED);
}

static bool covers(const struct action *a, uint32_t i)
{
	return a->act != ACT_READ && a->act != ACT_FLUSH && i >= a->first && i < a->first + a->n;
}

static void check_sector(const uint8_t *data, uint32_t i, bool old_too, uint32_t round)
{
	bool touched = false;
	char have[160];

	for (uint32_t k = 0; k < NR; k++) {
		if (!covers(&todo[k], i))
			continue;
		touched = true;
		if (is_from(data, base + i, &todo[k]))
			return;
	}
	if ((old_too || !touched) && is_old(data, base + i))
		return;
	pattern_describe(data, have, sizeof(have));
	fail("round %u: sector %" PRIu64 " (%u of the two blocks) holds %s", round, base + i, i,
	     have);
}

/* While one thread changes it, a sector is old, then new, and never old again. */
static void read_until_done(uint8_t *buf, uint32_t round)
{
	bool seen[SPAN] = { false };
	uint32_t i;
	bool more;

	do {
		more = atomic_load(&writers);
		if (dev_read(fd, buf, base, SPAN))
			fail("round %u: read failed", round);
		for (i = 0; i < SPAN; i++) {
			bool old = is_old(buf + i * SECTOR, base + i);

			check_sector(buf + i * SECTOR, i, true, round);
			if (old && seen[i])
				fail("round %u: sector %u is old again", round, i);
			if (!old)
				seen[i] = true;
		}
	} while (more);
}

static void act(const struct action *a, uint8_t *buf, uint32_t round)
{
	uint32_t i;
	int r = 0;

	switch (a->act) {
	case ACT_WRITE:
	case ACT_DSYNC:
		for (i = 0; i < a->n; i++) {
			struct tag tag = { .thread = THREAD_FIXED, .op = a->tag,
					   .sector = base + a->first + i };

			pattern_fill(buf + i * SECTOR, &tag);
		}
		r = dev_write(fd, buf, base + a->first, a->n, a->act == ACT_DSYNC);
		break;
	case ACT_DISCARD:
		r = dev_discard(fd, base + a->first, a->n);
		break;
	case ACT_FLUSH:
		r = fdatasync(fd) ? -errno : 0;
		return;
	case ACT_READ:
		read_until_done(buf, round);
		return;
	}
	if (r)
		fail("round %u: %s", round, strerror(-r));
	atomic_fetch_sub(&writers, 1);
}

static void *thread(void *arg)
{
	const struct action *a = arg;
	uint8_t *buf = dev_buffer(SPAN * SECTOR);

	for (uint32_t round = 0; round < nr_rounds; round++) {
		pthread_barrier_wait(&start);
		act(a, buf, round);
		pthread_barrier_wait(&end);
	}
	free(buf);
	return NULL;
}

static void check_round(uint8_t *buf, uint32_t round, bool whole)
{
	uint32_t i, k;

	if (dev_read(fd, buf, base, SPAN))
		fail("round %u: read failed", round);
	for (i = 0; i < SPAN; i++)
		check_sector(buf + i * SECTOR, i, false, round);
	if (!whole)
		return;
	for (k = 0; k < NR; k++)
		if (is_from(buf, base, &todo[k]))
			for (i = 0; i < 8; i++)
				if (!is_from(buf + i * SECTOR, base + i, &todo[k]))
					fail("round %u: two whole writes are mixed", round);
}

/**
 * race() - run one mode
 * @mode:        its name
 * @dev:         the device, gold from @first_block on
 * @first_block: where
 * @rounds:      each takes two more blocks
 */
int race(const char *mode, const char *dev, uint64_t first_block, uint32_t rounds)
{
	void (*plan)(uint32_t round) = NULL;
	uint8_t *buf = dev_buffer(SPAN * SECTOR);
	pthread_t id[NR];
	uint32_t i, round;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(mode, modes[i].name))
			plan = modes[i].plan;
	if (!plan)
		fail("no race is called %s", mode);
	fd = dev_open(dev, O_RDWR | O_DIRECT);
	nr_rounds = rounds;
	pthread_barrier_init(&start, NULL, NR + 1);
	pthread_barrier_init(&end, NULL, NR + 1);
	for (i = 0; i < NR; i++)
		if (pthread_create(&id[i], NULL, thread, &todo[i]))
			fail("cannot start a thread");
	for (round = 0; round < rounds; round++) {
		uint32_t n = 0;

		base = first_block * 8 + (uint64_t)round * SPAN;
		plan(round);
		for (i = 0; i < NR; i++)
			n += todo[i].act <= ACT_DISCARD;
		atomic_store(&writers, n);
		pthread_barrier_wait(&start);
		pthread_barrier_wait(&end);
		check_round(buf, round, plan == plan_whole);
	}
	for (i = 0; i < NR; i++)
		pthread_join(id[i], NULL);
	free(buf);
	return 0;
}
