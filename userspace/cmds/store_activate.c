// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>

#include "cmd.h"
#include "lib/out.h"
#include "lib/snap.h"
#include "lib/storedev.h"
#include "lib/units.h"
#include "uapi.h"

enum {
	OPT_READ_ONLY, OPT_NO_SPACE, OPT_TIMEOUT, OPT_MAP_MEMORY, OPT_LOW_WATER, OPT_NO_DISCARD,
	OPT_NO_SNAPSHOTS, OPT_AUTO,
};

static const struct sosnap_opt options[] = {
	[OPT_READ_ONLY] = { "read-only", NULL, "write nothing, not even a replay of the journal", 0 },
	[OPT_NO_SPACE] = { "no-space", "queue|error", "what first writes do when the store is full (default: queue)", 0 },
	[OPT_TIMEOUT] = { "no-space-timeout", "<seconds>", "how long they are queued, 0 for ever (default: 60)", 0 },
	[OPT_MAP_MEMORY] = { "map-memory", "<size>", "most memory for maps, a multiple of 1M", 0 },
	[OPT_LOW_WATER] = { "low-water", "<size>", "raise an event when less is free", 0 },
	[OPT_NO_DISCARD] = { "no-discard-passdown", NULL, "do not discard freed blocks on the device", 0 },
	[OPT_NO_SNAPSHOTS] = { "no-snapshots", NULL, "not the snapshots that are set to start with it", 0 },
	[OPT_AUTO] = { "auto", NULL, "as at boot: if it is active, only see to its snapshots", 1 << OPT_NO_SNAPSHOTS },
	{ 0 }
};

__attribute__((format(printf, 3, 4)))
static int put_words(FILE *f, int count, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	return count;
}

/* Words of the table line after the device, with their number before them */
static int table_options(const struct sosnap_args *a, char **text)
{
	const char *no_space = a->opt[OPT_NO_SPACE];
	u64 seconds = 0, memory = 0, low = 0;
	int count = 0, r;
	char *buf = NULL;
	size_t size;
	FILE *f;

	if (no_space && strcmp(no_space, "queue") && strcmp(no_space, "error")) {
		sosnap_error("--no-space must be 'queue' or 'error', not '%s'", no_space);
		return -EINVAL;
	}
	r = sosnap_units_number("--no-space-timeout", a->opt[OPT_TIMEOUT], 1000000, &seconds) ?:
	    sosnap_units_option("--map-memory", a->opt[OPT_MAP_MEMORY], 1 << 20, &memory) ?:
	    sosnap_units_option("--low-water", a->opt[OPT_LOW_WATER], SOSNAP_BLOCK_SIZE, &low);
	if (r)
		return r;
	f = open_memstream(&buf, &size);
	if (!f)
		sosnap_die_memory();
	if (a->opt[OPT_READ_ONLY])
		count += put_words(f, 1, " read_only");
	if (no_space)
		count += put_words(f, 1, " %s_if_no_space", no_space);
	if (a->opt[OPT_TIMEOUT])
		count += put_words(f, 2, " no_space_timeout %llu", (unsigned long long)seconds);
	if (a->opt[OPT_MAP_MEMORY])
		count += put_words(f, 2, " map_memory %llu", (unsigned long long)memory >> 20);
	if (a->opt[OPT_LOW_WATER])
		count += put_words(f, 2, " low_water %llu",
				   (unsigned long long)low >> SOSNAP_BLOCK_SHIFT);
	if (a->opt[OPT_NO_DISCARD])
		count += put_words(f, 1, " no_discard_passdown");
	if (fclose(f))
		sosnap_die_memory();
	*text = count ? sosnap_printf(" %d%s", count, buf) : sosnap_strdup("");
	free(buf);
	return 0;
}

/* The device of the inactive store of this name, to be freed */
static char *device_of(const char *name)
{
	struct sosnap_found *found;
	const struct sosnap_found *hit = NULL, *second = NULL;
	char *path = NULL;
	size_t nr;

	if (sosnap_stores_inactive(&found, &nr))
		return NULL;
	for (size_t i = 0; i < nr; i++)
		if (!found[i].error && !strcmp(found[i].name, name)) {
			if (hit)
				second = &found[i];
			else
				hit = &found[i];
		}
	if (second)
		sosnap_error("several devices hold a store named '%s', %s and %s: give the device instead of the name",
			     name, hit->path, second->path);
	else if (!hit)
		sosnap_error("no block device holds a store named '%s': 'sosnap store list' shows the stores there are",
			     name);
	else
		path = sosnap_strdup(hit->path);
	free(found);
	return path;
}

