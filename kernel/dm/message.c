// SPDX-License-Identifier: GPL-2.0
/*
 * Messages about the store itself, and the way to all the others (message.h).
 */
#include "checkpoint.h"
#include "commit.h"
#include "message.h"
#include "shrink.h"
#include "space_wait.h"
#include "store.h"
#include "window.h"

/* grow */
static int grow(struct call *c)
{
	struct sosnap_store *store = c->store;
	struct sosnap_meta *m = &store->meta;
	unsigned int sz = 0, maxlen = c->maxlen;
	char *result = c->result;
	u64 device, blocks;
	bool more;
	int r = 0;

	device = bdev_nr_sectors(store->bdev) / SOSNAP_BLOCK_SECTORS;
	blocks = min_t(u64, device, SOSNAP_MAX_BLOCKS);
	mutex_lock(&store->meta_lock);
	__sosnap_shrink_cancel(store);
	if (blocks < m->super.nr_blocks)
		r = refuse(c, -EINVAL, "device is smaller than the store on it: restore its size");
	more = !r && blocks > m->super.nr_blocks;
	if (more) {
		mutex_lock(&store->space_lock);
		/* nobody asks for a block behind the old end before it is given out */
		WRITE_ONCE(store->io.nr_blocks, device);
		m->space_io.nr_blocks = device;
		r = sosnap_space_grow(&m->space, blocks);
		mutex_unlock(&store->space_lock);
		if (r)
			refuse(c, r, "out of memory");
	}
	mutex_unlock(&store->meta_lock);
	/* writes that wait for space go on after it */
	if (!r && more)
		r = sosnap_checkpoint(store, false);
	if (r)
		return r;
	if (more)
		DMINFO("%s: grown: blocks=%llu", m->super.name, blocks);
	DMEMIT("%llu", READ_ONCE(m->super.nr_blocks));
	return 1;
}

/* shrink <blocks> */
static int shrink(struct call *c)
{
	unsigned int sz = 0, maxlen = c->maxlen;
	struct sosnap_shrink_reply reply;
	char *result = c->result;
	u64 blocks;
	int r = number(c, c->argv[0], &blocks);

	if (!r)
		r = sosnap_shrink(c->store, blocks, &reply, c->why, sizeof(c->why));
	if (r)
		return r;
	DMEMIT("%llu %llu", reply.blocks, reply.left);
	return 1;
}

/* low_water <blocks> */
static int low_water(struct call *c)
{
	unsigned int sz = 0, maxlen = c->maxlen;
	char *result = c->result;
	u64 mark;
	int r = number(c, c->argv[0], &mark);

	if (r)
		return r;
	/* no store is so large, and a bit more of it must not overflow */
	mark = min_t(u64, mark, SOSNAP_MAX_BLOCKS);
	DMEMIT("%llu", sosnap_space_watch(c->store, mark));
	return 1;
}

static int commit(struct call *c)
{
	int r = sosnap_commit_sync(c->store);

	/* a full journal: merging makes it durable too */
	return r == -EAGAIN ? sosnap_checkpoint_all(c->store, false) : r;
}

static int checkpoint(struct call *c)
{
	return sosnap_checkpoint_all(c->store, false);
}

static int drop_maps(struct call *c)
{
	sosnap_window_evict_all(c->store);
	return 0;
}

static int stats(struct call *c)
{
	struct sosnap_store *store = c->store;
	unsigned int sz = 0, maxlen = c->maxlen;
	char *result = c->result;

	mutex_lock(&store->space_lock);
	DMEMIT("free_blocks=%llu\nbitmap_views=%u\n", store->meta.space.free,
	       store->meta.space.nr_views);
	mutex_unlock(&store->space_lock);
	spin_lock_irq(&store->log_lock);
	DMEMIT("log_records=%llu\nlog_chunks=%u\ncommit_durable=%llu\ncheckpointed=%llu\n",
	       store->log.end - store->log.merged, store->log.nr_chunks,
	       store->commit.durable, READ_ONCE(store->checkpointed));
	spin_unlock_irq(&store->log_lock);
	DMEMIT("map_kib=%llu\nstretches=%u\nmap_peak_kib=%lu\n", sosnap_map_kib(&store->map_bytes),
	       READ_ONCE(store->stretch.nr), DIV_ROUND_UP(READ_ONCE(store->map_peak), 1024));
	return 1;
}

static const struct message store_messages[] = {
	{ "grow", grow, 0, 0, true },
	{ "shrink", shrink, 1, 1, true },
	{ "low_water", low_water, 1, 1, true },
	{ "commit", commit, 0, 0, true },
	{ "checkpoint", checkpoint, 0, 0, true },
	{ "drop_maps", drop_maps, 0, 0, false },
	{ "stats", stats, 0, 0, false },
	{ }
};

static const struct message *find(const char *name)
{
	static const struct message *const all[] = {
		store_messages, sosnap_change_messages, sosnap_list_messages,
	};
	const struct message *m;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		for (m = all[i]; m->name; m++)
			if (!strcasecmp(name, m->name))
				return m;
	return NULL;
}

/**
 * sosnap_message() - dm's message function of a store
 * @ti:     the target
 * @argc:   number of words
 * @argv:   the words
 * @result: room for a reply
 * @maxlen: its size
 * Context: process context, may sleep. dm lets only CAP_SYS_ADMIN here.
 * Return: 0, 1 with a reply, or -errno with the reason in the kernel log.
 */
int sosnap_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		   unsigned int maxlen)
{
	struct sosnap_store *store = sosnap_store_of_target(ti);
	const struct message *m = find(argv[0]);
	struct call *c;
	int r;

	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->store = store;
	c->argc = argc - 1;
	c->argv = argv + 1;
	c->result = result;
	c->maxlen = maxlen;
	if (!m)
		r = refuse(c, -EINVAL, "unknown message");
	else if (c->argc < m->least || (c->argc > m->most && m->most != SOSNAP_ANY_ARGS))
		r = refuse(c, -EINVAL, "wrong number of arguments");
	else if (m->writes && !sosnap_writable(store))
		r = refuse(c, -EROFS, "store is read-only or has failed");
	else
		r = m->fn(c);
	if (r < 0)
		DMERR("%s: message %s %s: %s", store->meta.super.name, argv[0],
		      argc > 1 ? argv[1] : "", c->why[0] ? c->why : "failed");
	kfree(c);
	return r;
}
