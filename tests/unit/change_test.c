// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of the catalogue: what is allowed, what is refused and why, and that
 * a refused one leaves everything as it was. And the catalogue itself.
 */
#include "change.h"
#include "io_ram.h"
#include "reap.h"
#include "testlib.h"
#include "uapi.h"

struct env {
	struct io_ram *ram;
	struct sosnap_meta m;
	struct sosnap_batch batch;
	char why[200];
};

static void env_open(struct env *e)
{
	u64 commits;

	assert_int_equal(sosnap_meta_open(&e->m, &e->ram->io, NULL), 0);
	assert_int_equal(sosnap_batch_init(&e->batch, 8), 0);
	assert_int_equal(sosnap_meta_replay(&e->m, &e->batch, &commits), 0);
}

static void checkpoint(struct env *e)
{
	assert_int_equal(sosnap_meta_checkpoint(&e->m, &e->batch, e->m.journal.head,
						e->m.journal.seq, 0), 0);
	e->m.journal.tail = e->m.journal.head;
	sosnap_meta_publish(&e->m);
	assert_int_equal(sosnap_meta_release(&e->m, NULL, NULL), 0);
}

static void env_close(struct env *e)
{
	sosnap_batch_exit(&e->batch);
	sosnap_meta_close(&e->m);
	io_ram_drop_cache(e->ram);
}

static void env_init(struct env *e)
{
	struct sosnap_super s;

	memset(e, 0, sizeof(*e));
	e->ram = io_ram_new(SOSNAP_MIN_BLOCKS);
	sosnap_super_init(&s, "store", SOSNAP_MIN_BLOCKS, 0, 1);
	assert_int_equal(sosnap_meta_format(&e->ram->io, &s), 0);
	env_open(e);
	checkpoint(e);
}

static void env_exit(struct env *e)
{
	env_close(e);
	assert_int_equal(io_ram_free(e->ram), 0);
}

/* Refused ones say why and make no record; the others are committed. */
static int end(struct env *e, struct sosnap_change *c, int r)
{
	if (r) {
		assert_int_equal(c->nr, 0);
		assert_true(e->why[0]);
	} else {
		assert_true(c->nr > 0 && c->nr <= c->max);
		assert_int_equal(e->why[0], 0);
		assert_int_equal(sosnap_journal_write(&e->ram->io, &e->m.super, &e->m.journal,
						      c->slots, c->nr), 0);
	}
	sosnap_change_exit(c);
	return r;
}

#define change(e, call, ...) ({						\
	struct sosnap_change c;						\
									\
	sosnap_change_init(&c, &(e)->m, (e)->why, sizeof((e)->why));	\
	end(e, &c, sosnap_change_##call(&c, __VA_ARGS__)); })

static int create(struct env *e, const char *name, const char *gold, u64 sectors)
{
	struct sosnap_create one = { .name = name, .gold = gold, .sectors = sectors };

	return change(e, create, &one, 1, 5);
}

static struct sosnap_entry *snapshot(struct env *e, const char *name)
{
	return sosnap_catalog_name(&e->m.catalog, SOSNAP_CATALOG_SNAPSHOT, name);
}

static void golds(void **state)
{
	struct env e;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "debian", 8, 7, NULL, 1), 0);
	assert_int_equal(change(&e, gold_add, "debian", 8, 7, NULL, 1), -EEXIST);
	assert_int_equal(change(&e, gold_add, "", 8, 7, NULL, 1), -EINVAL);
	assert_int_equal(change(&e, gold_add, "a b", 8, 7, NULL, 1), -EINVAL);
	assert_int_equal(change(&e, gold_add, "x", 0, 7, NULL, 1), -EINVAL);
	assert_int_equal(change(&e, gold_add, "x", U64_MAX, 7, NULL, 1), -EINVAL);
	assert_int_equal(change(&e, gold_remove, "none"), -ENOENT);
	assert_int_equal(create(&e, "vm", "debian", 8), 0);
	assert_int_equal(change(&e, gold_remove, "debian"), -EBUSY);
	assert_non_null(strstr(e.why, "vm"));
	assert_int_equal(change(&e, remove, "vm"), 0);
	assert_int_equal(change(&e, gold_remove, "debian"), 0);
	assert_int_equal(change(&e, gold_add, "debian", 8, 7, NULL, 1), 0);
	/* an id is never used again */
	assert_int_equal(sosnap_catalog_name(&e.m.catalog, SOSNAP_CATALOG_GOLD, "debian")->id, 2);
	e.m.super.next_gold = U32_MAX;
	assert_int_equal(change(&e, gold_add, "last", 8, 7, NULL, 1), -EOVERFLOW);
	env_exit(&e);
}

