// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dev.h"
#include "pattern.h"

/* Say why, and end the program as a failed test. */
void fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("FAIL: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

uint64_t number(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	if (!*s || *end)
		fail("'%s' is no number", s);
	return v;
}

int dev_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail("cannot open %s: %s", path, strerror(errno));
	return fd;
}

/* Size of a device or file. */
uint64_t dev_sectors(int fd)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st))
		fail("fstat: %s", strerror(errno));
	if (S_ISREG(st.st_mode))
		return st.st_size / SECTOR;
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		fail("BLKGETSIZE64: %s", strerror(errno));
	return bytes / SECTOR;
}

void *dev_buffer(size_t bytes)
{
	void *p;

	if (posix_memalign(&p, 4096, bytes))
		fail("out of memory");
	memset(p, 0, bytes);
	return p;
}

static int whole(ssize_t n, uint64_t sectors)
{
	if (n < 0)
		return -errno;
	return (uint64_t)n == sectors * SECTOR ? 0 : -ENODATA;
}

/* One request; dsync: durable when it returns. Return: 0 or -errno. */
int dev_write(int fd, const void *buf, uint64_t first, uint64_t sectors, bool dsync)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = sectors * SECTOR };

	return whole(pwritev2(fd, &iov, 1, first * SECTOR, dsync ? RWF_DSYNC : 0), sectors);
}

int dev_read(int fd, void *buf, uint64_t first, uint64_t sectors)
{
	return whole(pread(fd, buf, sectors * SECTOR, first * SECTOR), sectors);
}

static int range_ioctl(int fd, unsigned long what, uint64_t first, uint64_t sectors)
{
	uint64_t range[2] = { first * SECTOR, sectors * SECTOR };

	return ioctl(fd, what, range) ? -errno : 0;
}

int dev_discard(int fd, uint64_t first, uint64_t sectors)
{
	return range_ioctl(fd, BLKDISCARD, first, sectors);
}

int dev_zeroout(int fd, uint64_t first, uint64_t sectors)
{
	return range_ioctl(fd, BLKZEROOUT, first, sectors);
}
