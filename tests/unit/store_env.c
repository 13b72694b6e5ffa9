// SPDX-License-Identifier: GPL-2.0
#include "space_sane.h"
#include "store_env_internal.h"
#include "change.h"
#include "evacuate.h"
#include "extent.h"
#include "reap.h"
#include "testlib.h"

static struct se *hooked;	/* whose checkpoint is under way */

u32 se_random(struct se *se, u32 below)
{
	return io_ram_random(&se->seed) % below;
}

/* Commits and flushes. */

static void remember(struct se *se, u32 from, u32 to)
{
	struct se_commit *c;

	se->commit = must(realloc(se->commit, (se->nr_commits + 1) * sizeof(*c)));
	c = &se->commit[se->nr_commits++];
	c->from = from;
	c->to = to;
	c->state = se->now;
}

/* A checkpoint that was begun at a place of the log has given it this size. */
static void remember_size(struct se *se, u32 from)
{
	struct se_size *s;

	if (se->nr_sizes && se->size[se->nr_sizes - 1].blocks == se->m.super.nr_blocks)
		return;
	se->size = must(realloc(se->size, (se->nr_sizes + 1) * sizeof(*s)));
	s = &se->size[se->nr_sizes++];
	s->from = from;
	s->to = se->ram->log_nr;
	s->blocks = se->m.super.nr_blocks;
}

static int commit_write(struct se *se, const struct sosnap_disk_record *slots, u32 nr)
{
	struct sosnap_journal *j = &se->m.journal;
	u32 blocks = sosnap_commit_blocks(nr);
	u8 *buf;
	u64 pos;
	int r;

	if (se->plant != SE_PLANT_COMMIT_UNFLUSHED)
		return sosnap_journal_write(&se->ram->io, &se->m.super, j, slots, nr);
	r = sosnap_journal_place(j, blocks, &pos);
	if (r)
		return r;
	buf = must(calloc(blocks, SOSNAP_BLOCK_SIZE));
	memcpy(buf + sizeof(struct sosnap_disk_header), slots, nr * sizeof(*slots));
	sosnap_journal_encode(&se->ram->io, &se->m.super, pos, j->seq, nr, buf);
	io_ram_submit(se->ram, se->m.super.journal_blk + pos, blocks, buf);
	free(buf);
	j->head = pos + blocks;
	j->seq++;
	return 0;
}

static int commit(struct se *se, const struct sosnap_disk_record *slots, u32 nr)
{
	u32 from = se->ram->log_nr;
	int r = commit_write(se, slots, nr);

	if (r)
		return r;
	remember(se, from, se->ram->log_nr);
	assert_int_equal(sosnap_meta_apply(&se->m, &se->batch, slots, nr), 0);
	return 0;
}

/* Make room for a commit; a checkpoint merges what is committed only. */
static bool room(struct se *se, u32 slots)
{
	u64 pos;

	if (!sosnap_journal_place(&se->m.journal, sosnap_commit_blocks(slots), &pos))
		return true;
	if (se->merging)
		return false;
	se_checkpoint(se, 0);
	assert_int_equal(sosnap_journal_place(&se->m.journal, sosnap_commit_blocks(slots), &pos),
			 0);
	return true;
}

void se_flush(struct se *se)
{
	if (!se->nr_slots) {
		io_ram_sync(se->ram);
		return;
	}
	/* making room may have let writers in, and one of them may have flushed */
	if (!room(se, SE_SLOTS) || !se->nr_slots)
		return;
	assert_int_equal(commit(se, se->slot, se->nr_slots), 0);
	se->nr_slots = 0;
}

/* Nothing open, and room for a commit; a checkpoint lets writers open one. */
void se_settle(struct se *se)
{
	u32 checkpoints;

	do {
		se_flush(se);
		checkpoints = se->checkpoints;
		room(se, SE_SLOTS);
	} while (se->nr_slots || checkpoints != se->checkpoints);
}

/* Room for one more record; false: not now. */
static bool slot_room(struct se *se)
{
	if (se->nr_slots == SE_SLOTS)
		se_flush(se);
	return se->nr_slots < SE_SLOTS;
}

