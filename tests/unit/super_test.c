// SPDX-License-Identifier: GPL-2.0
/*
 * The two superblocks: which one is taken, and what is refused.
 */
#include "io_ram.h"
#include "super.h"
#include "testlib.h"

#define BLOCKS	4096U

static struct io_ram *written(struct sosnap_super *s)
{
	struct io_ram *ram = io_ram_new(BLOCKS);

	sosnap_super_init(s, "store", BLOCKS, 0, 1700000000);
	s->root[1] = (struct sosnap_root){ .blk = 700, .gen = 1, .nr_nodes = 3, .nr_items = 9,
					   .depth = 2 };
	s->summary_slot[17] = 0x96;
	assert_int_equal(sosnap_super_write(&ram->io, s), 0);
	return ram;
}

static void round_trip(void **state)
{
	struct sosnap_super s, got;
	struct io_ram *ram = written(&s);
	u8 uuid[16];

	memcpy(uuid, ram->io.uuid, sizeof(uuid));
	memset(ram->io.uuid, 0, sizeof(uuid));
	assert_int_equal(sosnap_super_read(&ram->io, &got), 0);
	assert_memory_equal(ram->io.uuid, uuid, sizeof(uuid));
	assert_string_equal(got.name, "store");
	assert_int_equal(got.gen, s.gen);
	assert_int_equal(got.nr_blocks, BLOCKS);
	assert_int_equal(got.journal_blocks, s.journal_blocks);
	assert_int_equal(got.ctime, 1700000000);
	assert_memory_equal(&got.root, &s.root, sizeof(s.root));
	assert_memory_equal(got.summary_slot, s.summary_slot, sizeof(s.summary_slot));
	assert_int_equal(got.bad_copies, 0);
	assert_false(got.read_only);
	assert_int_equal(io_ram_free(ram), 0);
}

static void newer_copy_is_taken(void **state)
{
	struct sosnap_disk_super d;
	struct sosnap_super s, got;
	struct io_ram *ram = written(&s);
	u32 copy;

	for (copy = 0; copy < 2; copy++) {
		u64 blk = copy ? SOSNAP_SUPER_BLK1 : SOSNAP_SUPER_BLK0;

		s.gen++;
		sosnap_super_encode(&s, ram->io.uuid, blk, &d);
		assert_int_equal(ram->io.ops->write(&ram->io, blk, 1, &d), 0);
		assert_int_equal(sosnap_super_read(&ram->io, &got), 0);
		assert_int_equal(got.gen, s.gen);
		assert_int_equal(got.bad_copies, copy ? 1 : 2);
	}
	assert_int_equal(io_ram_free(ram), 0);
}

static bool keep_before(void *ctx, u32 write, u32 sector)
{
	const u32 *at = ctx;

	return write * SOSNAP_BLOCK_SECTORS + sector < *at;
}

/* Whatever is torn, one whole state is found; the copy to write first is the bad one. */
static void torn_at_every_sector(void **state)
{
	u32 bad, at;

	for (bad = 0; bad < 3; bad++) {
		struct io_ram_fate fate = { .keep = keep_before, .ctx = &at };
		struct sosnap_super s, got;
		struct io_ram *ram = written(&s), *after;

		if (bad)
			memset(io_ram_disk(ram, bad == 1 ? SOSNAP_SUPER_BLK0 : SOSNAP_SUPER_BLK1),
			       0x11, 600);
		assert_int_equal(sosnap_super_read(&ram->io, &s), 0);
		assert_int_equal(s.bad_copies, bad);
		s.gen++;
		s.tail_seq++;
		memset(s.summary_slot, 0x55, sizeof(s.summary_slot));
		io_ram_log_begin(ram);
		assert_int_equal(sosnap_super_write(&ram->io, &s), 0);
		assert_int_equal(ram->log_nr, 2);
		assert_int_equal(io_ram_log_blk(ram, 0), bad == 2 ? SOSNAP_SUPER_BLK1 : 0);
		for (at = 0; at <= 2 * SOSNAP_BLOCK_SECTORS; at++) {
			u32 done = at / SOSNAP_BLOCK_SECTORS;
			struct io_ram_point p = {
				.stable = min(done, 1U),
				.written = min(done + 1, 2U),
			};

			after = io_ram_crash(ram, p, &fate);
			assert_int_equal(sosnap_super_read(&after->io, &got), 0);
			assert_true(got.gen == s.gen || (!done && got.gen == s.gen - 1));
			assert_int_equal(got.tail_seq, got.gen);
			assert_int_equal(io_ram_free(after), 0);
		}
		assert_int_equal(io_ram_free(ram), 0);
	}
}

