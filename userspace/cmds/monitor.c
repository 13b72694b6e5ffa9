// SPDX-License-Identifier: GPL-2.0
/*
 * The monitor. It sleeps until device-mapper has an event of any device, looks
 * at every store that it watches, says what has changed, and does what the
 * policy of the store allows when space is short. Nothing is polled.
 *
 * No event is missed: it waits for those after the last arming, and it arms
 * before it looks. The module sends one when less is left than it was told, and
 * says with each answer how much that is.
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/backing.h"
#include "lib/grow.h"
#include "lib/monconf.h"
#include "lib/units.h"

#define CONTROL "/dev/mapper/control"
#define CONF	"/etc/sosnap/monitor.conf"
#define IDLE_ROUNDS 4	/* checkpoints that free nothing, before it goes on */

enum { OPT_CONFIG, OPT_ONCE };

static const struct sosnap_opt options[] = {
	[OPT_CONFIG] = { "config", "<file>", "what it may do (default: " CONF ")", 0 },
	[OPT_ONCE] = { "once", NULL, "look at the stores once, do what is due, and end", 0 },
	{ 0 }
};

/* What was said of a store last */
struct watched {
	char name[SOSNAP_NAME_LEN];
	char state[16];
	char *fenced;		/* names, each with a space before it */
	bool low;
	bool seen;
	struct watched *next;
};

struct monitor {
	const struct sosnap_args *a;
	struct sosnap_monconf conf;
	struct watched *stores;
};

static volatile sig_atomic_t reread;

static void on_hangup(int nr)
{
	reread = 1;
}

