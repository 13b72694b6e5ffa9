// SPDX-License-Identifier: GPL-2.0
/*
 * Prints what is on media: the last complete checkpoint, and after it the
 * commits of the journal that follow it. Damage is told and gone around.
 */
#include <uuid/uuid.h>

#include "cmd.h"
#include "lib/out.h"
#include "lib/storedev.h"
#include "meta.h"

enum { OPT_SECTION };

static const struct sosnap_opt options[] = {
	[OPT_SECTION] = { "section", "<name>", "only superblock, golds, objects, snapshots, regions, extents or journal", 0 },
	{ 0 }
};

/* The device and whether something of it could not be read */
struct dump {
	struct sosnap_storedev s;
	bool damaged;
};

static void say_damage(struct dump *d, const char *what, u64 blk, int error)
{
	const struct sosnap_fault *f = &d->s.file.io.fault;

	d->damaged = true;
	if (error == -EUCLEAN)
		sosnap_error("%s: block %llu %s (%s)", what, (unsigned long long)f->blk,
			     sosnap_fault_text(f->what), sosnap_fault_name(f->what));
	else
		sosnap_error("%s: block %llu cannot be read: %s", what, (unsigned long long)blk,
			     strerror(-error));
}

/* Superblock */

static const struct sosnap_col super_cols[] = {
	{ "version", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "name", "name", SOSNAP_OUT_STRING, 0 },
	{ "uuid", "uuid", SOSNAP_OUT_STRING, 0 },
	{ "generation", "generation", SOSNAP_OUT_NUMBER, 0 },
	{ "clean", "clean", SOSNAP_OUT_BOOL, 0 },
	{ "bad_copies", "bad copies (bits)", SOSNAP_OUT_NUMBER, 0 },
	{ "compat", "compat", SOSNAP_OUT_NUMBER, 0 },
	{ "ro_compat", "ro_compat", SOSNAP_OUT_NUMBER, 0 },
	{ "blocks", "blocks", SOSNAP_OUT_NUMBER, 0 },
	{ "journal_block", "journal block", SOSNAP_OUT_NUMBER, 0 },
	{ "journal_blocks", "journal blocks", SOSNAP_OUT_NUMBER, 0 },
	{ "tail", "journal tail", SOSNAP_OUT_NUMBER, 0 },
	{ "tail_sequence", "journal tail sequence", SOSNAP_OUT_NUMBER, 0 },
	{ "created", "created", SOSNAP_OUT_TIME, 0 },
	{ "next_object", "next object", SOSNAP_OUT_NUMBER, 0 },
	{ "next_snapshot", "next snapshot", SOSNAP_OUT_NUMBER, 0 },
	{ "next_gold", "next gold", SOSNAP_OUT_NUMBER, 0 },
	{ "data_blocks", "data blocks", SOSNAP_OUT_NUMBER, 0 },
	{ "node_blocks", "node blocks", SOSNAP_OUT_NUMBER, 0 },
};

static const struct sosnap_col tree_cols[] = {
	{ "tree", "TREE", SOSNAP_OUT_STRING, 8 },
	{ "root", "ROOT", SOSNAP_OUT_NUMBER, 12 },
	{ "generation", "GENERATION", SOSNAP_OUT_NUMBER, 10 },
	{ "levels", "LEVELS", SOSNAP_OUT_NUMBER, 6 },
	{ "nodes", "NODES", SOSNAP_OUT_NUMBER, 10 },
	{ "items", "ITEMS", SOSNAP_OUT_NUMBER, 12 },
};

