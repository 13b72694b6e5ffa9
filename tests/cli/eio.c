// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded: block $EIO_BLK of every file cannot be read until it is written.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define BLOCK 4096

static int written;

static off64_t bad(void)
{
	const char *blk = getenv("EIO_BLK");

	return blk && !written ? atoll(blk) * BLOCK : -1;
}

ssize_t pread64(int fd, void *buf, size_t bytes, off64_t at)
{
	static ssize_t (*real)(int fd, void *buf, size_t bytes, off64_t at);
	off64_t off = bad();

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	if (off >= at && off - at < (off64_t)bytes) {
		if (off == at) {
			errno = EIO;
			return -1;
		}
		bytes = (size_t)(off - at);
	}
	return real(fd, buf, bytes, at);
}

ssize_t pwrite64(int fd, const void *buf, size_t bytes, off64_t at)
{
	static ssize_t (*real)(int fd, const void *buf, size_t bytes, off64_t at);
	off64_t off = bad();

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	written |= off >= at && off - at < (off64_t)bytes;
	return real(fd, buf, bytes, at);
}
