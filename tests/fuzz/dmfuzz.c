// SPDX-License-Identifier: GPL-2.0
/*
 * dmfuzz <store> <store device> <gold device> <seed> <seconds>
 *
 * Messages and table lines that are nearly right, wrong, or nonsense, by the
 * ioctls of device-mapper: nothing between them and the module makes them
 * decent. Snapshots named f0 to f15 are its own; devices it makes are removed
 * again. Several may run at a time. Ends with 0 unless it could not work at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ROOM	65536

static const char *store, *store_dev, *gold_dev;
static uint64_t seed;
static char scratch[64];
static int control;
static unsigned long done, taken;

static union {
	struct dm_ioctl h;
	char bytes[ROOM];
} call;

static uint64_t rnd(uint64_t below)
{
	uint64_t x = seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	x ^= x >> 31;
	return below ? x % below : x;
}

/* --- text ----------------------------------------------------------------- */

static char text[16384];
static size_t len;

static void add(const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text + len, sizeof(text) - len, fmt, args);
	va_end(args);
	len += n;
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
}

static void add_number(void)
{
	static const char *const odd[] = {
		"0", "1", "-1", "8", "7", "16384", "4294967295", "4294967296", "2147483648",
		"9223372036854775807", "9223372036854775808", "18446744073709551615",
		"18446744073709551616", "340282366920938463463374607431768211456", "0x10", "010",
		"1e9", "+8", "8 ", "281474976710656", "2251799813685248", "99999999999999999999",
	};

	if (rnd(3))
		add("%s", odd[rnd(sizeof(odd) / sizeof(odd[0]))]);
	else
		add("%llu", (unsigned long long)rnd(0) >> rnd(64));
}

static void add_junk(void)
{
	static const char *const odd[] = {
		"%s%n%x", "../../etc/passwd", "\x1b[31mred", "\xff\xfe", "\xe2\x80\xae", "\\", "\\\\ ",
		"''", "\"", "-", "--", ".", "a/b", "f0\\ f1", "\t\t", "",
	};
	size_t n;

	if (rnd(2)) {
		add("%s", odd[rnd(sizeof(odd) / sizeof(odd[0]))]);
		return;
	}
	for (n = rnd(8) ? rnd(80) : rnd(4000); n; n--)
		add("%c", (int)(1 + rnd(255)));
}

static void add_name(void)
{
	if (!rnd(12))
		add_junk();
	else if (!rnd(12))
		add("g");
	else
		add("f%u", (unsigned int)rnd(16));
}

/* A letter says what a word should be; now and then it is something else. */
static void add_word(char kind)
{
	static const char *const words[] = { "gold", "snapshot", "auto", "0", "1", "deadbeef", "-" };

	if (!rnd(16))
		kind = "NSWJ"[rnd(4)];
	switch (kind) {
	case 'N':
		add_name();
		break;
	case 'G':
		add("%s", rnd(4) ? "g" : "g2");
		break;
	case 'S':
		if (rnd(2))
			add("%u", (unsigned int)rnd(64) * 8);
		else
			add_number();
		break;
	case 'W':
		add("%s", words[rnd(sizeof(words) / sizeof(words[0]))]);
		break;
	default:
		add_junk();
	}
}

static void make_message(void)
{
	static const struct {
		const char *verb;
		const char *words;
	} form[] = {
		{ "create", "NGS" }, { "create", "NGSNGS" }, { "remove", "N" }, { "remove", "NNN" },
		{ "rename", "NN" }, { "set", "NWW" }, { "list", "W" }, { "show", "N" },
		{ "gold_add", "GSWW" }, { "gold_add", "NSWW" }, { "gold_remove", "N" },
		{ "commit", "" }, { "checkpoint", "" }, { "drop_maps", "" }, { "stats", "" },
		{ "", "JJ" },
	};
	unsigned int f = rnd(sizeof(form) / sizeof(form[0]));
	const char *w;
	unsigned int extra;

	add("%s", form[f].verb);
	for (w = form[f].words; *w; w++) {
		if (!rnd(24))
			continue;
		add(" ");
		add_word(*w);
	}
	/* many words, or a few too many */
	for (extra = rnd(24) ? 0 : rnd(300); extra; extra--) {
		add(" ");
		add_word("NGSWJ"[rnd(5)]);
	}
}

