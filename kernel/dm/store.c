// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>

#include "block_io.h"
#include "checkpoint.h"
#include "commit.h"
#include "../core/reap.h"
#include "../core/uapi.h"
#include "log.h"
#include "partial.h"
#include "reserve.h"
#include "space_wait.h"
#include "store.h"
#include "window.h"

#define DEFAULT_TIMEOUT		60U
#define DEFAULT_MAP_MEMORY	256U

static DEFINE_MUTEX(stores_lock);
static LIST_HEAD(stores);

/* A table that uses a store: several while a table is reloaded. */
struct store_target {
	struct sosnap_store *store;
	struct dm_dev *dev;
	struct sosnap_options opt;
	int argc;
	char *args;	/* the options as given, for the table line */
};

struct sosnap_store *sosnap_store_of_target(struct dm_target *ti)
{
	return ((struct store_target *)ti->private)->store;
}

/**
 * sosnap_store_get_device() - the store that a dm device is
 * @dev: any device
 * Context: may sleep.
 * Return: the store, to be put after use; NULL if it is none.
 */
struct sosnap_store *sosnap_store_get_device(struct dm_dev *dev)
{
	struct sosnap_store *store, *found = NULL;

	mutex_lock(&stores_lock);
	list_for_each_entry(store, &stores, list)
		if (dm_disk(store->md) == dev->bdev->bd_disk)
			found = store;
	if (found)
		found->refs++;
	mutex_unlock(&stores_lock);
	return found;
}

static void event_work(struct work_struct *work)
{
	struct sosnap_store *store = container_of(work, struct sosnap_store, event);

	mutex_lock(&store->list_lock);
	if (store->ti)
		dm_table_event(store->ti->table);
	mutex_unlock(&store->list_lock);
}

/**
 * sosnap_store_fail() - no metadata may be written any more
 * @store: the store
 * @why:   for the log
 *
 * Reads go on; what is on disk is the last complete state and its commits.
 * Context: any.
 */
void sosnap_store_fail(struct sosnap_store *store, const char *why)
{
	if (cmpxchg(&store->state, SOSNAP_STORE_RW, SOSNAP_STORE_FAILED) != SOSNAP_STORE_RW)
		return;
	DMERR("%s: %s: the store takes no more writes; reads go on", store->meta.super.name, why);
	queue_work(store->commit_wq, &store->commit.work);
	schedule_work(&store->event);
}

static void store_destroy(struct sosnap_store *store)
{
	/* nobody uses the store: the workers only still kick each other */
	WRITE_ONCE(store->stopping, true);
	cancel_delayed_work_sync(&store->merge_timer);
	cancel_delayed_work_sync(&store->no_space);
	cancel_work_sync(&store->checkpoint);
	sosnap_shrinker_stop(store->shrinker);
	cancel_work_sync(&store->evict);
	flush_work(&store->drop);
	cancel_delayed_work_sync(&store->commit.timer);
	cancel_work_sync(&store->commit.work);
	sosnap_commit_idle(store);
	cancel_work_sync(&store->stretch.refill);
	cancel_work_sync(&store->event);
	if (store->meta_wq)
		destroy_workqueue(store->meta_wq);
	if (store->commit_wq)
		destroy_workqueue(store->commit_wq);
	if (store->io_wq)
		destroy_workqueue(store->io_wq);
	sosnap_partial_exit(store);
	sosnap_commit_exit(store);
	sosnap_log_exit(store);
	sosnap_checkpoint_exit(store);
	sosnap_meta_close(&store->meta);
	sosnap_block_io_exit(store);
	mempool_destroy(store->pages);
	kvfree(store);
}

