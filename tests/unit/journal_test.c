// SPDX-License-Identifier: GPL-2.0
/*
 * The journal alone: places, laps, and what a scan believes.
 */
#include "io_ram.h"
#include "journal.h"
#include "testlib.h"

#define STORE_BLOCKS	2048U

struct env {
	struct io_ram *ram;
	struct sosnap_super s;
	struct sosnap_journal j;
	u64 seed;
};

static void env_init(struct env *e)
{
	memset(e, 0, sizeof(*e));
	e->ram = io_ram_new(STORE_BLOCKS);
	sosnap_super_init(&e->s, "store", STORE_BLOCKS, SOSNAP_MIN_JOURNAL, 1);
	e->j.blocks = e->s.journal_blocks;
	e->j.seq = e->s.tail_seq;
}

static void env_exit(struct env *e)
{
	assert_int_equal(io_ram_free(e->ram), 0);
}

/* A commit whose records say which it is. */
static int put(struct env *e, u32 nr)
{
	struct sosnap_disk_record *slot = calloc(nr, sizeof(*slot));
	u32 i;
	int r;

	assert_non_null(slot);
	for (i = 0; i < nr; i++)
		sosnap_record_fill(&slot[i], SOSNAP_RECORD_MAP, nr, e->j.seq, i + 1, i);
	r = sosnap_journal_write(&e->ram->io, &e->s, &e->j, slot, nr);
	free(slot);
	return r;
}

struct seen {
	u64 next;
	u64 slots;
	u64 stop_at;
};

static int see(void *ctx, u64 seq, const struct sosnap_disk_record *slots, u32 nr)
{
	struct seen *s = ctx;
	u32 i;

	if (s->stop_at && seq == s->stop_at)
		return -ENOMEM;
	assert_int_equal(seq, s->next++);
	for (i = 0; i < nr; i++) {
		assert_int_equal(sosnap_record_type(&slots[i]), SOSNAP_RECORD_MAP);
		assert_int_equal(sosnap_record_blk(&slots[i]), seq);
		assert_int_equal(le32_to_cpu(slots[i].object), nr);
		assert_int_equal(le32_to_cpu(slots[i].len), i + 1);
	}
	s->slots += nr;
	return 0;
}

/* Number of commits a scan finds from the tail of e->s. */
static u64 scan(struct env *e, struct io_ram *ram, struct sosnap_journal *j)
{
	struct seen s = { .next = e->s.tail_seq };

	assert_int_equal(sosnap_journal_scan(&ram->io, &e->s, j, see, &s), 0);
	return s.next - e->s.tail_seq;
}

static void expect_all(struct env *e)
{
	struct sosnap_journal j;

	assert_int_equal(scan(e, e->ram, &j), e->j.seq - e->s.tail_seq);
	assert_int_equal(j.seq, e->j.seq);
	/* the end of the region and its start are one place when nothing follows */
	assert_int_equal(j.head, e->j.head);
	assert_int_equal(sosnap_journal_used(&j), sosnap_journal_used(&e->j));
}

static void checkpoint(struct env *e)
{
	e->s.tail = e->j.head;
	e->s.tail_seq = e->j.seq;
	e->j.tail = e->j.head;
}

static void laps_with_stale_commits(void **state)
{
	struct env e;
	u32 lap, sizes[] = { 1, 168, 169, 170, 500, 2000, SOSNAP_COMMIT_SLOTS };

	env_init(&e);
	for (lap = 0; lap < 3000; lap++) {
		u32 nr = sizes[io_ram_random(&e.seed) % ARRAY_SIZE(sizes)];
		int r = put(&e, nr);

		if (r == -ENOSPC) {
			expect_all(&e);
			checkpoint(&e);
			assert_int_equal(sosnap_journal_used(&e.j), 0);
			expect_all(&e);
			r = put(&e, nr);
		}
		/* whatever the place, an empty journal takes the largest commit */
		assert_int_equal(r, 0);
		assert_true(e.j.head <= e.j.blocks);
		assert_true(sosnap_journal_used(&e.j) > 0);
		if (lap % 7 == 0)
			expect_all(&e);
		if (io_ram_random(&e.seed) % 9 == 0)
			checkpoint(&e);
	}
	env_exit(&e);
}

