// SPDX-License-Identifier: GPL-2.0
/*
 * marker <device> <gold device> <number> <seed> <seconds> [new]
 *
 * Writes its own number to random places of a snapshot, discards others, and
 * reads: whatever a sector holds is zeros, gold or this number. Several of them
 * on as many snapshots of one store see whether blocks keep what others wrote.
 * With "new" the snapshot must hold nothing but gold at first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SECTOR	512U
#define MOST	64U		/* sectors of a request */

static uint64_t seed, number, sectors;
static uint8_t *gold, *buf;
static int fd;

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static uint64_t rnd(uint64_t below)
{
	uint64_t x = seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (x ^ (x >> 31)) % below;
}

static void fill(uint8_t *p, uint64_t sector)
{
	uint64_t word[SECTOR / 8];

	for (unsigned int i = 0; i < SECTOR / 8; i++)
		word[i] = (number << 40 | sector) ^ 0xa5a5000000000000ULL;
	memcpy(p, word, SECTOR);
}

static void judge(const uint8_t *p, uint64_t sector, bool only_gold)
{
	static const uint8_t zero[SECTOR];
	uint8_t own[SECTOR];
	uint64_t have;

	if (!memcmp(p, gold + sector * SECTOR, SECTOR))
		return;
	fill(own, sector);
	if (!only_gold && (!memcmp(p, zero, SECTOR) || !memcmp(p, own, SECTOR)))
		return;
	memcpy(&have, p, sizeof(have));
	fprintf(stderr, "snapshot %llu, sector %llu holds %#llx\n", (unsigned long long)number,
		(unsigned long long)sector, (unsigned long long)have);
	exit(1);
}

static void check(uint64_t first, uint64_t n, bool only_gold)
{
	must(pread(fd, buf, n * SECTOR, first * SECTOR) == (ssize_t)(n * SECTOR), "read");
	for (uint64_t i = 0; i < n; i++)
		judge(buf + i * SECTOR, first + i, only_gold);
}

static void check_all(bool only_gold)
{
	for (uint64_t i = 0; i < sectors; i += MOST)
		check(i, sectors - i < MOST ? sectors - i : MOST, only_gold);
}

/* Few places, so that they are met again and again. */
static void one(void)
{
	uint64_t first = rnd(8) * (sectors / 8) + rnd(512), n = 1 + rnd(MOST);
	uint64_t range[2];

	if (first >= sectors)
		return;
	if (n > sectors - first)
		n = sectors - first;
	switch (rnd(8)) {
	case 0:
	case 1:
	case 2:
		for (uint64_t i = 0; i < n; i++)
			fill(buf + i * SECTOR, first + i);
		must(pwrite(fd, buf, n * SECTOR, first * SECTOR) == (ssize_t)(n * SECTOR),
		     "write");
		break;
	case 3:
		range[0] = first / 8 * 8 * SECTOR;
		range[1] = (n + 7) / 8 * 8 * SECTOR;
		if (range[0] + range[1] <= sectors * SECTOR)
			must(!ioctl(fd, BLKDISCARD, range), "discard");
		break;
	case 4:
		if (!rnd(16))
			must(!fsync(fd), "flush");
		break;
	default:
		check(first, n, false);
	}
}

int main(int argc, char **argv)
{
	time_t end;
	int g;

	if (argc < 6) {
		fputs("usage: marker <device> <gold device> <number> <seed> <seconds> [new]\n", stderr);
		return 2;
	}
	number = strtoull(argv[3], NULL, 0);
	seed = strtoull(argv[4], NULL, 0);
	fd = open(argv[1], O_RDWR | O_DIRECT);
	must(fd >= 0, argv[1]);
	g = open(argv[2], O_RDONLY);
	must(g >= 0, argv[2]);
	sectors = lseek(g, 0, SEEK_END) / SECTOR;
	gold = malloc(sectors * SECTOR);
	buf = aligned_alloc(4096, MOST * SECTOR);
	must(gold && buf && pread(g, gold, sectors * SECTOR, 0) == (ssize_t)(sectors * SECTOR),
	     "gold");
	if (argc > 6)
		check_all(true);
	for (end = time(NULL) + atoi(argv[5]); time(NULL) < end;)
		one();
	check_all(false);
	return 0;
}
