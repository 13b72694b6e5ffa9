// SPDX-License-Identifier: GPL-2.0
/*
 * nomem - one system call, over and over, each time with another allocation failing.
 *
 *	nomem [-a] [-l N] UNDO module FILE	load a module
 *	nomem [-a] [-l N] UNDO table NAME SECTORS TARGET ARGS	load a table into a dm device
 *	nomem [-a] [-l N] UNDO message NAME MESSAGE	send a message to a dm device
 *	nomem [-a] [-l N] UNDO suspend|resume NAME
 *	nomem [-a] [-l N] UNDO read|write|dsync|discard DEV SECTOR COUNT STEP
 *						the next time STEP further on
 *
 * The kernel's /proc/thread-self/fail-nth makes the first allocation of the call
 * fail, then the second, and so on, until a run gets by without one. That run
 * has to succeed; the others may do either. UNDO is run after each call that has
 * succeeded; with -a after each: what a call that fails has done half-way would spare the
 * next one the allocations that come first. It is a shell command, or begins with @ and
 * has steps that start no process, with semicolons between them:
 *	clear NAME		the table that is loaded
 *	message NAME MESSAGE
 *	copy FROM TO		the first 1028 KiB of a device
 * With -l only the last N allocations of the call are tried: those before are somebody
 * else's.
 *
 * Prints "<faults> <calls that succeeded all the same> <errors>". Exit status: 0,
 * 1 with the reason on stderr, 4 when the kernel has no fault injection.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dev.h"
#include "pattern.h"

#define MOST	20000U

struct call {
	struct dm_ioctl h;
	union {
		struct dm_target_spec spec;
		struct dm_target_msg msg;
		char room[4096];
	} u;
};

static int control;

static int dm(unsigned long request, const char *name, uint32_t flags, struct call *c,
	      size_t bytes)
{
	c->h.version[0] = DM_VERSION_MAJOR;
	c->h.data_size = sizeof(*c);
	c->h.data_start = offsetof(struct call, u);
	c->h.flags = flags;
	c->h.target_count = bytes ? 1 : 0;
	snprintf(c->h.name, sizeof(c->h.name), "%s", name);
	return ioctl(control, request, c);
}

static void words(char *to, const char *from)
{
	if (strlen(from) > 2048)
		fail("too long: %s", from);
	strcpy(to, from);
}

struct job {
	char **argv;
	int fd;
	uint64_t sector;
	uint8_t *buf;
	struct call c;
};

static int fd_of(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	return fd;
}

/* Whatever is not the call itself is done here, before. */
static void prepare(struct job *j)
{
	char **a = j->argv;

	memset(&j->c, 0, sizeof(j->c));
	if (!strcmp(a[0], "table")) {
		j->c.u.spec.length = number(a[2]);
		snprintf(j->c.u.spec.target_type, sizeof(j->c.u.spec.target_type), "%s", a[3]);
		words((char *)(&j->c.u.spec + 1), a[4]);
	} else if (!strcmp(a[0], "message")) {
		words(j->c.u.msg.message, a[2]);
	}
}

static int once(struct job *j)
{
	char **a = j->argv;
	size_t bytes;

	if (!strcmp(a[0], "module"))
		return syscall(SYS_finit_module, j->fd, "", 0);
	if (!strcmp(a[0], "table"))
		return dm(DM_TABLE_LOAD, a[1], 0, &j->c, 1);
	if (!strcmp(a[0], "message"))
		return dm(DM_TARGET_MSG, a[1], 0, &j->c, 0);
	if (!strcmp(a[0], "suspend"))
		return dm(DM_DEV_SUSPEND, a[1], DM_SUSPEND_FLAG, &j->c, 0);
	if (!strcmp(a[0], "resume"))
		return dm(DM_DEV_SUSPEND, a[1], 0, &j->c, 0);
	bytes = number(a[3]) * SECTOR;
	if (!strcmp(a[0], "discard")) {
		uint64_t range[2] = { j->sector * SECTOR, bytes };

		return ioctl(j->fd, BLKDISCARD, range);
	}
	if (!strcmp(a[0], "read"))
		return pread(j->fd, j->buf, bytes, j->sector * SECTOR) == (ssize_t)bytes ? 0 : -1;
	return pwrite(j->fd, j->buf, bytes, j->sector * SECTOR) == (ssize_t)bytes ? 0 : -1;
}

/* Reading and writing: five words, and each time at another place. */
static bool moves(char **a)
{
	return !strcmp(a[0], "read") || !strcmp(a[0], "write") || !strcmp(a[0], "dsync") ||
	       !strcmp(a[0], "discard");
}

static void open_all(struct job *j)
{
	char **a = j->argv;

	j->fd = -1;
	if (!strcmp(a[0], "module")) {
		j->fd = fd_of(a[1], O_RDONLY);
	} else if (moves(a)) {
		j->fd = fd_of(a[1], O_RDWR | O_DIRECT | (!strcmp(a[0], "dsync") ? O_DSYNC : 0));
		j->sector = number(a[2]);
		j->buf = dev_buffer(number(a[3]) * SECTOR);
		memset(j->buf, 0x5a, number(a[3]) * SECTOR);
	} else {
		control = fd_of("/dev/mapper/control", O_RDWR);
	}
}