static void dump_super(struct dump *d, const char *key)
{
	static const char *const tree_name[] = { "catalog", "extent" };
	const struct sosnap_super *s = &d->s.super;

	sosnap_out_text("superblock");
	sosnap_out_record("superblock", super_cols, ARRAY_SIZE(super_cols), (struct sosnap_val[]){
		{ .n = SOSNAP_VERSION }, { .s = s->name }, { .s = d->s.uuid }, { .n = s->gen },
		{ .n = !!(s->flags & SOSNAP_SUPER_CLEAN) }, { .n = s->bad_copies },
		{ .n = s->compat }, { .n = s->ro_compat }, { .n = s->nr_blocks },
		{ .n = s->journal_blk }, { .n = s->journal_blocks }, { .n = s->tail },
		{ .n = s->tail_seq }, { .n = s->ctime }, { .n = s->next_object },
		{ .n = s->next_snapshot }, { .n = s->next_gold }, { .n = s->data_blocks },
		{ .n = s->node_blocks } });
	sosnap_out_text("%s", "");
	sosnap_out_text("trees");
	sosnap_out_stream("trees", tree_cols, ARRAY_SIZE(tree_cols));
	for (int i = 0; i < SOSNAP_NR_TREES; i++) {
		const struct sosnap_root *root = &s->root[i];

		sosnap_out_row((struct sosnap_val[]){
			{ .s = tree_name[i] }, { .n = root->blk, .none = !root->blk },
			{ .n = root->gen }, { .n = root->depth }, { .n = root->nr_nodes },
			{ .n = root->nr_items } });
	}
	sosnap_out_table_end();
}

/* Catalogue and extents: walks of the trees */

struct walk {
	struct sosnap_btree_walk w;
	struct dump *d;
	u32 type;
	const char *what;
};

static int walk_bad(struct sosnap_btree_walk *w, u64 blk, int error,
		    const struct sosnap_key *first, const struct sosnap_key *end)
{
	struct walk *walk = container_of(w, struct walk, w);

	say_damage(walk->d, walk->what, blk, error);
	return 0;
}

static void walk_tree(struct dump *d, u32 id, u16 val_bytes, u32 type, const char *what,
		      int (*item)(struct sosnap_btree_walk *w, const struct sosnap_key *key,
				  const void *val))
{
	struct sosnap_tree tree = {
		.io = &d->s.file.io, .root = d->s.super.root[id - 1], .id = (u8)id,
		.val_bytes = val_bytes,
	};
	struct walk walk = {
		.w = { .item = item, .bad = walk_bad }, .d = d, .type = type, .what = what,
	};
	int r = sosnap_btree_walk(&tree, &walk.w);

	if (r)
		say_damage(d, what, tree.root.blk, r);
}

/* Whether the item is of the type that is printed now, and sane */
static bool wanted(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val,
		   union sosnap_item *item)
{
	struct walk *walk = container_of(w, struct walk, w);

	if (key->hi != walk->type)
		return false;
	memcpy(item, val, sizeof(*item));
	if (sosnap_catalog_sane(key->hi, key->lo, item))
		return true;
	sosnap_error("%s: item %llu makes no sense", walk->what, (unsigned long long)key->lo);
	walk->d->damaged = true;
	return false;
}

static const struct sosnap_col gold_cols[] = {
	{ "id", "ID", SOSNAP_OUT_NUMBER, 6 },
	{ "name", "NAME", SOSNAP_OUT_STRING, 20 },
	{ "sectors", "SECTORS", SOSNAP_OUT_NUMBER, 12 },
	{ "created", "ADDED", SOSNAP_OUT_TIME, 19 },
	{ "flags", "FLAGS", SOSNAP_OUT_NUMBER, 5 },
	{ "sample_crc", "SAMPLES", SOSNAP_OUT_STRING, 8 },
	{ "sha256", "SHA256", SOSNAP_OUT_STRING, 64 },
};

