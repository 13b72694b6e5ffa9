// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"

#include <sys/sysmacros.h>

#include "lib/dev.h"
#include "lib/freeze.h"
#include "lib/snap.h"
#include "lib/units.h"

static int parse_switch(const char *name, const char *value, u64 *n);
static int parse_blocks(const char *name, const char *value, u64 *n);
static bool first_quota(const struct sosnap_reply_snapshot *snap, u64 n);
static int check_read_only(const struct sosnap_dm_dev *dev, bool on);
static int follow_read_only(const struct sosnap_store *store,
			    const struct sosnap_reply_snapshot *snap, bool on);

/*
 * What can be set
 *
 * @word:   of the message
 * @parse:  what its values are
 * @freeze: NULL, or whether an active one is held still for it
 * @check:  NULL, or whether its device lets it be set; says why not
 * @follow: NULL, or what else is to be done once it is
 */
static const struct setting {
	const char *name;
	const char *word;
	int (*parse)(const char *name, const char *value, u64 *n);
	bool (*freeze)(const struct sosnap_reply_snapshot *snap, u64 n);
	int (*check)(const struct sosnap_dm_dev *dev, bool on);
	int (*follow)(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		      bool on);
} settings[] = {
	{ "auto", "auto", parse_switch, NULL, NULL, NULL },
	{ "disposable", "disposable", parse_switch, NULL, NULL, NULL },
	{ "read-only", "read_only", parse_switch, NULL, check_read_only, follow_read_only },
	{ "lossy", "lossy", parse_switch, NULL, NULL, NULL },
	{ "quota", "quota", parse_blocks, first_quota, NULL, NULL },
	{ "reservation", "reservation", parse_blocks, NULL, NULL, NULL },
};

static int parse_switch(const char *name, const char *value, u64 *n)
{
	*n = !strcmp(value, "on");
	if (*n || !strcmp(value, "off"))
		return 0;
	sosnap_error("'%s' can be set on or off, not '%s'", name, value);
	return -EINVAL;
}

static int parse_blocks(const char *name, const char *value, u64 *n)
{
	u64 bytes = 0;

	*n = 0;
	if (!strcmp(value, "none"))
		return 0;
	if (sosnap_units_option(name, value, SOSNAP_BLOCK_SIZE, &bytes))
		return -EINVAL;
	*n = bytes >> SOSNAP_BLOCK_SHIFT;
	return 0;
}

/* It needs a moment in which nothing is in flight; the module says which does */
static bool first_quota(const struct sosnap_reply_snapshot *snap, u64 n)
{
	return n && !snap->quota;
}

/* Whoever has it open may be in the middle of a change */
static int check_read_only(const struct sosnap_dm_dev *dev, bool on)
{
	char *user;

	if (!on || !dev->exists || dev->read_only || !dev->opens)
		return 0;
	user = sosnap_dev_user(makedev(dev->major, dev->minor), false);
	sosnap_error("snapshot device /dev/mapper/%s %s: end that use before it is set read-only",
		     dev->name, user ?: "is in use");
	free(user);
	return -EBUSY;
}

/* The module refuses writes from now on; to take them again, the device needs a table for it */
static int follow_read_only(const struct sosnap_store *store,
			    const struct sosnap_reply_snapshot *snap, bool on)
{
	char *type = NULL, *params = NULL;
	struct sosnap_dm_dev dev;
	int r;

	if (on || sosnap_options.dry_run)
		return 0;
	r = sosnap_snap_device(store, snap, &dev);
	if (r || !dev.exists || !dev.live || !dev.read_only || !strcmp(store->st.state, "ro"))
		return r;
	r = sosnap_dm_table(dev.name, &type, &params);
	if (!r)
		r = sosnap_dm_reload(dev.name, snap->sectors, type, params, false);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' may be written again, but not by its device %s: deactivate it, activate it again",
				store->st.name, snap->name, dev.name);
	free(type);
	free(params);
	return r;
}

static const struct setting *find_setting(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (!strcmp(settings[i].name, name))
			return &settings[i];
	sosnap_error("there is no setting '%s' of a snapshot: 'sosnap set --help' shows those there are",
		     name);
	return NULL;
}

static int send(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		const struct setting *s, u64 n)
{
	char *message = sosnap_printf("set %s %s %llu", snap->name, s->word, (unsigned long long)n);
	bool frozen = s->freeze && snap->active && s->freeze(snap, n);
	struct sosnap_freeze freeze;
	int r = frozen ? sosnap_freeze_begin(&freeze, store, &snap, 1) : 0, resumed;

	if (r) {
		free(message);
		return r;
	}
	r = sosnap_dm_message(store->dm, message, NULL);
	free(message);
	if (r)
		sosnap_dm_error(r, "'%s' of snapshot '%s/%s' cannot be set", s->name,
				store->st.name, snap->name);
	resumed = frozen ? sosnap_freeze_end(&freeze) : 0;
	return r ?: resumed;
}

static int set_one(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		   const struct setting *s, const char *value, u64 n)
{
	struct sosnap_dm_dev dev;
	int r = 0;

	if (s->check)
		r = sosnap_snap_device(store, snap, &dev) ?: s->check(&dev, n);
	if (!r)
		r = send(store, snap, s, n);
	if (!r && s->follow)
		r = s->follow(store, snap, n);
	if (!r)
		sosnap_done("set %s of %s/%s %s%s", s->name, store->st.name, snap->name,
			    s->parse == parse_blocks ? "to " : "", value);
	return r;
}

static int set(const struct sosnap_args *a)
{
	const struct setting *setting = find_setting(a->arg[1]);
	const struct sosnap_reply_snapshot *snap;
	struct sosnap_reply_snapshot *snaps;
	struct sosnap_store store;
	struct sosnap_ref ref;
	size_t nr;
	u64 n;
	int r;

	if (!setting || setting->parse(setting->name, a->arg[2], &n))
		return SOSNAP_EXIT_USAGE;
	r = sosnap_ref_parse(a->arg[0], &ref) ?: sosnap_store_find(ref.store, &store) ?:
	    sosnap_store_snapshots(&store, &snaps, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	snap = sosnap_snapshot_need(&store, snaps, nr, ref.snap);
	r = snap ? set_one(&store, snap, setting, a->arg[2], n) : -ENOENT;
	free(snaps);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_set = {
	.name = "set",
	.usage = "<store>/<snapshot> auto|disposable|read-only|lossy on|off | quota|reservation <size>|none",
	.help = "change a setting of a snapshot",
	.text = "auto on: it is activated together with its store.\n"
		"disposable on: the monitor may remove it when space runs out, if it is inactive.\n"
		"read-only on: nothing of it can be changed, not even by a refresh; it can be\n"
		"removed. Refused while its device is open.\n"
		"lossy off: what 'sosnap store repair' could not find of it is done without.\n"
		"quota: how much it may change in all; list shows what it has changed. Beyond that\n"
		"the guest gets no space, and goes on when the quota is raised or it has discarded\n"
		"something. A snapshot taken of it lets it begin at nothing.\n"
		"reservation: how much of the store others cannot take from it; what it has changed\n"
		"counts. A snapshot taken of it lets that begin at nothing, too, and is refused\n"
		"when there is not enough space to keep.",
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 3,
	.max = 3,
	.fn = set,
};
