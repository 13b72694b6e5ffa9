// SPDX-License-Identifier: GPL-2.0
/*
 * mkstore <file> - write a store whose content is the same every time.
 *
 * Two gold images, three snapshots, extents in the tree, and changes that only
 * the journal has; as an activation would find it after a crash.
 */
#include <fcntl.h>
#include <unistd.h>

#include "change.h"
#include "journal.h"
#include "lib/io_file.h"
#include "lib/report.h"
#include "meta.h"

#define NOW 1700000000ULL

static struct sosnap_meta meta;
static struct sosnap_batch batch;

static void must(int r, const char *what)
{
	if (!r)
		return;
	fprintf(stderr, "mkstore: %s: %s\n", what, strerror(-r));
	exit(1);
}

static void commit(const struct sosnap_disk_record *slots, u32 nr)
{
	must(sosnap_journal_write(meta.io, &meta.super, &meta.journal, slots, nr), "commit");
}

static void commit_change(struct sosnap_change *c, int r)
{
	if (r)
		fprintf(stderr, "mkstore: %s\n", c->why);
	must(r, "change");
	commit(c->slots, c->nr);
	sosnap_change_exit(c);
}

static void add_gold(const char *name, u64 sectors, u32 crc, u8 sha)
{
	struct sosnap_change c;
	char why[128];
	u8 sha256[32];

	memset(sha256, sha, sizeof(sha256));
	sosnap_change_init(&c, &meta, why, sizeof(why));
	commit_change(&c, sosnap_change_gold_add(&c, name, sectors, crc, sha256, NOW));
}

static void add_snapshot(const char *name, const char *gold, u64 sectors, u8 uuid)
{
	struct sosnap_create one = { .name = name, .gold = gold, .sectors = sectors };
	struct sosnap_change c;
	char why[128];

	memset(one.uuid, uuid, sizeof(one.uuid));
	sosnap_change_init(&c, &meta, why, sizeof(why));
	commit_change(&c, sosnap_change_create(&c, &one, 1, NOW + 60));
}

static void write_blocks(u32 object, u64 blk, u32 len)
{
	struct sosnap_disk_record rec;
	u64 store;
	u32 got;

	must(sosnap_space_alloc(&meta.space, len, len, &store, &got), "allocate");
	sosnap_record_fill(&rec, SOSNAP_RECORD_MAP, object, blk, len, store);
	commit(&rec, 1);
	must(sosnap_batch_add(&batch, object, blk, len, store), "record");
}

static void zero_blocks(u32 object, u64 blk, u32 len)
{
	struct sosnap_disk_record rec;

	sosnap_record_fill(&rec, SOSNAP_RECORD_ZERO, object, blk, len, 0);
	commit(&rec, 1);
	must(sosnap_batch_add(&batch, object, blk, len, SOSNAP_STORE_ZERO), "record");
}

static void checkpoint(void)
{
	must(sosnap_meta_checkpoint(&meta, &batch, meta.journal.head, meta.journal.seq, 0),
	     "checkpoint");
	meta.journal.tail = meta.journal.head;
	sosnap_meta_publish(&meta);
	must(sosnap_meta_release(&meta, NULL, NULL), "release");
}

int main(int argc, char **argv)
{
	struct sosnap_super super;
	struct sosnap_file file;
	struct sosnap_dev dev;
	u64 commits;

	if (argc != 2) {
		fputs("usage: mkstore <file>\n", stderr);
		return 2;
	}
	must(sosnap_dev_open(&dev, argv[1], SOSNAP_DEV_WRITE | SOSNAP_DEV_FILE), "open");
	sosnap_file_init(&file, &dev, 0);
	memset(file.io.uuid, 0x5a, sizeof(file.io.uuid));
	sosnap_super_init(&super, "main", file.io.nr_blocks, 0, NOW);
	must(sosnap_meta_format(&file.io, &super), "format");
	must(sosnap_meta_open(&meta, &file.io, NULL), "open store");
	must(sosnap_batch_init(&batch, 4096), "batch");
	must(sosnap_meta_replay(&meta, &batch, &commits), "replay");

	add_gold("debian", 2097152, 0x1234abcd, 0xd1);
	add_gold("small", 2048, 0xfeed, 0);
	add_snapshot("web-1", "debian", 2097152, 0x11);
	add_snapshot("web-2", "debian", 4194304, 0x22);
	write_blocks(1, 0, 16);
	write_blocks(1, 100, 1);
	write_blocks(2, 1000, 300);
	zero_blocks(2, 200000, 50000);
	checkpoint();

	write_blocks(1, 100, 2);
	zero_blocks(1, 8, 4);
	add_snapshot("db", "small", 2048, 0x33);

	sosnap_batch_exit(&batch);
	sosnap_meta_close(&meta);
	sosnap_file_exit(&file);
	sosnap_dev_close(&dev);
	return 0;
}