static int open_failed(struct sosnap_store *store, struct dm_target *ti, int r)
{
	struct sosnap_fault *f = &store->io.fault;

	if (r == -EROFS) {
		ti->error = "store was not closed: activate it without read_only first";
	} else if (r == -EIO && f->what == SOSNAP_FAULT_SUPER_WRITE) {
		/*
		 * One copy would do until it is torn: then the store were lost, not a
		 * commit. So no state of it is acknowledged that is not in both.
		 */
		ti->error = "superblock cannot be written: copy the store to a sound device";
	} else if (r == -ENOMEM) {
		ti->error = "out of memory";
	} else if (r != -EUCLEAN) {
		ti->error = r == -EIO ? "store device cannot be read or written" :
					"store cannot be opened";
	} else {
		DMERR("%s: block %llu %s: fault=%s arg=%llu", dm_device_name(store->md),
		      f->blk, sosnap_fault_text(f->what), sosnap_fault_name(f->what), f->arg);
		switch (f->what) {
		case SOSNAP_FAULT_BLOCK_MAGIC:
			ti->error = "device holds no store: make one with sosnap store create";
			break;
		case SOSNAP_FAULT_SUPER_VERSION:
		case SOSNAP_FAULT_SUPER_INCOMPAT:
			ti->error = "store was made by another version: use a newer module";
			break;
		case SOSNAP_FAULT_SUPER_SIZE:
			ti->error = "device is smaller than the store on it: restore its size";
			break;
		default:
			ti->error = "store is damaged: run sosnap store check";
		}
	}
	return r;
}

static void counts_init(struct sosnap_store *store)
{
	store->nr_snapshots = sosnap_catalog_count(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT);
	store->nr_golds = sosnap_catalog_count(&store->meta.catalog, SOSNAP_CATALOG_GOLD);
	store->data_blocks = store->meta.super.data_blocks;
	store->freeing = sosnap_reap_pending(&store->meta, &store->removing);
	mutex_lock(&store->meta_lock);
	sosnap_reserve_count(store);
	mutex_unlock(&store->meta_lock);
}

