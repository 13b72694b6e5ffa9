// SPDX-License-Identifier: GPL-2.0
#include "lib/watch.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "lib/metrics.h"
#include "lib/out.h"
#include "lib/report.h"
#include "lib/snap.h"
#include "lib/units.h"

static const struct sosnap_col cols[] = {
	{ "name", "SNAPSHOT", SOSNAP_OUT_STRING, 0 },
	{ "state", "STATE", SOSNAP_OUT_STRING, 0 },
	{ "opens", "OPEN", SOSNAP_OUT_NUMBER, 0 },
	{ "size", "SIZE", SOSNAP_OUT_BYTES, 0 },
	{ "changed", "CHANGED", SOSNAP_OUT_BYTES, 0 },
	{ "read", "READ/S", SOSNAP_OUT_BYTES, 0 },
	{ "written", "WRITTEN/S", SOSNAP_OUT_BYTES, 0 },
};

/* What a snapshot's device had read and written when it was last looked at */
struct seen {
	char uuid[37];
	u64 when_ns;
	u64 read;
	u64 written;
};

static struct seen *seen;
static size_t nr_seen;

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct seen *seen_of(const char *uuid)
{
	for (size_t i = 0; i < nr_seen; i++)
		if (!strcmp(seen[i].uuid, uuid))
			return &seen[i];
	seen = reallocarray(seen, nr_seen + 1, sizeof(*seen));
	if (!seen)
		sosnap_die_memory();
	memset(&seen[nr_seen], 0, sizeof(*seen));
	strscpy(seen[nr_seen].uuid, uuid, sizeof(seen->uuid));
	return &seen[nr_seen++];
}

/* Bytes that the device has read and written; false: not known */
static bool device_bytes(const struct sosnap_dm_dev *dev, u64 *read, u64 *written)
{
	unsigned long long r, w;
	char path[64];
	bool ok;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", dev->major, dev->minor);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fscanf(f, "%*u %*u %llu %*u %*u %*u %llu", &r, &w) == 2;
	fclose(f);
	*read = r << 9;
	*written = w << 9;
	return ok;
}

/* Bytes a second since the last time; none the first time and after it went down */
static bool rates(const struct sosnap_reply_snapshot *s, const struct sosnap_dm_dev *dev,
		  u64 *read, u64 *written)
{
	struct seen *last = seen_of(s->uuid);
	struct seen now = *last;
	double span;
	bool known;

	now.when_ns = now_ns();
	if (!device_bytes(dev, &now.read, &now.written))
		return false;
	known = last->when_ns && now.read >= last->read && now.written >= last->written;
	span = (now.when_ns - last->when_ns) / 1e9;
	*read = known ? (now.read - last->read) / span : 0;
	*written = known ? (now.written - last->written) / span : 0;
	*last = now;
	return known;
}

static int put_snapshot(const struct sosnap_store *store, const struct sosnap_reply_snapshot *s)
{
	char name[2 * SOSNAP_NAME_LEN];
	struct sosnap_dm_dev dev;
	u64 read = 0, written = 0;
	bool known;
	int r = sosnap_snap_device(store, s, &dev);

	if (r)
		return r;
	known = dev.exists && rates(s, &dev, &read, &written);
	snprintf(name, sizeof(name), "%s/%s", store->st.name, s->name);
	sosnap_out_row((struct sosnap_val[]){
		{ .s = name }, { .s = sosnap_snap_state(s) },
		{ .n = (u64)dev.opens, .none = !dev.exists }, { .n = s->sectors << 9 },
		{ .n = s->blocks << SOSNAP_BLOCK_SHIFT },
		{ .n = read, .none = !known }, { .n = written, .none = !known } });
	return 0;
}

static int put_store(const struct sosnap_measured *m)
{
	const struct sosnap_reply_store *st = &m->store.st;
	u64 share = sosnap_units_share(st->used, st->total);
	char used[SOSNAP_UNITS_LEN], total[SOSNAP_UNITS_LEN], journal[SOSNAP_UNITS_LEN];
	int r = 0;

	sosnap_out_text("store %s: %s, %s of %s used (%llu.%llu%%), %s of journal, %llu changes to merge",
			st->name, sosnap_store_state(&m->store),
			sosnap_units_format(st->used << SOSNAP_BLOCK_SHIFT, used),
			sosnap_units_format(st->total << SOSNAP_BLOCK_SHIFT, total),
			(unsigned long long)share / 100, (unsigned long long)share / 10 % 10,
			sosnap_units_format(st->journal_used << SOSNAP_BLOCK_SHIFT, journal),
			(unsigned long long)st->pending);
	if (!m->nr)
		return 0;
	sosnap_out_table("snapshots", cols, ARRAY_SIZE(cols));
	for (size_t i = 0; i < m->nr && !r; i++)
		r = put_snapshot(&m->store, &m->snaps[i]);
	sosnap_out_table_end();
	return r;
}

static int put_all(void)
{
	struct sosnap_measured *m;
	size_t nr;
	int r = sosnap_measure(&m, &nr);

	if (r)
		return r;
	if (!nr)
		sosnap_out_text("No store is active: 'sosnap store list' shows the stores there are.");
	for (size_t i = 0; i < nr && !r; i++) {
		if (i)
			sosnap_out_text("%s", "");
		r = put_store(&m[i]);
	}
	sosnap_measured_free(m, nr);
	return r;
}

int sosnap_watch(u64 seconds, u64 times)
{
	bool terminal = isatty(STDOUT_FILENO);
	struct timespec pause = { .tv_sec = (time_t)seconds };
	int r = 0;

	signal(SIGPIPE, SIG_IGN);
	for (u64 n = 0; !r && (!times || n < times); n++) {
		if (n)
			nanosleep(&pause, NULL);
		if (terminal)
			fputs("\033[H\033[2J", stdout);
		else if (n)
			putchar('\n');
		r = put_all();
		/* whoever read it has seen enough; anything else is told at the end */
		if (fflush(stdout) && errno == EPIPE)
			_exit(SOSNAP_EXIT_OK);
		if (ferror(stdout))
			break;
	}
	free(seen);
	seen = NULL;
	nr_seen = 0;
	return r;
}
