// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that change the catalogue: gold images, snapshots and their properties.
 */
#include <linux/ktime.h>
#include <linux/uuid.h>

#include "checkpoint.h"
#include "commit.h"
#include "../core/change.h"
#include "../core/lineage.h"
#include "../core/reap.h"
#include "../core/uapi.h"
#include "message.h"
#include "quota.h"
#include "reserve.h"
#include "resize.h"
#include "shrink.h"
#include "space_wait.h"
#include "store.h"
#include "window.h"

static void counts(struct sosnap_store *store)
{
	WRITE_ONCE(store->nr_snapshots,
		   sosnap_catalog_count(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT));
	WRITE_ONCE(store->nr_golds,
		   sosnap_catalog_count(&store->meta.catalog, SOSNAP_CATALOG_GOLD));
}

/* Records that are logged already have the number of the next commit, or a lower one. */
static void change_seq(struct call *c, struct sosnap_change *ch)
{
	spin_lock_irq(&c->store->log_lock);
	ch->seq = c->store->commit.next_seq;
	spin_unlock_irq(&c->store->log_lock);
}

/*
 * Begin and end of every message that changes the catalogue. The lock is held
 * until the change is durable, see types.h.
 */
static void __change_begin(struct call *c, struct sosnap_change *ch)
{
	struct sosnap_store *store = c->store;

	sosnap_change_init(ch, &store->meta, c->why, sizeof(c->why));
	change_seq(c, ch);
}

static void change_begin(struct call *c, struct sosnap_change *ch)
{
	mutex_lock(&c->store->meta_lock);
	__change_begin(c, ch);
}

/*
 * The same for one that makes the catalogue larger: not at the cost of what a
 * checkpoint may need. With the lock held none is under way, which would make less
 * of the space there is; what is only reserved softly, or needs more of the reserve
 * because it is not merged yet, is no reason to refuse.
 */
static int change_begin_more(struct call *c, struct sosnap_change *ch, u32 items)
{
	struct sosnap_store *store = c->store;
	int r = 0;

	mutex_lock(&store->meta_lock);
	if (sosnap_space_left(store) < items) {
		sosnap_space_drain(store);
		if (sosnap_space_left(store) < items)
			r = __sosnap_checkpoint(store, false);
		if (!r && sosnap_space_left(store) < items)
			r = -ENOSPC;
	}
	__change_begin(c, ch);
	if (r == -ENOSPC)
		return refuse(c, r, "no space left: remove some snapshots or grow the store");
	return r ? refuse(c, r, "the store cannot be written: see its state") : 0;
}

/* Keep so many blocks more, until the snapshots are counted anew. */
static int keep(struct call *c, struct sosnap_change *ch, s64 more, s64 metadata)
{
	int r;

	if (!more && !metadata)
		return 0;
	r = sosnap_space_keep(c->store, more, metadata);
	/* that may have taken a checkpoint */
	change_seq(c, ch);
	if (!r)
		return 0;
	if (r != -ENOSPC)
		return refuse(c, r, "the store cannot be written: see its state");
	snprintf(c->why, sizeof(c->why),
		 "not enough space to keep %lld blocks more: grow the store, or reserve less",
		 more + metadata);
	return r;
}

static int change_commit(struct call *c, const struct sosnap_change *ch)
{
	struct sosnap_commit_request rq = { .slots = ch->slots, .nr = ch->nr };
	int r = sosnap_commit_change(c->store, &rq);

	if (r == -EAGAIN)
		r = __sosnap_checkpoint(c->store, false);
	if (r)
		refuse(c, r, "the change was not written down: see the state of the store");
	return r;
}

