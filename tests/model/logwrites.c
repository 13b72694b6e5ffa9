// SPDX-License-Identifier: GPL-2.0
/*
 * logwrites - what a power cut may leave of a device, made from the log that
 * dm-log-writes took of all writes to it.
 *
 *	logwrites list LOG
 *		count what is in the log
 *	logwrites replay LOG BASE DEV --boundary N [--seed N] [--no-flush]
 *		make DEV what it was after boundary N: BASE, then the log
 *
 * A boundary is an entry of the log that was a flush or a FUA write; boundary 0
 * is the state before all entries, which is BASE.
 *
 * Without --seed, DEV gets all entries up to the boundary. With it, power fails
 * between this boundary and the next one: every sector that was written since
 * the last flush and without FUA is or is not there, by whole writes or torn, as
 * the seed says. What was discarded reads as junk.
 *
 * --no-flush plants a fault that has to be found: flushes have no effect. (It
 * goes with --seed.)
 *
 * The format of the log is in the kernel's Documentation/admin-guide/
 * device-mapper/log-writes.rst and drivers/md/dm-log-writes.c: the super in the
 * first sector, then each entry in a sector of its own, followed by its data.
 */
#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dev.h"
#include "pattern.h"

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_VERSION	1ULL
#define ENTRY_FLUSH	1ULL
#define ENTRY_FUA	2ULL
#define ENTRY_DISCARD	4ULL
#define COPY_SECTORS	2048U
#define JUNK		0xdb

struct disk_super {
	uint64_t magic;
	uint64_t version;
	uint64_t nr_entries;
	uint32_t sector_size;
};

struct disk_entry {
	uint64_t sector;
	uint64_t nr_sectors;
	uint64_t flags;
	uint64_t data_len;
};

/* One entry; sectors are those of 512 bytes. */
struct entry {
	uint64_t flags;
	uint64_t first;
	uint64_t sectors;
	uint64_t data;		/* where in the log */
	uint64_t boundary;	/* how many there are up to here */
};

struct log {
	int fd;
	struct entry *entry;
	uint64_t nr;
	uint64_t boundaries;
};

static bool is_boundary(const struct entry *e)
{
	return e->flags & (ENTRY_FLUSH | ENTRY_FUA);
}

static void log_open(struct log *log, const char *path)
{
	uint8_t *buf = dev_buffer(4096);
	struct disk_super super;
	uint64_t at, i, scale, end;

	log->fd = dev_open(path, O_RDONLY | O_DIRECT);
	end = dev_sectors(log->fd);
	if (dev_read(log->fd, buf, 0, 1))
		fail("%s: cannot be read", path);
	memcpy(&super, buf, sizeof(super));
	scale = le32toh(super.sector_size) / SECTOR;
	if (le64toh(super.magic) != LOG_MAGIC || le64toh(super.version) != LOG_VERSION || !scale)
		fail("%s: holds no log of dm-log-writes", path);
	log->nr = le64toh(super.nr_entries);
	log->entry = calloc(log->nr + 1, sizeof(*log->entry));
	log->boundaries = 0;
	if (!log->entry)
		fail("out of memory");
	for (i = 0, at = scale; i < log->nr; i++) {
		struct entry *e = &log->entry[i];
		struct disk_entry d;

		if (at >= end || dev_read(log->fd, buf, at, 1))
			fail("%s: entry %" PRIu64 " cannot be read", path, i);
		memcpy(&d, buf, sizeof(d));
		e->flags = le64toh(d.flags);
		e->first = le64toh(d.sector) * scale;
		e->sectors = le64toh(d.nr_sectors) * scale;
		e->data = at + scale;
		log->boundaries += is_boundary(e);
		e->boundary = log->boundaries;
		at = e->data + (e->flags & ENTRY_DISCARD ? 0 : e->sectors);
	}
	free(buf);
}

static void cmd_list(const char *path)
{
	uint64_t i, writes = 0, discards = 0, sectors = 0;
	struct log log;

	log_open(&log, path);
	for (i = 0; i < log.nr; i++) {
		const struct entry *e = &log.entry[i];

		if (e->flags & ENTRY_DISCARD) {
			discards++;
		} else if (e->sectors) {
			writes++;
			sectors += e->sectors;
		}
	}
	printf("boundaries=%" PRIu64 " writes=%" PRIu64 " KiB=%" PRIu64 " discards=%" PRIu64 "\n",
	       log.boundaries, writes, sectors / 2, discards);
}

/* The device that is being made; written to at the end. */
struct image {
	uint8_t *data;
	uint64_t sectors;
};