static void snapshots(void **state)
{
	struct sosnap_create two[2] = {
		{ .name = "a", .gold = "g", .sectors = 8 },
		{ .name = "a", .gold = "g", .sectors = 8 },
	};
	struct env e;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	assert_int_equal(change(&e, create, two, 2, 5), -EEXIST);
	assert_null(snapshot(&e, "a"));
	two[1].name = "b";
	two[1].gold = "none";
	assert_int_equal(change(&e, create, two, 2, 5), -ENOENT);
	assert_null(snapshot(&e, "a"));
	two[1].gold = "g";
	assert_int_equal(change(&e, create, two, 2, 5), 0);
	assert_int_equal(two[0].id, 1);
	assert_int_equal(two[1].id, 2);
	assert_int_equal(create(&e, "a", "g", 8), -EEXIST);
	assert_int_equal(create(&e, "c", "g", 0), -EINVAL);
	assert_int_equal(create(&e, "c", "g", SOSNAP_MAX_BLK + 1), -EINVAL);
	assert_int_equal(create(&e, "-c", "g", 8), -EINVAL);
	assert_int_equal(change(&e, rename, "a", "b"), -EEXIST);
	assert_int_equal(change(&e, rename, "a", "../b"), -EINVAL);
	assert_int_equal(change(&e, rename, "none", "d"), -ENOENT);
	assert_int_equal(change(&e, rename, "a", "d"), 0);
	assert_int_equal(snapshot(&e, "d")->id, 1);
	assert_int_equal(change(&e, set_auto, "none", true), -ENOENT);
	assert_int_equal(change(&e, set_auto, "d", true), 0);
	assert_true(le32_to_cpu(snapshot(&e, "d")->item.snapshot.flags) & SOSNAP_SNAPSHOT_AUTO);
	assert_int_equal(change(&e, remove, "a"), -ENOENT);
	assert_int_equal(change(&e, remove, "b"), 0);
	assert_int_equal(change(&e, remove, "b"), -ENOENT);
	e.m.super.next_snapshot = U32_MAX;
	assert_int_equal(create(&e, "z", "g", 8), -EOVERFLOW);
	env_exit(&e);
}

/* As many at once as fit into one commit, and not one more. */
static void many_at_once(void **state)
{
	u32 fits = SOSNAP_CHANGE_SLOTS / (2 * (1 + SOSNAP_PUT_SLOTS)), i;
	struct sosnap_create *list = calloc(fits + 1, sizeof(*list));
	char (*name)[16] = calloc(fits + 1, sizeof(*name));
	struct env e;

	assert_true(list && name);
	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	for (i = 0; i <= fits; i++) {
		snprintf(name[i], sizeof(*name), "s%u", i);
		list[i] = (struct sosnap_create){ .name = name[i], .gold = "g", .sectors = 8 };
	}
	assert_int_equal(change(&e, create, list, fits + 1, 5), -E2BIG);
	assert_int_equal(sosnap_catalog_count(&e.m.catalog, SOSNAP_CATALOG_SNAPSHOT), 0);
	assert_int_equal(change(&e, create, list, fits, 5), 0);
	env_close(&e);
	env_open(&e);
	assert_int_equal(sosnap_catalog_count(&e.m.catalog, SOSNAP_CATALOG_SNAPSHOT), fits);
	assert_int_equal(sosnap_catalog_count(&e.m.catalog, SOSNAP_CATALOG_OBJECT), fits);
	checkpoint(&e);
	env_exit(&e);
	free(list);
	free(name);
}

static void survives_replay_and_reopen(void **state)
{
	struct env e;
	u32 round;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "a", "g", 8), 0);
	assert_int_equal(create(&e, "b", "g", 16), 0);
	assert_int_equal(change(&e, rename, "a", "c"), 0);
	assert_int_equal(change(&e, remove, "b"), 0);
	for (round = 0; round < 3; round++) {
		env_close(&e);
		env_open(&e);
		assert_null(snapshot(&e, "a"));
		assert_null(snapshot(&e, "b"));
		assert_int_equal(snapshot(&e, "c")->id, 1);
		assert_int_equal(e.m.super.next_snapshot, 3);
		assert_int_equal(e.m.super.next_object, 3);
		assert_int_equal(e.m.super.next_gold, 2);
		assert_int_equal(sosnap_reap_pending(&e.m, NULL), !round);
		checkpoint(&e);
		assert_false(sosnap_reap_pending(&e.m, NULL));
		assert_int_equal(sosnap_catalog_count(&e.m.catalog, SOSNAP_CATALOG_OBJECT), 1);
	}
	env_exit(&e);
}

