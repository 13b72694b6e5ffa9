// SPDX-License-Identifier: GPL-2.0
/*
 * The device in memory is what other tests trust, so it is tested itself: the
 * crashes it makes, and that it sees the rules that are broken.
 */
#include "btree_env.h"
#include "testlib.h"

static void fill(u8 *block, u8 with)
{
	memset(block, with, SOSNAP_BLOCK_SIZE);
}

static bool only_odd_sectors(void *ctx, u32 write, u32 sector)
{
	return sector & 1;
}

static bool nothing(void *ctx, u32 write, u32 sector)
{
	return false;
}

static void crash_keeps_what_was_flushed(void **state)
{
	struct io_ram_fate lost = { .keep = nothing }, odd = { .keep = only_odd_sectors };
	struct io_ram *ram = io_ram_new(16), *after;
	u8 block[SOSNAP_BLOCK_SIZE];

	io_ram_log_begin(ram);
	fill(block, 1);
	io_ram_submit(ram, 3, 1, block);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	fill(block, 2);
	io_ram_submit(ram, 3, 1, block);
	io_ram_submit(ram, 4, 1, block);

	after = io_ram_crash(ram, io_ram_now(ram), &lost);
	assert_int_equal(io_ram_disk(after, 3)[0], 1);
	assert_int_equal(io_ram_disk(after, 4)[0], 0);
	assert_int_equal(io_ram_free(after), 0);

	after = io_ram_crash(ram, io_ram_now(ram), &odd);
	assert_int_equal(io_ram_disk(after, 3)[511], 1);
	assert_int_equal(io_ram_disk(after, 3)[512], 2);
	assert_int_equal(io_ram_disk(after, 4)[4095], 2);
	assert_int_equal(io_ram_free(after), 0);

	after = io_ram_crash(ram, io_ram_point_at(ram, 1), &lost);
	assert_int_equal(io_ram_disk(after, 3)[0], 0);
	assert_int_equal(io_ram_free(after), 0);
	assert_int_equal(io_ram_free(ram), 0);
}

static void durable_write_is_a_flush_before_and_after(void **state)
{
	struct io_ram_fate lost = { .keep = nothing };
	struct io_ram *ram = io_ram_new(16), *after;
	u8 block[SOSNAP_BLOCK_SIZE];

	io_ram_log_begin(ram);
	fill(block, 1);
	io_ram_submit(ram, 3, 1, block);
	assert_int_equal(ram->io.ops->write(&ram->io, 4, 1, block), 0);

	after = io_ram_crash(ram, io_ram_now(ram), &lost);
	assert_int_equal(io_ram_disk(after, 3)[0], 1);
	assert_int_equal(io_ram_disk(after, 4)[0], 1);
	assert_int_equal(io_ram_free(after), 0);
	/* Cut off while it was written: what came before it is there. */
	after = io_ram_crash(ram, io_ram_point_at(ram, 2), &lost);
	assert_int_equal(io_ram_disk(after, 3)[0], 1);
	assert_int_equal(io_ram_disk(after, 4)[0], 0);
	assert_int_equal(io_ram_free(after), 0);
	assert_int_equal(io_ram_free(ram), 0);
}

static void dirty_reaches_the_disk_at_flush(void **state)
{
	struct io_ram *ram = io_ram_new(16);
	struct sosnap_buf buf;

	assert_int_equal(ram->io.ops->create(&ram->io, 5, &buf), 0);
	ram->io.ops->dirty(&ram->io, &buf);
	fill(buf.data, 7);
	ram->io.ops->put(&ram->io, &buf);
	assert_int_equal(io_ram_disk(ram, 5)[100], 0);
	assert_int_equal(ram->io.ops->flush(&ram->io), 0);
	assert_int_equal(io_ram_disk(ram, 5)[100], 7);
	assert_true(sosnap_sealed(io_ram_disk(ram, 5), SOSNAP_BLOCK_SIZE));
	io_ram_drop_cache(ram);
	assert_int_equal(ram->io.ops->get(&ram->io, 5, &buf), 0);
	assert_false(*buf.verified);
	ram->io.ops->put(&ram->io, &buf);
	assert_int_equal(io_ram_free(ram), 0);
}

static void broken_rules_are_seen(void **state)
{
	struct io_ram *ram = io_ram_new(16);
	struct sosnap_buf buf, again;
	u8 *data;

	assert_int_equal(ram->io.ops->get(&ram->io, 5, &buf), 0);
	*buf.verified = true;
	data = buf.data;
	data[0] = 1;
	ram->io.ops->put(&ram->io, &buf);
	assert_int_equal(ram->violations, 1);
	data[0] = 0;
	ram->oldest = 2;
	assert_int_equal(ram->io.ops->get(&ram->io, 5, &buf), 0);
	ram->io.ops->dirty(&ram->io, &buf);
	assert_int_equal(ram->violations, 2);
	again = buf;
	ram->io.ops->put(&ram->io, &buf);
	ram->io.ops->put(&ram->io, &again);
	assert_int_equal(ram->violations, 3);
	assert_int_equal(ram->io.ops->get(&ram->io, 6, &buf), 0);
	assert_int_equal(io_ram_free(ram), 4);
}

/* Whatever is lost or torn of a checkpoint, the one before it reads the same. */
static void tree_survives_any_crash(void **state)
{
	struct env *e = env_new(12, 4, 21);
	struct sosnap_tree before, after;
	u64 hash_before, hash_after;
	u32 i, cut;

	for (i = 0; i < 150; i++)
		env_put(e, env_random(e, 300));
	env_commit(e);
	before = e->t;
	hash_before = env_hash(e, &before);
	io_ram_log_begin(e->ram);
	e->ram->lazy = 3;
	for (i = 0; i < 60; i++) {
		if (i % 3)
			env_put(e, env_random(e, 300));
		else
			env_del(e, env_random(e, 300));
	}
	assert_int_equal(e->ram->io.ops->flush(&e->ram->io), 0);
	after = e->t;
	hash_after = env_hash(e, &after);
	assert_true(e->ram->log_nr > 20);
	for (cut = 0; cut <= e->ram->log_nr; cut++) {
		struct io_ram *crashed = io_ram_crash(e->ram, io_ram_point_at(e->ram, cut), NULL);

		before.io = &crashed->io;
		assert_int_equal(env_hash(e, &before), hash_before);
		assert_int_equal(io_ram_free(crashed), 0);
	}
	/* And after the flush, the new one is there. */
	{
		struct io_ram *crashed = io_ram_crash(e->ram, io_ram_now(e->ram), NULL);

		after.io = &crashed->io;
		assert_int_equal(env_hash(e, &after), hash_after);
		before.io = &crashed->io;
		assert_int_equal(env_hash(e, &before), hash_before);
		assert_int_equal(io_ram_free(crashed), 0);
	}
	env_free(e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(crash_keeps_what_was_flushed),
		cmocka_unit_test(durable_write_is_a_flush_before_and_after),
		cmocka_unit_test(dirty_reaches_the_disk_at_flush),
		cmocka_unit_test(broken_rules_are_seen),
		cmocka_unit_test(tree_survives_any_crash),
	};

	return cmocka_run_group_tests_name("sosnap_io_ram", tests, NULL, NULL);
}