static int print_gold(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val)
{
	union sosnap_item item;
	char crc[9], sha256[65] = "";
	bool none = true;

	if (!wanted(w, key, val, &item))
		return 0;
	snprintf(crc, sizeof(crc), "%08x", le32_to_cpu(item.gold.sample_crc));
	for (int i = 0; i < 32; i++) {
		snprintf(sha256 + 2 * i, 3, "%02x", item.gold.sha256[i]);
		none &= !item.gold.sha256[i];
	}
	sosnap_out_row((struct sosnap_val[]){
		{ .n = key->lo }, { .s = item.gold.name },
		{ .n = le64_to_cpu(item.gold.sectors) }, { .n = le64_to_cpu(item.gold.ctime) },
		{ .n = le32_to_cpu(item.gold.flags) }, { .s = crc },
		{ .s = sha256, .none = none } });
	return 0;
}

static const struct sosnap_col object_cols[] = {
	{ "id", "ID", SOSNAP_OUT_NUMBER, 6 },
	{ "parent", "PARENT", SOSNAP_OUT_NUMBER, 6 },
	{ "gold", "GOLD", SOSNAP_OUT_NUMBER, 6 },
	{ "blocks", "BLOCKS", SOSNAP_OUT_NUMBER, 12 },
	{ "created", "CREATED", SOSNAP_OUT_TIME, 19 },
	{ "frozen", "FROZEN", SOSNAP_OUT_BOOL, 6 },
	{ "dying", "DYING", SOSNAP_OUT_BOOL, 5 },
};

static int print_object(struct sosnap_btree_walk *w, const struct sosnap_key *key,
			const void *val)
{
	union sosnap_item item;
	u32 flags, parent;

	if (!wanted(w, key, val, &item))
		return 0;
	flags = le32_to_cpu(item.object.flags);
	parent = le32_to_cpu(item.object.parent);
	sosnap_out_row((struct sosnap_val[]){
		{ .n = key->lo }, { .n = parent, .none = !parent },
		{ .n = le32_to_cpu(item.object.gold) }, { .n = le64_to_cpu(item.object.blocks) },
		{ .n = le64_to_cpu(item.object.ctime) }, { .n = !!(flags & SOSNAP_OBJECT_FROZEN) },
		{ .n = !!(flags & SOSNAP_OBJECT_DYING) } });
	return 0;
}

static const struct sosnap_col snapshot_cols[] = {
	{ "id", "ID", SOSNAP_OUT_NUMBER, 6 },
	{ "name", "NAME", SOSNAP_OUT_STRING, 20 },
	{ "object", "OBJECT", SOSNAP_OUT_NUMBER, 6 },
	{ "gold", "GOLD", SOSNAP_OUT_NUMBER, 6 },
	{ "sectors", "SECTORS", SOSNAP_OUT_NUMBER, 12 },
	{ "created", "CREATED", SOSNAP_OUT_TIME, 19 },
	{ "flags", "FLAGS", SOSNAP_OUT_NUMBER, 5 },
	{ "quota", "QUOTA", SOSNAP_OUT_NUMBER, 8 },
	{ "reservation", "RESERVED", SOSNAP_OUT_NUMBER, 8 },
	{ "origin", "ORIGIN", SOSNAP_OUT_NUMBER, 6 },
	{ "uuid", "UUID", SOSNAP_OUT_STRING, 36 },
};

static int print_snapshot(struct sosnap_btree_walk *w, const struct sosnap_key *key,
			  const void *val)
{
	union sosnap_item item;
	char uuid[37];
	u32 origin;

	if (!wanted(w, key, val, &item))
		return 0;
	origin = le32_to_cpu(item.snapshot.origin);
	uuid_unparse_lower(item.snapshot.uuid, uuid);
	sosnap_out_row((struct sosnap_val[]){
		{ .n = key->lo }, { .s = item.snapshot.name },
		{ .n = le32_to_cpu(item.snapshot.object) },
		{ .n = le32_to_cpu(item.snapshot.gold) },
		{ .n = le64_to_cpu(item.snapshot.sectors) },
		{ .n = le64_to_cpu(item.snapshot.ctime) },
		{ .n = le32_to_cpu(item.snapshot.flags) },
		{ .n = le64_to_cpu(item.snapshot.quota) },
		{ .n = le64_to_cpu(item.snapshot.reservation) },
		{ .n = origin, .none = !origin }, { .s = uuid } });
	return 0;
}