static void hostile_records(void **state)
{
	struct sosnap_disk_record slot[1 + SOSNAP_PUT_SLOTS];
	struct env e;
	u32 i;

	env_init(&e);
#define REFUSED(type, object, blk, len, store) do {			\
	sosnap_record_fill(&slot[0], type, object, blk, len, store);	\
	assert_int_equal(sosnap_meta_apply(&e.m, &e.batch, slot, 1), -EUCLEAN); \
	assert_int_equal(e.ram->io.fault.what, SOSNAP_FAULT_RECORD_VALUE); \
} while (0)
	REFUSED(0, 1, 1, 1, 1);
	REFUSED(99, 1, 1, 1, 1);
	REFUSED(SOSNAP_RECORD_MAP, 0, 1, 1, 1);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, 0, 1);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, SOSNAP_MAX_EXTENT + 1, 1);
	REFUSED(SOSNAP_RECORD_MAP, 1, SOSNAP_MAX_BLK, 1, 1);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, 1, SOSNAP_MIN_BLOCKS);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, 2, SOSNAP_MIN_BLOCKS - 1);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, 2, U64_MAX);
	REFUSED(SOSNAP_RECORD_MAP, 1, 1, 2, SOSNAP_STORE_ZERO);
	REFUSED(SOSNAP_RECORD_ZERO, 1, SOSNAP_MAX_BLK - 1, 2, 0);
	REFUSED(SOSNAP_RECORD_PUT, SOSNAP_CATALOG_GOLD, 1, SOSNAP_PUT_SLOTS, 0);
	REFUSED(SOSNAP_RECORD_DEL, SOSNAP_CATALOG_GOLD, 1ULL << 33, 0, 0);
#undef REFUSED
	/* a PUT whose value makes no sense */
	memset(slot, 0x41, sizeof(slot));
	for (i = 0; i < 5; i++) {
		sosnap_record_fill(&slot[0], SOSNAP_RECORD_PUT, i, 1, SOSNAP_PUT_SLOTS, 0);
		if (i == SOSNAP_CATALOG_OBJECT)
			continue;
		assert_int_equal(sosnap_meta_apply(&e.m, &e.batch, slot, ARRAY_SIZE(slot)),
				 -EUCLEAN);
	}
	sosnap_record_fill(&slot[0], SOSNAP_RECORD_PUT, SOSNAP_CATALOG_OBJECT, U32_MAX,
			   SOSNAP_PUT_SLOTS, 0);
	assert_int_equal(sosnap_meta_apply(&e.m, &e.batch, slot, ARRAY_SIZE(slot)), -EUCLEAN);
	assert_int_equal(e.m.catalog.nr, 0);
	assert_int_equal(e.batch.nr, 0);
	env_exit(&e);
}

/* Two records of one block, or of a block that is owned: refused, nothing harmed. */
static void replay_of_a_block_twice(void **state)
{
	struct sosnap_disk_record slot[2];
	u64 commits, places[] = { 1500, SOSNAP_SUPER_BLK1 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		struct env e;

		env_init(&e);
		assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
		assert_int_equal(create(&e, "a", "g", 8), 0);
		sosnap_record_fill(&slot[0], SOSNAP_RECORD_MAP, 1, 1, 1, places[i]);
		sosnap_record_fill(&slot[1], SOSNAP_RECORD_MAP, 1, 7, 1, 1500);
		assert_int_equal(sosnap_journal_write(&e.ram->io, &e.m.super, &e.m.journal, slot,
						      2), 0);
		env_close(&e);
		assert_int_equal(sosnap_meta_open(&e.m, &e.ram->io, NULL), 0);
		assert_int_equal(sosnap_batch_init(&e.batch, 8), 0);
		assert_int_equal(sosnap_meta_replay(&e.m, &e.batch, &commits), -EUCLEAN);
		assert_int_equal(e.ram->io.fault.what, SOSNAP_FAULT_BLOCK_SHARED);
		env_exit(&e);
	}
}