/* follow: NULL, or lets active snapshots know; those that are held are let go then. */
static int change_end_with(struct call *c, struct sosnap_change *ch, int r,
			   void (*follow)(struct sosnap_store *store))
{
	if (!r) {
		counts(c->store);
		r = change_commit(c, ch);
	}
	if (!r && follow)
		follow(c->store);
	sosnap_reserve_count(c->store);
	sosnap_space_kept(c->store);
	if (follow)
		sosnap_snap_let_go(c->store);
	mutex_unlock(&c->store->meta_lock);
	sosnap_change_exit(ch);
	return r;
}

static int change_end(struct call *c, struct sosnap_change *ch, int r)
{
	return change_end_with(c, ch, r, NULL);
}

/* gold_add <name> <sectors> <sample crc> <sha256 or -> */
static int gold_add(struct call *c)
{
	struct sosnap_change ch;
	bool hashed = strcmp(c->argv[3], "-");
	u8 sha256[32];
	u64 sectors;
	u32 crc;
	int r;

	r = number(c, c->argv[1], &sectors);
	if (r)
		return r;
	if (kstrtou32(c->argv[2], 16, &crc))
		return refuse(c, -EINVAL, "checksum is not hexadecimal");
	if (hashed && (strlen(c->argv[3]) != 64 || hex2bin(sha256, c->argv[3], 32)))
		return refuse(c, -EINVAL, "SHA-256 is not 64 hexadecimal digits");
	r = change_begin_more(c, &ch, 1);
	if (!r)
		r = sosnap_change_gold_add(&ch, c->argv[0], sectors, crc, hashed ? sha256 : NULL,
					   ktime_get_real_seconds());
	return change_end(c, &ch, r);
}

/* gold_remove <name> */
static int gold_remove(struct call *c)
{
	struct sosnap_change ch;

	change_begin(c, &ch);
	return change_end(c, &ch, sosnap_change_gold_remove(&ch, c->argv[0]));
}

/* create <name> <gold> <sectors> ... */
static int create(struct call *c)
{
	unsigned int n = c->argc / 3, i, sz = 0, maxlen = c->maxlen;
	struct sosnap_create *list;
	struct sosnap_change ch;
	char *result = c->result;
	int r = 0;

	if (c->argc % 3)
		return refuse(c, -EINVAL, "wanted: create <name> <gold name> <sectors>...");
	list = kvcalloc(n, sizeof(*list), GFP_KERNEL);
	if (!list)
		return refuse(c, -ENOMEM, "out of memory");
	for (i = 0; i < n && !r; i++) {
		list[i].name = c->argv[3 * i];
		list[i].gold = c->argv[3 * i + 1];
		r = number(c, c->argv[3 * i + 2], &list[i].sectors);
		generate_random_uuid(list[i].uuid);
	}
	if (!r) {
		r = change_begin_more(c, &ch, n);
		if (!r)
			r = sosnap_change_create(&ch, list, n, ktime_get_real_seconds());
		r = change_end(c, &ch, r);
	}
	for (i = 0; i < n && !r; i++)
		DMEMIT("%s%u", i ? " " : "", list[i].id);
	kvfree(list);
	return r ? r : 1;
}

static int not_active(struct call *c, const char *name)
{
	struct sosnap_store *store = c->store;
	struct sosnap_entry *e = sosnap_catalog_name(&store->meta.catalog,
						     SOSNAP_CATALOG_SNAPSHOT, name);
	bool active;

	if (!e)
		return 0;
	mutex_lock(&store->list_lock);
	active = __sosnap_snap_active(store, e->id);
	mutex_unlock(&store->list_lock);
	return active ? refuse(c, -EBUSY, "snapshot is active: deactivate it first") : 0;
}

