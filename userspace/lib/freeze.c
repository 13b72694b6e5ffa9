// SPDX-License-Identifier: GPL-2.0
#include "lib/freeze.h"

#include "lib/report.h"

static void signals_wait(struct sosnap_freeze *f)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, &f->mask);
}

static bool held(const struct sosnap_freeze *f, const char *name)
{
	for (size_t i = 0; i < f->nr; i++)
		if (!strcmp(f->names[i], name))
			return true;
	return false;
}

static int hold(struct sosnap_freeze *f, const struct sosnap_store *store,
		const struct sosnap_reply_snapshot *snap)
{
	struct sosnap_dm_dev dev;
	int r;

	if (!snap->active)
		return 0;
	r = sosnap_snap_device(store, snap, &dev);
	if (r)
		return r;
	if (!dev.exists) {
		sosnap_error("snapshot '%s/%s' is active under a device that this tool did not make: find it by 'dmsetup table --target sosnap', and suspend it by dmsetup",
			     store->st.name, snap->name);
		return -EBUSY;
	}
	if (held(f, dev.name))
		return 0;
	r = sosnap_dm_suspend(dev.name);
	if (r)
		sosnap_dm_error(r, "snapshot '%s/%s' cannot be suspended", store->st.name,
				snap->name);
	else
		strscpy(f->names[f->nr++], dev.name, SOSNAP_DM_NAME);
	return r;
}

int sosnap_freeze_begin(struct sosnap_freeze *f, const struct sosnap_store *store,
			const struct sosnap_reply_snapshot *const *snaps, size_t nr)
{
	int r = 0;

	f->names = sosnap_alloc(nr, sizeof(*f->names));
	f->nr = 0;
	signals_wait(f);
	for (size_t i = 0; i < nr && !r; i++)
		r = hold(f, store, snaps[i]);
	if (r)
		sosnap_freeze_end(f);
	return r;
}

int sosnap_freeze_end(struct sosnap_freeze *f)
{
	int r = 0;

	/* in reverse, so that whoever waits for another one finds it going on */
	while (f->nr) {
		const char *name = f->names[--f->nr];
		int error = sosnap_dm_resume(name);

		if (error) {
			sosnap_dm_error(error, "/dev/mapper/%s stays suspended: try 'dmsetup resume %s'",
					name, name);
			r = error;
		}
	}
	free(f->names);
	f->names = NULL;
	sigprocmask(SIG_SETMASK, &f->mask, NULL);
	return r;
}
