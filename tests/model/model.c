// SPDX-License-Identifier: GPL-2.0
/*
 * model - random I/O from several threads, compared with a model in memory.
 *
 *	model gold DEV
 *		fill a device with the gold pattern
 *	model new DEV --model FILE --gold-sectors N [--seed N]
 *		what a snapshot holds that nothing was written to
 *	model run DEV --model FILE [--gold-sectors N] [--seed N] [--threads N]
 *		[--ops N] [--seconds N] [--log DEV] [--no-space]
 *		run, comparing all the time and at the end; go on from FILE, if
 *		it is there, and save what the device has to hold now
 *	model verify DEV --model FILE
 *		compare all of the device
 *	model verify-crash DEV --model FILE --log DEV [--no-save]
 *		judge the device after a run with --log that did not end; FILE is
 *		from before that run, and becomes what the device holds, or stays
 *
 * Exit status: 0, or 1 with the reason on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dev.h"
#include "model.h"

struct options {
	const char *dev;
	const char *model;
	const char *log;
	uint64_t gold_sectors;
	uint64_t seed;
	uint64_t ops;
	uint64_t seconds;
	uint32_t threads;
	bool no_space;
	bool no_save;
};

struct thread {
	pthread_t id;
	uint32_t nr;
	uint64_t limit;
	uint64_t log_seq;
	uint64_t durable[OPS_MAX_THREADS];
	uint64_t count[OP_FLUSH + 1];
	uint64_t full;
	uint64_t bytes;
	uint8_t *buf;
	uint8_t *page;
};

static struct options opt = { .threads = 4, .ops = ~0ULL };
static struct model model;
static struct thread threads[OPS_MAX_THREADS];
static _Atomic uint64_t acked[OPS_MAX_THREADS];
static int fd = -1, log_fd = -1;
static uint32_t epoch;
static time_t deadline;

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void log_thread(struct thread *t)
{
	struct log_thread l = {
		.magic = LOG_MAGIC, .run = model.h.seed + epoch,
		.seq = ++t->log_seq, .limit = t->limit,
	};

	memcpy(l.durable, t->durable, sizeof(l.durable));
	l.crc = log_sum(&l, offsetof(struct log_thread, crc));
	memcpy(t->page, &l, sizeof(l));
	if (dev_write(log_fd, t->page, (1 + 2 * t->nr + (t->log_seq & 1)) * (LOG_PAGE / SECTOR),
		      LOG_PAGE / SECTOR, true))
		fail("cannot write the log");
}

static void log_start(const char *path)
{
	struct log_run run = {
		.magic = LOG_MAGIC, .seed = model.h.seed, .sectors = model.h.sectors,
		.epoch = epoch, .threads = opt.threads,
	};
	uint8_t *page = dev_buffer(LOG_PAGE);

	log_fd = dev_open(path, O_RDWR | O_DIRECT);
	run.crc = log_sum(&run, offsetof(struct log_run, crc));
	memcpy(page, &run, sizeof(run));
	if (dev_write(log_fd, page, 0, LOG_PAGE / SECTOR, true))
		fail("cannot write the log");
	free(page);
}

static void bad_op(const struct thread *t, const struct op *op, uint64_t n, int r)
{
	static const char *const names[] = {
		"write", "discard", "zeroout", "read", "read of any", "flush",
	};

	fail("thread %u op %" PRIu64 ": %s%s of sectors %" PRIu64 "+%u: %s", t->nr, n,
	     op->dsync ? "durable " : "", names[op->kind], op->first, op->sectors, strerror(-r));
}

/* Every operation that had ended before a flush was issued is durable after it. */
static void flushed(struct thread *t, const uint64_t *before)
{
	uint32_t i;

	for (i = 0; i < opt.threads; i++)
		if (before[i] > t->durable[i])
			t->durable[i] = before[i];
	if (log_fd >= 0)
		log_thread(t);
}

static void acked_now(uint64_t *out)
{
	uint32_t i;

	for (i = 0; i < opt.threads; i++)
		out[i] = atomic_load(&acked[i]);
}