static const struct sosnap_col extent_cols[] = {
	{ "object", "OBJECT", SOSNAP_OUT_NUMBER, 6 },
	{ "block", "BLOCK", SOSNAP_OUT_NUMBER, 14 },
	{ "length", "LENGTH", SOSNAP_OUT_NUMBER, 12 },
	{ "store", "STORE", SOSNAP_OUT_NUMBER, 14 },
};

static int print_extent(struct sosnap_btree_walk *w, const struct sosnap_key *key,
			const void *val)
{
	struct sosnap_disk_extent e;

	memcpy(&e, val, sizeof(e));
	sosnap_out_row((struct sosnap_val[]){
		{ .n = key->hi }, { .n = key->lo }, { .n = le32_to_cpu(e.len) },
		{ .n = le64_to_cpu(e.store),
		  .none = le64_to_cpu(e.store) == SOSNAP_STORE_ZERO } });
	return 0;
}

/* The sections that are walks of a tree */
static const struct tree_section {
	const char *key;
	const char *title;
	const struct sosnap_col *cols;
	size_t nr;
	u32 tree;
	u32 type;
	int (*item)(struct sosnap_btree_walk *w, const struct sosnap_key *key, const void *val);
} tree_sections[] = {
	{ "golds", "gold images", gold_cols, ARRAY_SIZE(gold_cols), SOSNAP_TREE_CATALOG,
	  SOSNAP_CATALOG_GOLD, print_gold },
	{ "objects", "cache objects", object_cols, ARRAY_SIZE(object_cols), SOSNAP_TREE_CATALOG,
	  SOSNAP_CATALOG_OBJECT, print_object },
	{ "snapshots", "snapshots", snapshot_cols, ARRAY_SIZE(snapshot_cols), SOSNAP_TREE_CATALOG,
	  SOSNAP_CATALOG_SNAPSHOT, print_snapshot },
	{ "extents", "extents (without a store block: reads as zeros)", extent_cols,
	  ARRAY_SIZE(extent_cols), SOSNAP_TREE_EXTENT, 0, print_extent },
};

static void dump_tree(struct dump *d, const char *key)
{
	const struct tree_section *t = tree_sections;

	while (strcmp(t->key, key))
		t++;
	sosnap_out_text("%s", t->title);
	sosnap_out_stream(t->key, t->cols, t->nr);
	walk_tree(d, t->tree, t->tree == SOSNAP_TREE_EXTENT ? sizeof(struct sosnap_disk_extent) :
		  SOSNAP_CATALOG_BYTES, t->type, t->key, t->item);
	sosnap_out_table_end();
}

/* Regions */

static const struct sosnap_col region_cols[] = {
	{ "region", "REGION", SOSNAP_OUT_NUMBER, 8 },
	{ "first_block", "FIRST BLOCK", SOSNAP_OUT_NUMBER, 14 },
	{ "free", "FREE", SOSNAP_OUT_NUMBER, 6 },
	{ "free_runs", "FREE RUNS", SOSNAP_OUT_NUMBER, 9 },
	{ "longest_run", "LONGEST RUN", SOSNAP_OUT_NUMBER, 11 },
	{ "bitmap_block", "BITMAP", SOSNAP_OUT_NUMBER, 14 },
	{ "generation", "GENERATION", SOSNAP_OUT_NUMBER, 10 },
};

/* Runs of clear bits, and the longest */
static void count_runs(const u8 *bits, u64 *runs, u64 *longest)
{
	unsigned long a = 0, b;

	*runs = 0;
	*longest = 0;
	for (;; a = b) {
		a = find_next_zero_bit_le(bits, SOSNAP_REGION_BLOCKS, a);
		if (a >= SOSNAP_REGION_BLOCKS)
			return;
		b = find_next_bit_le(bits, SOSNAP_REGION_BLOCKS, a);
		++*runs;
		*longest = max_t(u64, *longest, b - a);
	}
}