/* Return: the error of the call; set hit if an allocation was made to fail. */
static int with_fault(struct job *j, int nth, unsigned int n, bool *hit)
{
	char text[16] = "";
	int r, error;

	prepare(j);
	if (dprintf(nth, "%u", n) < 0)
		fail("fail-nth: %s", strerror(errno));
	r = once(j);
	error = r ? errno : 0;
	if (pread(nth, text, sizeof(text) - 1, 0) < 0)
		fail("fail-nth: %s", strerror(errno));
	*hit = !atoi(text);
	if (!*hit)
		dprintf(nth, "0");
	return error;
}

static int copy(const char *from, const char *to)
{
	const uint64_t sectors = 1028 * 1024 / SECTOR;
	int in = dev_open(from, O_RDONLY | O_DIRECT);
	int out = dev_open(to, O_RDWR | O_DIRECT), r;
	void *buf = dev_buffer(sectors * SECTOR);

	r = dev_read(in, buf, 0, sectors);
	if (!r)
		r = dev_write(out, buf, 0, sectors, false);
	free(buf);
	close(in);
	close(out);
	return r;
}

static int step(const char *text)
{
	static struct call c;
	char what[16], name[128];
	int rest = 0;

	memset(&c, 0, sizeof(c));
	if (sscanf(text, "%15s %127s %n", what, name, &rest) != 2)
		return -1;
	if (!strcmp(what, "clear"))
		return dm(DM_TABLE_CLEAR, name, 0, &c, 0);
	if (!strcmp(what, "copy"))
		return copy(name, text + rest);
	if (strcmp(what, "message"))
		return -1;
	words(c.u.msg.message, text + rest);
	return dm(DM_TARGET_MSG, name, 0, &c, 0);
}

static void undo(const char *command, unsigned int n)
{
	char steps[1024], *next = steps, *text;

	if (*command != '@') {
		if (system(command))
			fail("fault %u: %s has failed", n, command);
		return;
	}
	if ((size_t)snprintf(steps, sizeof(steps), "%s", command + 1) >= sizeof(steps))
		fail("too long: %s", command);
	while (*steps && (text = strsep(&next, ";")))
		if (step(text))
			fail("fault %u: %s: %s", n, text, strerror(errno));
}

static bool hits(struct job *j, int nth, const char *command, unsigned int n)
{
	bool hit;

	if (!with_fault(j, nth, n, &hit))
		undo(command, n);
	return hit;
}

/* Where the last so many allocations of a call begin. */
static unsigned int first_of_last(struct job *j, int nth, const char *command, unsigned int last)
{
	unsigned int most = 1, least, n;

	while (most < MOST && hits(j, nth, command, most))
		most *= 2;
	for (least = most / 2; most - least > 1; ) {
		n = least + (most - least) / 2;
		if (hits(j, nth, command, n))
			least = n;
		else
			most = n;
	}
	return least > last ? least - last + 1 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
	} kinds[] = {
		{ "module", 2 }, { "table", 5 }, { "message", 3 }, { "suspend", 2 },
		{ "resume", 2 }, { "read", 5 }, { "write", 5 }, { "dsync", 5 },
		{ "discard", 5 },
	};
	bool always = argc > 1 && !strcmp(argv[1], "-a");
	unsigned int n, first = 1, last = 0, ok = 0, seen[256] = { 0 };
	struct job j = { 0 };
	bool known = false, hit = true;
	int nth, error = 0;

	argv += always;
	argc -= always;
	if (argc > 3 && !strcmp(argv[1], "-l")) {
		last = number(argv[2]);
		argv += 2;
		argc -= 2;
	}
	j.argv = argv + 2;
	for (n = 0; argc > 2 && n < sizeof(kinds) / sizeof(kinds[0]); n++)
		known |= !strcmp(argv[2], kinds[n].name) && argc == kinds[n].args + 2;
	if (!known)
		fail("see the head of nomem.c");
	nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (nth < 0)
		return 4;
	open_all(&j);
	if (last)
		first = first_of_last(&j, nth, argv[1], last);
	for (n = first; n < MOST; n++) {
		error = with_fault(&j, nth, n, &hit);
		seen[error & 255]++;
		ok += !error && hit;
		if (!error || always)
			undo(argv[1], n);
		if (!hit)
			break;
		if (moves(argv + 2))
			j.sector += number(argv[6]);
	}
	if (hit)
		fail("%u faults, and still no end", n);
	if (error)
		fail("without a fault, after %u: %s", n - 1, strerror(error));
	printf("%u %u", n - first, ok);
	for (error = 1; error < 256; error++)
		if (seen[error])
			printf(" %s=%u", strerrorname_np(error), seen[error]);
	putchar('\n');
	return 0;
}
