// SPDX-License-Identifier: GPL-2.0
/*
 * Whether what is on a device is what the model of store_env.h allows, M1 to M4.
 */
#include "store_env.h"
#include "extent.h"
#include "testlib.h"

static const char *complain(const char *fmt, u64 a, u64 b)
{
	static char text[256];

	snprintf(text, sizeof(text), fmt, (unsigned long long)a, (unsigned long long)b);
	return text;
}

/* What the object has of the blocks that nobody above it has. */
static const char *compare_object(struct sosnap_meta *m, u32 object, u64 *known, u64 *map)
{
	struct sosnap_extent e;
	u64 at, mask = 0;
	u32 i;
	int r;

	for (at = 0;; at = e.blk + e.len) {
		r = sosnap_extent_find(sosnap_meta_live(m, SOSNAP_TREE_EXTENT), object, at, &e);
		if (r == -ENOENT)
			break;
		if (r)
			return "extents cannot be read";
		if (e.blk < at || e.blk + e.len > SE_BLKS)
			return complain("an extent at %llu that was never written", e.blk, 0);
		for (i = 0; i < e.len; i++) {
			mask |= 1ULL << (e.blk + i);
			if (*known >> (e.blk + i) & 1)
				continue;
			map[e.blk + i] = e.store == SOSNAP_STORE_ZERO ? e.store : e.store + i;
		}
	}
	*known |= mask;
	return NULL;
}

static const char *compare_map(const struct se_snap *sn, struct sosnap_meta *m)
{
	u64 map[SE_BLKS] = { 0 }, known = 0;
	const char *why = NULL;
	u32 i, object;

	for (object = sn->object; object && !why;) {
		struct sosnap_entry *o = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT,
							    object);

		if (!o)
			return complain("cache object %llu is missing", object, 0);
		why = compare_object(m, object, &known, map);
		object = le32_to_cpu(o->item.object.parent);
	}
	for (i = 0; i < SE_BLKS && !why; i++)
		if (map[i] != sn->map[i])
			why = complain("block %llu is mapped to %llu", i, map[i]);
	return why;
}

static const char *compare_snap(const struct se_snap *sn, struct sosnap_meta *m)
{
	struct sosnap_entry *e, *o;

	e = sosnap_catalog_name(&m->catalog, SOSNAP_CATALOG_SNAPSHOT, sn->name);
	if (!e || e->id != sn->id || le32_to_cpu(e->item.snapshot.object) != sn->object)
		return complain("snapshot %llu is missing or changed", sn->id, 0);
	if (sn->starts != !!(le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_AUTO))
		return complain("snapshot %llu has other flags", sn->id, 0);
	o = sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_OBJECT, sn->object);
	if (!o || (le32_to_cpu(o->item.object.flags) & SOSNAP_OBJECT_DYING))
		return complain("cache object %llu is missing", sn->object, 0);
	return compare_map(sn, m);
}

const char *se_compare(const struct se_state *state, struct sosnap_meta *m)
{
	u32 i, snaps = 0, golds = 0;
	const char *why = NULL;

	for (i = 0; i < SE_GOLDS && !why; i++) {
		if (!state->gold[i])
			continue;
		golds++;
		if (!sosnap_catalog_get(&m->catalog, SOSNAP_CATALOG_GOLD, state->gold[i]))
			why = complain("gold image %llu is missing", i, 0);
	}
	for (i = 0; i < SE_SNAPS && !why; i++) {
		if (!state->snap[i].live)
			continue;
		snaps++;
		why = compare_snap(&state->snap[i], m);
	}
	if (why)
		return why;
	if (sosnap_catalog_count(&m->catalog, SOSNAP_CATALOG_GOLD) != golds ||
	    sosnap_catalog_count(&m->catalog, SOSNAP_CATALOG_SNAPSHOT) != snaps)
		return "there are gold images or snapshots that should not be";
	return NULL;
}

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	char *text = ctx;

	if (!text[0])
		snprintf(text, 256, "check: %s at block %llu: %s", sosnap_fault_name(fault->what),
			 (unsigned long long)fault->blk, detail);
}

const char *se_check(struct sosnap_io *io, struct sosnap_check_result *result)
{
	static const struct sosnap_check_ops ops = { .found = found };
	struct sosnap_check_result unused;
	static char text[256];
	int r;

	text[0] = '\0';
	r = sosnap_check(io, &ops, text, result ? result : &unused);
	if (r)
		return complain("check: error %llu", -r, 0);
	return text[0] ? text : NULL;
}

