// SPDX-License-Identifier: GPL-2.0
#include "lib/backing.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/dm.h"
#include "lib/report.h"

extern char **environ;

static int fail(char *why, size_t bytes, int error, const char *what, const char *name)
{
	snprintf(why, bytes, "%s %s: %s", what, name, strerror(-error));
	return error;
}

/* The file's name may lead elsewhere by now: it is the same file only by its number */
static int open_file(int loop, unsigned int number, char *why, size_t bytes)
{
	char sys[64], name[4096];
	struct loop_info64 info;
	struct stat st;
	ssize_t n;
	int fd, r;

	if (ioctl(loop, LOOP_GET_STATUS64, &info))
		return fail(why, bytes, -errno, "the file of the loop device", "is not known");
	snprintf(sys, sizeof(sys), "/sys/block/loop%u/loop/backing_file", number);
	fd = open(sys, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(why, bytes, -errno, "cannot read", sys);
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	if (n <= 0)
		return fail(why, bytes, -EIO, "cannot read", sys);
	name[n] = 0;
	name[strcspn(name, "\n")] = 0;
	fd = open(name, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(why, bytes, -errno, "cannot open", name);
	r = fstat(fd, &st) ? -errno : 0;
	if (!r && (!S_ISREG(st.st_mode) || st.st_dev != info.lo_device ||
		   st.st_ino != info.lo_inode))
		r = -ESTALE;
	if (r) {
		close(fd);
		return fail(why, bytes, r, "this is not the file of the loop device:", name);
	}
	return fd;
}

static int grow_loop(int loop, unsigned int number, u64 size, char *why, size_t bytes)
{
	struct stat st;
	int fd = open_file(loop, number, why, bytes), r = 0;

	if (fd < 0)
		return fd;
	/* one that is longer already was left so by a kill, or by its owner */
	if (fstat(fd, &st) || ((u64)st.st_size < size && ftruncate(fd, size)))
		r = fail(why, bytes, -errno, "cannot make the file larger of", "the loop device");
	close(fd);
	if (!r && ioctl(loop, LOOP_SET_CAPACITY))
		r = fail(why, bytes, -errno, "cannot make larger", "the loop device");
	return r;
}

static int grow_lvm(const char *path, u64 size, char *why, size_t bytes)
{
	char *bytes_arg = sosnap_printf("%llub", (unsigned long long)size);
	char *argv[] = { (char *)"lvextend", (char *)"--yes", (char *)"--size", bytes_arg,
			 (char *)path, NULL };
	posix_spawn_file_actions_t actions;
	int status = 0, r;
	pid_t pid;

	/* libdevmapper's descriptor is open over exec, and lvextend complains of it */
	r = -posix_spawn_file_actions_init(&actions);
	if (!r) {
		r = -posix_spawn_file_actions_addclosefrom_np(&actions, 3) ?:
		    -posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	free(bytes_arg);
	if (r)
		return fail(why, bytes, r, "cannot run", "lvextend");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		snprintf(why, bytes, "lvextend has failed, see above");
		return -EIO;
	}
	return 0;
}

int sosnap_backing_grow(const char *path, u64 bytes, char *why, size_t why_bytes)
{
	struct sosnap_dm_dev dev;
	struct stat st;
	int fd, r = -ENOTSUP;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		r = fail(why, why_bytes, -errno, "cannot open", path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	snprintf(why, why_bytes, "it is neither an LVM volume nor a loop device");
	if (major(st.st_rdev) == LOOP_MAJOR)
		r = grow_loop(fd, minor(st.st_rdev), bytes, why, why_bytes);
	else if (!strncmp(path, "/dev/mapper/", 12) && !sosnap_dm_find(path + 12, NULL, &dev) &&
		 dev.exists && !strncmp(dev.uuid, "LVM-", 4))
		r = grow_lvm(path, bytes, why, why_bytes);
	close(fd);
	return r;
}