/* Without space, a write has changed each sector of it, or not. */
static void settle(struct thread *t, const struct op *op, uint64_t n, uint64_t version)
{
	uint32_t i;
	int r;

	r = dev_read(fd, t->buf, op->first, op->sectors);
	if (r)
		bad_op(t, op, n, r);
	for (i = 0; i < op->sectors; i++) {
		uint64_t s = op->first + i, old = model.version[s];

		if (model_is(&model, s, t->buf + i * SECTOR))
			continue;
		model.version[s] = version;
		if (!model_is(&model, s, t->buf + i * SECTOR)) {
			model.version[s] = old;
			if (model_compare(&model, fd, s, s + 1))
				fail("thread %u op %" PRIu64 ": a write without space left sector %"
				     PRIu64 " neither old nor new", t->nr, n, s);
		}
	}
}

static void change(struct thread *t, const struct op *op, uint64_t n)
{
	uint64_t version = VERSION_ZERO, before[OPS_MAX_THREADS];
	struct tag tag;
	uint32_t i;
	int r;

	if (op->kind == OP_WRITE) {
		version = version_of(epoch, t->nr, n);
		for (i = 0; i < op->sectors; i++) {
			version_tag(&model, version, op->first + i, &tag);
			pattern_fill(t->buf + i * SECTOR, &tag);
		}
		acked_now(before);
		r = dev_write(fd, t->buf, op->first, op->sectors, op->dsync);
	} else if (op->kind == OP_DISCARD) {
		r = dev_discard(fd, op->first, op->sectors);
	} else {
		r = dev_zeroout(fd, op->first, op->sectors);
	}
	if (opt.no_space && (r == -ENOSPC || r == -ENODATA)) {
		t->full++;
		settle(t, op, n, version);
		return;
	}
	if (r)
		bad_op(t, op, n, r);
	for (i = 0; i < op->sectors; i++)
		model.version[op->first + i] = version;
	if (op->dsync) {
		before[t->nr] = n + 1;
		flushed(t, before);
	}
}

static void read_own(struct thread *t, const struct op *op, uint64_t n)
{
	uint32_t i;
	int r = dev_read(fd, t->buf, op->first, op->sectors);

	if (r)
		bad_op(t, op, n, r);
	for (i = 0; i < op->sectors; i++)
		if (!model_is(&model, op->first + i, t->buf + i * SECTOR)) {
			model_compare(&model, fd, op->first, op->first + op->sectors);
			fail("thread %u op %" PRIu64 ": read of sectors %" PRIu64 "+%u is wrong from"
			     " sector %" PRIu64 " on (what it reads as now is above)", t->nr, n,
			     op->first, op->sectors, op->first + i);
		}
}

/* A sector of anybody: gold, zeros, or something its owner wrote there. */
static bool plausible(const uint8_t *data, uint64_t sector)
{
	struct tag tag;

	switch (pattern_read(data, &tag)) {
	case CONTENT_ZERO:
		return true;
	case CONTENT_TAG:
		if (tag.sector != sector)
			return false;
		if (tag.thread == THREAD_GOLD)
			return sector < model.h.gold_sectors;
		return tag.seed == model.h.seed && tag.epoch <= epoch &&
		       (tag.epoch < epoch ||
			tag.thread == ops_owner(model.h.sectors, opt.threads, sector));
	default:
		return false;
	}
}

static void read_any(struct thread *t, const struct op *op, uint64_t n)
{
	uint32_t i, tries = 0;
	char have[160];
	int r;

	for (i = 0; i < op->sectors; i++) {
		if (!i || tries) {
			r = dev_read(fd, t->buf, op->first, op->sectors);
			if (r)
				bad_op(t, op, n, r);
		}
		if (plausible(t->buf + i * SECTOR, op->first + i)) {
			tries = 0;
			continue;
		}
		/* a device may hand out a sector that is being written half and half */
		if (++tries < 4) {
			i--;
			continue;
		}
		pattern_describe(t->buf + i * SECTOR, have, sizeof(have));
		fail("thread %u op %" PRIu64 ": sector %" PRIu64 " holds %s", t->nr, n,
		     op->first + i, have);
	}
}