static void both_lost(void **state)
{
	struct sosnap_super s;
	struct io_ram *ram = written(&s);

	io_ram_disk(ram, SOSNAP_SUPER_BLK0)[9] ^= 1;
	io_ram_disk(ram, SOSNAP_SUPER_BLK1)[9] ^= 1;
	assert_int_equal(sosnap_super_read(&ram->io, &s), -EUCLEAN);
	assert_int_equal(ram->io.fault.what, SOSNAP_FAULT_BLOCK_CRC);
	memset(io_ram_disk(ram, SOSNAP_SUPER_BLK0), 0, SOSNAP_BLOCK_SIZE);
	assert_int_equal(sosnap_super_read(&ram->io, &s), -EUCLEAN);
	assert_int_equal(ram->io.fault.what, SOSNAP_FAULT_BLOCK_CRC);
	memset(io_ram_disk(ram, SOSNAP_SUPER_BLK1), 0, SOSNAP_BLOCK_SIZE);
	assert_int_equal(sosnap_super_read(&ram->io, &s), -EUCLEAN);
	assert_int_equal(ram->io.fault.what, SOSNAP_FAULT_BLOCK_MAGIC);
	assert_int_equal(io_ram_free(ram), 0);
}

static void read_errors(void **state)
{
	struct sosnap_super s;
	struct io_ram *ram = written(&s);
	u32 i;

	for (i = 1; i <= 2; i++) {
		ram->fail_at = ram->calls + i;
		assert_int_equal(sosnap_super_read(&ram->io, &s), 0);
		assert_int_equal(s.bad_copies, i);
	}
	ram->fail_at = ram->calls + 2;
	assert_int_equal(sosnap_super_write(&ram->io, &s), -EIO);
	assert_int_equal(ram->io.fault.what, SOSNAP_FAULT_SUPER_WRITE);
	assert_int_equal(ram->io.fault.blk, SOSNAP_SUPER_BLK0);
	ram->io.nr_blocks = 0;
	assert_int_equal(sosnap_super_read(&ram->io, &s), -EIO);
	ram->io.nr_blocks = BLOCKS;
	assert_int_equal(io_ram_free(ram), 0);
}

static void expect_refused(const struct sosnap_disk_super *d, u32 what)
{
	struct sosnap_disk_super sealed = *d;
	struct sosnap_fault fault;
	struct sosnap_super s;

	sosnap_seal(&sealed, sizeof(sealed));
	assert_int_equal(sosnap_super_decode(&sealed, 0, BLOCKS, &s, &fault), -EUCLEAN);
	assert_int_equal(fault.what, what);
}

