// SPDX-License-Identifier: GPL-2.0
#include "lib/dev.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/report.h"

/* First line of a small file below /sys, without its end; false: there is none */
static bool read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok;

	if (!f)
		return false;
	ok = fgets(buf, (int)size, f);
	fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok;
}

/* "is mounted on <directory>" of the first mount of the device */
static char *mount_of(dev_t rdev, bool writers)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *user = NULL;
	size_t size = 0;

	while (f && !user && getline(&line, &size, f) > 0) {
		unsigned int maj, min;
		char where[4096];
		char *super;

		if (sscanf(line, "%*s %*s %u:%u %*s %4095s", &maj, &min, where) != 3 ||
		    makedev(maj, min) != rdev)
			continue;
		/* "... - type source options": ro there means that nobody can write */
		super = strstr(line, " - ");
		super = super ? strrchr(super, ' ') : NULL;
		if (writers && (!super || strncmp(super, " rw", 3)))
			continue;
		user = sosnap_printf("is mounted on %s", where);
	}
	free(line);
	if (f)
		fclose(f);
	return user;
}

/* "is part of <device>" of the first device built on it */
static char *holder_of(dev_t rdev)
{
	char path[256], name[256] = "";
	struct dirent *e;
	char *user = NULL;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/holders", major(rdev), minor(rdev));
	d = opendir(path);
	while (d && !user && (e = readdir(d))) {
		char file[sizeof(path) + sizeof(e->d_name) + 16];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s/dm/name", path, e->d_name);
		if (read_line(file, name, sizeof(name)))
			user = sosnap_printf("is used by /dev/mapper/%s", name);
		else
			user = sosnap_printf("is used by /dev/%s", e->d_name);
	}
	if (d)
		closedir(d);
	return user;
}

static char *swap_of(dev_t rdev)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[4096], name[4096];
	char *user = NULL;
	struct stat st;

	while (f && !user && fgets(line, sizeof(line), f))
		if (sscanf(line, "%4095s", name) == 1 && !stat(name, &st) &&
		    S_ISBLK(st.st_mode) && st.st_rdev == rdev)
			user = sosnap_strdup("is used as swap");
	if (f)
		fclose(f);
	return user;
}

/* The first user of a partition of the device */
static char *partition_user(dev_t rdev, bool writers)
{
	char path[256], num[32];
	struct dirent *e;
	char *user = NULL;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	d = opendir(path);
	while (d && !user && (e = readdir(d))) {
		char file[sizeof(path) + sizeof(e->d_name) + 16];
		unsigned int maj, min;

		snprintf(file, sizeof(file), "%s/%s/partition", path, e->d_name);
		if (e->d_name[0] == '.' || access(file, F_OK))
			continue;
		snprintf(file, sizeof(file), "%s/%s/dev", path, e->d_name);
		if (!read_line(file, num, sizeof(num)) ||
		    sscanf(num, "%u:%u", &maj, &min) != 2)
			continue;
		user = mount_of(makedev(maj, min), writers);
		if (!user && !writers)
			user = swap_of(makedev(maj, min)) ?: holder_of(makedev(maj, min));
		if (user) {
			char *text = sosnap_printf("has a partition, %s, that %s", e->d_name,
						   user);

			free(user);
			user = text;
		}
	}
	if (d)
		closedir(d);
	return user;
}

char *sosnap_dev_user(dev_t rdev, bool writers)
{
	char *user = mount_of(rdev, writers);

	if (!user && !writers)
		user = swap_of(rdev) ?: holder_of(rdev);
	return user ?: partition_user(rdev, writers);
}

static void say_open_error(const char *path, int error, bool write)
{
	struct stat st;
	char *user;

	switch (error) {
	case ENOENT:
		sosnap_error("%s does not exist: check the path (lsblk shows the devices there are)",
			     path);
		break;
	case EBUSY:
		user = !stat(path, &st) ? sosnap_dev_user(st.st_rdev, false) : NULL;
		sosnap_error("%s %s: end that use first", path, user ?: "is in use");
		free(user);
		break;
	case EACCES:
	case EPERM:
		if (!write || geteuid()) {
			sosnap_error("%s may not be %s: try it as root", path,
				     write ? "written" : "read");
			break;
		}
		/* root is refused by what cannot be written at all */
		fallthrough;
	case EROFS:
		sosnap_error("%s is read-only: make it writable (blockdev --setrw) or use another device",
			     path);
		break;
	default:
		sosnap_error("%s cannot be opened: %s", path, strerror(error));
	}
}

/* On some devices only the first write would tell */
static bool write_protected(const struct sosnap_dev *dev)
{
	int ro = 0;

	return dev->rdev && !ioctl(dev->fd, BLKROGET, &ro) && ro;
}

static int check_type(const char *path, mode_t mode, unsigned int flags)
{
	if (S_ISBLK(mode) || (S_ISREG(mode) && (flags & SOSNAP_DEV_FILE)))
		return 0;
	if (S_ISREG(mode))
		sosnap_error("%s is a regular file: attach it by 'losetup --find --show %s' and give the loop device",
			     path, path);
	else
		sosnap_error("%s is not a block device", path);
	return -ENOTBLK;
}

int sosnap_dev_open(struct sosnap_dev *dev, const char *path, unsigned int flags)
{
	int mode = O_CLOEXEC | ((flags & SOSNAP_DEV_WRITE) ? O_RDWR : O_RDONLY);
	struct stat st;
	off_t end;
	int r;

	memset(dev, 0, sizeof(*dev));
	dev->path = path;
	dev->fd = -1;
	if (stat(path, &st)) {
		r = errno;
		say_open_error(path, r, false);
		return -r;
	}
	r = check_type(path, st.st_mode, flags);
	if (r)
		return r;
	if (S_ISBLK(st.st_mode)) {
		dev->rdev = st.st_rdev;
		/* on a block device O_EXCL means: nobody else may claim it */
		if (flags & SOSNAP_DEV_EXCLUSIVE)
			mode |= O_EXCL;
	}
	dev->fd = open(path, mode);
	if (dev->fd < 0) {
		r = errno;
		say_open_error(path, r, flags & SOSNAP_DEV_WRITE);
		return -r;
	}
	if ((flags & SOSNAP_DEV_WRITE) && write_protected(dev)) {
		say_open_error(path, EROFS, true);
		sosnap_dev_close(dev);
		return -EROFS;
	}
	end = lseek(dev->fd, 0, SEEK_END);
	if (end < 0) {
		r = errno;
		sosnap_error("%s does not tell its size: %s", path, strerror(r));
		sosnap_dev_close(dev);
		return -r;
	}
	dev->bytes = (u64)end;
	if (dev->rdev)
		posix_fadvise(dev->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}

void sosnap_dev_close(struct sosnap_dev *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

int sosnap_dev_read(int fd, void *data, size_t bytes, u64 offset)
{
	while (bytes) {
		ssize_t n = pread(fd, data, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -EIO;
		data = (char *)data + n;
		bytes -= (size_t)n;
		offset += (u64)n;
	}
	return 0;
}