/* What an activation does. */
int se_recover(struct sosnap_io *io, struct sosnap_meta *m, enum se_plant plant)
{
	struct sosnap_batch batch;
	u64 commits;
	int r;

	r = sosnap_meta_open(m, io, NULL);
	if (r)
		return r;
	assert_int_equal(sosnap_batch_init(&batch, 16), 0);
	m->reap_extents = SE_REAP_EXTENTS;
	if (plant == SE_PLANT_STALE_SUPER_LAST)
		m->super.bad_copies = 0;
	r = sosnap_meta_replay(m, &batch, &commits);
	if (!r)
		r = sosnap_meta_checkpoint(m, &batch, m->journal.head, m->journal.seq, 0);
	if (!r) {
		m->journal.tail = m->journal.head;
		sosnap_meta_publish(m);
		r = sosnap_meta_release(m, NULL, NULL);
	}
	sosnap_batch_exit(&batch);
	if (r)
		sosnap_meta_close(m);
	return r;
}

/* M2 for one block: nothing else than its own writes, none lost that was flushed. */
static const char *judge_block(struct se *se, struct io_ram_point point, struct io_ram *after,
			       u64 store)
{
	const struct se_writes *w = &se->writes[store];
	u8 disk[SOSNAP_BLOCK_SIZE];
	u32 i, first, sector;

	for (i = 0, first = 0; i < w->nr && w->at[i] < point.stable; i++)
		first = i + 1;
	io_ram_read(after, store, disk);
	for (sector = 0; sector < SOSNAP_BLOCK_SECTORS; sector++) {
		const u8 *have = disk + sector * 512;
		bool good = false;

		/* written before the log was begun */
		if (!first && se->ram->base[store])
			good = !memcmp(have, se->ram->base[store] + sector * 512, 512);
		for (i = first ? first - 1 : 0; i < w->nr && w->at[i] < point.written; i++)
			good |= !memcmp(have, io_ram_log_data(se->ram, w->at[i]) + sector * 512,
					512);
		if (!good)
			return complain("sector %llu of store block %llu has foreign content",
					sector, store);
	}
	return NULL;
}

static const char *judge_data(struct se *se, struct io_ram_point point, struct io_ram *after,
			      const struct se_state *state)
{
	const char *why = NULL;
	u32 i, blk;

	for (i = 0; i < SE_SNAPS && !why; i++)
		for (blk = 0; blk < SE_BLKS && !why && state->snap[i].live; blk++)
			if (se_owned(state->snap[i].map[blk]))
				why = judge_block(se, point, after, state->snap[i].map[blk]);
	return why;
}

/* M4, as for commits */
static const char *judge_size(struct se *se, struct io_ram_point point, u64 blocks)
{
	u32 last = 0, k;

	for (k = 1; k < se->nr_sizes; k++)
		if (se->size[k].to < point.written || se->size[k].to <= point.stable)
			last = k;
	if (blocks == se->size[last].blocks)
		return NULL;
	if (last + 1 < se->nr_sizes && se->size[last + 1].from < point.written &&
	    blocks == se->size[last + 1].blocks)
		return NULL;
	return complain("it has %llu blocks, it had %llu", blocks, se->size[last].blocks);
}

/**
 * se_judge() - whether what a recovery has made of a crash is right
 * @se:    the store that crashed
 * @point: when
 * @after: the device it left, recovered
 * @m:     the metadata on it
 * @which: set to the commit whose state it is
 * Return: NULL or what is wrong.
 */
const char *se_judge(struct se *se, struct io_ram_point point, struct io_ram *after,
		     struct sosnap_meta *m, u32 *which)
{
	const char *why;
	u32 last = 0, k;

	for (k = 1; k < se->nr_commits; k++)
		if (se->commit[k].to < point.written || se->commit[k].to <= point.stable)
			last = k;
	*which = last;
	why = se_compare(&se->commit[last].state, m);
	if (why && last + 1 < se->nr_commits && se->commit[last + 1].from < point.written) {
		*which = last + 1;
		why = se_compare(&se->commit[last + 1].state, m);
	}
	if (!why)
		why = judge_data(se, point, after, &se->commit[*which].state);
	if (!why && m->space.free + m->super.data_blocks + m->super.node_blocks != m->space.total)
		why = complain("%llu blocks are free of %llu", m->space.free, m->space.total);
	return why ? why : judge_size(se, point, m->super.nr_blocks);
}