/* Data. Each sector of each write is different from all others. */

static void submit(struct se *se, u64 store)
{
	struct se_writes *w = &se->writes[store];
	u64 data[SOSNAP_BLOCK_SIZE / sizeof(u64)];
	u32 i;

	se->version++;
	for (i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = i % 64 ? 0 : (u64)se->version << 32 | i;
	if (w->nr == w->max) {
		w->max = w->max * 2 + 4;
		w->at = must(realloc(w->at, w->max * sizeof(*w->at)));
	}
	w->at[w->nr++] = se->ram->log_nr;
	io_ram_submit(se->ram, store, 1, data);
}

/* What is free from a block on, out of reach for others; in nr bits of taken. */
void se_take_from(struct se *se, u64 blk, u8 *taken, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		taken[i] = !sosnap_space_take(&se->m.space, blk + i, 1);
}

/* A free block anywhere; false: not this time. */
static bool take_anywhere(struct se *se, u64 *store)
{
	u64 end = se->m.space.limit ? se->m.space.limit : se->m.super.nr_blocks;

	*store = se_random(se, end);
	return se->m.space.free >= sosnap_meta_reserve(&se->m, se->batch.nr + se->nr_slots + 65) &&
	       !sosnap_space_take(&se->m.space, *store, 1);
}

/* Blocks for data, as long as a checkpoint has what it may need. */
static int alloc(struct se *se, u32 want, u64 *store, u32 *got)
{
	u32 tries;

	/* or what is beyond the first region would never be used */
	if (se->m.space.nr_regions > 1)
		se->m.space.cursor = se_random(se, se->m.space.nr_regions);
	if (se->shrinks && !se_random(se, 2) && take_anywhere(se, store)) {
		*got = 1;
		return 0;
	}
	for (tries = 0; tries < 3; tries++) {
		u64 keep = sosnap_meta_reserve(&se->m, se->batch.nr + se->nr_slots + 64);

		if (se->m.space.free >= keep + want &&
		    !sosnap_space_alloc(&se->m.space, want, 1, store, got))
			return 0;
		if (se->merging)
			break;
		se_flush(se);
		se_checkpoint(se, 0);
	}
	return -ENOSPC;
}

void se_write(struct se *se, struct se_snap *sn, u32 blk, u32 len)
{
	u32 end = min(blk + len, SE_BLKS), i;

	while (blk < end) {
		u32 run = 1, got;
		u64 store;

		if (sn->own >> blk & 1) {
			submit(se, sn->map[blk++]);
			continue;
		}
		while (blk + run < end && !(sn->own >> (blk + run) & 1))
			run++;
		if (!slot_room(se) || alloc(se, run, &store, &got) || !slot_room(se))
			return;
		for (i = 0; i < got; i++) {
			submit(se, store + i);
			sn->map[blk + i] = store + i;
			sn->own |= 1ULL << (blk + i);
		}
		sosnap_record_fill(&se->slot[se->nr_slots++], SOSNAP_RECORD_MAP, sn->object, blk,
				   got, store);
		blk += got;
	}
}

void se_zero(struct se *se, struct se_snap *sn, u32 blk, u32 len)
{
	u32 end = min(blk + len, SE_BLKS), i;

	if (blk >= end || !slot_room(se))
		return;
	for (i = blk; i < end; i++) {
		sn->map[i] = SOSNAP_STORE_ZERO;
		sn->own &= ~(1ULL << i);
	}
	sosnap_record_fill(&se->slot[se->nr_slots++], SOSNAP_RECORD_ZERO, sn->object, blk,
			   end - blk, 0);
}

/* The catalogue. Memory is changed before the commit, so room is made first. */

static void change_begin(struct se *se, struct sosnap_change *c, char *why, size_t bytes)
{
	se_settle(se);
	sosnap_change_init(c, &se->m, why, bytes);
}

static void change_end(struct se *se, struct sosnap_change *c, int r)
{
	if (r)
		fprintf(stderr, "change: %s\n", c->why);
	assert_int_equal(r, 0);
	assert_true(c->nr > 0);
	assert_int_equal(commit(se, c->slots, c->nr), 0);
	sosnap_change_exit(c);
}

static void gold_name(u32 i, char *name, size_t bytes)
{
	snprintf(name, bytes, "gold%u", i);
}

static void gold_add(struct se *se, u32 i)
{
	struct sosnap_change c;
	char why[128], name[16];
	int r;

	gold_name(i, name, sizeof(name));
	change_begin(se, &c, why, sizeof(why));
	se->now.gold[i] = se->m.super.next_gold;
	r = sosnap_change_gold_add(&c, name, SE_BLKS * 8, 1, NULL, 1);
	change_end(se, &c, r);
}

static struct se_snap *unused(struct se *se)
{
	u32 i;

	for (i = SE_SNAPS; i-- > 0;)
		if (!se->now.snap[i].live)
			return &se->now.snap[i];
	return NULL;
}

void se_create(struct se *se)
{
	struct sosnap_create one = { .sectors = SE_BLKS * 8 };
	struct se_snap *sn = unused(se);
	struct sosnap_change c;
	char why[128], gold[16], name[16];
	int r;

	if (!sn)
		return;
	gold_name(se_random(se, SE_GOLDS), gold, sizeof(gold));
	snprintf(name, sizeof(name), "s%u", ++se->names);
	one.gold = gold;
	one.name = name;
	change_begin(se, &c, why, sizeof(why));
	memset(sn, 0, sizeof(*sn));
	sn->object = se->m.super.next_object;
	r = sosnap_change_create(&c, &one, 1, 1);
	sn->live = true;
	sn->id = one.id;
	strscpy(sn->name, name, sizeof(sn->name));
	change_end(se, &c, r);
}

void se_remove(struct se *se, struct se_snap *sn)
{
	struct sosnap_change c;
	char why[128];
	int r;

	change_begin(se, &c, why, sizeof(why));
	r = sosnap_change_remove(&c, sn->name);
	memset(sn, 0, sizeof(*sn));
	change_end(se, &c, r);
}

/* Which object a snapshot writes to now. */
static void take_top(struct se *se, struct se_snap *sn)
{
	struct sosnap_entry *e = sosnap_catalog_get(&se->m.catalog, SOSNAP_CATALOG_SNAPSHOT,
						    sn->id);

	sn->object = le32_to_cpu(e->item.snapshot.object);
}

/* A top that is not its own any more. */
static void take_tops(struct se *se)
{
	u32 i, was;

	for (i = 0; i < SE_SNAPS; i++) {
		if (!se->now.snap[i].live)
			continue;
		was = se->now.snap[i].object;
		take_top(se, &se->now.snap[i]);
		if (se->now.snap[i].object != was)
			se->now.snap[i].own = 0;
	}
}

void se_snapshot(struct se *se, struct se_snap *sn)
{
	struct sosnap_pair pair = { .origin = sn->name };
	struct sosnap_change c;
	char why[128], name[16];
	struct se_snap *to;
	int r;

	if (!unused(se))
		return;
	snprintf(name, sizeof(name), "s%u", ++se->names);
	pair.name = name;
	change_begin(se, &c, why, sizeof(why));
	pair.merged = !se->batch.nr;
	r = sosnap_change_snapshot(&c, &pair, 1, 1);
	to = unused(se);
	*to = *sn;
	to->own = 0;
	to->starts = false;
	to->id = pair.id;
	strscpy(to->name, name, sizeof(to->name));
	take_tops(se);
	change_end(se, &c, r);
}

void se_refresh(struct se *se, struct se_snap *sn)
{
	struct sosnap_change c;
	char why[128];
	int r;

	change_begin(se, &c, why, sizeof(why));
	r = sosnap_change_refresh(&c, sn->name, 1);
	memset(sn->map, 0, sizeof(sn->map));
	take_tops(se);
	change_end(se, &c, r);
}

void se_rollback(struct se *se, struct se_snap *sn, struct se_snap *to)
{
	struct sosnap_change c;
	char why[128];
	int r;

	if (sn == to)
		return;
	change_begin(se, &c, why, sizeof(why));
	r = sosnap_change_rollback(&c, sn->name, to->name, !se->batch.nr, 1);
	if (r == -EINVAL) {	/* of another gold image */
		sosnap_change_exit(&c);
		return;
	}
	memcpy(sn->map, to->map, sizeof(sn->map));
	take_tops(se);
	change_end(se, &c, r);
}

static void change_snap(struct se *se, struct se_snap *sn)
{
	struct sosnap_change c;
	char why[128], name[16];
	int r;

	change_begin(se, &c, why, sizeof(why));
	if (se_random(se, 2)) {
		snprintf(name, sizeof(name), "s%u", ++se->names);
		r = sosnap_change_rename(&c, sn->name, name);
		strscpy(sn->name, name, sizeof(sn->name));
	} else {
		sn->starts = !sn->starts;
		r = sosnap_change_set_auto(&c, sn->name, sn->starts);
	}
	change_end(se, &c, r);
}

static struct se_snap *pick(struct se *se)
{
	u32 i, n = se_random(se, SE_SNAPS);

	for (i = 0; i < SE_SNAPS; i++)
		if (se->now.snap[(i + n) % SE_SNAPS].live)
			return &se->now.snap[(i + n) % SE_SNAPS];
	return NULL;
}

/* What writers do, also beside a checkpoint. */
void se_write_step(struct se *se)
{
	struct se_snap *sn = pick(se);
	u32 blk = se_random(se, SE_BLKS), what = se_random(se, 16);

	if (!sn)
		return;
	if (what < 8)
		se_write(se, sn, blk, 1 + se_random(se, se_random(se, 4) ? 4 : 16));
	else if (what < 11)
		se_zero(se, sn, blk, 1 + se_random(se, 12));
	else
		se_flush(se);
}

/* Writers may come in wherever the checkpoint lets go of the space lock. */
static void chance(struct se *se)
{
	if (!se->concurrent || se->busy || se_random(se, se->concurrent))
		return;
	se->busy = true;
	se_write_step(se);
	se->busy = false;
}

static void hook_lock(struct sosnap_meta *m)
{
	struct se *se = container_of(m, struct se, m);

	if (se->merging)
		chance(se);
}

static void hook_unlock(struct sosnap_meta *m)
{
}

static void hook_fence(struct sosnap_meta *m, u32 object)
{
	fail_msg("cache object %u was fenced", object);
}

static void hook_lost(struct sosnap_meta *m, u32 region)
{
	fail_msg("the bitmap of region %u was lost", region);
}

static const struct sosnap_meta_host host = {
	.lock = hook_lock,
	.unlock = hook_unlock,
	.fence = hook_fence,
	.lost = hook_lost,
};

static const struct sosnap_io_ops *ram_ops;

/* A writer gets what lies behind the old end before it may. */
static void grown_early(struct se *se)
{
	struct sosnap_space *sp = &se->m.space;
	struct se_snap *sn = pick(se);
	u32 i, bit;

	if (!sp->growth.written || !sn || se->nr_slots == SE_SLOTS)
		return;
	bit = sp->growth.tail;
	if (bit == SOSNAP_REGION_BLOCKS || bit == se->m.super.nr_blocks)
		return;
	for (i = 0; i < SE_BLKS && se_owned(sn->map[i]); i++)
		;
	if (i == SE_BLKS)
		return;
	sn->map[i] = (u64)sp->growth.tail_region * SOSNAP_REGION_BLOCKS + bit;
	se->early = sn->map[i];
	submit(se, se->early);
	sosnap_record_fill(&se->slot[se->nr_slots++], SOSNAP_RECORD_MAP, sn->object, i, 1,
			   se->early);
	se->busy = true;
	se_flush(se);
	se->busy = false;
}

static int hook_flush(struct sosnap_io *io)
{
	u32 stable = hooked->ram->stable;
	int r;

	if (hooked->plant == SE_PLANT_GROWN_EARLY)
		grown_early(hooked);
	chance(hooked);
	if (hooked->plant == SE_PLANT_RELEASE_EARLY)
		sosnap_space_release(&hooked->m.space, NULL, NULL);
	r = ram_ops->flush(io);
	if (hooked->plant == SE_PLANT_SUPER_UNFLUSHED)
		hooked->ram->stable = stable;
	chance(hooked);
	return r;
}

static int hook_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	bool super = blk == SOSNAP_SUPER_BLK0 || blk == SOSNAP_SUPER_BLK1;
	int r = 0;

	if (!super || hooked->busy)
		return ram_ops->write(io, blk, nr, data);
	chance(hooked);
	if (hooked->plant == SE_PLANT_SUPER_UNFLUSHED)
		io_ram_submit(hooked->ram, blk, nr, data);
	else
		r = ram_ops->write(io, blk, nr, data);
	chance(hooked);
	return r;
}

