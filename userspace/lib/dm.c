// SPDX-License-Identifier: GPL-2.0
/*
 * Devices of ours carry udev flags that keep the host from looking into them:
 * they hold what their guests wrote, with the same labels and identifiers as
 * the gold image. With udevd running, libdevmapper waits until it has seen the
 * device; without, libdevmapper makes the node itself.
 */
#include "lib/dm.h"

#include <libdevmapper.h>
#include <stdarg.h>
#include <unistd.h>

#include "lib/kmsg.h"
#include "lib/out.h"
#include "lib/report.h"

#define DM_FLAGS (DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | DM_UDEV_DISABLE_DISK_RULES_FLAG | \
		  DM_UDEV_DISABLE_OTHER_RULES_FLAG)

static char *reason;		/* the kernel's, of the last call that failed */
static char *hint;		/* our own */
static bool batch;		/* udev is waited for at its end */
static uint32_t batch_cookie;

static void log_nothing(int level, const char *file, int line, int error, const char *fmt, ...)
{
}

/* dm_task_run(), with the errno and the reason of a failure kept */
static int run(struct dm_task *task)
{
	int mark = sosnap_kmsg_mark();
	int r = 0;

	free(reason);
	free(hint);
	reason = NULL;
	hint = NULL;
	if (!dm_task_run(task)) {
		r = -dm_task_get_errno(task);
		if (!r)
			r = -EIO;
		reason = sosnap_kmsg_reason(mark);
	}
	return r;
}

static struct dm_task *new_task(int type)
{
	struct dm_task *task;

	dm_log_with_errno_init(log_nothing);
	task = dm_task_create(type);
	if (!task) {
		/* it has asked the kernel for its version and got no answer */
		sosnap_error("the kernel's device-mapper cannot be reached: load it by 'modprobe dm-mod'");
		exit(SOSNAP_EXIT_FAILED);
	}
	return task;
}

static struct dm_task *new_named_task(int type, const char *name)
{
	struct dm_task *task = new_task(type);

	if (!dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		return NULL;
	}
	return task;
}

int sosnap_dm_available(void)
{
	if (geteuid()) {
		sosnap_error("this needs root: try it with sudo");
		return -EPERM;
	}
	dm_task_destroy(new_task(DM_DEVICE_VERSION));
	return 0;
}

bool sosnap_dm_loaded(void)
{
	FILE *f = fopen("/proc/misc", "re");
	bool found = false;
	char line[256];

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "device-mapper");
	if (f)
		fclose(f);
	return found && !geteuid();
}