static void exactly_full(void **state)
{
	struct sosnap_journal j;
	struct env e;
	u32 i;

	env_init(&e);
	for (i = 0; i < SOSNAP_MIN_JOURNAL; i++)
		assert_int_equal(put(&e, 100), 0);
	assert_int_equal(e.j.head, SOSNAP_MIN_JOURNAL);
	assert_int_equal(put(&e, 1), -ENOSPC);
	assert_int_equal(sosnap_journal_used(&e.j), SOSNAP_MIN_JOURNAL);
	assert_int_equal(scan(&e, e.ram, &j), SOSNAP_MIN_JOURNAL);

	/* the tail at the very end: the next commit goes to the start */
	checkpoint(&e);
	assert_int_equal(e.s.tail, SOSNAP_MIN_JOURNAL);
	for (i = 0; i < SOSNAP_MIN_JOURNAL - 1; i++) {
		assert_int_equal(put(&e, 100), 0);
		expect_all(&e);
	}
	assert_int_equal(put(&e, 100), -ENOSPC);

	/* wrapped, one block short of the tail */
	checkpoint(&e);
	for (i = 0; i < 10; i++)
		assert_int_equal(put(&e, 100), 0);
	expect_all(&e);
	env_exit(&e);
}

static void one_block_stays_between_head_and_tail(void **state)
{
	struct env e;
	u64 pos;

	env_init(&e);
	e.j.tail = 100;
	e.j.head = 90;
	assert_int_equal(sosnap_journal_place(&e.j, 9, &pos), 0);
	assert_int_equal(pos, 90);
	assert_int_equal(sosnap_journal_place(&e.j, 10, &pos), -ENOSPC);
	e.j.head = 250;
	assert_int_equal(sosnap_journal_place(&e.j, 6, &pos), 0);
	assert_int_equal(pos, 250);
	assert_int_equal(sosnap_journal_place(&e.j, 7, &pos), 0);
	assert_int_equal(pos, 0);
	assert_int_equal(sosnap_journal_place(&e.j, 99, &pos), 0);
	assert_int_equal(sosnap_journal_place(&e.j, 100, &pos), -ENOSPC);
	env_exit(&e);
}

static bool keep_before(void *ctx, u32 write, u32 sector)
{
	const u32 *at = ctx;

	return write * SOSNAP_BLOCK_SECTORS + sector < *at;
}

static bool lose_one(void *ctx, u32 write, u32 sector)
{
	const u32 *at = ctx;

	return write * SOSNAP_BLOCK_SECTORS + sector != *at;
}

/* A commit cut at, or without, any of its 512-byte sectors is none. */
static void torn_at_every_sector(void **state)
{
	static const u32 sizes[] = { 1, 20, 168, 169, 500 };
	struct sosnap_journal j;
	struct env e;
	u32 i, at;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 blocks = sosnap_commit_blocks(sizes[i]), sectors, used;

		env_init(&e);
		/* what an earlier lap has left */
		for (at = 0; at < SOSNAP_MIN_JOURNAL; at++)
			assert_int_equal(put(&e, 168), 0);
		checkpoint(&e);
		assert_int_equal(put(&e, 3), 0);
		io_ram_log_begin(e.ram);
		assert_int_equal(put(&e, sizes[i]), 0);
		assert_int_equal(e.ram->log_nr, blocks);
		sectors = blocks * SOSNAP_BLOCK_SECTORS;
		used = DIV_ROUND_UP(64 + sizes[i] * 24, 512);
		for (at = 0; at <= sectors; at++) {
			struct io_ram_fate cut = { .keep = keep_before, .ctx = &at };
			struct io_ram_fate hole = { .keep = lose_one, .ctx = &at };
			struct io_ram_point p = { .stable = 0, .written = blocks };
			struct io_ram *after = io_ram_crash(e.ram, p, &cut);
			u64 n = scan(&e, after, &j);

			/* the padding counts too, unless it was zero before */
			assert_true(at < used ? n == 1 : n >= 1);
			assert_int_equal(at == sectors ? n : 2, 2);
			assert_int_equal(j.seq, e.s.tail_seq + n);
			assert_int_equal(io_ram_free(after), 0);

			after = io_ram_crash(e.ram, p, &hole);
			n = scan(&e, after, &j);
			assert_true(at < used ? n == 1 : n >= 1);
			assert_int_equal(io_ram_free(after), 0);
		}
		env_exit(&e);
	}
}