void se_checkpoint(struct se *se, u32 flags)
{
	u64 tail = se->m.journal.head, seq = se->m.journal.seq;
	struct sosnap_batch merging = se->batch;
	u32 from = se->ram->log_nr;
	struct sosnap_io_ops hooks;
	int r;

	assert_false(se->merging);
	assert_int_equal(sosnap_batch_init(&se->batch, 64), 0);
	ram_ops = se->ram->io.ops;
	hooks = *ram_ops;
	hooks.flush = hook_flush;
	hooks.write = hook_write;
	hooked = se;
	se->ram->io.ops = &hooks;
	se->merging = true;
	r = sosnap_meta_checkpoint(&se->m, &merging, tail, seq, flags);
	se->merging = false;
	se->ram->io.ops = ram_ops;
	assert_int_equal(r, 0);
	remember_size(se, from);
	if (se->plant == SE_PLANT_SUPER_UNFLUSHED)
		io_ram_sync(se->ram);
	sosnap_batch_exit(&merging);
	se->m.journal.tail = tail;
	sosnap_meta_publish(&se->m);
	assert_int_equal(sosnap_meta_release(&se->m, NULL, NULL), 0);
	if (se->plant == SE_PLANT_NONE)
		space_sane(&se->m.space);
	if (se->early)
		assert_int_equal(sosnap_space_take(&se->m.space, se->early, 1), 0);
	se->early = 0;
	if (!se_random(se, 4))
		sosnap_space_trim(&se->m.space, se_random(se, 2));
	se->checkpoints++;
}