int sosnap_dm_find(const char *name, const char *uuid, struct sosnap_dm_dev *dev)
{
	struct dm_task *task = new_task(DM_DEVICE_INFO);
	struct dm_info info;
	int r = -EINVAL;

	memset(dev, 0, sizeof(*dev));
	if (name ? !dm_task_set_name(task, name) : !dm_task_set_uuid(task, uuid))
		goto out;
	r = run(task);
	if (r == -ENXIO || r == -ENODEV) {
		r = 0;
		goto out;
	}
	if (r)
		goto out;
	if (!dm_task_get_info(task, &info)) {
		r = -EIO;
		goto out;
	}
	dev->exists = info.exists;
	if (!info.exists)
		goto out;
	strscpy(dev->name, dm_task_get_name(task), sizeof(dev->name));
	strscpy(dev->uuid, dm_task_get_uuid(task) ?: "", sizeof(dev->uuid));
	dev->major = info.major;
	dev->minor = info.minor;
	dev->opens = info.open_count;
	dev->live = info.live_table;
	dev->read_only = info.read_only;
	dev->suspended = info.suspended;
out:
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_each(int (*fn)(const struct sosnap_dm_dev *dev, void *ctx), void *ctx)
{
	struct dm_task *task = new_task(DM_DEVICE_LIST);
	struct dm_names *names;
	int r = run(task);

	if (r)
		goto out;
	names = dm_task_get_names(task);
	if (!names || !names->dev)
		goto out;
	for (;;) {
		struct sosnap_dm_dev dev;

		r = sosnap_dm_find(names->name, NULL, &dev);
		if (!r && dev.exists)
			r = fn(&dev, ctx);
		if (r || !names->next)
			break;
		names = (struct dm_names *)((char *)names + names->next);
	}
out:
	dm_task_destroy(task);
	return r;
}

static int first_target(int task_type, const char *name, char **type, char **params)
{
	struct dm_task *task = new_named_task(task_type, name);
	char *t = NULL, *p = NULL;
	uint64_t start, length;
	int r;

	if (!task)
		return -EINVAL;
	dm_task_no_flush(task);
	r = run(task);
	if (!r) {
		dm_get_next_target(task, NULL, &start, &length, &t, &p);
		if (!t)
			r = -ENXIO;
	}
	if (!r) {
		*type = sosnap_strdup(t);
		*params = sosnap_strdup(p ?: "");
	}
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_status(const char *name, char **type, char **params)
{
	return first_target(DM_DEVICE_STATUS, name, type, params);
}

int sosnap_dm_table(const char *name, char **type, char **params)
{
	return first_target(DM_DEVICE_TABLE, name, type, params);
}

/* A task after which a node appears, changes or goes */
static int run_with_udev(struct dm_task *task)
{
	uint32_t own_cookie = 0;
	uint32_t *cookie = batch ? &batch_cookie : &own_cookie;
	int r;

	if (!dm_task_set_cookie(task, cookie, DM_FLAGS))
		return -EIO;
	r = run(task);
	if (!batch)
		dm_udev_wait(own_cookie);
	else if (!batch_cookie)
		/* nobody to wait for; the library looks through all nodes it has not made yet */
		dm_task_update_nodes();
	return r;
}

void sosnap_dm_batch_begin(void)
{
	batch = true;
	batch_cookie = 0;
}

void sosnap_dm_batch_end(void)
{
	if (batch)
		dm_udev_wait(batch_cookie);
	batch = false;
}

/* After a failed create: is it that the module is not there? */
static bool target_missing(const char *type)
{
	struct dm_task *task = new_task(DM_DEVICE_LIST_VERSIONS);
	struct dm_versions *v;
	bool found = false;

	if (dm_task_run(task)) {
		v = dm_task_get_versions(task);
		while (v) {
			found |= !strcmp(v->name, type);
			v = v->next ? (struct dm_versions *)((char *)v + v->next) : NULL;
		}
	} else {
		found = true;	/* not known, so nothing to add */
	}
	dm_task_destroy(task);
	return !found;
}

/* Steps of the creation; each returns the kernel's own errno */

static int create_empty(const char *name, const char *uuid)
{
	struct dm_task *task = new_named_task(DM_DEVICE_CREATE, name);
	int r = -EINVAL;

	if (task && dm_task_set_uuid(task, uuid))
		r = run(task);
	if (task)
		dm_task_destroy(task);
	return r;
}

static int load_table(const char *name, u64 sectors, const char *type, const char *params,
		      bool read_only)
{
	struct dm_task *task = new_named_task(DM_DEVICE_RELOAD, name);
	int r = -EINVAL;

	if (task && dm_task_add_target(task, 0, sectors, type, params) &&
	    (!read_only || dm_task_set_ro(task)))
		r = run(task);
	if (task)
		dm_task_destroy(task);
	return r;
}

static int resume(const char *name)
{
	struct dm_task *task = new_named_task(DM_DEVICE_RESUME, name);
	int r = -EINVAL;

	if (task)
		r = run_with_udev(task);
	if (task)
		dm_task_destroy(task);
	return r;
}

/* What a create that was killed half-way has left; whether it is gone now */
static bool remove_empty(const char *name, const char *uuid)
{
	struct sosnap_dm_dev dev;

	return !sosnap_dm_find(name, NULL, &dev) && dev.exists && !dev.live &&
	       !strcmp(dev.uuid, uuid) && !sosnap_dm_remove(name);
}

int sosnap_dm_create(const char *name, const char *uuid, u64 sectors, const char *type,
		     const char *params, bool read_only)
{
	char *first_reason;
	int r;

	if (sosnap_options.dry_run) {
		sosnap_out_step("dmsetup create %s --uuid %s%s --table '0 %llu %s %s'", name, uuid,
				read_only ? " --readonly" : "", (unsigned long long)sectors, type,
				params);
		return 0;
	}
	r = create_empty(name, uuid);
	if (r == -EBUSY && remove_empty(name, uuid))
		r = create_empty(name, uuid);
	if (r == -EBUSY)
		hint = sosnap_printf("there is another device of this name or UUID, see 'dmsetup info %s'",
				     name);
	if (r)
		return r;
	r = load_table(name, sectors, type, params, read_only) ?: resume(name);
	if (!r)
		return 0;
	/* what is said later is about the failure, not about the clean-up */
	first_reason = reason;
	reason = NULL;
	sosnap_dm_remove(name);
	free(reason);
	reason = first_reason;
	if (target_missing(type))
		hint = sosnap_printf("the kernel has no target '%s', load it by 'modprobe dm-sosnap'",
				     type);
	return r;
}

/* What waits for space must not fail, and a filesystem need not be frozen */
static int resume_new_table(const char *name)
{
	struct dm_task *task = new_named_task(DM_DEVICE_RESUME, name);
	int r = -EINVAL;

	if (task && dm_task_no_flush(task) && dm_task_skip_lockfs(task))
		r = run_with_udev(task);
	if (task)
		dm_task_destroy(task);
	return r;
}

/* The table that was loaded and cannot be resumed; the failure is what is told */
static void clear_table(const char *name)
{
	struct dm_task *task = new_named_task(DM_DEVICE_CLEAR, name);

	if (task) {
		dm_task_run(task);
		dm_task_destroy(task);
	}
}

int sosnap_dm_reload(const char *name, u64 sectors, const char *type, const char *params,
		     bool read_only)
{
	int r;

	if (sosnap_options.dry_run) {
		sosnap_out_step("dmsetup load %s%s --table '0 %llu %s %s'", name,
				read_only ? " --readonly" : "", (unsigned long long)sectors, type,
				params);
		sosnap_out_step("dmsetup resume --noflush --nolockfs %s", name);
		return 0;
	}
	r = load_table(name, sectors, type, params, read_only);
	if (r)
		return r;
	r = resume_new_table(name);
	if (r)
		clear_table(name);
	return r;
}

int sosnap_dm_remove(const char *name)
{
	struct dm_task *task;
	int r;

	if (sosnap_options.dry_run) {
		sosnap_out_step("dmsetup remove %s", name);
		return 0;
	}
	task = new_named_task(DM_DEVICE_REMOVE, name);
	if (!task)
		return -EINVAL;
	dm_task_retry_remove(task);
	r = run_with_udev(task);
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_rename(const char *name, const char *new_name)
{
	struct dm_task *task;
	int r = -EINVAL;

	if (sosnap_options.dry_run) {
		sosnap_out_step("dmsetup rename %s %s", name, new_name);
		return 0;
	}
	task = new_named_task(DM_DEVICE_RENAME, name);
	if (!task)
		return -EINVAL;
	if (dm_task_set_newname(task, new_name))
		r = run_with_udev(task);
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_suspend(const char *name)
{
	struct dm_task *task;
	int r;

	if (sosnap_options.dry_run) {
		sosnap_out_step("dmsetup suspend %s", name);
		return 0;
	}
	task = new_named_task(DM_DEVICE_SUSPEND, name);
	if (!task)
		return -EINVAL;
	r = run(task);
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_resume(const char *name)
{
	if (!sosnap_options.dry_run)
		return resume(name);
	sosnap_out_step("dmsetup resume %s", name);
	return 0;
}

int sosnap_dm_ask(const char *name, const char *message, char **reply)
{
	struct dm_task *task = new_named_task(DM_DEVICE_TARGET_MSG, name);
	int r = -EINVAL;

	if (!task)
		return -EINVAL;
	if (dm_task_set_sector(task, 0) && dm_task_set_message(task, message))
		r = run(task);
	if (!r && reply)
		*reply = sosnap_strdup(dm_task_get_message_response(task) ?: "");
	dm_task_destroy(task);
	return r;
}

int sosnap_dm_message(const char *name, const char *message, char **reply)
{
	if (!sosnap_options.dry_run)
		return sosnap_dm_ask(name, message, reply);
	sosnap_out_step("dmsetup message %s 0 %s", name, message);
	if (reply)
		*reply = sosnap_strdup("");
	return 0;
}

void sosnap_dm_error(int error, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	if (hint)
		sosnap_error("%s: %s", text, hint);
	else if (reason)
		sosnap_error("%s: %s; the kernel says: %s", text, strerror(-error), reason);
	else
		sosnap_error("%s: %s", text, strerror(-error));
	free(text);
}
