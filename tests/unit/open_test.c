// SPDX-License-Identifier: GPL-2.0
/*
 * What the activation of a store reads does not grow with what the store holds.
 * OPEN_EXTENTS sets how many extents there are (default 262,144, a power of two).
 */
#include "io_ram.h"
#include "many_snapshots.h"
#include "meta.h"
#include "testlib.h"

#define SNAPS		16U
#define ROUNDS		4U
#define ALLOWED		256U	/* blocks more than for an empty store, 1 MiB ... */
#define ALLOWED_FOR	4194304U	/* ... for so many extents */

static struct sosnap_meta meta;
static struct sosnap_batch batch;

static u64 nr_extents(void)
{
	const char *given = getenv("OPEN_EXTENTS");

	return given ? strtoull(given, NULL, 0) : 262144;
}

static void checkpoint(u64 tail, u64 seq, u32 flags)
{
	assert_int_equal(sosnap_meta_checkpoint(&meta, &batch, tail, seq, flags), 0);
	sosnap_meta_publish(&meta);
	assert_int_equal(sosnap_meta_release(&meta, NULL, NULL), 0);
}

/* As the module does it: open, replay, checkpoint. Return: blocks read. */
static u64 activate(struct io_ram *ram)
{
	u64 before = ram->reads, commits;

	io_ram_drop_cache(ram);
	assert_int_equal(sosnap_meta_open(&meta, &ram->io, NULL), 0);
	assert_int_equal(sosnap_batch_init(&batch, nr_extents() / ROUNDS), 0);
	assert_int_equal(sosnap_meta_replay(&meta, &batch, &commits), 0);
	assert_int_equal(commits, 0);
	checkpoint(meta.journal.head, meta.journal.seq, 0);
	return ram->reads - before;
}

static void deactivate(void)
{
	checkpoint(meta.journal.head, meta.journal.seq, SOSNAP_SUPER_CLEAN);
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&meta);
}

/* A block of each two of every snapshot, in an order without order. */
static void fill(u64 extents)
{
	u64 i, k;

	for (i = 0; i < ROUNDS; i++) {
		for (k = i * (extents / ROUNDS); k < (i + 1) * (extents / ROUNDS); k++) {
			u64 at = k * 0x9e3779b1 & (extents - 1), store;
			u32 len;

			assert_int_equal(sosnap_space_alloc(&meta.space, 1, 1, &store, &len), 0);
			assert_int_equal(sosnap_batch_add(&batch, 1 + at % SNAPS,
							  at / SNAPS * 2, 1, store), 0);
		}
		checkpoint(meta.journal.head, meta.journal.seq, 0);
	}
}

static void activation_reads_little(void **state)
{
	u64 extents = nr_extents(), empty, full, allowed;
	struct io_ram *ram = io_ram_new(max(extents * 3 / 2, (u64)65536));
	struct sosnap_super super;

	allowed = max(ALLOWED * extents / ALLOWED_FOR, (u64)1);
	sosnap_super_init(&super, "s", ram->io.nr_blocks, 0, 1);
	assert_int_equal(sosnap_meta_format(&ram->io, &super), 0);
	activate(ram);
	many_snapshots(&meta, &batch, SNAPS, extents / SNAPS * 2 * SOSNAP_BLOCK_SECTORS);
	deactivate();

	empty = activate(ram);
	fill(extents);
	assert_int_equal(meta.live[SOSNAP_TREE_EXTENT - 1].root.nr_items, extents);
	deactivate();

	full = activate(ram);
	print_message("# activation reads %llu blocks of an empty store, %llu of one with %llu extents\n",
		      (unsigned long long)empty, (unsigned long long)full,
		      (unsigned long long)extents);
	assert_true(full <= empty + allowed);
	deactivate();
	assert_int_equal(io_ram_free(ram), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(activation_reads_little),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
