// SPDX-License-Identifier: GPL-2.0
/*
 * Messages to a store: one table, one function each. What each takes and
 * replies is in core/uapi.h.
 */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/uuid.h>

#include "checkpoint.h"
#include "commit.h"
#include "../core/change.h"
#include "../core/lineage.h"
#include "../core/reap.h"
#include "../core/uapi.h"
#include "quota.h"
#include "reserve.h"
#include "resize.h"
#include "shrink.h"
#include "space_wait.h"
#include "store.h"
#include "window.h"

#define WHY_BYTES	160

struct call {
	struct sosnap_store *store;
	unsigned int argc;	/* without the word itself */
	char **argv;
	char *result;
	unsigned int maxlen;
	char why[WHY_BYTES];
};

static int refuse(struct call *c, int error, const char *why)
{
	strscpy(c->why, why, sizeof(c->why));
	return error;
}

static int number(struct call *c, const char *s, u64 *v)
{
	return kstrtou64(s, 10, v) ? refuse(c, -EINVAL, "not a decimal number") : 0;
}

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

/* The size in the catalogue, and whose it is. */
static int size_of(struct call *c, u64 *sectors, u32 *id)
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

	r = size_of(c, &now, &id);
	if (r)
		return r;
	/* what is wrong with the size is said before anything is done */
	r = sosnap_change_resize_check(now, sectors, c->why, sizeof(c->why));
	if (r)
		return r;
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

static u64 changed_blocks(struct sosnap_store *store, const struct sosnap_disk_snapshot *s,
			  u32 id, const char **state)
{
	struct sosnap_snap *snap;
	struct sosnap_entry *o;
	u64 blocks = 0;

	*state = "inactive";
	o = sosnap_catalog_get(&store->meta.catalog, SOSNAP_CATALOG_OBJECT,
			       le32_to_cpu(s->object));
	if (o)
		blocks = le64_to_cpu(o->item.object.blocks);
	mutex_lock(&store->list_lock);
	list_for_each_entry(snap, &store->snaps, list) {
		if (snap->id != id)
			continue;
		*state = sosnap_snap_state(snap);
		spin_lock_irq(&store->log_lock);
		blocks = sosnap_own_count(&snap->own);
		spin_unlock_irq(&store->log_lock);
	}
	mutex_unlock(&store->list_lock);
	return blocks;
}

static unsigned int snapshot_line(struct call *c, struct sosnap_entry *e, unsigned int sz)
{
	const struct sosnap_disk_snapshot *s = &e->item.snapshot;
	struct sosnap_entry *g = sosnap_catalog_get(&c->store->meta.catalog, SOSNAP_CATALOG_GOLD,
						    le32_to_cpu(s->gold));
	unsigned int maxlen = c->maxlen;
	char *result = c->result;
	struct sosnap_entry *origin = sosnap_catalog_get(&c->store->meta.catalog,
							 SOSNAP_CATALOG_SNAPSHOT,
							 le32_to_cpu(s->origin));
	const char *state;
	u64 blocks = changed_blocks(c->store, s, e->id, &state);
	u32 depth = sosnap_lineage_depth(&c->store->meta.catalog, le32_to_cpu(s->object));
	u32 flags = le32_to_cpu(s->flags);

	DMEMIT("%u %s %llu %s %llu %u %u %llu %pU %s %s %u %u %u %llu %llu\n", e->id, s->name,
	       le64_to_cpu(s->sectors), g ? g->item.gold.name : "-", blocks,
	       !!(flags & SOSNAP_SNAPSHOT_AUTO), strcmp(state, "inactive") != 0,
	       le64_to_cpu(s->ctime), s->uuid, state, origin ? origin->item.snapshot.name : "-",
	       depth <= SOSNAP_MAX_CHAIN ? depth - 1 : 0,
	       !!(flags & SOSNAP_SNAPSHOT_DISPOSABLE), !!(flags & SOSNAP_SNAPSHOT_RO),
	       le64_to_cpu(s->quota), le64_to_cpu(s->reservation));
	return sz;
}

static unsigned int gold_line(struct call *c, struct sosnap_entry *e, unsigned int sz)
{
	static const u8 none[32];
	const struct sosnap_disk_gold *g = &e->item.gold;
	unsigned int maxlen = c->maxlen, users = 0;
	char *result = c->result;
	struct sosnap_entry *s;
	u32 id = 0;

	while ((s = sosnap_catalog_next(&c->store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, id))) {
		users += le32_to_cpu(s->item.snapshot.gold) == e->id;
		id = s->id + 1;
	}
	DMEMIT("%s %llu %08x ", g->name, le64_to_cpu(g->sectors), le32_to_cpu(g->sample_crc));
	if (memcmp(g->sha256, none, sizeof(none)))
		DMEMIT("%*phN", 32, g->sha256);
	else
		DMEMIT("-");
	DMEMIT(" %u %llu\n", users, le64_to_cpu(g->ctime));
	return sz;
}