static void sizes(void **state)
{
	struct env e;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "a", "g", 12), 0);
	assert_int_equal(change(&e, resize, "b", 8), -ENOENT);
	assert_int_equal(change(&e, resize, "a", 0), -EINVAL);
	assert_int_equal(change(&e, resize, "a", U64_MAX), -EINVAL);
	assert_int_equal(change(&e, resize, "a", 20), -EINVAL);
	assert_int_equal(le64_to_cpu(snapshot(&e, "a")->item.snapshot.sectors), 12);
	assert_int_equal(change(&e, resize, "a", 12), 0);
	assert_int_equal(change(&e, resize, "a", 16), 0);
	env_close(&e);
	env_open(&e);
	checkpoint(&e);
	assert_int_equal(le64_to_cpu(snapshot(&e, "a")->item.snapshot.sectors), 16);
	assert_int_equal(change(&e, set_flag, "a", SOSNAP_SNAPSHOT_DISPOSABLE, true), 0);
	assert_int_equal(change(&e, set_auto, "a", true), 0);
	assert_int_equal(le32_to_cpu(snapshot(&e, "a")->item.snapshot.flags),
			 SOSNAP_SNAPSHOT_DISPOSABLE | SOSNAP_SNAPSHOT_AUTO);
	assert_int_equal(change(&e, set_flag, "a", SOSNAP_SNAPSHOT_DISPOSABLE, false), 0);
	assert_int_equal(le32_to_cpu(snapshot(&e, "a")->item.snapshot.flags),
			 SOSNAP_SNAPSHOT_AUTO);
	assert_int_equal(change(&e, set_flag, "b", SOSNAP_SNAPSHOT_DISPOSABLE, true), -ENOENT);
	assert_int_equal(change(&e, resize, "a", 8), 0);
	assert_int_equal(le64_to_cpu(snapshot(&e, "a")->item.snapshot.sectors), 8);
	/* the gold image is longer: it would show behind the old end */
	assert_int_equal(change(&e, gold_add, "h", 16, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "p", "h", 12), 0);
	assert_int_equal(change(&e, resize, "p", 24), -EINVAL);
	assert_non_null(strstr(e.why, "to 8 sectors"));
	assert_int_equal(change(&e, resize, "p", 8), 0);
	assert_int_equal(change(&e, resize, "p", 24), 0);
	env_exit(&e);
}

static bool dies(struct env *e, u32 object)
{
	struct sosnap_entry *o = sosnap_catalog_get(&e->m.catalog, SOSNAP_CATALOG_OBJECT, object);

	return !o || le32_to_cpu(o->item.object.flags) & SOSNAP_OBJECT_DYING;
}

/* A snapshot whose top is another's, or below it: what it names is not freed. */
static void wrong_tops(void **state)
{
	struct sosnap_pair of_a = { .origin = "a", .name = "c" };
	u32 way, top, frozen, wrong;
	struct sosnap_entry *s;
	union sosnap_item item;
	struct env e;

	for (way = 0; way < 6; way++) {
		env_init(&e);
		assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
		assert_int_equal(create(&e, "a", "g", 8), 0);
		assert_int_equal(create(&e, "b", "g", 8), 0);
		assert_int_equal(create(&e, "d", "g", 8), 0);
		frozen = le32_to_cpu(snapshot(&e, "a")->item.snapshot.object);
		assert_int_equal(change(&e, snapshot, &of_a, 1, 1), 0);
		top = le32_to_cpu(snapshot(&e, "a")->item.snapshot.object);
		assert_int_not_equal(top, frozen);
		wrong = way & 1 ? top : frozen;
		s = snapshot(&e, "b");
		item = s->item;
		item.snapshot.object = cpu_to_le32(wrong);
		assert_int_equal(sosnap_catalog_put(&e.m.catalog, SOSNAP_CATALOG_SNAPSHOT, s->id,
						    &item), 0);
		if (way < 2)
			assert_int_equal(change(&e, remove, "b"), 0);
		else if (way < 4)
			assert_int_equal(change(&e, refresh, "b", 1), 0);
		else
			assert_int_equal(change(&e, rollback, "b", "d", false, 1), 0);
		assert_false(dies(&e, wrong));
		/* that of a snapshot alone does */
		assert_int_equal(change(&e, remove, "c"), 0);
		wrong = le32_to_cpu(snapshot(&e, "d")->item.snapshot.object);
		assert_int_equal(change(&e, remove, "d"), 0);
		assert_true(dies(&e, wrong));
		env_exit(&e);
	}
}