static void hostile_fields(void **state)
{
	struct sosnap_disk_super good, d;
	struct sosnap_super s, got;
	struct io_ram *ram = written(&s);
	struct sosnap_fault fault;

	sosnap_super_encode(&s, ram->io.uuid, 0, &good);
	assert_int_equal(sosnap_super_decode(&good, 0, BLOCKS, &got, &fault), 0);

#define REFUSED(field, value, what) do {				\
	d = good;							\
	d.field = (value);						\
	expect_refused(&d, SOSNAP_FAULT_##what);			\
} while (0)

	REFUSED(h.magic, 0, BLOCK_MAGIC);
	REFUSED(h.blk, cpu_to_le64(256), BLOCK_ADDRESS);
	REFUSED(version, cpu_to_le32(2), SUPER_VERSION);
	REFUSED(incompat, cpu_to_le64(1), SUPER_INCOMPAT);
	REFUSED(nr_blocks, cpu_to_le64(BLOCKS + 1), SUPER_SIZE);
	REFUSED(nr_blocks, cpu_to_le64(SOSNAP_MIN_BLOCKS - 1), SUPER_FIELD);
	REFUSED(nr_blocks, cpu_to_le64(SOSNAP_MAX_BLOCKS + 1), SUPER_FIELD);
	REFUSED(nr_blocks, cpu_to_le64(U64_MAX), SUPER_FIELD);
	REFUSED(journal_blk, cpu_to_le64(258), SUPER_FIELD);
	REFUSED(journal_blocks, cpu_to_le64(0), SUPER_FIELD);
	REFUSED(journal_blocks, cpu_to_le64(SOSNAP_MAX_JOURNAL + 1), SUPER_FIELD);
	REFUSED(journal_blocks, cpu_to_le64(U64_MAX), SUPER_FIELD);
	REFUSED(journal_blocks, cpu_to_le64(BLOCKS), SUPER_FIELD);
	REFUSED(tail, cpu_to_le64(U64_MAX), SUPER_FIELD);
	REFUSED(tail, cpu_to_le64(s.journal_blocks + 1), SUPER_FIELD);
	REFUSED(h.gen, 0, SUPER_FIELD);
	REFUSED(h.gen, cpu_to_le64(1ULL << 62), SUPER_FIELD);
	REFUSED(tail_seq, 0, SUPER_FIELD);
	REFUSED(tail_seq, cpu_to_le64(U64_MAX), SUPER_FIELD);
	REFUSED(next_object, 0, SUPER_FIELD);
	REFUSED(next_snapshot, cpu_to_le64(1ULL << 32), SUPER_FIELD);
	REFUSED(next_gold, cpu_to_le64(1ULL << 32), SUPER_FIELD);
	REFUSED(data_blocks, cpu_to_le64(BLOCKS + 1), SUPER_FIELD);
	REFUSED(node_blocks, cpu_to_le64(BLOCKS + 1), SUPER_FIELD);
	REFUSED(root[0].nr_items, cpu_to_le64(1), SUPER_FIELD);
	REFUSED(root[1].depth, 0, SUPER_FIELD);
	REFUSED(root[1].depth, SOSNAP_MAX_DEPTH + 1, SUPER_FIELD);
	REFUSED(root[1].blk, cpu_to_le64(BLOCKS), SUPER_FIELD);
	REFUSED(root[1].gen, cpu_to_le64(2), SUPER_FIELD);
	REFUSED(root[1].nr_nodes, cpu_to_le64(U64_MAX), SUPER_FIELD);
	REFUSED(name[0], 0, SUPER_FIELD);
	REFUSED(name[0], '\033', SUPER_FIELD);
	REFUSED(name[0], '/', SUPER_FIELD);
#undef REFUSED
	d = good;
	memset(d.name, 'x', sizeof(d.name));
	expect_refused(&d, SOSNAP_FAULT_SUPER_FIELD);

	d = good;
	d.ro_compat = cpu_to_le64(4);
	d.compat = cpu_to_le64(8);
	sosnap_seal(&d, sizeof(d));
	assert_int_equal(sosnap_super_decode(&d, 0, BLOCKS, &got, &fault), 0);
	assert_true(got.read_only);
	assert_int_equal(io_ram_free(ram), 0);
}

static void default_sizes(void **state)
{
	struct sosnap_super s;

	sosnap_super_init(&s, "x", SOSNAP_MIN_BLOCKS, 0, 1);
	assert_int_equal(s.journal_blocks, SOSNAP_MIN_JOURNAL);
	sosnap_super_init(&s, "x", U64_MAX, 0, 1);
	assert_int_equal(s.nr_blocks, SOSNAP_MAX_BLOCKS);
	assert_int_equal(s.journal_blocks, SOSNAP_MAX_JOURNAL);
	assert_true(s.journal_blk + s.journal_blocks <= 32256);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(newer_copy_is_taken),
		cmocka_unit_test(torn_at_every_sector),
		cmocka_unit_test(both_lost),
		cmocka_unit_test(read_errors),
		cmocka_unit_test(hostile_fields),
		cmocka_unit_test(default_sizes),
	};

	return cmocka_run_group_tests_name("sosnap_super", tests, NULL, NULL);
}