/* Those that have a flag, the oldest first: ids only ever rise. */
static int list_flagged(struct call *c, u32 flag)
{
	unsigned int sz = 0, maxlen = c->maxlen;
	char *result = c->result;
	struct sosnap_entry *e;
	u32 id = 0;

	result[0] = '\0';
	mutex_lock(&c->store->meta_lock);
	while (sz < maxlen && (e = sosnap_catalog_next(&c->store->meta.catalog,
						       SOSNAP_CATALOG_SNAPSHOT, id))) {
		if (le32_to_cpu(e->item.snapshot.flags) & flag)
			DMEMIT("%s\n", e->item.snapshot.name);
		id = e->id + 1;
	}
	mutex_unlock(&c->store->meta_lock);
	return 1;
}

/*
 * list gold|snapshot|disposable|lossy, list snapshot <from id>
 *
 * With an id, as many as one answer holds: one that is too long is asked for again
 * with a larger buffer, which libdevmapper then clears and hands over at every later
 * call, too.
 */
static int list(struct call *c)
{
	bool gold = !strcasecmp(c->argv[0], "gold"), part = c->argc > 1;
	u32 type = gold ? SOSNAP_CATALOG_GOLD : SOSNAP_CATALOG_SNAPSHOT, id = 0;
	unsigned int sz = 0, before, maxlen = c->maxlen;
	char *result = c->result;
	struct sosnap_entry *e;

	if (!part && !strcasecmp(c->argv[0], "disposable"))
		return list_flagged(c, SOSNAP_SNAPSHOT_DISPOSABLE);
	if (!part && !strcasecmp(c->argv[0], "lossy"))
		return list_flagged(c, SOSNAP_SNAPSHOT_LOSSY);
	if (gold ? part : strcasecmp(c->argv[0], "snapshot"))
		return refuse(c, -EINVAL, "wanted: list gold or list snapshot [<from id>]");
	if (part && kstrtou32(c->argv[1], 10, &id))
		return refuse(c, -EINVAL, "wanted: list snapshot <from id>");
	result[0] = '\0';
	mutex_lock(&c->store->meta_lock);
	while (sz < maxlen && (e = sosnap_catalog_next(&c->store->meta.catalog, type, id))) {
		before = sz;
		sz = gold ? gold_line(c, e, sz) : snapshot_line(c, e, sz);
		if (part && before && sz + sizeof("more 4294967295\n") > maxlen) {
			sz = before;
			DMEMIT("more %u\n", e->id);
			break;
		}
		id = e->id + 1;
	}
	mutex_unlock(&c->store->meta_lock);
	return 1;
}

/* show <name> */
static int show(struct call *c)
{
	struct sosnap_entry *e;
	int r = 1;

	mutex_lock(&c->store->meta_lock);
	e = sosnap_catalog_name(&c->store->meta.catalog, SOSNAP_CATALOG_SNAPSHOT, c->argv[0]);
	if (e)
		snapshot_line(c, e, 0);
	else
		r = refuse(c, -ENOENT, "no such snapshot");
	mutex_unlock(&c->store->meta_lock);
	return r;
}

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

	if (c->argc)
		return refuse(c, -EINVAL, "wanted: grow, without arguments");
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

static const struct {
	const char *name;
	int (*fn)(struct call *c);
	u8 least, most;		/* arguments; most 0: any number */
	bool writes;
} messages[] = {
	{ "gold_add", gold_add, 4, 4, true },
	{ "gold_remove", gold_remove, 1, 1, true },
	{ "create", create, 3, 0, true },
	{ "snapshot", snapshot, 2, 0, true },
	{ "refresh", refresh, 1, 1, true },
	{ "rollback", rollback, 2, 2, true },
	{ "remove", remove, 1, 0, true },
	{ "rename", rename_snapshot, 2, 2, true },
	{ "resize", resize, 2, 2, true },
	{ "set", set, 3, 3, true },
	{ "grow", grow, 0, 0xff, true },
	{ "shrink", shrink, 1, 1, true },
	{ "low_water", low_water, 1, 1, true },
	{ "list", list, 1, 2, false },
	{ "show", show, 1, 1, false },
	{ "commit", commit, 0, 0xff, true },
	{ "checkpoint", checkpoint, 0, 0xff, true },
	{ "drop_maps", drop_maps, 0, 0xff, false },
	{ "stats", stats, 0, 0xff, false },
};

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
	struct call *c;
	int r = -EINVAL;
	u32 i;

	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->store = store;
	c->argc = argc - 1;
	c->argv = argv + 1;
	c->result = result;
	c->maxlen = maxlen;
	refuse(c, r, "unknown message");
	for (i = 0; i < ARRAY_SIZE(messages); i++) {
		if (strcasecmp(argv[0], messages[i].name))
			continue;
		c->why[0] = '\0';
		if (c->argc < messages[i].least ||
		    (messages[i].most && c->argc > messages[i].most && messages[i].most != 0xff))
			r = refuse(c, -EINVAL, "wrong number of arguments");
		else if (messages[i].writes && !sosnap_writable(store))
			r = refuse(c, -EROFS, "store is read-only or has failed");
		else
			r = messages[i].fn(c);
		break;
	}
	if (r < 0)
		DMERR("%s: message %s %s: %s", store->meta.super.name, argv[0],
		      argc > 1 ? argv[1] : "", c->why[0] ? c->why : "failed");
	kfree(c);
	return r;
}