static void print_region(struct dump *d, u32 nr, u64 gen_slot, u32 free_blocks)
{
	u64 first = (u64)nr * SOSNAP_REGION_BLOCKS;
	struct sosnap_disk_bitmap *bitmap;
	u64 runs = 0, longest = 0;
	struct sosnap_buf buf;
	u8 *fresh;
	u32 unused;
	int r = 0;

	if (gen_slot) {
		r = sosnap_space_bitmap(&d->s.file.io, nr, gen_slot, &buf);
		if (r) {
			say_damage(d, "regions", first + SOSNAP_BITMAP_SLOT + (gen_slot & 1), r);
		} else {
			bitmap = buf.data;
			count_runs(bitmap->bits, &runs, &longest);
			d->s.file.io.ops->put(&d->s.file.io, &buf);
		}
	} else {
		fresh = sosnap_alloc(1, SOSNAP_BITMAP_BYTES);
		sosnap_space_fresh(&d->s.super, nr, fresh, &unused);
		count_runs(fresh, &runs, &longest);
		free(fresh);
	}
	sosnap_out_row((struct sosnap_val[]){
		{ .n = nr }, { .n = first }, { .n = free_blocks }, { .n = runs, .none = r },
		{ .n = longest, .none = r },
		{ .n = first + SOSNAP_BITMAP_SLOT + (gen_slot & 1), .none = !gen_slot },
		{ .n = gen_slot >> 1, .none = !gen_slot } });
}

static void dump_regions(struct dump *d, const char *key)
{
	struct sosnap_space space;
	int r = sosnap_space_init(&space, &d->s.file.io, &d->s.super, NULL);

	sosnap_out_text("regions (without a bitmap: never written)");
	sosnap_out_stream("regions", region_cols, ARRAY_SIZE(region_cols));
	if (r)
		say_damage(d, "regions", 0, r);
	for (u32 i = 0; !r && i < space.nr_regions; i++)
		print_region(d, i, space.region[i].gen_slot, space.region[i].free);
	sosnap_out_table_end();
	if (!r)
		sosnap_space_exit(&space);
}

/* Journal */

static const struct sosnap_col record_cols[] = {
	{ "sequence", "SEQUENCE", SOSNAP_OUT_NUMBER, 10 },
	{ "record", "RECORD", SOSNAP_OUT_STRING, 6 },
	{ "what", "WHAT", SOSNAP_OUT_STRING, 8 },
	{ "id", "ID", SOSNAP_OUT_NUMBER, 6 },
	{ "block", "BLOCK", SOSNAP_OUT_NUMBER, 14 },
	{ "length", "LENGTH", SOSNAP_OUT_NUMBER, 12 },
	{ "value", NULL, SOSNAP_OUT_STRING, 0 },
	{ "store", "STORE", SOSNAP_OUT_NUMBER, 14 },
};

static const char *catalog_word(u32 type)
{
	static const char *const words[] = {
		[SOSNAP_CATALOG_GOLD] = "gold",
		[SOSNAP_CATALOG_OBJECT] = "object",
		[SOSNAP_CATALOG_SNAPSHOT] = "snapshot",
	};

	return type < ARRAY_SIZE(words) && words[type] ? words[type] : "?";
}