static int store_open(struct sosnap_store *store, struct dm_target *ti)
{
	int r;

	store->pages = mempool_create_page_pool(16, 0);
	store->io_wq = alloc_workqueue("sosnap_io", WQ_MEM_RECLAIM | WQ_UNBOUND,
				       SOSNAP_IO_WORKERS);
	store->commit_wq = alloc_workqueue("sosnap_commit", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	store->meta_wq = alloc_workqueue("sosnap_meta", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!store->pages || !store->io_wq || !store->commit_wq || !store->meta_wq ||
	    sosnap_partial_init(store)) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	r = sosnap_block_io_init(store);
	if (!r)
		r = sosnap_meta_open(&store->meta, &store->io, &sosnap_meta_host);
	if (r)
		return open_failed(store, ti, r);
	store->state = store->opt.read_only ? SOSNAP_STORE_RO : SOSNAP_STORE_RW;
	if (store->meta.super.read_only && store->state == SOSNAP_STORE_RW) {
		ti->error = "store has features this version may only read: use read_only";
		return -EROFS;
	}
	if (store->meta.doubt && store->state == SOSNAP_STORE_RW) {
		DMERR("%s: %llu blocks are free, %llu data, %llu metadata: more than all, %llu",
		      store->meta.super.name, store->meta.space.free,
		      store->meta.super.data_blocks, store->meta.super.node_blocks,
		      store->meta.space.total);
		ti->error = "free space is in doubt: run sosnap store check, or use read_only";
		return -EUCLEAN;
	}
	r = sosnap_checkpoint_init(store);
	if (!r)
		r = sosnap_checkpoint_replay(store);
	if (!r)
		r = sosnap_log_init(store);
	if (!r)
		r = sosnap_commit_init(store);
	if (r)
		return open_failed(store, ti, r);
	r = sosnap_window_shrinker_start(store);
	if (r)
		return open_failed(store, ti, r);
	counts_init(store);
	if (store->state == SOSNAP_STORE_RW) {
		queue_work(store->meta_wq, &store->stretch.refill);
		if (store->freeing)
			sosnap_checkpoint_queue(store);
	}
	return 0;
}

static struct sosnap_store *store_create(struct dm_target *ti, struct dm_dev *dev,
					 const struct sosnap_options *opt)
{
	struct sosnap_store *store = kvzalloc(sizeof(*store), GFP_KERNEL);
	int r;

	if (!store) {
		ti->error = "out of memory";
		return ERR_PTR(-ENOMEM);
	}
	store->md = dm_table_get_md(ti->table);
	store->bdev = dev->bdev;
	store->opt = *opt;
	mutex_init(&store->resize_lock);
	mutex_init(&store->meta_lock);
	mutex_init(&store->space_lock);
	mutex_init(&store->list_lock);
	init_rwsem(&store->root_sem);
	spin_lock_init(&store->log_lock);
	INIT_LIST_HEAD(&store->snaps);
	INIT_WORK(&store->event, event_work);
	sosnap_commit_prepare(store);
	sosnap_checkpoint_prepare(store);
	sosnap_space_wait_init(store);
	sosnap_window_store_init(store);
	r = store_open(store, ti);
	if (r) {
		store_destroy(store);
		return ERR_PTR(r);
	}
	return store;
}

/* The store of a table: shared with the table that it replaces. */
static struct sosnap_store *store_get(struct dm_target *ti, struct dm_dev *dev,
				      const struct sosnap_options *opt)
{
	struct sosnap_store *store;

	mutex_lock(&stores_lock);
	list_for_each_entry(store, &stores, list) {
		if (store->bdev->bd_dev != dev->bdev->bd_dev)
			continue;
		if (store->md != dm_table_get_md(ti->table)) {
			ti->error = "store is active under another name: deactivate it first";
			store = ERR_PTR(-EBUSY);
		} else if (opt->read_only != store->opt.read_only) {
			ti->error = "read_only cannot be changed while the store is active";
			store = ERR_PTR(-EINVAL);
		} else {
			store->refs++;
		}
		goto out;
	}
	store = store_create(ti, dev, opt);
	if (!IS_ERR(store)) {
		store->refs = 1;
		list_add(&store->list, &stores);
	}
out:
	mutex_unlock(&stores_lock);
	return store;
}

/**
 * sosnap_store_put() - end the use of a store
 * @store: from a table of its own, or sosnap_store_get_device()
 * Context: may sleep.
 */
void sosnap_store_put(struct sosnap_store *store)
{
	mutex_lock(&stores_lock);
	if (!--store->refs) {
		list_del(&store->list);
		store_destroy(store);
	}
	mutex_unlock(&stores_lock);
}

static int parse_options(struct dm_arg_set *as, struct sosnap_options *opt, char **error)
{
	static const struct dm_arg count = { 0, 10, "invalid number of options" };
	static const struct dm_arg timeout = {
		0, 86400, "no_space_timeout takes 0 to 86400 seconds"
	};
	static const struct dm_arg memory = { 1, 1 << 20, "map_memory takes 1 to 1048576 MiB" };
	unsigned int n, v;
	int r;

	opt->no_space_timeout = DEFAULT_TIMEOUT;
	opt->map_memory = DEFAULT_MAP_MEMORY;
	if (!as->argc)
		return 0;
	r = dm_read_arg_group(&count, as, &n, error);
	while (!r && n) {
		const char *name = dm_shift_arg(as);

		n--;
		if (!strcasecmp(name, "read_only")) {
			opt->read_only = true;
		} else if (!strcasecmp(name, "error_if_no_space")) {
			opt->error_if_no_space = true;
		} else if (!strcasecmp(name, "queue_if_no_space")) {
			opt->error_if_no_space = false;
		} else if (!strcasecmp(name, "no_discard_passdown")) {
			opt->no_discard_passdown = true;
		} else if (!strcasecmp(name, "no_space_timeout") && n--) {
			r = dm_read_arg(&timeout, as, &v, error);
			opt->no_space_timeout = v;
		} else if (!strcasecmp(name, "map_memory") && n--) {
			r = dm_read_arg(&memory, as, &v, error);
			opt->map_memory = v;
		} else if (!strcasecmp(name, "low_water") && n--) {
			r = kstrtou64(dm_shift_arg(as), 10, &opt->low_water);
			if (r)
				*error = "low_water takes a number of blocks";
		} else {
			*error = "unknown option, or one that lacks its value";
			r = -EINVAL;
		}
	}
	if (!r && as->argc) {
		*error = "more arguments than the number of options says";
		r = -EINVAL;
	}
	return r;
}

static char *join_args(unsigned int argc, char **argv)
{
	size_t bytes = 1;
	unsigned int i;
	char *s;

	for (i = 0; i < argc; i++)
		bytes += strlen(argv[i]) + 1;
	s = kzalloc(bytes, GFP_KERNEL);
	for (i = 0; s && i < argc; i++) {
		if (i)
			strcat(s, " ");
		strcat(s, argv[i]);
	}
	return s;
}

/* <store device> [<#options> <option>...] */
static int store_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	struct store_target *t;
	const char *path;
	int r;

	if (!argc) {
		ti->error = "wanted: <store device> [<#options> <option>...]";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "out of memory";
		return -ENOMEM;
	}
	t->args = join_args(argc - 1, argv + 1);
	path = dm_shift_arg(&as);
	r = t->args ? parse_options(&as, &t->opt, &ti->error) : -ENOMEM;
	if (r)
		goto bad;
	r = dm_get_device(ti, path,
			  t->opt.read_only ? sosnap_mode_ro(dm_table_get_mode(ti->table)) :
					     dm_table_get_mode(ti->table), &t->dev);
	if (r) {
		ti->error = r == -EBUSY ? "store device is in use: unmount or release it" :
					  "store device cannot be opened: check its name";
		goto bad;
	}
	if (!t->opt.read_only && !sosnap_mode_writes(dm_table_get_mode(ti->table))) {
		ti->error = "a read-only table needs the option read_only";
		r = -EROFS;
		goto bad_device;
	}
	t->store = store_get(ti, t->dev, &t->opt);
	if (IS_ERR(t->store)) {
		r = PTR_ERR(t->store);
		goto bad_device;
	}
	ti->private = t;
	ti->num_flush_bios = 0;
	return 0;

bad_device:
	dm_put_device(ti, t->dev);
bad:
	kfree(t->args);
	kfree(t);
	return r;
}

