// SPDX-License-Identifier: GPL-2.0
/*
 * What a repair meets besides damage: numbers at their end, blocks that cannot
 * be read.
 */
#include "salvage.h"
#include "salvage_env.h"
#include "store_env.h"

#define BLOCKS	(SOSNAP_REGION_BLOCKS + 6000)

/* Two snapshots; everything is in the trees, and the store is open. */
static void make(struct sv_store *st)
{
	u32 i;

	sv_new(st, BLOCKS);
	sv_add_snapshot(st, "s1");
	sv_add_snapshot(st, "s2");
	for (i = 0; i < 40; i++)
		sv_map(st, 1 + i % 2, 1 + i * 3, 1);
	sv_checkpoint(st, 0);
}

static void on_lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
}

static void on_changed(void *ctx, u32 type, u32 id, const char *what)
{
	/* a number that no item can have */
	assert_int_not_equal(id, U32_MAX);
}

static int mend(struct io_ram *ram, struct sosnap_salvage_result *res)
{
	static const struct sosnap_salvage_ops ops = { .lost = on_lost, .changed = on_changed };
	static const struct sosnap_salvage_want want = { .name = "found", .now = 1 };
	struct sosnap_salvage *s;
	int r;

	io_ram_drop_cache(ram);
	r = sosnap_salvage_find(&ram->io, &want, &ops, NULL, res, &s);
	if (!r)
		r = sosnap_salvage_write(s, &ram->io);
	sosnap_salvage_free(s);
	assert_int_equal(ram->held, 0);
	io_ram_drop_cache(ram);
	return r;
}

/* The check may replay: nothing is done with the store after it. */
static void expect_clean(struct io_ram *ram)
{
	const char *why = se_check(&ram->io, NULL);

	if (why)
		fail_msg("%s", why);
	io_ram_drop_cache(ram);
}

/* Numbers */

/* References to what cannot exist, each with a right checksum. */
static void references_of_no_item(void **state)
{
	u32 round;

	for (round = 0; round < 3; round++) {
		struct sosnap_salvage_result res;
		struct sosnap_entry *e;
		union sosnap_item item;
		struct sv_store st;
		u32 type = round < 2 ? SOSNAP_CATALOG_SNAPSHOT : SOSNAP_CATALOG_OBJECT;

		make(&st);
		e = sosnap_catalog_get(&st.m.catalog, type, 1);
		item = e->item;
		if (round == 0)
			item.snapshot.object = cpu_to_le32(U32_MAX);
		else if (round == 1)
			item.snapshot.gold = cpu_to_le32(U32_MAX);
		else
			item.object.gold = cpu_to_le32(U32_MAX);
		assert_false(sosnap_catalog_sane(type, 1, &item));
		must(sosnap_catalog_put(&st.m.catalog, type, 1, &item));
		sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
		sv_close_store(&st);
		assert_non_null(se_check(&st.ram->io, NULL));
		must(mend(st.ram, &res));
		expect_clean(st.ram);
		io_ram_free(st.ram);
	}
}

/* The largest numbers that there can be are no damage. */
static void largest_references(void **state)
{
	union sosnap_item item = { };

	strscpy(item.snapshot.name, "s", SOSNAP_NAME_LEN);
	item.snapshot.sectors = cpu_to_le64(8);
	item.snapshot.object = cpu_to_le32(U32_MAX - 1);
	item.snapshot.gold = cpu_to_le32(U32_MAX - 1);
	assert_true(sosnap_catalog_sane(SOSNAP_CATALOG_SNAPSHOT, U32_MAX - 1, &item));
	assert_false(sosnap_catalog_sane(SOSNAP_CATALOG_SNAPSHOT, U32_MAX, &item));
	memset(&item, 0, sizeof(item));
	item.object.parent = cpu_to_le32(U32_MAX - 2);
	item.object.gold = cpu_to_le32(U32_MAX - 1);
	assert_true(sosnap_catalog_sane(SOSNAP_CATALOG_OBJECT, U32_MAX - 1, &item));
}

/* A snapshot, a top or a gold image has to be made, and no number is left. */
static void no_number_left(void **state)
{
	u32 round;

	for (round = 0; round < 6; round++) {
		u32 kind = round % 3, next = round < 3 ? U32_MAX - 1 : U32_MAX - 2;
		struct sosnap_salvage_result res;
		struct sosnap_super super;
		struct sosnap_entry *e;
		union sosnap_item item;
		struct sv_store st;
		int r;

		make(&st);
		if (kind == 0) {
			st.m.super.next_snapshot = next;
			sosnap_catalog_del(&st.m.catalog, SOSNAP_CATALOG_SNAPSHOT, 1);
		} else if (kind == 1) {
			st.m.super.next_object = next;
			e = sosnap_catalog_get(&st.m.catalog, SOSNAP_CATALOG_SNAPSHOT, 2);
			item = e->item;
			item.snapshot.object = cpu_to_le32(1);
			must(sosnap_catalog_put(&st.m.catalog, SOSNAP_CATALOG_SNAPSHOT, 2, &item));
			sosnap_catalog_get(&st.m.catalog, SOSNAP_CATALOG_OBJECT, 2)
				->item.object.flags = cpu_to_le32(SOSNAP_OBJECT_DYING);
		} else {
			st.m.super.next_gold = next;
		}
		sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
		must(sosnap_super_read(&st.ram->io, &super));
		sv_close_store(&st);
		/* an object that only its extents tell of */
		if (kind == 2)
			memset(io_ram_disk(st.ram, super.root[0].blk), 0xff, SOSNAP_BLOCK_SIZE);
		r = mend(st.ram, &res);
		/* two snapshots need a top of their own */
		if (round < 3 || kind == 1)
			assert_int_equal(r, -EOVERFLOW);
		else
			must(r);
		if (!r)
			expect_clean(st.ram);
		io_ram_free(st.ram);
	}
}