static int print_commit(void *ctx, u64 seq, const struct sosnap_disk_record *slots, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		const struct sosnap_disk_record *rec = &slots[i];
		u32 type = sosnap_record_type(rec), object = le32_to_cpu(rec->object);
		bool map = type == SOSNAP_RECORD_MAP || type == SOSNAP_RECORD_ZERO;
		bool put = type == SOSNAP_RECORD_PUT && i + SOSNAP_PUT_SLOTS < nr;
		char value[SOSNAP_CATALOG_BYTES * 2 + 1] = "";
		static const char *const words[] = {
			[SOSNAP_RECORD_MAP] = "map", [SOSNAP_RECORD_ZERO] = "zero",
			[SOSNAP_RECORD_PUT] = "put", [SOSNAP_RECORD_DEL] = "delete",
		};

		for (u32 b = 0; put && b < SOSNAP_CATALOG_BYTES; b++)
			snprintf(value + 2 * b, 3, "%02x", ((const u8 *)(rec + 1))[b]);
		sosnap_out_row((struct sosnap_val[]){
			{ .n = seq },
			{ .s = type < ARRAY_SIZE(words) && words[type] ? words[type] : "?" },
			{ .s = map ? "object" : catalog_word(object) },
			{ .n = map ? object : sosnap_record_blk(rec) },
			{ .n = sosnap_record_blk(rec), .none = !map },
			{ .n = le32_to_cpu(rec->len), .none = !map },
			{ .s = value, .none = !put },
			{ .n = le64_to_cpu(rec->store), .none = type != SOSNAP_RECORD_MAP } });
		if (type == SOSNAP_RECORD_PUT)
			i += SOSNAP_PUT_SLOTS;
	}
	return 0;
}

static void dump_journal(struct dump *d, const char *key)
{
	struct sosnap_journal journal;
	int r;

	sosnap_out_text("journal: records that are not merged yet");
	sosnap_out_stream("journal", record_cols, ARRAY_SIZE(record_cols));
	r = sosnap_journal_scan(&d->s.file.io, &d->s.super, &journal, print_commit, NULL);
	if (r)
		say_damage(d, "journal", d->s.super.journal_blk, r);
	sosnap_out_table_end();
}

/* The last thing printed: whether the rest is all there is */
static void dump_end(const struct dump *d)
{
	static const struct sosnap_col cols[] = {
		{ "complete", NULL, SOSNAP_OUT_BOOL, 0 },
	};

	sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
		{ .n = !d->damaged } });
}

static const struct {
	const char *name;
	void (*fn)(struct dump *d, const char *key);
} sections[] = {
	{ "superblock", dump_super },
	{ "golds", dump_tree },
	{ "objects", dump_tree },
	{ "snapshots", dump_tree },
	{ "regions", dump_regions },
	{ "extents", dump_tree },
	{ "journal", dump_journal },
};

static int store_dump(const struct sosnap_args *a)
{
	const char *only = a->opt[OPT_SECTION];
	struct dump d = { .damaged = false };
	bool known = !only, again = false;

	for (size_t i = 0; !known && i < ARRAY_SIZE(sections); i++)
		known = !strcmp(only, sections[i].name);
	if (!known) {
		sosnap_error("there is no section '%s': 'sosnap store dump --help' shows those there are",
			     only);
		return SOSNAP_EXIT_USAGE;
	}
	if (sosnap_storedev_open(&d.s, a->arg[0]))
		return SOSNAP_EXIT_FAILED;
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		if (only && strcmp(only, sections[i].name))
			continue;
		if (again)
			sosnap_out_text("%s", "");
		again = true;
		sections[i].fn(&d, sections[i].name);
	}
	dump_end(&d);
	sosnap_storedev_close(&d.s);
	return d.damaged ? SOSNAP_EXIT_FAILED : SOSNAP_EXIT_OK;
}

const struct sosnap_cmd sosnap_cmd_store_dump = {
	.name = "store dump",
	.usage = "<device>",
	.help = "print the metadata of an inactive store",
	.text = "The device may be a regular file. Nothing is written. Block numbers are in units\n"
		"of 4 KiB. The state of the last checkpoint is printed, and after it the records of\n"
		"the journal that an activation would replay. With --json, the output is what\n"
		"'sosnap store restore' takes.",
	.options = options,
	.flags = SOSNAP_CMD_JSON,
	.min = 1,
	.max = 1,
	.fn = store_dump,
};