static void foreign_blocks_are_not_believed(void **state)
{
	struct sosnap_disk_header *h;
	struct sosnap_journal j;
	struct env e;
	u8 *first;

	env_init(&e);
	assert_int_equal(put(&e, 10), 0);
	assert_int_equal(put(&e, 10), 0);
	first = io_ram_disk(e.ram, e.s.journal_blk);
	h = (void *)first;
	assert_int_equal(scan(&e, e.ram, &j), 2);

	h->uuid[3] ^= 1;	/* another store */
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 0);
	h->uuid[3] ^= 1;
	h->blk = cpu_to_le64(e.s.journal_blk + 1);	/* another place */
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 0);
	h->blk = cpu_to_le64(e.s.journal_blk);
	h->magic = cpu_to_le32(SOSNAP_MAGIC_NODE);
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 0);
	h->magic = cpu_to_le32(SOSNAP_MAGIC_COMMIT);
	h->count = 0;
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 0);
	/* more than the scan has room for, though the journal has */
	h->count = cpu_to_le32(SOSNAP_COMMIT_SLOTS + SOSNAP_BLOCK_SIZE / 24 + 1);
	assert_true(sosnap_commit_blocks(le32_to_cpu(h->count)) > SOSNAP_COMMIT_BLOCKS);
	assert_true(sosnap_commit_blocks(le32_to_cpu(h->count)) <= e.s.journal_blocks);
	assert_int_equal(scan(&e, e.ram, &j), 0);
	h->count = cpu_to_le32(U32_MAX);
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 0);
	h->count = cpu_to_le32(10);
	sosnap_seal(first, sosnap_commit_bytes(10));
	assert_int_equal(scan(&e, e.ram, &j), 2);
	h->crc ^= cpu_to_le32(1);
	assert_int_equal(scan(&e, e.ram, &j), 0);
	env_exit(&e);
}

static void errors_end_the_scan(void **state)
{
	struct seen s = { .next = 1, .stop_at = 2 };
	struct sosnap_journal j;
	struct env e;
	u32 i;

	env_init(&e);
	assert_int_equal(put(&e, 10), 0);
	assert_int_equal(put(&e, 1000), 0);
	assert_int_equal(sosnap_journal_scan(&e.ram->io, &e.s, &j, see, &s), -ENOMEM);
	s.stop_at = 0;
	for (i = 1; i <= 4; i++) {
		s.next = 1;
		e.ram->fail_at = e.ram->calls + i;
		assert_int_equal(sosnap_journal_scan(&e.ram->io, &e.s, &j, see, &s), -EIO);
		assert_int_equal(s.next, i == 1 ? 1 : i < 4 ? 2 : 3);
	}
	e.ram->fail_at = e.ram->calls + 1;
	assert_int_equal(put(&e, 10), -EIO);
	assert_int_equal(e.j.seq, 3);
	assert_int_equal(put(&e, 10), 0);
	expect_all(&e);
	env_exit(&e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(laps_with_stale_commits),
		cmocka_unit_test(exactly_full),
		cmocka_unit_test(one_block_stays_between_head_and_tail),
		cmocka_unit_test(torn_at_every_sector),
		cmocka_unit_test(foreign_blocks_are_not_believed),
		cmocka_unit_test(errors_end_the_scan),
	};

	return cmocka_run_group_tests_name("sosnap_journal", tests, NULL, NULL);
}