/* remove <name>... */
static int remove(struct call *c)
{
	struct sosnap_change ch;
	unsigned int i, k;
	u64 removing;
	int r = 0;

	change_begin(c, &ch);
	/* all or none: everything that can be wrong is looked at first */
	for (i = 0; i < c->argc && !r; i++) {
		for (k = 0; k < i; k++)
			if (!strcmp(c->argv[k], c->argv[i]))
				r = refuse(c, -EINVAL, "snapshot is named twice");
		if (!r && !sosnap_catalog_name(&c->store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT,
					       c->argv[i]))
			r = refuse(c, -ENOENT, "no such snapshot");
		if (!r)
			r = not_active(c, c->argv[i]);
	}
	if (!r)
		r = sosnap_change_room(&ch, 2 * c->argc);
	for (i = 0; i < c->argc && !r; i++)
		r = sosnap_change_remove(&ch, c->argv[i]);
	/* at once: who waits until all has come back must not see it begin at 0 */
	if (!r) {
		sosnap_reap_pending(&c->store->meta, &removing);
		WRITE_ONCE(c->store->removing, removing);
	}
	r = change_end(c, &ch, r);
	if (!r) {
		WRITE_ONCE(c->store->freeing, true);
		sosnap_checkpoint_queue(c->store);
	}
	return r;
}

/*
 * Messages that give snapshots another top. Active ones have to be suspended, and
 * are kept so until their maps follow.
 */
static int hold(struct call *c, const char *name, bool freeze, bool *merged)
{
	struct sosnap_entry *e = sosnap_catalog_name(&c->store->meta.catalog,
						     SOSNAP_CATALOG_SNAPSHOT, name);
	int r = e ? sosnap_snap_hold(c->store, e->id, freeze, merged) : 0;

	if (r)
		snprintf(c->why, sizeof(c->why),
			 "snapshot %s is active: suspend it first, and resume it then", name);
	return r;
}

static int lineage_end(struct call *c, struct sosnap_change *ch, int r)
{
	r = change_end_with(c, ch, r, sosnap_snap_follow);
	if (!r) {
		WRITE_ONCE(c->store->freeing, true);
		sosnap_checkpoint_queue(c->store);
	}
	return r;
}

/*
 * Of each of these snapshots that has a reservation nothing will be its own any more.
 * The names are every step'th of the words.
 */
static int keep_anew(struct call *c, struct sosnap_change *ch, unsigned int first,
		     unsigned int step)
{
	struct sosnap_store *store = c->store;
	s64 more = 0, metadata = 0;
	unsigned int i, k;

	for (i = first; i < c->argc; i += step) {
		struct sosnap_entry *e = sosnap_catalog_name(&store->meta.catalog,
							     SOSNAP_CATALOG_SNAPSHOT,
							     c->argv[i]);

		for (k = first; strcmp(c->argv[k], c->argv[i]); k += step)
			;
		if (e && k == i)
			sosnap_reserve_more(store, e->id,
					    le64_to_cpu(e->item.snapshot.reservation), true,
					    &more, &metadata);
	}
	return keep(c, ch, more, metadata);
}

/* snapshot <name> <new name> [<name> <new name>]... */
static int snapshot(struct call *c)
{
	unsigned int n = c->argc / 2, i, sz = 0, maxlen = c->maxlen;
	struct sosnap_change ch;
	struct sosnap_pair *list;
	char *result = c->result;
	int r;

	if (c->argc % 2)
		return refuse(c, -EINVAL, "wanted: snapshot <name> <new name>...");
	list = kvcalloc(n, sizeof(*list), GFP_KERNEL);
	if (!list)
		return refuse(c, -ENOMEM, "out of memory");
	r = change_begin_more(c, &ch, n);
	for (i = 0; i < n && !r; i++) {
		list[i].origin = c->argv[2 * i];
		list[i].name = c->argv[2 * i + 1];
		generate_random_uuid(list[i].uuid);
		r = hold(c, list[i].origin, true, &list[i].merged);
	}
	if (!r)
		r = keep_anew(c, &ch, 0, 2);
	if (!r)
		r = sosnap_change_snapshot(&ch, list, n, ktime_get_real_seconds());
	r = lineage_end(c, &ch, r);
	for (i = 0; i < n && !r; i++)
		DMEMIT("%s%u", i ? " " : "", list[i].id);
	kvfree(list);
	return r ? r : 1;
}