static void do_flush(struct thread *t, const struct op *op, uint64_t n)
{
	uint64_t before[OPS_MAX_THREADS];

	acked_now(before);
	if (fdatasync(fd))
		bad_op(t, op, n, -errno);
	flushed(t, before);
}

static void *thread_run(void *arg)
{
	struct thread *t = arg;
	struct ops o;
	struct op op;
	uint64_t n;

	ops_init(&o, model.h.seed, epoch, t->nr, opt.threads, model.h.sectors);
	for (n = 0; n < opt.ops && (!deadline || now() < deadline); n++) {
		if (log_fd >= 0 && n >= t->limit) {
			t->limit = n + LOG_BATCH;
			log_thread(t);
		}
		ops_next(&o, &op);
		switch (op.kind) {
		case OP_READ:
			read_own(t, &op, n);
			break;
		case OP_READ_ANY:
			read_any(t, &op, n);
			break;
		case OP_FLUSH:
			do_flush(t, &op, n);
			break;
		default:
			change(t, &op, n);
		}
		t->count[op.kind]++;
		t->bytes += (uint64_t)op.sectors * SECTOR;
		atomic_store(&acked[t->nr], n + 1);
	}
	return NULL;
}

static void *thread_verify(void *arg)
{
	struct thread *t = arg;
	uint64_t part = (model.h.sectors / opt.threads + 7) & ~7ULL, first = t->nr * part;
	uint64_t end = t->nr == opt.threads - 1 ? model.h.sectors : first + part;

	if (end > model.h.sectors)
		end = model.h.sectors;
	t->full = first < end ? model_compare(&model, fd, first, end) : 0;
	return NULL;
}

static void in_threads(void *(*fn)(void *arg))
{
	uint32_t i;

	for (i = 0; i < opt.threads; i++)
		if (pthread_create(&threads[i].id, NULL, fn, &threads[i]))
			fail("cannot start a thread");
	for (i = 0; i < opt.threads; i++)
		pthread_join(threads[i].id, NULL);
}

static int verify_all(void)
{
	uint64_t bad = 0;
	uint32_t i;

	in_threads(thread_verify);
	for (i = 0; i < opt.threads; i++)
		bad += threads[i].full;
	if (bad)
		fprintf(stderr, "FAIL: %" PRIu64 " sectors differ\n", bad);
	return bad != 0;
}

static void device_open(int flags)
{
	fd = dev_open(opt.dev, flags | O_DIRECT);
	if (dev_sectors(fd) != model.h.sectors)
		fail("%s has %" PRIu64 " sectors, the model %" PRIu64, opt.dev, dev_sectors(fd),
		     model.h.sectors);
}

static int cmd_new(void)
{
	int dev = dev_open(opt.dev, O_RDONLY);
	uint64_t sectors = dev_sectors(dev);

	close(dev);
	model_new(&model, sectors, opt.gold_sectors < sectors ? opt.gold_sectors : sectors,
		  opt.seed ? opt.seed : (uint64_t)time(NULL));
	model_save(&model, opt.model);
	return 0;
}

static int cmd_run(void)
{
	struct thread sum = { 0 };
	uint32_t i, k;

	/* cmd_new() makes what a crash is compared with later */
	if (!access(opt.model, F_OK))
		model_load(&model, opt.model);
	else
		cmd_new();
	if (model.h.sectors < 16)
		fail("%s is too small", opt.dev);
	epoch = model.h.epoch + 1;
	device_open(O_RDWR);
	if (opt.log)
		log_start(opt.log);
	printf("model: seed=%" PRIu64 " epoch=%u threads=%u sectors=%" PRIu64 "\n", model.h.seed,
	       epoch, opt.threads, model.h.sectors);
	fflush(stdout);
	if (opt.seconds)
		deadline = now() + opt.seconds;
	for (i = 0; i < opt.threads; i++) {
		threads[i].nr = i;
		threads[i].buf = dev_buffer(OPS_MAX_SECTORS * SECTOR);
		threads[i].page = dev_buffer(LOG_PAGE);
	}
	in_threads(thread_run);
	for (i = 0; i < opt.threads; i++) {
		for (k = 0; k <= OP_FLUSH; k++)
			sum.count[k] += threads[i].count[k];
		sum.bytes += threads[i].bytes;
		sum.full += threads[i].full;
	}
	printf("model: writes=%" PRIu64 " discards=%" PRIu64 " zeroouts=%" PRIu64 " reads=%" PRIu64
	       " flushes=%" PRIu64 " no_space=%" PRIu64 " bytes=%" PRIu64 "\n",
	       sum.count[OP_WRITE], sum.count[OP_DISCARD], sum.count[OP_ZEROOUT],
	       sum.count[OP_READ] + sum.count[OP_READ_ANY], sum.count[OP_FLUSH], sum.full,
	       sum.bytes);
	model.h.epoch = epoch;
	if (verify_all())
		return 1;
	model_save(&model, opt.model);
	return 0;
}

