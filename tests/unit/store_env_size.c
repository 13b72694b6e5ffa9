// SPDX-License-Identifier: GPL-2.0
/*
 * A store that grows, and one that is emptied from its end and becomes smaller.
 */
#include "evacuate.h"
#include "store_env_internal.h"
#include "testlib.h"

void se_grow(struct se *se, u64 by)
{
	u64 to = min_t(u64, se->m.super.nr_blocks + by, se->ram->io.nr_blocks);

	se_settle(se);
	sosnap_evacuate_cancel(&se->m);
	assert_int_equal(sosnap_space_grow(&se->m.space, to), 0);
	se_checkpoint(se, 0);
	assert_int_equal(se->m.super.nr_blocks, to);
}

/* Have the trees, and what is written meanwhile, at the end of the store. */
void se_push_up(struct se *se)
{
	u32 nr = se->m.super.nr_blocks - 300, i;
	u8 *taken = must(malloc(nr));

	se_settle(se);
	se_take_from(se, 0, taken, nr);
	for (i = 0; i < 6; i++)
		se_write_step(se);
	se_flush(se);
	se_checkpoint(se, 0);
	for (i = 0; i < nr; i++)
		if (taken[i])
			assert_int_equal(sosnap_space_give_back(&se->m.space, i, 1), 0);
	free(taken);
}

#define MOVES	12U

static bool is_top(const struct se *se, const struct sosnap_move *mv)
{
	u32 i;

	for (i = 0; i < SE_SNAPS; i++)
		if (se->now.snap[i].live && se->now.snap[i].object == mv->object)
			return true;
	return false;
}

/* Whether a snapshot has a block of a move where the trees say; then it is moved. */
static bool move_block(struct se *se, const struct sosnap_move *mv, u32 i, bool look)
{
	bool mine = false;
	u32 k, blk = mv->blk + i;

	for (k = 0; k < SE_SNAPS; k++) {
		struct se_snap *sn = &se->now.snap[k];

		if (!sn->live || sn->map[blk] != mv->from + i)
			continue;
		mine = true;
		if (!look)
			sn->map[blk] = mv->to + i;
	}
	return mine;
}

static void copy_block(struct se *se, u64 from, u64 to)
{
	struct se_writes *w = &se->writes[to];
	u8 data[SOSNAP_BLOCK_SIZE];

	io_ram_read(se->ram, from, data);
	if (w->nr == w->max) {
		w->max = w->max * 2 + 4;
		w->at = must(realloc(w->at, w->max * sizeof(*w->at)));
	}
	w->at[w->nr++] = se->ram->log_nr;
	io_ram_submit(se->ram, to, 1, data);
	se->moved++;
}

/*
 * One move. Blocks of a snapshot's own are moved if they are still where the trees
 * say; so the rest of the move is given back. Those of others have no other place.
 */
static void move_one(struct se *se, const struct sosnap_move *mv, bool merged)
{
	bool own = is_top(se, mv);
	u32 i = 0, n, k;

	while (i < mv->len) {
		bool stays = own ? !move_block(se, mv, i, true) : !merged;

		if (se->plant == SE_PLANT_MOVE_STALE)
			stays = false;
		for (n = 1; i + n < mv->len && !stays; n++)
			if (own && !move_block(se, mv, i + n, true) &&
			    se->plant != SE_PLANT_MOVE_STALE)
				break;
		if (stays) {
			assert_int_equal(sosnap_space_give_back(&se->m.space, mv->to + i, 1), 0);
			sosnap_evacuate_again(&se->m, mv);
			i++;
			continue;
		}
		assert_true(se->nr_slots < SE_SLOTS);
		sosnap_record_fill(&se->slot[se->nr_slots++], SOSNAP_RECORD_MAP, mv->object,
				   mv->blk + i, n, mv->to + i);
		sosnap_evacuate_logged(&se->m, mv, se->m.journal.seq);
		for (k = i; k < i + n; k++)
			move_block(se, mv, k, false);
		if (se->plant == SE_PLANT_MOVE_UNFLUSHED)
			se_flush(se);
		for (; n--; i++)
			copy_block(se, mv->from + i, mv->to + i);
	}
}

static u64 may_come(const struct se *se)
{
	return se->batch.nr + se->nr_slots + 64;
}

/* Begin to empty the tail, as the store's model allows: 0, or why not. */
int se_shrink_begin(struct se *se, u64 to)
{
	struct sosnap_evacuation_need need;
	int r = sosnap_evacuate_begin(&se->m, to, may_come(se), &need);

	if (r == -ENOSPC)
		assert_true(need.used > need.before);
	return r;
}

/* A step of it. Return: whether the store is smaller now, or never will be. */
bool se_shrink_step(struct se *se)
{
	struct sosnap_move list[MOVES];
	bool merged = se_random(se, 2);
	u32 concurrent = se->concurrent, nr, i;
	int r;

	se_settle(se);
	if (merged) {
		se->concurrent = 0;
		se_checkpoint(se, 0);
		se->concurrent = concurrent;
	}
	/* nothing is merged from here to the last record of a move */
	se_flush(se);
	r = sosnap_evacuate_find(&se->m, may_come(se), list, MOVES, 1 + se_random(se, 40), &nr);
	for (i = 0; i < nr; i++)
		move_one(se, &list[i], merged);
	if (!r && !se_random(se, 3))
		se_write_step(se);
	se_settle(se);
	se->concurrent = se_random(se, 2) ? concurrent : 0;
	se_checkpoint(se, 0);
	se->concurrent = concurrent;
	if (!r)
		r = sosnap_evacuate_end(&se->m, may_come(se));
	if (r == -EAGAIN)
		return false;
	if (!r) {
		se_checkpoint(se, 0);
		assert_true(se->m.super.nr_blocks == se->m.evac.nr_blocks);
		se->shrunk++;
	} else {
		assert_int_equal(r, -ENOSPC);
	}
	sosnap_evacuate_cancel(&se->m);
	return true;
}

/* All of it. Return: whether the store has that size now. */
bool se_shrink(struct se *se, u64 to)
{
	u32 steps = 0;

	if (se_shrink_begin(se, to))
		return false;
	while (!se_shrink_step(se))
		assert_true(++steps < 4000);
	return se->m.super.nr_blocks == to;
}

/* What an administrator may do to a store whose device is larger, or may become smaller. */
void se_size_step(struct se *se)
{
	u64 least = sosnap_evacuate_least(&se->m.super), now = se->m.super.nr_blocks;
	u32 what = se_random(se, 16);

	if (what < 2) {
		se_push_up(se);
	} else if (what < 3) {
		if (now < se->ram->io.nr_blocks)
			se_grow(se, 1 + se_random(se, 3000));
	} else if (what < 4) {
		sosnap_evacuate_cancel(&se->m);
	} else if (se->m.evac.nr_blocks) {
		se_shrink_step(se);
	} else if (now > least) {
		se_shrink_begin(se, least + se_random(se, now - least));
	}
}