/* refresh <name> */
static int refresh(struct call *c)
{
	struct sosnap_change ch;
	bool merged;
	int r;

	change_begin(c, &ch);
	r = hold(c, c->argv[0], false, &merged);
	if (!r)
		r = sosnap_change_refresh(&ch, c->argv[0], ktime_get_real_seconds());
	return lineage_end(c, &ch, r);
}

/* rollback <name> <other name> */
static int rollback(struct call *c)
{
	struct sosnap_change ch;
	bool merged, unused;
	int r;

	/* what the map is loaded from next has to be in the trees */
	r = sosnap_checkpoint_all(c->store, false);
	if (r)
		return refuse(c, r, "the store cannot be written: see its state");
	change_begin(c, &ch);
	r = hold(c, c->argv[0], false, &unused);
	if (!r)
		r = hold(c, c->argv[1], true, &merged);
	if (!r && READ_ONCE(c->store->checkpointed) < c->store->frozen)
		r = refuse(c, -EBUSY, "snapshot was written to meanwhile: try again");
	/* it may be given another top, as if a snapshot of it were taken */
	if (!r)
		r = keep_anew(c, &ch, 1, 1);
	if (!r)
		r = sosnap_change_rollback(&ch, c->argv[0], c->argv[1], merged,
					   ktime_get_real_seconds());
	return lineage_end(c, &ch, r);
}

/* rename <name> <new name> */
static int rename_snapshot(struct call *c)
{
	struct sosnap_change ch;

	change_begin(c, &ch);
	return change_end(c, &ch, sosnap_change_rename(&ch, c->argv[0], c->argv[1]));
}

/* The size in the catalogue, and whose it is, if it can have another one. */
static int size_of(struct call *c, u64 to, u64 *sectors, u32 *id)
{
	struct sosnap_entry *e;
	int r = 0;

	mutex_lock(&c->store->meta_lock);
	e = sosnap_catalog_name(&c->store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, c->argv[0]);
	if (!e) {
		r = refuse(c, -ENOENT, "no such snapshot");
	} else if (le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_RO) {
		r = refuse(c, -EROFS, "snapshot is set read-only: end that first");
	} else {
		*sectors = le64_to_cpu(e->item.snapshot.sectors);
		*id = e->id;
		r = sosnap_change_resize_check(&c->store->meta.catalog, &e->item.snapshot, to,
					       c->why, sizeof(c->why));
	}
	mutex_unlock(&c->store->meta_lock);
	return r;
}

static int resize_locked(struct call *c, u64 sectors)
{
	struct sosnap_store *store = c->store;
	struct sosnap_change ch;
	u64 now;
	u32 id;
	int r;

	/* what is wrong with the size is said before anything is done */
	r = size_of(c, sectors, &now, &id);
	if (r)
		return r;
	if (sectors > now && !sosnap_resize_out_of_reach(store, id, now))
		return refuse(c, -EBUSY,
			      "its device is larger than that still: load and resume a table of its size first");
	if (sectors > now)
		r = sosnap_resize_zero(store, id, now, sectors);
	if (!r && sectors != now) {
		change_begin(c, &ch);
		r = change_end(c, &ch, sosnap_change_resize(&ch, c->argv[0], sectors));
	}
	if (r || sectors > now)
		return r;
	r = sosnap_checkpoint_all(store, false);
	if (!r)
		r = sosnap_resize_cut(store, id, sectors);
	return r ? r : sosnap_checkpoint_all(store, false);
}

/* resize <name> <sectors> */
static int resize(struct call *c)
{
	u64 sectors;
	int r = number(c, c->argv[1], &sectors);

	if (r)
		return r;
	mutex_lock(&c->store->resize_lock);
	r = resize_locked(c, sectors);
	mutex_unlock(&c->store->resize_lock);
	return r;
}