__attribute__((format(printf, 2, 3)))
static void say(const char *store, const char *fmt, ...)
{
	va_list args;

	printf("store %s: ", store);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static const char *size_text(u64 blocks)
{
	static char text[4][SOSNAP_UNITS_LEN];
	static unsigned int i;

	return sosnap_units_format(blocks << SOSNAP_BLOCK_SHIFT, text[i++ % 4]);
}

static struct watched *watched(struct monitor *m, const char *name)
{
	struct watched *w;

	for (w = m->stores; w; w = w->next)
		if (!strcmp(w->name, name))
			return w;
	w = sosnap_alloc(1, sizeof(*w));
	strscpy(w->name, name, sizeof(w->name));
	w->fenced = sosnap_strdup("");
	w->next = m->stores;
	m->stores = w;
	return w;
}

static void tell_state(struct watched *w, const struct sosnap_store *s)
{
	const char *state = sosnap_store_state(s);

	if (!strcmp(w->state, state))
		return;
	if (!strcmp(state, "full"))
		say(w->name, "full: first writes wait or fail");
	else if (!strcmp(state, "failed"))
		say(w->name, "failed: metadata could not be written; reads go on");
	else
		say(w->name, "%s: %s of %s used, on %s", state, size_text(s->st.used),
		    size_text(s->st.total), s->path);
	strscpy(w->state, state, sizeof(w->state));
}

static void tell_fenced(struct watched *w, const struct sosnap_store *s)
{
	struct sosnap_reply_snapshot *snaps;
	char *now = sosnap_strdup("");
	size_t nr = 0;

	if (sosnap_store_snapshots(s, &snaps, &nr))
		nr = 0, snaps = NULL;
	for (size_t i = 0; i < nr; i++) {
		char *longer;

		if (strcmp(snaps[i].state, "fenced"))
			continue;
		longer = sosnap_printf("%s %s", now, snaps[i].name);
		free(now);
		now = longer;
	}
	if (*now && strcmp(now, w->fenced))
		say(w->name, "fenced, because metadata is damaged:%s; run 'sosnap store check'",
		    now);
	free(w->fenced);
	w->fenced = now;
	free(snaps);
}

/* Blocks that data may still take; less than low is told by an event. -errno */
static s64 ask_left(const struct sosnap_store *s, u64 low)
{
	char *message = sosnap_printf("low_water %llu", (unsigned long long)low);
	char *reply = NULL;
	s64 left;
	int r = sosnap_dm_message(s->dm, message, &reply);

	free(message);
	if (r) {
		sosnap_dm_error(r, "store '%s' cannot be watched", s->st.name);
		return r;
	}
	left = strtoll(reply, NULL, 10);
	free(reply);
	return left;
}

static bool grow_device(const struct sosnap_store *s, const struct sosnap_policy *p, u64 device)
{
	u64 to = min(device + (p->grow_by >> SOSNAP_BLOCK_SHIFT),
		     p->max_size >> SOSNAP_BLOCK_SHIFT);
	char why[256] = "";

	if (sosnap_backing_grow(s->path, to << SOSNAP_BLOCK_SHIFT, why, sizeof(why))) {
		say(s->st.name, "its device %s cannot be made larger: %s", s->path, why);
		return false;
	}
	say(s->st.name, "made its device %s larger, from %s to %s", s->path, size_text(device),
	    size_text(to));
	return true;
}

/* Growing helps: by what the device has already, or by what it is given */
static bool try_grow(const struct sosnap_store *s, const struct sosnap_policy *p)
{
	u64 device = sosnap_store_device_blocks(s);

	if (!p->grow_by || !device)
		return false;
	if (device <= s->st.total && (device << SOSNAP_BLOCK_SHIFT >= p->max_size ||
				      !grow_device(s, p, device)))
		return false;
	return !sosnap_store_grow(s);
}

static bool is_active(const struct sosnap_store *s, const char *name)
{
	const struct sosnap_reply_snapshot *snap;
	struct sosnap_reply_snapshot *snaps;
	bool active = true;
	size_t nr;

	if (sosnap_store_snapshots(s, &snaps, &nr))
		return true;
	snap = sosnap_snapshot_by_name(snaps, nr, name);
	if (snap)
		active = snap->active;
	free(snaps);
	return active;
}

/*
 * Until what is removed is free. Ancestors that wait for space to be merged into count
 * too: where others take what becomes free, no checkpoint ever gets further with them.
 */
static int wait_removed(const struct sosnap_store *s)
{
	u64 least = U64_MAX;
	struct sosnap_store now;
	int r = 0;

	for (int idle = 0; !r && idle < IDLE_ROUNDS; ) {
		if (sosnap_store_lookup(s->st.name, &now) || !now.st.removing)
			break;
		idle = now.st.removing < least ? 0 : idle + 1;
		least = min(least, now.st.removing);
		r = sosnap_dm_message(s->dm, "checkpoint", NULL);
	}
	return r;
}

/* The oldest one that nobody uses; what can be of its blocks is free when this returns true */
static bool try_remove(const struct sosnap_store *s, const struct sosnap_policy *p)
{
	char *list = NULL, *save = NULL, *name, *message;
	int r = p->disposable ? sosnap_dm_ask(s->dm, "list disposable", &list) : -ENOENT;

	if (r)
		return false;
	for (name = strtok_r(list, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
		if (!is_active(s, name))
			break;
	r = -ENOENT;
	if (name) {
		message = sosnap_printf("remove %s", name);
		r = sosnap_dm_message(s->dm, message, NULL);
		free(message);
		if (r)
			sosnap_dm_error(r, "snapshot '%s/%s' cannot be removed", s->st.name, name);
		else
			say(s->st.name, "removed disposable snapshot %s", name);
	}
	free(list);
	return !r && !wait_removed(s);
}

/* What is allowed, until there is space or nothing more can be done */
static void provide(struct watched *w, struct sosnap_store *s, const struct sosnap_policy *p)
{
	for (;;) {
		u64 low = s->st.total / 100 * (100 - p->high);
		s64 left = ask_left(s, low);

		if (left < 0)
			return;
		if ((u64)left >= low) {
			if (w->low)
				say(w->name, "has space again: %s can be written", size_text(left));
			w->low = false;
			return;
		}
		if (!w->low)
			say(w->name, "low on space: %s of %s can be written", size_text(left),
			    size_text(s->st.total));
		if (!try_grow(s, p) && !try_remove(s, p)) {
			if (!w->low)
				say(w->name, "no policy gives it more: grow it, or remove snapshots");
			w->low = true;
			return;
		}
		w->low = true;
		if (sosnap_store_find(w->name, s))
			return;
	}
}

static bool wanted(const struct monitor *m, const char *name)
{
	for (int i = 0; i < m->a->nr; i++)
		if (!strcmp(m->a->arg[i], name))
			return true;
	return !m->a->nr;
}

static void look(struct monitor *m)
{
	struct sosnap_store *all;
	struct watched *w;
	size_t nr;

	if (sosnap_stores_active(&all, &nr))
		return;
	for (w = m->stores; w; w = w->next)
		w->seen = false;
	for (size_t i = 0; i < nr; i++) {
		struct sosnap_policy p;

		if (!wanted(m, all[i].st.name))
			continue;
		w = watched(m, all[i].st.name);
		w->seen = true;
		tell_state(w, &all[i]);
		tell_fenced(w, &all[i]);
		if (strcmp(all[i].st.state, "rw") && strcmp(all[i].st.state, "full"))
			continue;
		p = sosnap_monconf_policy(&m->conf, w->name);
		provide(w, &all[i], &p);
		tell_state(w, &all[i]);
	}
	for (w = m->stores; w; w = w->next)
		if (!w->seen && w->state[0]) {
			say(w->name, "not active any more");
			w->state[0] = 0;
			w->low = false;
		}
	free(all);
}

/* From here on events are counted for this descriptor */
static int arm(int fd)
{
	struct dm_ioctl io = {
		.version = { DM_VERSION_MAJOR, 0, 0 },
		.data_size = sizeof(io),
	};

	if (!ioctl(fd, DM_DEV_ARM_POLL, &io))
		return 0;
	sosnap_error("%s: events cannot be waited for: %s", CONTROL, strerror(errno));
	return -errno;
}

/* What a unit of Type=notify waits for */
static void notify_ready(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	if (!path || (*path != '/' && *path != '@') || strlen(path) >= sizeof(to.sun_path))
		return;
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	memcpy(to.sun_path, path, strlen(path));
	if (*path == '@')
		to.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&to, len) < 0)
		sosnap_warn("the service manager cannot be told: %s", strerror(errno));
	close(fd);
}

static int read_conf(struct monitor *m)
{
	const char *path = m->a->opt[OPT_CONFIG];
	struct sosnap_monconf conf;
	int r = sosnap_monconf_read(path ?: CONF, path, &conf);

	if (!r) {
		sosnap_monconf_free(&m->conf);
		m->conf = conf;
	}
	return r;
}

/* SIGHUP is let in only while it waits, so none comes too late to be seen */
static int watch(struct monitor *m)
{
	struct sigaction act = { .sa_handler = on_hangup };
	struct pollfd wait = { .events = POLLIN };
	sigset_t block, before;
	int r;

	wait.fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (wait.fd < 0) {
		sosnap_error("%s cannot be opened: %s", CONTROL, strerror(errno));
		return -EIO;
	}
	sigemptyset(&block);
	sigaddset(&block, SIGHUP);
	sigprocmask(SIG_BLOCK, &block, &before);
	sigaction(SIGHUP, &act, NULL);
	r = arm(wait.fd);
	if (!r) {
		look(m);
		notify_ready();
	}
	while (!r) {
		if (ppoll(&wait, 1, NULL, &before) < 0 && errno != EINTR)
			r = -errno;
		if (reread)
			read_conf(m);	/* a wrong one is told, and the old one stays */
		reread = 0;
		if (!r)
			r = arm(wait.fd);
		if (!r)
			look(m);
	}
	close(wait.fd);
	return r;
}

static int monitor(const struct sosnap_args *a)
{
	struct monitor m = { .a = a };
	int r = read_conf(&m) ?: sosnap_dm_available();

	/* in the journal each line has the time at which it was said */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!r && a->opt[OPT_ONCE])
		look(&m);
	else if (!r)
		r = watch(&m);
	sosnap_monconf_free(&m.conf);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_monitor = {
	.name = "monitor",
	.usage = "[<store>...]",
	.help = "watch active stores, and give them space as the configuration allows",
	.text = "Runs until it is ended; SIGHUP has it read its configuration again. It sleeps\n"
		"while no store needs it. Without a configuration it only tells what happens.",
	.options = options,
	.min = 0,
	.max = -1,
	.fn = monitor,
};
