// SPDX-License-Identifier: GPL-2.0
#include "ops.h"

/* Unit size in sectors, and the share of the device in sixteenths. */
static const struct {
	uint32_t unit;
	uint32_t share;
} areas[] = {
	{ 1, 1 }, { 3, 1 }, { 8, 2 }, { 24, 2 }, { 128, 2 }, { 512, 4 }, { 4096, 4 },
};

#define NR_AREAS	(sizeof(areas) / sizeof(areas[0]))

struct area {
	uint64_t first;
	uint64_t sectors;
	uint32_t unit;
	uint32_t nr;
};

static void area_get(uint64_t sectors, uint32_t nr, struct area *a)
{
	uint64_t sixteenth = sectors / 16;
	uint32_t i;

	a->first = 0;
	for (i = 0; i < nr; i++)
		a->first += areas[i].share * sixteenth;
	a->sectors = nr == NR_AREAS - 1 ? sectors - a->first : areas[nr].share * sixteenth;
	a->unit = areas[nr].unit;
	a->nr = nr;
}

/* The thread that alone changes a sector. */
uint32_t ops_owner(uint64_t sectors, uint32_t threads, uint64_t sector)
{
	struct area a;
	uint32_t i;

	for (i = 0; i < NR_AREAS; i++) {
		area_get(sectors, i, &a);
		if (sector < a.first + a.sectors)
			break;
	}
	return ((sector - a.first) / a.unit + a.nr) % threads;
}

static uint64_t random64(struct ops *o)
{
	uint64_t z = o->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static uint64_t below(struct ops *o, uint64_t n)
{
	return random64(o) % n;
}

/* All sizes are as likely as their logarithm. */
static uint32_t random_size(struct ops *o, uint32_t most)
{
	uint32_t bits = 0;
	uint64_t top;

	while (most >> bits)
		bits++;
	top = 1ULL << below(o, bits);
	top += below(o, top);
	return top > most ? most : top;
}

static void random_range(struct ops *o, uint64_t first, uint64_t sectors, struct op *op)
{
	uint32_t most = sectors < OPS_MAX_SECTORS ? sectors : OPS_MAX_SECTORS;
	uint64_t at, head = -first & 7;

	op->sectors = random_size(o, most);
	at = below(o, sectors - op->sectors + 1);
	/* half of them on the grid of 4 KiB blocks, where there is room for it */
	if (random64(o) & 1 && sectors >= head + 8) {
		uint64_t room = (sectors - head) & ~7ULL;

		op->sectors = (op->sectors + 7) & ~7U;
		if (op->sectors > room)
			op->sectors = room;
		if (op->sectors > OPS_MAX_SECTORS)
			op->sectors = OPS_MAX_SECTORS;
		at = head + 8 * below(o, (room - op->sectors) / 8 + 1);
	}
	op->first = first + at;
}

/* A range that the thread owns. */
static void own_range(struct ops *o, struct op *op)
{
	for (;;) {
		struct area a;
		uint64_t units, unit, first, len;

		area_get(o->sectors, below(o, NR_AREAS), &a);
		units = (a.sectors + a.unit - 1) / a.unit;
		if (!units)
			continue;
		unit = below(o, (units + o->threads - 1) / o->threads) * o->threads +
		       (o->thread + o->threads - a.nr % o->threads) % o->threads;
		if (unit >= units)
			continue;
		first = a.first + unit * a.unit;
		len = a.first + a.sectors - first;
		random_range(o, first, len < a.unit ? len : a.unit, op);
		return;
	}
}

/* Start the stream of a thread. */
void ops_init(struct ops *o, uint64_t seed, uint32_t epoch, uint32_t thread, uint32_t threads,
	      uint64_t sectors)
{
	o->state = seed * 0x2545f4914f6cdd1dULL + ((uint64_t)epoch << 32) + thread * 7919ULL;
	o->sectors = sectors;
	o->thread = thread;
	o->threads = threads;
	random64(o);
	o->state ^= random64(o) << 1;
}

/* The next operation of it. */
void ops_next(struct ops *o, struct op *op)
{
	uint32_t dice = below(o, 100);

	op->dsync = false;
	op->first = 0;
	op->sectors = 0;
	if (dice < 50) {
		op->kind = OP_WRITE;
		op->dsync = dice < 5;
	} else if (dice < 60) {
		op->kind = OP_DISCARD;
	} else if (dice < 66) {
		op->kind = OP_ZEROOUT;
	} else if (dice < 84) {
		op->kind = OP_READ;
	} else if (dice < 94) {
		op->kind = OP_READ_ANY;
		random_range(o, 0, o->sectors, op);
		return;
	} else {
		op->kind = OP_FLUSH;
		return;
	}
	own_range(o, op);
}
