// SPDX-License-Identifier: GPL-2.0
/*
 * The store that is fuzzed: two regions, a tree of extents with two levels, a
 * snapshot that is being removed, and commits that only the journal has.
 */
#include "change.h"
#include "io_mem.h"
#include "journal.h"
#include "meta.h"

static struct sosnap_meta meta;
static struct sosnap_batch batch;

static void must(int r)
{
	if (!r)
		return;
	fprintf(stderr, "seed: %s\n", strerror(-r));
	abort();
}

static void commit(const struct sosnap_disk_record *slots, u32 nr)
{
	must(sosnap_journal_write(meta.io, &meta.super, &meta.journal, slots, nr));
}

static void commit_change(struct sosnap_change *c, int r)
{
	must(r);
	commit(c->slots, c->nr);
	sosnap_change_exit(c);
}

static void add_gold(const char *name)
{
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &meta, why, sizeof(why));
	commit_change(&c, sosnap_change_gold_add(&c, name, 1 << 20, 1, NULL, 1));
}

static void add_snapshot(const char *name)
{
	struct sosnap_create one = { .name = name, .gold = "g", .sectors = 1 << 20 };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &meta, why, sizeof(why));
	commit_change(&c, sosnap_change_create(&c, &one, 1, 1));
}

static void remove_snapshot(const char *name)
{
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &meta, why, sizeof(why));
	commit_change(&c, sosnap_change_remove(&c, name));
}

static void map(u32 object, u64 blk, u32 len)
{
	struct sosnap_disk_record rec;
	u64 store;
	u32 got;

	must(sosnap_space_alloc(&meta.space, len, len, &store, &got));
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, object, blk, len, store);
	commit(&rec, 1);
	must(sosnap_batch_add(&batch, object, blk, len, store));
}

static void zero(u32 object, u64 blk, u32 len)
{
	struct sosnap_disk_record rec;

	sosnap_record_fill(&rec, SOSNAP_RECORD_ZERO, object, blk, len, 0);
	commit(&rec, 1);
	must(sosnap_batch_add(&batch, object, blk, len, SOSNAP_STORE_ZERO));
}

static void checkpoint(void)
{
	must(sosnap_meta_checkpoint(&meta, &batch, meta.journal.head, meta.journal.seq, 0));
	meta.journal.tail = meta.journal.head;
	sosnap_meta_publish(&meta);
	must(sosnap_meta_release(&meta, NULL, NULL));
}

static void fill(void)
{
	char name[8];
	u32 i;

	add_gold("g");
	for (i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		add_snapshot(name);
	}
	checkpoint();
	for (i = 0; i < 450; i++)
		map(1 + i % 4, i * 7, 1 + i % 3);
	zero(2, 100000, 20000);
	/* the second region too, and a journal that begins in the middle */
	map(5, 0, SOSNAP_REGION_BLOCKS - 4000);
	map(5, 40000, 900);
	checkpoint();
	map(1, 3, 9);
	zero(3, 8, 4);
	remove_snapshot("s3");
	map(1, 70000, 1);
	add_snapshot("late");
	zero(1, 3, 2);
}

void image_seed(struct image *im)
{
	struct sosnap_super super;
	struct image empty;
	struct io_mem m;
	u64 commits;
	u32 i;

	image_init(&empty, SOSNAP_REGION_BLOCKS + 3000);
	io_mem_init(&m, &empty);
	memset(m.io.uuid, 0x5a, sizeof(m.io.uuid));
	sosnap_super_init(&super, "fuzz", m.io.nr_blocks, 0, 1);
	must(sosnap_meta_format(&m.io, &super));
	must(sosnap_meta_open(&meta, &m.io, NULL));
	must(sosnap_batch_init(&batch, 64));
	must(sosnap_meta_replay(&meta, &batch, &commits));
	fill();
	sosnap_batch_exit(&batch);
	sosnap_meta_close(&meta);

	image_init(im, m.io.nr_blocks);
	for (i = 0; i < m.nr_touched; i++) {
		u32 blk = m.touched[i];

		im->blk[blk] = m.blk[blk];
		m.blk[blk] = NULL;
	}
	m.nr_touched = 0;
	io_mem_exit(&m);
	image_exit(&empty);
	image_find_places(im);
}