/* The top of a snapshot has a child, without having been frozen. */
static void top_with_a_child(void **state)
{
	struct sosnap_entry *o;
	union sosnap_item item;
	struct env e;
	u32 top;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "a", "g", 8), 0);
	assert_int_equal(create(&e, "b", "g", 8), 0);
	top = le32_to_cpu(snapshot(&e, "a")->item.snapshot.object);
	o = sosnap_catalog_get(&e.m.catalog, SOSNAP_CATALOG_OBJECT,
			       le32_to_cpu(snapshot(&e, "b")->item.snapshot.object));
	item = o->item;
	item.object.parent = cpu_to_le32(top);
	assert_int_equal(sosnap_catalog_put(&e.m.catalog, SOSNAP_CATALOG_OBJECT, o->id, &item), 0);
	assert_int_equal(change(&e, remove, "a"), 0);
	assert_false(dies(&e, top));
	assert_int_equal(change(&e, remove, "b"), 0);
	assert_true(dies(&e, o->id));
	env_exit(&e);
}

/* A superblock that would give numbers away again. */
static void low_numbers(void **state)
{
	struct env e;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 8, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "a", "g", 8), 0);
	e.m.super.next_gold = e.m.super.next_object = e.m.super.next_snapshot = 1;
	checkpoint(&e);
	env_close(&e);
	env_open(&e);
	assert_true(e.m.super.next_gold > 1);
	assert_int_equal(create(&e, "b", "g", 8), 0);
	assert_int_not_equal(snapshot(&e, "a")->id, snapshot(&e, "b")->id);
	assert_int_not_equal(snapshot(&e, "a")->item.snapshot.object,
			     snapshot(&e, "b")->item.snapshot.object);
	env_exit(&e);
}

static void names(void **state)
{
	static const char *const good[] = { "a", "A1", "_x", "+y", "a.b-c_d+e" };
	static const char *const bad[] = { "", ".", "..", "-a", "a/b", "a b", "a\n", "\033[1m",
					   "\xc3\xa4" };
	char name[80];
	u32 i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(sosnap_name_valid(good[i]));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(sosnap_name_valid(bad[i]));
	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	assert_true(sosnap_name_valid(name));
	name[63] = 'n';
	name[64] = '\0';
	assert_false(sosnap_name_valid(name));
}

static bool is_lossy(struct env *e, const char *name)
{
	return le32_to_cpu(snapshot(e, name)->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY;
}

/* Who looks like a snapshot that lacks something lacks it, too. */
static void lossy_marks(void **state)
{
	struct sosnap_pair of_a = { .origin = "a", .name = "b" };
	struct sosnap_pair of_c = { .origin = "c", .name = "d" };
	struct env e;

	env_init(&e);
	assert_int_equal(change(&e, gold_add, "g", 80, 7, NULL, 1), 0);
	assert_int_equal(create(&e, "a", "g", 80), 0);
	assert_int_equal(create(&e, "c", "g", 80), 0);
	assert_int_equal(change(&e, set_flag, "a", SOSNAP_SNAPSHOT_LOSSY, true), 0);
	assert_int_equal(change(&e, set_flag, "a", SOSNAP_SNAPSHOT_DISPOSABLE, true), 0);
	assert_int_equal(change(&e, snapshot, &of_a, 1, 1), 0);
	assert_int_equal(change(&e, snapshot, &of_c, 1, 1), 0);
	assert_true(is_lossy(&e, "a") && is_lossy(&e, "b"));
	assert_false(is_lossy(&e, "c") || is_lossy(&e, "d"));
	/* nothing but this is handed on */
	assert_int_equal(le32_to_cpu(snapshot(&e, "b")->item.snapshot.flags), SOSNAP_SNAPSHOT_LOSSY);

	assert_int_equal(change(&e, rollback, "d", "b", false, 1), 0);
	assert_true(is_lossy(&e, "d") && is_lossy(&e, "b"));
	assert_int_equal(change(&e, rollback, "d", "c", false, 1), 0);
	assert_false(is_lossy(&e, "d"));
	assert_int_equal(change(&e, refresh, "b", 1), 0);
	assert_false(is_lossy(&e, "b"));

	/* what is accepted is so for one */
	assert_int_equal(change(&e, rollback, "d", "a", false, 1), 0);
	assert_int_equal(change(&e, set_flag, "a", SOSNAP_SNAPSHOT_LOSSY, false), 0);
	env_close(&e);
	env_open(&e);
	assert_false(is_lossy(&e, "a"));
	assert_true(is_lossy(&e, "d"));
	env_exit(&e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(golds),
		cmocka_unit_test(snapshots),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(survives_replay_and_reopen),
		cmocka_unit_test(hostile_records),
		cmocka_unit_test(replay_of_a_block_twice),
		cmocka_unit_test(sizes),
		cmocka_unit_test(wrong_tops),
		cmocka_unit_test(top_with_a_child),
		cmocka_unit_test(low_numbers),
		cmocka_unit_test(lossy_marks),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name("sosnap_change", tests, NULL, NULL);
}
