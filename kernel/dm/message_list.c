// SPDX-License-Identifier: GPL-2.0
/*
 * Messages that tell what is in the catalogue.
 */
#include "../core/lineage.h"
#include "../core/uapi.h"
#include "message.h"
#include "store.h"

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

const struct message sosnap_list_messages[] = {
	{ "list", list, 1, 2, false },
	{ "show", show, 1, 1, false },
	{ }
};
