// SPDX-License-Identifier: GPL-2.0
/*
 * blk - single requests to a block device, with content that can be told apart.
 *
 *	blk write DEV SECTOR COUNT TAG [dsync]	one request; TAG is a number
 *	blk each DEV SECTOR COUNT STEP TIMES TAG [flush|dsync|until-full]
 *					TIMES requests of COUNT sectors, STEP apart;
 *					until-full: prints how many found space
 *	blk discards DEV SECTOR COUNT STEP TIMES [until-full]
 *					TIMES discards of COUNT sectors, STEP apart;
 *					until-full: prints how many found space
 *	blk old-or-new DEV SECTOR COUNT TAG
 *					every block is gold or, whole, of that tag
 *	blk check DEV SECTOR COUNT TAG|gold|zero
 *	blk discard|zeroout DEV SECTOR COUNT
 *	blk flush DEV
 *	blk errno write|read|discard DEV SECTOR COUNT	print the name of the error
 *	blk nowait DEV SECTOR COUNT TAG			write with RWF_NOWAIT, then
 *					without where that says EAGAIN
 *	blk sample-crc DEV		what gold_add wants, as documented in gold.h
 *	blk seal FILE			make the checksum of a 4 KiB metadata block right
 *	blk race MODE DEV BLOCK ROUNDS	see race.c
 *	blk hold DEV			keep it open until stdin ends
 *
 * Exit status: 0, or 1 with the reason on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dev.h"
#include "pattern.h"
#include "race.h"

static uint64_t arg(int argc, char **argv, int i)
{
	if (i >= argc)
		fail("too few arguments; see the head of blk.c");
	return number(argv[i]);
}

static uint8_t *tagged(uint64_t first, uint64_t n, uint64_t op)
{
	uint8_t *buf = dev_buffer(n * SECTOR);

	for (uint64_t i = 0; i < n; i++) {
		struct tag tag = { .thread = THREAD_FIXED, .op = op, .sector = first + i };

		pattern_fill(buf + i * SECTOR, &tag);
	}
	return buf;
}

static void must(int r, const char *what, uint64_t first, uint64_t n)
{
	if (r)
		fail("%s of sectors %" PRIu64 "+%" PRIu64 ": %s", what, first, n, strerror(-r));
}

static void cmd_write(const char *dev, uint64_t first, uint64_t n, uint64_t tag, bool dsync)
{
	int fd = dev_open(dev, O_RDWR | O_DIRECT);

	must(dev_write(fd, tagged(first, n, tag), first, n, dsync), "write", first, n);
	close(fd);
}

static void cmd_each(int argc, char **argv)
{
	uint64_t first = arg(argc, argv, 3), n = arg(argc, argv, 4), step = arg(argc, argv, 5);
	uint64_t times = arg(argc, argv, 6), tag = arg(argc, argv, 7), i;
	const char *how = argc > 8 ? argv[8] : "";
	int fd = dev_open(argv[2], O_RDWR | O_DIRECT);

	for (i = 0; i < times; i++) {
		uint8_t *buf = tagged(first + i * step, n, tag);
		int r = dev_write(fd, buf, first + i * step, n, !strcmp(how, "dsync"));

		if (r == -ENOSPC && !strcmp(how, "until-full"))
			break;
		must(r, "write", first + i * step, n);
		free(buf);
	}
	if (!strcmp(how, "flush") && fdatasync(fd))
		fail("flush: %s", strerror(errno));
	if (!strcmp(how, "until-full"))
		printf("%" PRIu64 "\n", i);
	close(fd);
}

static void cmd_discards(int argc, char **argv)
{
	uint64_t first = arg(argc, argv, 3), n = arg(argc, argv, 4), step = arg(argc, argv, 5);
	uint64_t times = arg(argc, argv, 6), i;
	bool until_full = argc > 7;
	int fd = dev_open(argv[2], O_RDWR | O_DIRECT);

	for (i = 0; i < times; i++) {
		int r = dev_discard(fd, first + i * step, n);

		if (r == -ENOSPC && until_full)
			break;
		must(r, "discard", first + i * step, n);
	}
	if (until_full)
		printf("%" PRIu64 "\n", i);
	close(fd);
}

static void cmd_old_or_new(const char *dev, uint64_t first, uint64_t n, uint64_t op)
{
	int fd = dev_open(dev, O_RDONLY | O_DIRECT);
	uint8_t *buf = dev_buffer(n * SECTOR);
	uint64_t at, i;

	for (at = 0; at < n; at += 2048)
		must(dev_read(fd, buf + at * SECTOR, first + at, n - at < 2048 ? n - at : 2048),
		     "read", first + at, 2048);
	for (at = first; at < first + n; at += 8) {
		uint32_t new = 0, old = 0;

		for (i = at; i < at + 8; i++) {
			struct tag gold = { .thread = THREAD_GOLD, .sector = i };
			struct tag tag = { .thread = THREAD_FIXED, .op = op, .sector = i };

			old += pattern_is(buf + (i - first) * SECTOR, &gold);
			new += pattern_is(buf + (i - first) * SECTOR, &tag);
		}
		if (old != 8 && new != 8)
			fail("block %" PRIu64 ": %u sectors are gold, %u tag %" PRIu64, at / 8, old,
			     new, op);
	}
	close(fd);
}

static void cmd_check(const char *dev, uint64_t first, uint64_t n, const char *what)
{
	struct tag tag = { .thread = THREAD_FIXED };
	bool zero = !strcmp(what, "zero");
	int fd = dev_open(dev, O_RDONLY | O_DIRECT);
	uint64_t at, i, step;
	uint8_t *buf = dev_buffer(2048 * SECTOR);

	if (!strcmp(what, "gold"))
		tag.thread = THREAD_GOLD;
	else if (!zero)
		tag.op = number(what);
	for (at = first; at < first + n; at += step) {
		step = first + n - at < 2048 ? first + n - at : 2048;
		must(dev_read(fd, buf, at, step), "read", at, step);
		for (i = 0; i < step; i++) {
			char have[160];

			tag.sector = at + i;
			if (zero ? pattern_zero(buf + i * SECTOR) :
				   pattern_is(buf + i * SECTOR, &tag))
				continue;
			pattern_describe(buf + i * SECTOR, have, sizeof(have));
			fail("sector %" PRIu64 " (block %" PRIu64 "): want %s, have %s", at + i,
			     (at + i) / 8, what, have);
		}
	}
	close(fd);
}

static void cmd_errno(int argc, char **argv)
{
	uint64_t first = arg(argc, argv, 4), n = arg(argc, argv, 5);
	int fd = dev_open(argv[3], O_RDWR | O_DIRECT), r;

	if (!strcmp(argv[2], "read"))
		r = dev_read(fd, dev_buffer(n * SECTOR), first, n);
	else if (!strcmp(argv[2], "write"))
		r = dev_write(fd, tagged(first, n, 0), first, n, false);
	else if (!strcmp(argv[2], "flush"))
		r = fdatasync(fd) ? -errno : 0;
	else
		r = dev_discard(fd, first, n);
	puts(r ? strerrorname_np(-r) : "OK");
}

static void cmd_nowait(const char *dev, uint64_t first, uint64_t n, uint64_t tag)
{
	int fd = dev_open(dev, O_RDWR | O_DIRECT);
	struct iovec iov = { .iov_base = tagged(first, n, tag), .iov_len = n * SECTOR };
	ssize_t r = pwritev2(fd, &iov, 1, first * SECTOR, RWF_NOWAIT);

	if (r < 0 && errno != EAGAIN && errno != EOPNOTSUPP)
		fail("write that may not wait: %s", strerror(errno));
	/* what was not taken is written the usual way */
	if (r != (ssize_t)iov.iov_len)
		must(dev_write(fd, iov.iov_base, first, n, false), "write", first, n);
	close(fd);
}

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t bytes)
{
	while (bytes--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return crc;
}

/* 64 blocks: the first 16, then evenly spread, the last one being the last. */
static void cmd_sample_crc(const char *dev)
{
	int fd = dev_open(dev, O_RDONLY);
	uint64_t sectors = dev_sectors(fd), blocks = (sectors + 7) / 8, i, blk;
	uint64_t n = blocks < 64 ? blocks : 64;
	uint8_t *buf = dev_buffer(4096);
	uint32_t crc = ~0U;

	for (i = 0; i < n; i++) {
		uint64_t len;

		blk = i;
		if (n == 64 && i >= 16)
			blk = 15 + (blocks - 16) / 48 * (i - 15);
		if (i == n - 1)
			blk = blocks - 1;
		len = sectors - blk * 8 < 8 ? sectors - blk * 8 : 8;
		must(dev_read(fd, buf, blk * 8, len), "read", blk * 8, len);
		crc = crc32c(crc, buf, len * SECTOR);
	}
	printf("%08x\n", crc);
}

static void cmd_seal(const char *path)
{
	uint8_t *buf = dev_buffer(4096);
	int fd = dev_open(path, O_RDWR);
	uint32_t crc;

	must(dev_read(fd, buf, 0, 8), "read", 0, 8);
	crc = crc32c(~0U, buf + 4, 4092);
	for (int i = 0; i < 4; i++)
		buf[i] = crc >> 8 * i;
	must(dev_write(fd, buf, 0, 8, false), "write", 0, 8);
	close(fd);
}

static void cmd_hold(const char *dev)
{
	int fd = dev_open(dev, O_RDONLY);
	char c;

	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	close(fd);
}

int main(int argc, char **argv)
{
	const char *cmd = argc > 2 ? argv[1] : "";
	int fd;

	if (!strcmp(cmd, "write")) {
		cmd_write(argv[2], arg(argc, argv, 3), arg(argc, argv, 4), arg(argc, argv, 5),
			  argc > 6);
	} else if (!strcmp(cmd, "each")) {
		cmd_each(argc, argv);
	} else if (!strcmp(cmd, "discards")) {
		cmd_discards(argc, argv);
	} else if (!strcmp(cmd, "check") && argc > 5) {
		cmd_check(argv[2], arg(argc, argv, 3), arg(argc, argv, 4), argv[5]);
	} else if (!strcmp(cmd, "discard") || !strcmp(cmd, "zeroout")) {
		fd = dev_open(argv[2], O_RDWR | O_DIRECT);
		must(*cmd == 'd' ? dev_discard(fd, arg(argc, argv, 3), arg(argc, argv, 4)) :
				   dev_zeroout(fd, arg(argc, argv, 3), arg(argc, argv, 4)),
		     cmd, number(argv[3]), number(argv[4]));
	} else if (!strcmp(cmd, "flush")) {
		fd = dev_open(argv[2], O_RDWR);
		if (fsync(fd))
			fail("flush: %s", strerror(errno));
	} else if (!strcmp(cmd, "errno") && argc > 5) {
		cmd_errno(argc, argv);
	} else if (!strcmp(cmd, "old-or-new")) {
		cmd_old_or_new(argv[2], arg(argc, argv, 3), arg(argc, argv, 4), arg(argc, argv, 5));
	} else if (!strcmp(cmd, "nowait")) {
		cmd_nowait(argv[2], arg(argc, argv, 3), arg(argc, argv, 4), arg(argc, argv, 5));
	} else if (!strcmp(cmd, "sample-crc")) {
		cmd_sample_crc(argv[2]);
	} else if (!strcmp(cmd, "seal")) {
		cmd_seal(argv[2]);
	} else if (!strcmp(cmd, "race") && argc > 5) {
		return race(argv[2], argv[3], arg(argc, argv, 4), arg(argc, argv, 5));
	} else if (!strcmp(cmd, "hold")) {
		cmd_hold(argv[2]);
	} else {
		fputs("usage: see the head of tests/model/blk.c\n", stderr);
		return 2;
	}
	return 0;
}
