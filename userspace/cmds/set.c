// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"

#include <sys/sysmacros.h>

#include "lib/dev.h"
#include "lib/snap.h"

static int check_read_only(const struct sosnap_dm_dev *dev, bool on);
static int follow_read_only(const struct sosnap_store *store,
			    const struct sosnap_reply_snapshot *snap, bool on);

/*
 * What can be set
 *
 * @word:   of the message
 * @check:  NULL, or whether its device lets it be set; says why not
 * @follow: NULL, or what else is to be done once it is
 */
static const struct setting {
	const char *name;
	const char *word;
	int (*check)(const struct sosnap_dm_dev *dev, bool on);
	int (*follow)(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		      bool on);
} settings[] = {
	{ "auto", "auto", NULL, NULL },
	{ "disposable", "disposable", NULL, NULL },
	{ "read-only", "read_only", check_read_only, follow_read_only },
};

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

static int parse_value(const struct setting *s, const char *value, bool *on)
{
	*on = !strcmp(value, "on");
	if (*on || !strcmp(value, "off"))
		return 0;
	sosnap_error("'%s' can be set on or off, not '%s'", s->name, value);
	return -EINVAL;
}

static int set_one(const struct sosnap_store *store, const struct sosnap_reply_snapshot *snap,
		   const struct setting *s, const char *value, bool on)
{
	struct sosnap_dm_dev dev;
	char *message;
	int r;

	if (s->check) {
		r = sosnap_snap_device(store, snap, &dev) ?: s->check(&dev, on);
		if (r)
			return r;
	}
	message = sosnap_printf("set %s %s %d", snap->name, s->word, on);
	r = sosnap_dm_message(store->dm, message, NULL);
	free(message);
	if (r) {
		sosnap_dm_error(r, "'%s' of snapshot '%s/%s' cannot be set", s->name,
				store->st.name, snap->name);
		return r;
	}
	if (s->follow)
		r = s->follow(store, snap, on);
	if (!r)
		sosnap_done("set %s of %s/%s %s", s->name, store->st.name, snap->name, value);
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
	bool on;
	int r;

	if (!setting || parse_value(setting, a->arg[2], &on))
		return SOSNAP_EXIT_USAGE;
	r = sosnap_ref_parse(a->arg[0], &ref) ?: sosnap_store_find(ref.store, &store) ?:
	    sosnap_store_snapshots(&store, &snaps, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	snap = sosnap_snapshot_need(&store, snaps, nr, ref.snap);
	r = snap ? set_one(&store, snap, setting, a->arg[2], on) : -ENOENT;
	free(snaps);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_set = {
	.name = "set",
	.usage = "<store>/<snapshot> auto|disposable|read-only on|off",
	.help = "change a setting of a snapshot",
	.text = "auto on: it is activated together with its store.\n"
		"disposable on: the monitor may remove it when space runs out, if it is inactive.\n"
		"read-only on: nothing of it can be changed, not even by a refresh; it can be\n"
		"removed. Refused while its device is open.",
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 3,
	.max = 3,
	.fn = set,
};