/*
 * A store that grows is short of space, so that what it gained is used: most of
 * the rest is out of reach until a crash, which may give some of it back.
 */
static void ballast(struct se *se)
{
	u64 blk, end = min_t(u64, se->m.super.nr_blocks, SOSNAP_REGION_BLOCKS);
	u64 kept = se->m.super.journal_blk + se->m.super.journal_blocks + 100;

	if (se->shrinks)
		return;
	for (blk = kept; blk < end && se->m.super.nr_blocks < se->ram->io.nr_blocks; blk++)
		sosnap_space_take(&se->m.space, blk, 1);
}

/* Nothing is committed before the checkpoint that passes a number over. */
static void open_store(struct se *se)
{
	u32 concurrent = se->concurrent;
	u64 commits;

	se->concurrent = 0;

	assert_int_equal(sosnap_meta_open(&se->m, &se->ram->io, &host), 0);
	assert_false(se->m.doubt);
	se->m.reap_extents = SE_REAP_EXTENTS;
	assert_int_equal(sosnap_batch_init(&se->batch, 64), 0);
	assert_int_equal(sosnap_meta_replay(&se->m, &se->batch, &commits), 0);
	assert_int_equal(commits, 0);
	se_checkpoint(se, 0);
	ballast(se);
	se->concurrent = concurrent;
}