static void store_dtr(struct dm_target *ti)
{
	struct store_target *t = ti->private;
	struct sosnap_store *store = t->store;

	mutex_lock(&store->list_lock);
	if (store->ti == ti)
		store->ti = NULL;
	mutex_unlock(&store->list_lock);
	sosnap_store_put(store);
	dm_put_device(ti, t->dev);
	kfree(t->args);
	kfree(t);
}

/* The device itself serves no I/O. */
static int store_map(struct dm_target *ti, struct bio *bio)
{
	return DM_MAPIO_KILL;
}

/* Who looks at an option while it changes may find either value. */
static void options_take(struct sosnap_options *to, const struct sosnap_options *from)
{
	WRITE_ONCE(to->error_if_no_space, from->error_if_no_space);
	WRITE_ONCE(to->no_discard_passdown, from->no_discard_passdown);
	WRITE_ONCE(to->no_space_timeout, from->no_space_timeout);
	WRITE_ONCE(to->map_memory, from->map_memory);
	WRITE_ONCE(to->low_water, from->low_water);
}

static int store_preresume(struct dm_target *ti)
{
	struct store_target *t = ti->private;
	struct sosnap_store *store = t->store;

	mutex_lock(&store->space_lock);
	options_take(&store->opt, &t->opt);
	store->low = false;	/* an event if it is */
	mutex_unlock(&store->space_lock);
	mutex_lock(&store->list_lock);
	store->ti = ti;
	mutex_unlock(&store->list_lock);
	WRITE_ONCE(store->stopping, false);
	sosnap_space_freed(store);
	if (READ_ONCE(store->freeing))
		sosnap_checkpoint_queue(store);
	return 0;
}

/* Leave nothing to replay, if nobody uses the store any more. */
static void store_postsuspend(struct dm_target *ti)
{
	struct sosnap_store *store = sosnap_store_of_target(ti);
	bool idle;

	mutex_lock(&store->list_lock);
	idle = list_empty(&store->snaps);
	if (idle)
		WRITE_ONCE(store->stopping, true);
	mutex_unlock(&store->list_lock);
	if (sosnap_writable(store))
		sosnap_checkpoint_all(store, idle);
}

static void store_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			 char *result, unsigned int maxlen)
{
	struct store_target *t = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sosnap_store_status(t->store, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s%s%s", t->dev->name, t->args[0] ? " " : "", t->args);
		break;
	default:
		result[0] = '\0';
	}
}

static int store_iterate(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct store_target *t = ti->private;

	return fn(ti, t->dev, 0, min_t(sector_t, ti->len, bdev_nr_sectors(t->dev->bdev)), data);
}

struct target_type sosnap_store_target = {
	.name = SOSNAP_TARGET_STORE,
	.version = { 1, 0, 0 },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = store_ctr,
	.dtr = store_dtr,
	.map = store_map,
	.preresume = store_preresume,
	.postsuspend = store_postsuspend,
	.status = store_status,
	.message = sosnap_message,
	.iterate_devices = store_iterate,
};