/* Blocks that cannot be read until they are written */

static struct {
	struct sosnap_io_ops ops;
	const struct sosnap_io_ops *real;
	u64 blk;
	bool bad;
} worn;

static int worn_read(struct sosnap_io *io, u64 blk, u32 nr, void *data)
{
	if (worn.bad && worn.blk >= blk && worn.blk < blk + nr)
		return -EIO;
	return worn.real->read(io, blk, nr, data);
}

static int worn_write(struct sosnap_io *io, u64 blk, u32 nr, const void *data)
{
	if (worn.blk >= blk && worn.blk < blk + nr)
		worn.bad = false;
	return worn.real->write(io, blk, nr, data);
}

static void wear_out(struct io_ram *ram, u64 blk)
{
	worn.real = ram->io.ops;
	worn.ops = *worn.real;
	worn.ops.read = worn_read;
	worn.ops.write = worn_write;
	worn.blk = blk;
	worn.bad = true;
	ram->io.ops = &worn.ops;
}

static u32 nr_lossy(struct io_ram *ram)
{
	struct sosnap_entry *e;
	struct sosnap_meta m;
	u32 id = 0, n = 0;

	must(se_recover(&ram->io, &m, SE_PLANT_NONE));
	while ((e = sosnap_catalog_next(&m.catalog, SOSNAP_CATALOG_SNAPSHOT, id))) {
		n += !!(le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY);
		id = e->id + 1;
	}
	sosnap_meta_close(&m);
	io_ram_drop_cache(ram);
	return n;
}

/* Each block of the journal in turn; seven commits come on top of the trees. */
static void unreadable_journal(void **state)
{
	u64 pos;
	u32 how;

	for (how = 0; how < 3; how++)
		for (pos = 0; pos < 300; pos++) {
			bool clean = how == 1, super_lost = how == 2;
			struct sosnap_salvage_result res;
			struct sv_store st;
			u64 tail, head;
			u32 i, lost;

			make(&st);
			tail = st.m.super.tail;
			for (i = 0; i < 7; i++)
				sv_map(&st, 1 + i % 2, 200 + i, 1);
			head = st.m.journal.head;
			if (clean)
				sv_checkpoint(&st, SOSNAP_SUPER_CLEAN);
			sv_close_store(&st);
			if (pos > 10 && (pos < tail || pos > head + 3)) {
				io_ram_free(st.ram);
				continue;
			}
			if (super_lost) {
				memset(io_ram_disk(st.ram, SOSNAP_SUPER_BLK0), 0xff, 64);
				memset(io_ram_disk(st.ram, SOSNAP_SUPER_BLK1), 0xff, 64);
			}
			wear_out(st.ram, SOSNAP_JOURNAL_BLK + pos);
			must(mend(st.ram, &res));
			assert_false(worn.bad);
			lost = pos >= tail && pos <= head;
			if (super_lost)
				lost = 1;
			else if (clean)
				lost = 0;
			assert_int_equal(res.lost_commits, lost);
			assert_int_equal(nr_lossy(st.ram), lost ? 2 : 0);
			expect_clean(st.ram);
			io_ram_free(st.ram);
		}
}

/* Cut short before the superblocks, the next repair finds the same. */
static void unreadable_journal_cut(void **state)
{
	struct sosnap_salvage_result res;
	struct sv_store st;
	u32 i;

	make(&st);
	sv_close_store(&st);
	wear_out(st.ram, SOSNAP_JOURNAL_BLK + st.m.super.tail);
	io_ram_log_begin(st.ram);
	must(mend(st.ram, &res));
	for (i = 0; i < io_ram_now(st.ram).written; i++) {
		u64 blk = io_ram_log_blk(st.ram, i);

		if (blk == worn.blk)
			fail_msg("it was wiped before the superblocks were written");
		if (blk == SOSNAP_SUPER_BLK0 || blk == SOSNAP_SUPER_BLK1)
			break;
	}
	io_ram_free(st.ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_of_no_item),
		cmocka_unit_test(largest_references),
		cmocka_unit_test(no_number_left),
		cmocka_unit_test(unreadable_journal),
		cmocka_unit_test(unreadable_journal_cut),
	};

	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