static void make_table(const char **type, uint64_t *sectors)
{
	bool is_store = !rnd(3);
	unsigned int i;

	*sectors = rnd(3) ? 16384 : rnd(0) >> rnd(64);
	*type = is_store ? "sosnap-store" : "sosnap";
	if (is_store) {
		static const char *const option[] = {
			"read_only", "error_if_no_space", "queue_if_no_space", "no_space_timeout",
			"map_memory", "low_water", "no_discard_passdown",
		};

		add("%s ", rnd(4) ? store_dev : gold_dev);
		if (rnd(2))
			add_number();
		else
			add("%u", (unsigned int)rnd(4));
		for (i = rnd(5); i; i--) {
			add(" %s ", option[rnd(sizeof(option) / sizeof(option[0]))]);
			if (rnd(2))
				add_number();
		}
	} else {
		if (rnd(8))
			add("/dev/mapper/%s ", store);
		else
			add("%s ", store_dev);
		if (rnd(2))
			add("%u", (unsigned int)rnd(40));
		else
			add_number();
		add(" %s", rnd(8) ? gold_dev : store_dev);
	}
	if (!rnd(8)) {
		add(" ");
		add_word('J');
	}
}

/* --- calls ---------------------------------------------------------------- */

static int dm(unsigned long request, const char *name, size_t bytes, unsigned int flags)
{
	int r;

	call.h.version[0] = 4;
	call.h.data_size = rnd(64) ? ROOM : sizeof(call.h) + bytes;
	call.h.data_start = sizeof(call.h);
	call.h.flags = flags;
	strncpy(call.h.name, name, sizeof(call.h.name) - 1);
	r = ioctl(control, request, &call);
	done++;
	taken += !r;
	memset(&call, 0, sizeof(call));
	return r;
}

static void message(void)
{
	struct dm_target_msg *msg = (void *)(call.bytes + sizeof(call.h));

	len = 0;
	make_message();
	msg->sector = rnd(32) ? 0 : rnd(0);
	memcpy(msg->message, text, len + 1);
	dm(DM_TARGET_MSG, store, sizeof(*msg) + len + 1, 0);
}

static void device(void)
{
	struct dm_target_spec *spec = (void *)(call.bytes + sizeof(call.h));
	const char *type;
	uint64_t sectors;

	if (dm(DM_DEV_CREATE, scratch, 0, 0))
		return;
	len = 0;
	make_table(&type, &sectors);
	spec->sector_start = rnd(32) ? 0 : rnd(0);
	spec->length = sectors;
	strcpy(spec->target_type, type);
	memcpy(spec + 1, text, len + 1);
	call.h.target_count = rnd(32) ? 1 : rnd(4);
	if (!dm(DM_TABLE_LOAD, scratch, sizeof(*spec) + len + 1, rnd(4) ? 0 : DM_READONLY_FLAG))
		dm(DM_DEV_SUSPEND, scratch, 0, 0);	/* without the flag: resume */
	dm(DM_TABLE_STATUS, scratch, 0, rnd(2) ? DM_STATUS_TABLE_FLAG : 0);
	while (dm(DM_DEV_REMOVE, scratch, 0, 0) && errno == EBUSY)
		usleep(10000);
}

static void suspend(void)
{
	const char *name = rnd(2) ? store : "st-keep";

	dm(DM_DEV_SUSPEND, name, 0, DM_SUSPEND_FLAG | (rnd(2) ? DM_NOFLUSH_FLAG : 0));
	dm(DM_DEV_SUSPEND, name, 0, 0);
}

int main(int argc, char **argv)
{
	time_t end;

	if (argc != 6) {
		fputs("usage: dmfuzz <store> <store device> <gold device> <seed> <seconds>\n", stderr);
		return 2;
	}
	store = argv[1];
	store_dev = argv[2];
	gold_dev = argv[3];
	seed = strtoull(argv[4], NULL, 0);
	snprintf(scratch, sizeof(scratch), "dmfuzz-%s", argv[4]);
	end = time(NULL) + atoi(argv[5]);
	control = open("/dev/mapper/control", O_RDWR);
	if (control < 0) {
		perror("/dev/mapper/control");
		return 1;
	}
	while (time(NULL) < end) {
		unsigned int what = rnd(16);

		if (what < 10)
			message();
		else if (what < 15)
			device();
		else
			suspend();
	}
	dm(DM_DEV_SUSPEND, store, 0, 0);
	dm(DM_DEV_SUSPEND, "st-keep", 0, 0);
	printf("%lu calls, %lu of them accepted\n", done, taken);
	return !done;
}
