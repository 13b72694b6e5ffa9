// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/store.h"

/* What can be set, and the values that each takes */
static const struct {
	const char *name;
	const char *value;
	const char *message;
} settings[] = {
	{ "auto", "on", "auto 1" },
	{ "auto", "off", "auto 0" },
	{ "disposable", "on", "disposable 1" },
	{ "disposable", "off", "disposable 0" },
};

static const char *find_setting(const char *name, const char *value)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (strcmp(settings[i].name, name))
			continue;
		known = true;
		if (!strcmp(settings[i].value, value))
			return settings[i].message;
	}
	if (known)
		sosnap_error("'%s' can be set on or off, not '%s'", name, value);
	else
		sosnap_error("there is no setting '%s' of a snapshot: 'sosnap set --help' shows those there are",
			     name);
	return NULL;
}

static int set(const struct sosnap_args *a)
{
	const char *setting = find_setting(a->arg[1], a->arg[2]);
	struct sosnap_reply_snapshot *snaps;
	struct sosnap_store store;
	struct sosnap_ref ref;
	char *message;
	size_t nr;
	int r;

	if (!setting)
		return SOSNAP_EXIT_USAGE;
	r = sosnap_ref_parse(a->arg[0], &ref) ?: sosnap_store_find(ref.store, &store) ?:
	    sosnap_store_snapshots(&store, &snaps, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	if (!sosnap_snapshot_need(&store, snaps, nr, ref.snap)) {
		r = -ENOENT;
	} else {
		message = sosnap_printf("set %s %s", ref.snap, setting);
		r = sosnap_dm_message(store.dm, message, NULL);
		if (r)
			sosnap_dm_error(r, "'%s' of snapshot '%s/%s' cannot be set", a->arg[1],
					ref.store, ref.snap);
		else
			sosnap_done("set %s of %s/%s %s", a->arg[1], ref.store, ref.snap,
				    a->arg[2]);
		free(message);
	}
	free(snaps);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_set = {
	.name = "set",
	.usage = "<store>/<snapshot> auto|disposable on|off",
	.help = "change a setting of a snapshot",
	.text = "auto on: it is activated together with its store.\n"
		"disposable on: the monitor may remove it when space runs out, if it is inactive.",
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 3,
	.max = 3,
	.fn = set,
};
