// SPDX-License-Identifier: GPL-2.0
/*
 * After a crash: what may a sector hold?
 *
 * Its version from the last operation of its owner that was durable, or any
 * later one that the owner had started. The operations are made again from the
 * seed; the log says which were durable and which can have been started.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dev.h"
#include "model.h"

#define SCAN_SECTORS	1024U
#define SHOWN		10U
#define GARBAGE		(~0ULL)

struct progress {
	struct log_run run;
	uint64_t limit[OPS_MAX_THREADS];
	uint64_t durable[OPS_MAX_THREADS];
};

static void log_read(struct progress *p, const char *path)
{
	uint8_t *page = dev_buffer(LOG_PAGE);
	int fd = dev_open(path, O_RDONLY | O_DIRECT);
	uint64_t newest;
	uint32_t t, i, k;

	if (dev_read(fd, page, 0, LOG_PAGE / SECTOR))
		fail("%s: cannot be read", path);
	memcpy(&p->run, page, sizeof(p->run));
	if (p->run.magic != LOG_MAGIC || p->run.threads > OPS_MAX_THREADS ||
	    p->run.crc != log_sum(page, offsetof(struct log_run, crc)))
		fail("%s: holds no log of a run", path);
	for (t = 0; t < p->run.threads; t++) {
		newest = 0;
		for (k = 0; k < 2; k++) {
			struct log_thread l;

			if (dev_read(fd, page, (1 + 2 * t + k) * (LOG_PAGE / SECTOR),
				     LOG_PAGE / SECTOR))
				fail("%s: cannot be read", path);
			memcpy(&l, page, sizeof(l));
			if (l.magic != LOG_MAGIC || l.run != p->run.seed + p->run.epoch ||
			    l.crc != log_sum(&l, offsetof(struct log_thread, crc)))
				continue;
			if (l.seq > newest) {
				newest = l.seq;
				p->limit[t] = l.limit;
			}
			for (i = 0; i < p->run.threads; i++)
				if (l.durable[i] > p->durable[i])
					p->durable[i] = l.durable[i];
		}
	}
	free(page);
}

/* The version that each sector of the device has. */
static void scan(const struct model *m, int fd, uint64_t *found)
{
	uint8_t *buf = dev_buffer(SCAN_SECTORS * SECTOR);
	uint64_t at, i, n;

	for (at = 0; at < m->h.sectors; at += n) {
		n = m->h.sectors - at < SCAN_SECTORS ? m->h.sectors - at : SCAN_SECTORS;
		if (dev_read(fd, buf, at, n))
			fail("reading sectors %" PRIu64 "+%" PRIu64, at, n);
		for (i = 0; i < n; i++) {
			uint64_t v = GARBAGE;
			struct tag tag;

			switch (pattern_read(buf + i * SECTOR, &tag)) {
			case CONTENT_ZERO:
				v = VERSION_ZERO;
				break;
			case CONTENT_TAG:
				if (tag.sector != at + i)
					break;
				if (tag.thread == THREAD_GOLD)
					v = VERSION_GOLD;
				else if (tag.seed == m->h.seed)
					v = version_of(tag.epoch, tag.thread, tag.op);
				break;
			default:
				break;
			}
			found[at + i] = v;
		}
	}
	free(buf);
}

static uint64_t op_version(const struct log_run *run, const struct op *op, uint32_t t, uint64_t n)
{
	return op->kind == OP_WRITE ? version_of(run->epoch, t, n) : VERSION_ZERO;
}

/* First what is durable goes into the model, then what may be is ticked off. */
static void replay(struct model *m, const struct progress *p, const uint64_t *found, uint8_t *fine)
{
	const struct log_run *run = &p->run;
	uint64_t n, s;
	uint32_t t;

	for (t = 0; t < run->threads; t++) {
		struct ops o;
		struct op op;

		ops_init(&o, run->seed, run->epoch, t, run->threads, run->sectors);
		for (n = 0; n < p->limit[t]; n++) {
			uint64_t v;

			ops_next(&o, &op);
			if (!op_changes(&op))
				continue;
			v = op_version(run, &op, t, n);
			for (s = op.first; s < op.first + op.sectors; s++) {
				if (n < p->durable[t])
					m->version[s] = v;
				else if (found[s] == v)
					fine[s] = 1;
			}
		}
	}
}

static void describe(const struct model *m, uint64_t v, char *out, size_t bytes)
{
	struct tag tag;

	if (v == VERSION_GOLD) {
		snprintf(out, bytes, "gold");
	} else if (v == VERSION_ZERO) {
		snprintf(out, bytes, "zeros");
	} else if (v == GARBAGE) {
		snprintf(out, bytes, "garbage, or another sector");
	} else {
		version_tag(m, v, 0, &tag);
		snprintf(out, bytes, "epoch %u thread %u op %" PRIu64, tag.epoch, tag.thread, tag.op);
	}
}

/**
 * crash_verify() - judge a device after a crash
 * @dev:  the device
 * @path: model from before the run
 * @log:  the run's log
 * @save: replace the model by what the device holds now
 *
 * Return: the number of sectors that hold what they must not.
 */
int crash_verify(const char *dev, const char *path, const char *log, bool save)
{
	uint64_t *found, s, durable = 0, limit = 0, later = 0;
	struct progress p = { 0 };
	unsigned int bad = 0;
	struct model m;
	uint8_t *fine;
	uint32_t t;
	int fd;

	model_load(&m, path);
	log_read(&p, log);
	if (p.run.seed != m.h.seed || p.run.sectors != m.h.sectors ||
	    p.run.epoch != m.h.epoch + 1)
		fail("%s and %s are not of the same run", path, log);
	fd = dev_open(dev, O_RDONLY | O_DIRECT);
	found = calloc(m.h.sectors, sizeof(*found));
	fine = calloc(m.h.sectors, 1);
	if (!found || !fine)
		fail("out of memory");
	scan(&m, fd, found);
	replay(&m, &p, found, fine);
	for (s = 0; s < m.h.sectors; s++) {
		char want[80], have[80];

		if (found[s] == m.version[s])
			continue;
		later++;
		if (fine[s])
			continue;
		if (bad++ >= SHOWN)
			continue;
		t = ops_owner(m.h.sectors, p.run.threads, s);
		describe(&m, m.version[s], want, sizeof(want));
		describe(&m, found[s], have, sizeof(have));
		fprintf(stderr, "sector %" PRIu64 " (block %" PRIu64 "): durable is %s, or later "
			"(thread %u, ops %" PRIu64 " to %" PRIu64 "), have %s\n", s, s / 8, want, t,
			p.durable[t], p.limit[t], have);
	}
	for (t = 0; t < p.run.threads; t++) {
		durable += p.durable[t];
		limit += p.limit[t];
	}
	printf("crash: threads=%u durable=%" PRIu64 " started=%" PRIu64 " later_sectors=%" PRIu64
	       " wrong_sectors=%u\n", p.run.threads, durable, limit, later, bad);
	memcpy(m.version, found, m.h.sectors * sizeof(*found));
	m.h.epoch = p.run.epoch;
	if (!bad && save)
		model_save(&m, path);
	return bad;
}