static const struct {
	const char *name;
	u32 flag;
} snapshot_flags[] = {
	{ "auto", SOSNAP_SNAPSHOT_AUTO },
	{ "disposable", SOSNAP_SNAPSHOT_DISPOSABLE },
	{ "read_only", SOSNAP_SNAPSHOT_RO },
	{ "lossy", SOSNAP_SNAPSHOT_LOSSY },
};

/*
 * set <name> quota <blocks>
 *
 * A first quota of an active snapshot needs that nothing is in flight, see quota.h,
 * Q2; another one, or none, does not: who waits for it has a paused guest.
 */
static int set_quota(struct call *c)
{
	struct sosnap_store *store = c->store;
	struct sosnap_entry *e;
	struct sosnap_change ch;
	bool unused;
	u64 blocks;
	int r = number(c, c->argv[2], &blocks);

	if (r)
		return r;
	change_begin(c, &ch);
	e = sosnap_catalog_name(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, c->argv[0]);
	if (e && blocks && !sosnap_quota_active(store, e->id))
		r = hold(c, c->argv[0], false, &unused);
	if (!r)
		r = sosnap_change_set_quota(&ch, c->argv[0], blocks);
	return change_end_with(c, &ch, r, sosnap_quota_follow);
}

/* set <name> reservation <blocks> */
static int set_reservation(struct call *c)
{
	struct sosnap_store *store = c->store;
	s64 more = 0, metadata = 0;
	struct sosnap_entry *e;
	struct sosnap_change ch;
	u64 blocks;
	int r = number(c, c->argv[2], &blocks);

	if (r)
		return r;
	change_begin(c, &ch);
	e = sosnap_catalog_name(&store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, c->argv[0]);
	if (e && blocks <= SOSNAP_MAX_BLOCKS) {
		sosnap_reserve_more(store, e->id, blocks, false, &more, &metadata);
		r = keep(c, &ch, more, metadata);
	}
	if (!r)
		r = sosnap_change_set_reservation(&ch, c->argv[0], blocks);
	r = change_end(c, &ch, r);
	/* what is not kept any more is for who waits */
	if (!r)
		sosnap_space_freed(store);
	return r;
}

/*
 * set <name> auto|disposable|read_only|lossy 0|1
 * set <name> quota|reservation <blocks>
 */
static int set(struct call *c)
{
	struct sosnap_change ch;
	u32 i = 0;
	u64 on;
	int r;

	if (!strcasecmp(c->argv[1], "quota"))
		return set_quota(c);
	if (!strcasecmp(c->argv[1], "reservation"))
		return set_reservation(c);
	while (i < ARRAY_SIZE(snapshot_flags) && strcasecmp(c->argv[1], snapshot_flags[i].name))
		i++;
	if (i == ARRAY_SIZE(snapshot_flags))
		return refuse(c, -EINVAL,
			      "unknown property: there are auto, disposable, read_only, lossy, quota and reservation");
	r = number(c, c->argv[2], &on);
	if (r)
		return r;
	if (on > 1)
		return refuse(c, -EINVAL, "this property takes 0 or 1");
	change_begin(c, &ch);
	r = change_end(c, &ch, sosnap_change_set_flag(&ch, c->argv[0], snapshot_flags[i].flag,
						      on));
	if (!r)
		sosnap_snap_read_only(c->store);
	return r;
}

const struct message sosnap_change_messages[] = {
	{ "gold_add", gold_add, 4, 4, true },
	{ "gold_remove", gold_remove, 1, 1, true },
	{ "create", create, 3, SOSNAP_ANY_ARGS, true },
	{ "snapshot", snapshot, 2, SOSNAP_ANY_ARGS, true },
	{ "refresh", refresh, 1, 1, true },
	{ "rollback", rollback, 2, 2, true },
	{ "remove", remove, 1, SOSNAP_ANY_ARGS, true },
	{ "rename", rename_snapshot, 2, 2, true },
	{ "resize", resize, 2, 2, true },
	{ "set", set, 3, 3, true },
	{ }
};