static void close_store(struct se *se)
{
	u32 concurrent = se->concurrent;

	se->concurrent = 0;
	se_flush(se);
	se_checkpoint(se, SOSNAP_SUPER_CLEAN);
	sosnap_batch_exit(&se->batch);
	sosnap_meta_close(&se->m);
	io_ram_drop_cache(se->ram);
	se->concurrent = concurrent;
}

void se_reopen(struct se *se)
{
	close_store(se);
	open_store(se);
}

static void lineage_step(struct se *se, struct se_snap *sn)
{
	u32 what = se_random(se, 8);

	if (what < 6)
		se_snapshot(se, sn);
	else if (what < 7)
		se_refresh(se, sn);
	else
		se_rollback(se, sn, pick(se));
}

void se_step(struct se *se)
{
	struct se_snap *sn = pick(se);
	u32 what = se_random(se, 64);

	se->steps++;
	if (what < 48)
		se_write_step(se);
	else if (what < 53 || !sn)
		se_create(se);
	else if (what < 54)
		se_remove(se, sn);
	else if (what < 55)
		change_snap(se, sn);
	else if (what < 57)
		lineage_step(se, sn);
	else if (se->shrinks && what < 62)
		se_size_step(se);
	else if (what < 59 && se->m.super.nr_blocks < se->ram->io.nr_blocks)
		se_grow(se, 1 + se_random(se, se_random(se, 4) ? 40 : 2000));
	else if (what < 63)
		se_checkpoint(se, 0);
	else
		se_reopen(se);
}

