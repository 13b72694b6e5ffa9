// SPDX-License-Identifier: GPL-2.0
/*
 * What a repair meets besides damage: numbers at their end, blocks that cannot
 * be read.
 */
#include "change.h"
#include "io_ram.h"
#include "meta.h"
#include "salvage.h"
#include "store_env.h"
#include "testlib.h"

#define BLOCKS	(SOSNAP_REGION_BLOCKS + 6000)

struct store {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;
};

static void must(int r)
{
	assert_int_equal(r, 0);
}

static void commit(struct store *st, const struct sosnap_disk_record *slots, u32 nr)
{
	must(sosnap_journal_write(&st->ram->io, &st->m.super, &st->m.journal, slots, nr));
}

static void change(struct store *st, struct sosnap_change *c, int r)
{
	must(r);
	commit(st, c->slots, c->nr);
	sosnap_change_exit(c);
}

static void add_gold(struct store *st)
{
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	change(st, &c, sosnap_change_gold_add(&c, "gold", 8000, 1, NULL, 1));
}

static void add_snapshot(struct store *st, const char *name)
{
	struct sosnap_create one = { .name = name, .gold = "gold", .sectors = 8000 };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	change(st, &c, sosnap_change_create(&c, &one, 1, 1));
}

static void map(struct store *st, u32 object, u64 blk)
{
	struct sosnap_disk_record rec;
	u64 store;
	u32 got;

	must(sosnap_space_alloc(&st->m.space, 1, 1, &store, &got));
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, object, blk, 1, store);
	commit(st, &rec, 1);
	must(sosnap_batch_add(&st->batch, object, blk, 1, store));
}

static void checkpoint(struct store *st, u32 flags)
{
	must(sosnap_meta_checkpoint(&st->m, &st->batch, st->m.journal.head, st->m.journal.seq,
				    flags));
	st->m.journal.tail = st->m.journal.head;
	st->batch.nr = 0;
	sosnap_meta_publish(&st->m);
	must(sosnap_meta_release(&st->m, NULL, NULL));
}

/* Two snapshots; everything is in the trees, and the store is open. */
static void make(struct store *st)
{
	struct sosnap_super super;
	u64 commits;
	u32 i;

	st->ram = io_ram_new(BLOCKS);
	sosnap_super_init(&super, "store", BLOCKS, 300, 1);
	must(sosnap_meta_format(&st->ram->io, &super));
	must(sosnap_meta_open(&st->m, &st->ram->io, NULL));
	must(sosnap_batch_init(&st->batch, 64));
	must(sosnap_meta_replay(&st->m, &st->batch, &commits));
	checkpoint(st, 0);
	add_gold(st);
	add_snapshot(st, "s1");
	add_snapshot(st, "s2");
	for (i = 0; i < 40; i++)
		map(st, 1 + i % 2, 1 + i * 3);
	checkpoint(st, 0);
}

static void shut(struct store *st)
{
	sosnap_batch_exit(&st->batch);
	sosnap_meta_close(&st->m);
	io_ram_drop_cache(st->ram);
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
		struct store st;
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
		checkpoint(&st, SOSNAP_SUPER_CLEAN);
		shut(&st);
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
		struct store st;
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
		checkpoint(&st, SOSNAP_SUPER_CLEAN);
		must(sosnap_super_read(&st.ram->io, &super));
		shut(&st);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_of_no_item),
		cmocka_unit_test(largest_references),
		cmocka_unit_test(no_number_left),
	};

	return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