static void image_open(struct image *im, const char *path)
{
	int fd = dev_open(path, O_RDONLY);
	uint64_t at, n;

	im->sectors = dev_sectors(fd);
	im->data = dev_buffer(im->sectors * SECTOR);
	for (at = 0; at < im->sectors; at += n) {
		n = im->sectors - at < COPY_SECTORS ? im->sectors - at : COPY_SECTORS;
		if (dev_read(fd, im->data + at * SECTOR, at, n))
			fail("%s: cannot be read", path);
	}
	close(fd);
}

static void image_write(const struct image *im, const char *path)
{
	int fd = dev_open(path, O_WRONLY | O_DIRECT);
	uint64_t at, n;

	for (at = 0; at < im->sectors; at += n) {
		n = im->sectors - at < COPY_SECTORS ? im->sectors - at : COPY_SECTORS;
		if (dev_write(fd, im->data + at * SECTOR, at, n, false))
			fail("%s: cannot be written", path);
	}
	close(fd);
}

enum fate { ALL, BY_WRITE, BY_SECTOR };

static uint64_t random64(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void apply(const struct log *log, const struct entry *e, struct image *im, enum fate fate,
		  uint64_t *seed)
{
	uint8_t *buf;
	uint64_t i;

	if (!e->sectors || (fate == BY_WRITE && random64(seed) & 1))
		return;
	if (e->first > im->sectors || e->sectors > im->sectors - e->first)
		fail("sectors %" PRIu64 "+%" PRIu64 " are outside of the device", e->first,
		     e->sectors);
	buf = dev_buffer(e->sectors * SECTOR);
	if (e->flags & ENTRY_DISCARD)
		memset(buf, JUNK, e->sectors * SECTOR);
	else if (dev_read(log->fd, buf, e->data, e->sectors))
		fail("the log cannot be read");
	for (i = 0; i < e->sectors; i++)
		if (fate != BY_SECTOR || random64(seed) & 1)
			memcpy(im->data + (e->first + i) * SECTOR, buf + i * SECTOR, SECTOR);
	free(buf);
}

/* Index of an entry that is boundary number n; the number of entries if there is none. */
static uint64_t boundary_at(const struct log *log, uint64_t n)
{
	uint64_t i;

	for (i = 0; i < log->nr; i++)
		if (is_boundary(&log->entry[i]) && log->entry[i].boundary == n)
			break;
	return i;
}

/* The state at a boundary: all entries up to it, none after it. */
static void replay_prefix(const struct log *log, struct image *im, uint64_t boundary)
{
	uint64_t i, end = boundary ? boundary_at(log, boundary) + 1 : 0, unused = 0;

	for (i = 0; i < end; i++)
		apply(log, &log->entry[i], im, ALL, &unused);
}

/*
 * A power cut between a boundary and the next one. Stable is all up to the last
 * flush, and FUA writes after it. A flush that carries data writes it after
 * flushing, so where some of its data is there, everything before it is.
 */
static void replay_cut(const struct log *log, struct image *im, uint64_t boundary, uint64_t seed,
		       bool no_flush)
{
	enum fate fate = random64(&seed) & 1 ? BY_WRITE : BY_SECTOR;
	uint64_t i, stable = 0, next = boundary_at(log, boundary + 1);
	bool begun = next < log->nr && random64(&seed) % 4 == 0;

	for (i = 0; i < next && !no_flush; i++)
		if (log->entry[i].flags & ENTRY_FLUSH)
			stable = i + 1;
	if (begun && log->entry[next].flags & ENTRY_FLUSH && !no_flush)
		stable = next;
	for (i = 0; i < next; i++) {
		const struct entry *e = &log->entry[i];

		apply(log, e, im, i < stable || e->flags & ENTRY_FUA ? ALL : fate, &seed);
	}
	if (begun)
		apply(log, &log->entry[next], im, BY_SECTOR, &seed);
}

static void cmd_replay(int argc, char **argv)
{
	uint64_t boundary = 0, seed = 0;
	bool no_flush = false;
	struct image im;
	struct log log;
	int i;

	for (i = 5; i < argc; i++) {
		if (!strcmp(argv[i], "--no-flush"))
			no_flush = true;
		else if (!strcmp(argv[i], "--boundary") && i + 1 < argc)
			boundary = number(argv[++i]);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = number(argv[++i]);
		else
			fail("what is %s?", argv[i]);
	}
	log_open(&log, argv[2]);
	if (boundary > log.boundaries)
		fail("there are %" PRIu64 " boundaries", log.boundaries);
	image_open(&im, argv[3]);
	if (seed)
		replay_cut(&log, &im, boundary, seed, no_flush);
	else
		replay_prefix(&log, &im, boundary);
	image_write(&im, argv[4]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "list")) {
		cmd_list(argv[2]);
	} else if (argc > 5 && !strcmp(argv[1], "replay")) {
		cmd_replay(argc, argv);
	} else {
		fputs("usage: see the head of tests/model/logwrites.c\n", stderr);
		return 2;
	}
	return 0;
}
