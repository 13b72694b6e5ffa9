// SPDX-License-Identifier: GPL-2.0
#include "lib/blocks.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/dm.h"
#include "lib/report.h"
#include "uapi.h"

#define SYS_BLOCK "/sys/class/block"

/* An attribute of a device, "" when there is none */
static void attribute(const char *name, const char *attr, char *buf, size_t size)
{
	char path[512];
	FILE *f;

	buf[0] = 0;
	snprintf(path, sizeof(path), SYS_BLOCK "/%s/%s", name, attr);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(buf, (int)size, f))
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

/* A store or snapshot; one that was made by hand has no UUID but our target */
static bool is_ours(const char *name)
{
	char *type = NULL, *params = NULL;
	char text[256];
	bool ours;

	attribute(name, "dm/uuid", text, sizeof(text));
	if (text[0])
		return !strncmp(text, SOSNAP_DM_UUID_PREFIX, strlen(SOSNAP_DM_UUID_PREFIX));
	attribute(name, "dm/name", text, sizeof(text));
	if (!text[0] || sosnap_dm_table(text, &type, &params))
		return false;
	ours = !strcmp(type, SOSNAP_TARGET_SNAPSHOT) || !strcmp(type, SOSNAP_TARGET_STORE);
	free(type);
	free(params);
	return ours;
}

/* Whether any device below it is ours: what it holds can change with a snapshot */
static bool on_ours(const char *name, int depth)
{
	char path[512];
	bool found = false;
	struct dirent *e;
	DIR *d;

	if (is_ours(name) || depth > 8)
		return true;
	snprintf(path, sizeof(path), SYS_BLOCK "/%s/slaves", name);
	d = opendir(path);
	while (d && !found && (e = readdir(d)))
		found = e->d_name[0] != '.' && on_ours(e->d_name, depth + 1);
	if (d)
		closedir(d);
	return found;
}

static void look_at_holders(const char *name, struct sosnap_block *b)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), SYS_BLOCK "/%s/holders", name);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (is_ours(e->d_name))
			b->ours = true;
		else
			b->held = true;
	}
	if (d)
		closedir(d);
}

/* Its place below /dev */
static void node_path(const char *name, char *path, size_t size)
{
	char dm[256];

	attribute(name, "dm/name", dm, sizeof(dm));
	if (dm[0])
		snprintf(path, size, "/dev/mapper/%s", dm);
	else
		snprintf(path, size, "/dev/%s", name);
	for (char *p = path; *p; p++)	/* sysfs has cciss!c0d0 */
		if (*p == '!')
			*p = '/';
}

/* Whether the device is one to look at; fills @b */
static bool describe(const char *name, struct sosnap_block *b)
{
	unsigned int maj, min;
	char text[256], path[512];
	struct stat st;

	memset(b, 0, sizeof(*b));
	attribute(name, "size", text, sizeof(text));
	b->sectors = strtoull(text, NULL, 10);
	attribute(name, "dev", text, sizeof(text));
	if (!b->sectors || sscanf(text, "%u:%u", &maj, &min) != 2 ||
	    on_ours(name, 0))
		return false;
	b->rdev = makedev(maj, min);
	snprintf(path, sizeof(path), SYS_BLOCK "/%s/partition", name);
	b->partition = !access(path, F_OK);

	node_path(name, b->path, sizeof(b->path));
	if (stat(b->path, &st) || !S_ISBLK(st.st_mode) || st.st_rdev != b->rdev)
		return false;
	look_at_holders(name, b);
	return true;
}

static int by_path(const void *a, const void *b)
{
	return strverscmp(((const struct sosnap_block *)a)->path,
			  ((const struct sosnap_block *)b)->path);
}

int sosnap_blocks_get(struct sosnap_block **blocks, size_t *nr)
{
	size_t room = 0;
	struct dirent *e;
	DIR *d = opendir(SYS_BLOCK);

	*blocks = NULL;
	*nr = 0;
	if (!d) {
		sosnap_error("the list of block devices cannot be read: " SYS_BLOCK ": %s",
			     strerror(errno));
		return -errno;
	}
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (*nr == room) {
			room = room ? room * 2 : 32;
			*blocks = reallocarray(*blocks, room, sizeof(**blocks));
			if (!*blocks)
				sosnap_die_memory();
		}
		if (describe(e->d_name, &(*blocks)[*nr]))
			++*nr;
	}
	closedir(d);
	if (*nr)
		qsort(*blocks, *nr, sizeof(**blocks), by_path);
	return 0;
}

void sosnap_blocks_path(const char *number, char *path, size_t size)
{
	char link[64], target[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/sys/dev/block/%.32s", number);
	n = readlink(link, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = 0;
		node_path(strrchr(target, '/') ? strrchr(target, '/') + 1 : target, path, size);
	} else {
		strscpy(path, number, size);
	}
}
