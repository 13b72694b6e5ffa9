// SPDX-License-Identifier: GPL-2.0
#include "salvage_env.h"
#include "store_env.h"

/* Formatted and open, with a gold image. */
void sv_new(struct sv_store *st, u64 blocks)
{
	struct sosnap_super super;

	st->ram = io_ram_new(blocks);
	sosnap_super_init(&super, "store", blocks, 300, 1);
	must(sosnap_meta_format(&st->ram->io, &super));
	sv_open_store(st);
	sv_add_gold(st, "gold");
}

void sv_commit(struct sv_store *st, const struct sosnap_disk_record *slots, u32 nr)
{
	must(sosnap_journal_write(&st->ram->io, &st->m.super, &st->m.journal, slots, nr));
}

void sv_change(struct sv_store *st, struct sosnap_change *c, int r)
{
	must(r);
	sv_commit(st, c->slots, c->nr);
	sosnap_change_exit(c);
}

void sv_add_gold(struct sv_store *st, const char *name)
{
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	sv_change(st, &c, sosnap_change_gold_add(&c, name, SV_SPAN * 8, 1, NULL, 1));
}

void sv_add_snapshot(struct sv_store *st, const char *name)
{
	struct sosnap_create one = { .name = name, .gold = "gold", .sectors = SV_SPAN * 8 };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	sv_change(st, &c, sosnap_change_create(&c, &one, 1, 1));
}

void sv_remove_snapshot(struct sv_store *st, const char *name)
{
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	sv_change(st, &c, sosnap_change_remove(&c, name));
}

/* The data of a block says whose it is. */
void sv_map(struct sv_store *st, u32 object, u64 blk, u32 len)
{
	u8 data[SOSNAP_BLOCK_SIZE] = { 0 };
	struct sosnap_disk_record rec;
	u64 store;
	u32 got, i;

	must(sosnap_space_alloc(&st->m.space, len, len, &store, &got));
	for (i = 0; i < len; i++) {
		snprintf((char *)data, sizeof(data), "object %u block %llu", object,
			 (unsigned long long)blk + i);
		io_ram_submit(st->ram, store + i, 1, data);
	}
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, object, blk, len, store);
	sv_commit(st, &rec, 1);
	must(sosnap_batch_add(&st->batch, object, blk, len, store));
}

void sv_zero(struct sv_store *st, u32 object, u64 blk, u32 len)
{
	struct sosnap_disk_record rec;

	sosnap_record_fill(&rec, SOSNAP_RECORD_ZERO, object, blk, len, 0);
	sv_commit(st, &rec, 1);
	must(sosnap_batch_add(&st->batch, object, blk, len, SOSNAP_STORE_ZERO));
}

void sv_checkpoint(struct sv_store *st, u32 flags)
{
	must(sosnap_meta_checkpoint(&st->m, &st->batch, st->m.journal.head, st->m.journal.seq,
				    flags));
	st->m.journal.tail = st->m.journal.head;
	st->batch.nr = 0;
	sosnap_meta_publish(&st->m);
	must(sosnap_meta_release(&st->m, NULL, NULL));
}

void sv_open_store(struct sv_store *st)
{
	u64 commits;

	must(sosnap_meta_open(&st->m, &st->ram->io, NULL));
	must(sosnap_batch_init(&st->batch, 64));
	must(sosnap_meta_replay(&st->m, &st->batch, &commits));
	sv_checkpoint(st, 0);
}

void sv_close_store(struct sv_store *st)
{
	sosnap_batch_exit(&st->batch);
	sosnap_meta_close(&st->m);
	io_ram_drop_cache(st->ram);
}

struct io_ram *sv_copy_of(struct sv_store *st)
{
	struct io_ram *whole = io_ram_new(st->ram->io.nr_blocks);
	u64 i;

	memcpy(whole->io.uuid, st->ram->io.uuid, sizeof(whole->io.uuid));
	for (i = 0; i < whole->io.nr_blocks; i++)
		if (st->ram->disk[i])
			memcpy(io_ram_disk(whole, i), st->ram->disk[i], SOSNAP_BLOCK_SIZE);
	return whole;
}

void sv_expect_clean(struct io_ram *ram)
{
	struct io_ram *copy = io_ram_new(ram->io.nr_blocks);
	const char *why;
	u64 i;

	/* the check replays: that is not to be part of what it checks */
	for (i = 0; i < ram->io.nr_blocks; i++)
		if (ram->disk[i] || ram->lower)
			io_ram_read(ram, i, io_ram_disk(copy, i));
	memcpy(copy->io.uuid, ram->io.uuid, sizeof(copy->io.uuid));
	why = se_check(&copy->io, NULL);
	if (why)
		fail_msg("%s", why);
	assert_int_equal(io_ram_free(copy), 0);
}