/* A store of so many blocks on a device that has room for more. */
struct se *se_new_growing(u64 nr_blocks, u64 most, u64 seed)
{
	struct se *se = must(calloc(1, sizeof(*se)));
	struct sosnap_super super;
	u32 i;

	se->seed = seed;
	se->ram = io_ram_new(most);
	se->ram->seed = seed * 77 + 1;
	se->writes = must(calloc(most, sizeof(*se->writes)));
	sosnap_super_init(&super, "store", nr_blocks, 0, 1);
	assert_int_equal(sosnap_meta_format(&se->ram->io, &super), 0);
	open_store(se);
	for (i = 0; i < SE_GOLDS; i++)
		gold_add(se, i);
	return se;
}

struct se *se_new(u64 nr_blocks, u64 seed)
{
	return se_new_growing(nr_blocks, nr_blocks, seed);
}

/* One that becomes smaller, and larger again. */
struct se *se_new_shrinking(u64 nr_blocks, u64 seed)
{
	struct se *se = se_new(nr_blocks, seed);

	se->shrinks = true;
	return se;
}

static void writes_forget(struct se *se)
{
	u64 i;

	for (i = 0; i < se->ram->io.nr_blocks; i++)
		se->writes[i].nr = 0;
}

void se_free(struct se *se)
{
	u32 violations;
	u64 i;

	for (i = 0; i < se->ram->io.nr_blocks; i++)
		free(se->writes[i].at);
	free(se->writes);
	sosnap_batch_exit(&se->batch);
	sosnap_meta_close(&se->m);
	violations = io_ram_free(se->ram);
	if (se->plant == SE_PLANT_NONE)
		assert_int_equal(violations, 0);
	free(se->commit);
	free(se->size);
	free(se);
}

void se_log_begin(struct se *se)
{
	se_settle(se);
	io_ram_log_begin(se->ram);
	se->nr_commits = 0;
	remember(se, 0, 0);
	se->nr_sizes = 0;
	remember_size(se, 0);
	writes_forget(se);
}

/**
 * se_go_on() - put the workload onto the device that a crash has left
 * @se:    the store that crashed
 * @after: the device, recovered and closed; taken over
 * @which: from se_judge()
 */
void se_go_on(struct se *se, struct io_ram *after, u32 which)
{
	struct io_ram *whole = io_ram_new(after->io.nr_blocks);
	u64 i;

	for (i = 0; i < after->io.nr_blocks; i++)
		io_ram_read(after, i, io_ram_disk(whole, i));
	memcpy(whole->io.uuid, after->io.uuid, sizeof(whole->io.uuid));
	whole->lazy = se->ram->lazy;
	whole->seed = se->ram->seed;
	assert_int_equal(io_ram_free(after), 0);
	se->now = se->commit[which].state;
	se->nr_slots = 0;
	sosnap_batch_exit(&se->batch);
	sosnap_meta_close(&se->m);
	assert_int_equal(io_ram_free(se->ram), 0);
	se->ram = whole;
	open_store(se);
	se_log_begin(se);
}