static int create_device(const struct sosnap_args *a, const struct sosnap_storedev *s,
			 const char *path)
{
	char dm[SOSNAP_DM_NAME], uuid[SOSNAP_DM_UUID];
	char *words = NULL, *params;
	int r;

	r = sosnap_dm_name(s->super.name, NULL, dm) ?: table_options(a, &words);
	if (r)
		goto out;
	snprintf(uuid, sizeof(uuid), SOSNAP_DM_UUID_PREFIX "%s", s->uuid);
	params = sosnap_printf("%s%s", path, words);
	r = sosnap_dm_create(dm, uuid, s->dev.bytes >> 9, SOSNAP_TARGET_STORE, params,
			     a->opt[OPT_READ_ONLY]);
	if (r)
		sosnap_dm_error(r, "store '%s' on %s cannot be activated", s->super.name, path);
	else
		sosnap_done("activated store %s on %s", s->super.name, path);
	free(params);
out:
	free(words);
	return r;
}

/* Those that are set to start with the store */
static int activate_snapshots(const char *name)
{
	struct sosnap_reply_snapshot *snaps = NULL;
	struct sosnap_activation activation;
	struct sosnap_store store;
	size_t nr = 0;
	int r;

	if (sosnap_options.dry_run) {
		sosnap_out_step("activate the snapshots of '%s' that are set to start with it",
				name);
		return 0;
	}
	r = sosnap_store_find(name, &store);
	if (r)
		return r;
	r = sosnap_activation_init(&activation, &store, NULL, false);
	if (!r)
		r = sosnap_store_snapshots(&store, &snaps, &nr);
	for (size_t i = 0; i < nr; i++) {
		if (!snaps[i].auto_activate)
			continue;
		if (snaps[i].lossy && !snaps[i].active)
			sosnap_warn("%s/%s is left out: it lost data that 'sosnap store repair' could not find; 'sosnap activate --lossy %s/%s' shows what is left",
				    store.st.name, snaps[i].name, store.st.name, snaps[i].name);
		else
			r = sosnap_snap_activate(&activation, &snaps[i]) ?: r;
	}
	free(snaps);
	sosnap_activation_exit(&activation);
	return r;
}

static int check_not_active(const char *name)
{
	struct sosnap_store store;
	int r = sosnap_store_lookup(name, &store);

	if (r == -ENOENT)
		return 0;
	if (!r) {
		sosnap_error("a store named '%s' is active already, on %s", name, store.path);
		r = -EEXIST;
	}
	return r;
}

/* 0 when the store is active already, wherever it is; -ENOENT when it is not */
static int already_active(const struct sosnap_args *a)
{
	struct sosnap_store store;
	int r;

	if (!strchr(a->arg[0], '/'))
		r = sosnap_store_lookup(a->arg[0], &store);
	else
		r = a->opt[OPT_AUTO] ? sosnap_store_on(a->arg[0], &store) : -ENOENT;
	if (r)
		return r;
	sosnap_done("store %s is active already, on %s", store.st.name, store.path);
	return a->opt[OPT_AUTO] ? activate_snapshots(store.st.name) : 0;
}

static int activate_on(const struct sosnap_args *a, const char *path)
{
	struct sosnap_storedev s;
	int r = sosnap_storedev_open(&s, path);

	if (r)
		return r;
	/* the kernel claims the device now */
	sosnap_storedev_close(&s);
	if (!s.dev.rdev) {
		sosnap_error("%s is a regular file: attach it by 'losetup --find --show %s' and give the loop device",
			     path, path);
		return -ENOTBLK;
	}
	r = check_not_active(s.super.name) ?: create_device(a, &s, path);
	if (!r && !a->opt[OPT_NO_SNAPSHOTS])
		r = activate_snapshots(s.super.name);
	return r;
}

static int store_activate(const struct sosnap_args *a)
{
	char *path;
	int r = sosnap_dm_available();

	if (r)
		return SOSNAP_EXIT_FAILED;
	r = already_active(a);
	if (r != -ENOENT)
		return sosnap_exit_code(r);
	path = strchr(a->arg[0], '/') ? sosnap_strdup(a->arg[0]) : device_of(a->arg[0]);
	r = path ? activate_on(a, path) : -ENOENT;
	free(path);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_activate = {
	.name = "store activate",
	.usage = "<device>|<store>",
	.help = "make a store usable, with the snapshots that are set to start with it",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = 1,
	.fn = store_activate,
};