static int cmd_verify(void)
{
	uint32_t i;

	model_load(&model, opt.model);
	device_open(O_RDONLY);
	for (i = 0; i < opt.threads; i++)
		threads[i].nr = i;
	return verify_all();
}

static int cmd_gold(void)
{
	uint8_t *buf = dev_buffer(OPS_MAX_SECTORS * SECTOR);
	struct model m = { 0 };
	uint64_t at, i, n;
	struct tag tag;

	fd = dev_open(opt.dev, O_WRONLY);
	m.h.sectors = dev_sectors(fd);
	for (at = 0; at < m.h.sectors; at += n) {
		n = m.h.sectors - at < OPS_MAX_SECTORS ? m.h.sectors - at : OPS_MAX_SECTORS;
		for (i = 0; i < n; i++) {
			version_tag(&m, VERSION_GOLD, at + i, &tag);
			pattern_fill(buf + i * SECTOR, &tag);
		}
		if (dev_write(fd, buf, at, n, false))
			fail("cannot write %s", opt.dev);
	}
	if (fsync(fd))
		fail("cannot flush %s", opt.dev);
	return 0;
}

static void usage(void)
{
	fputs("usage: model gold|new|run|verify|verify-crash DEV [--model FILE] [--log DEV]\n"
	      "	[--gold-sectors N] [--seed N] [--threads N] [--ops N] [--seconds N]\n"
	      "	[--no-space] [--no-save]\n",
	      stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	int i;

	opt.dev = argv[2];
	for (i = 3; i < argc; i++) {
		const char *name = argv[i];

		if (!strcmp(name, "--no-space")) {
			opt.no_space = true;
			continue;
		}
		if (!strcmp(name, "--no-save")) {
			opt.no_save = true;
			continue;
		}
		if (++i == argc)
			usage();
		if (!strcmp(name, "--model"))
			opt.model = argv[i];
		else if (!strcmp(name, "--log"))
			opt.log = argv[i];
		else if (!strcmp(name, "--gold-sectors"))
			opt.gold_sectors = number(argv[i]);
		else if (!strcmp(name, "--seed"))
			opt.seed = number(argv[i]);
		else if (!strcmp(name, "--threads"))
			opt.threads = number(argv[i]);
		else if (!strcmp(name, "--ops"))
			opt.ops = number(argv[i]);
		else if (!strcmp(name, "--seconds"))
			opt.seconds = number(argv[i]);
		else
			usage();
	}
	if (!opt.threads || opt.threads > OPS_MAX_THREADS)
		fail("--threads takes 1 to %u", OPS_MAX_THREADS);
	if (opt.ops == ~0ULL && !opt.seconds)
		opt.ops = 200;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		usage();
	parse(argc, argv);
	if (!strcmp(argv[1], "gold"))
		return cmd_gold();
	if (!opt.model)
		usage();
	if (!strcmp(argv[1], "new"))
		return cmd_new();
	if (!strcmp(argv[1], "run"))
		return cmd_run();
	if (!strcmp(argv[1], "verify"))
		return cmd_verify();
	if (!strcmp(argv[1], "verify-crash") && opt.log)
		return crash_verify(opt.dev, opt.model, opt.log, !opt.no_save) != 0;
	usage();
	return 2;
}
