// SPDX-License-Identifier: GPL-2.0
/*
 * The way back from what 'store dump --json' prints. The input is gone through
 * twice: once into memory, where the check of a store judges the result, and
 * only when that finds nothing, once more onto the device.
 */
#include <stdarg.h>
#include <uuid/uuid.h>
#include <yajl/yajl_parse.h>

#include "check.h"
#include "cmd.h"
#include "lib/io_file.h"
#include "lib/out.h"
#include "lib/probe.h"
#include "lib/units.h"
#include "rebuild.h"
#include "salvage.h"
#include "uapi.h"

#define FIELDS	24	/* most fields of a row */
#define TEXT	512	/* and the longest of them */
#define DEPTH	3	/* document, section, row */

enum { OPT_FORCE };

static const struct sosnap_opt options[] = {
	[OPT_FORCE] = { "force", NULL, "overwrite what the device holds", 0 },
	{ 0 }
};

enum kind { NONE, NUMBER, STRING, BOOL };

struct field {
	char key[32];
	enum kind kind;
	u64 n;
	char s[TEXT];
};

/**
 * struct load - one pass over the input
 * @why:     what is wrong, NULL: nothing so far
 * @section: the member of the document that is open
 * @row:     its row, counted from 1
 * @field:   what the row has so far
 * @nr:      of them
 * @depth:   of nesting
 * @seen:    bit for each section that was met
 * @gen:     of the state that the dump is of
 * @seq:     the next commit has a higher number, if it is not this
 * @last:    number of the last commit that is in the dump
 * @ready:   the superblock was met, so @rb is there
 * @complete: the dump says that it is
 */
struct load {
	struct sosnap_file *file;
	struct sosnap_rebuild rb;
	char *why;
	char section[32];
	u64 row;
	struct field field[FIELDS];
	u32 nr;
	int depth;
	u32 seen;
	u64 gen;
	u64 seq;
	u64 last;
	bool ready;
	bool complete;
};

static int wrong(struct load *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Note the first thing that is wrong; 0 ends the parser */
static int wrong(struct load *l, const char *fmt, ...)
{
	va_list args;
	char *text;

	if (l->why)
		return 0;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	l->why = l->row ? sosnap_printf("%s, row %llu: %s", l->section,
					(unsigned long long)l->row, text) :
		 l->section[0] ? sosnap_printf("%s: %s", l->section, text) : sosnap_strdup(text);
	free(text);
	return 0;
}

/* Fields of a row by name. A missing or bad one is noted, and 0 or "" returned */

static const struct field *find(const struct load *l, const char *key)
{
	for (u32 i = 0; i < l->nr; i++)
		if (!strcmp(l->field[i].key, key))
			return &l->field[i];
	return NULL;
}

static u64 number(struct load *l, const char *key, u64 most)
{
	const struct field *f = find(l, key);

	if (!f || f->kind != NUMBER)
		wrong(l, "'%s' is not a number", key);
	else if (f->n > most)
		wrong(l, "'%s' is %llu, at most %llu is possible", key, (unsigned long long)f->n,
		      (unsigned long long)most);
	else
		return f->n;
	return 0;
}

static u64 number_or(struct load *l, const char *key, u64 most, u64 none)
{
	const struct field *f = find(l, key);

	return f && f->kind == NONE ? none : number(l, key, most);
}

static bool truth(struct load *l, const char *key)
{
	const struct field *f = find(l, key);

	if (!f || f->kind != BOOL)
		wrong(l, "'%s' is neither true nor false", key);
	return f && f->n;
}

static const char *string(struct load *l, const char *key)
{
	const struct field *f = find(l, key);

	if (f && f->kind == STRING)
		return f->s;
	wrong(l, "'%s' is not a string", key);
	return "";
}

static void name(struct load *l, char to[SOSNAP_NAME_LEN])
{
	const char *s = string(l, "name");

	if (!sosnap_name_valid(s))
		wrong(l, "'%s' cannot be a name", s);
	strscpy(to, s, SOSNAP_NAME_LEN);
}

static void hex(struct load *l, const char *key, u8 *to, size_t bytes)
{
	const char *s = string(l, key);
	unsigned int byte;

	if (strlen(s) != bytes * 2 || strspn(s, "0123456789abcdef") != bytes * 2) {
		wrong(l, "'%s' is not %zu bytes in hexadecimal", key, bytes);
		return;
	}
	for (size_t i = 0; i < bytes; i++) {
		sscanf(s + 2 * i, "%2x", &byte);
		to[i] = (u8)byte;
	}
}

static void uuid(struct load *l, u8 to[16])
{
	if (uuid_parse(string(l, "uuid"), to))
		wrong(l, "'uuid' is not a UUID");
}

/* Rows */

static void row_super(struct load *l)
{
	u64 device = l->file->io.nr_blocks, journal;
	struct sosnap_super s;

	if (l->ready) {
		wrong(l, "there are two of them");
		return;
	}
	if (number(l, "version", U64_MAX) != SOSNAP_VERSION)
		wrong(l, "'version' is not %d, the only one that is known", SOSNAP_VERSION);
	journal = number(l, "journal_blocks", SOSNAP_MAX_JOURNAL);
	sosnap_super_init(&s, "", number(l, "blocks", SOSNAP_MAX_BLOCKS), journal,
			  number(l, "created", U64_MAX));
	name(l, s.name);
	uuid(l, l->file->io.uuid);
	l->gen = number(l, "generation", (1ULL << 61));
	s.compat = number(l, "compat", U64_MAX);
	s.ro_compat = number(l, "ro_compat", U64_MAX);
	l->seq = number(l, "tail_sequence", 1ULL << 61);
	l->last = l->seq ? l->seq - 1 : 0;
	s.next_object = number(l, "next_object", U32_MAX);
	s.next_snapshot = number(l, "next_snapshot", U32_MAX);
	s.next_gold = number(l, "next_gold", U32_MAX);
	if (l->why)
		return;
	if (s.nr_blocks < SOSNAP_MIN_BLOCKS || journal < SOSNAP_MIN_JOURNAL ||
	    SOSNAP_JOURNAL_BLK + journal > s.nr_blocks / 2 || !s.next_object ||
	    !s.next_snapshot || !s.next_gold || !l->gen || !l->seq)
		wrong(l, "a number is too small, or the journal too large for the store");
	else if (s.nr_blocks > device)
		wrong(l, "the store has %llu blocks, the device %llu only",
		      (unsigned long long)s.nr_blocks, (unsigned long long)device);
	else if (sosnap_rebuild_init(&l->rb, &l->file->io, &s))
		sosnap_die_memory();
	else
		l->ready = true;
}

static void row_item(struct load *l, u32 type, u64 id, const union sosnap_item *item)
{
	int r = l->why ? 0 : sosnap_rebuild_item(&l->rb, type, id, item);

	if (r == -EUCLEAN)
		wrong(l, "item %llu makes no sense", (unsigned long long)id);
	else if (r)
		sosnap_die_memory();
}

static u64 new_id(struct load *l, u32 type)
{
	u64 id = number(l, "id", U32_MAX - 1);

	if (!l->why && sosnap_catalog_get(&l->rb.meta.catalog, type, id))
		wrong(l, "id %llu is there twice", (unsigned long long)id);
	return id;
}

static void row_gold(struct load *l)
{
	u64 id = new_id(l, SOSNAP_CATALOG_GOLD);
	union sosnap_item item = { 0 };
	const struct field *sha = find(l, "sha256");
	u8 crc[4] = { 0 };

	name(l, item.gold.name);
	item.gold.sectors = cpu_to_le64(number(l, "sectors", SOSNAP_MAX_BLK));
	item.gold.ctime = cpu_to_le64(number(l, "created", U64_MAX));
	item.gold.flags = cpu_to_le32(number(l, "flags", U32_MAX));
	hex(l, "sample_crc", crc, sizeof(crc));
	item.gold.sample_crc = cpu_to_le32((u32)crc[0] << 24 | crc[1] << 16 | crc[2] << 8 | crc[3]);
	if (!sha || sha->kind != NONE)
		hex(l, "sha256", item.gold.sha256, sizeof(item.gold.sha256));
	row_item(l, SOSNAP_CATALOG_GOLD, id, &item);
}

static void row_object(struct load *l)
{
	u64 id = new_id(l, SOSNAP_CATALOG_OBJECT);
	union sosnap_item item = { 0 };

	item.object.parent = cpu_to_le32(number_or(l, "parent", U32_MAX - 1, 0));
	item.object.gold = cpu_to_le32(number(l, "gold", U32_MAX - 1));
	item.object.ctime = cpu_to_le64(number(l, "created", U64_MAX));
	item.object.flags = cpu_to_le32((truth(l, "frozen") ? SOSNAP_OBJECT_FROZEN : 0) |
					(truth(l, "dying") ? SOSNAP_OBJECT_DYING : 0));
	row_item(l, SOSNAP_CATALOG_OBJECT, id, &item);
}

static void row_snapshot(struct load *l)
{
	u64 id = new_id(l, SOSNAP_CATALOG_SNAPSHOT);
	union sosnap_item item = { 0 };

	name(l, item.snapshot.name);
	uuid(l, item.snapshot.uuid);
	item.snapshot.object = cpu_to_le32(number(l, "object", U32_MAX - 1));
	item.snapshot.gold = cpu_to_le32(number(l, "gold", U32_MAX - 1));
	item.snapshot.sectors = cpu_to_le64(number(l, "sectors", SOSNAP_MAX_BLK));
	item.snapshot.ctime = cpu_to_le64(number(l, "created", U64_MAX));
	item.snapshot.flags = cpu_to_le32(number(l, "flags", U32_MAX));
	item.snapshot.quota = cpu_to_le64(number(l, "quota", U64_MAX));
	item.snapshot.reservation = cpu_to_le64(number(l, "reservation", U64_MAX));
	/* dumps of earlier versions lack it */
	if (find(l, "origin"))
		item.snapshot.origin = cpu_to_le32(number_or(l, "origin", U32_MAX - 1, 0));
	row_item(l, SOSNAP_CATALOG_SNAPSHOT, id, &item);
}

static void row_extent(struct load *l)
{
	u64 object = number(l, "object", U32_MAX - 1);
	u64 blk = number(l, "block", SOSNAP_MAX_BLK - 1);
	u64 len = number(l, "length", SOSNAP_MAX_EXTENT);
	u64 store = number_or(l, "store", l->rb.meta.super.nr_blocks - 1, SOSNAP_STORE_ZERO);
	int r;

	if (l->why)
		return;
	r = sosnap_rebuild_extent(&l->rb, object, blk, len, store);
	if (r == -EUCLEAN)
		wrong(l, "the extent is empty, too long or outside of the store");
	else if (r)
		sosnap_die_memory();
}

static u32 word_of(struct load *l, const char *key, const char *const *words, u32 nr)
{
	const char *s = string(l, key);

	for (u32 i = 0; i < nr; i++)
		if (!strcmp(s, words[i]))
			return i;
	wrong(l, "'%s' cannot be '%s'", key, s);
	return 0;
}

static void row_record(struct load *l)
{
	static const char *const records[] = { "map", "zero", "put", "delete" };
	static const char *const whats[] = { "object", "gold", "snapshot" };
	static const u32 types[] = {
		SOSNAP_CATALOG_OBJECT, SOSNAP_CATALOG_GOLD, SOSNAP_CATALOG_SNAPSHOT,
	};
	struct sosnap_disk_record slot[1 + SOSNAP_PUT_SLOTS] = { 0 };
	u32 type = SOSNAP_RECORD_MAP + word_of(l, "record", records, ARRAY_SIZE(records));
	u32 what = types[word_of(l, "what", whats, ARRAY_SIZE(whats))], nr = 1;
	u64 id = number(l, "id", U32_MAX - 1);
	u64 seq = number(l, "sequence", 1ULL << 61);
	int r;

	if (type == SOSNAP_RECORD_MAP || type == SOSNAP_RECORD_ZERO) {
		sosnap_record_fill(slot, type, id, number(l, "block", SOSNAP_MAX_BLK - 1),
				   number(l, "length", SOSNAP_MAX_EXTENT),
				   number_or(l, "store", SOSNAP_MAX_BLOCKS, 0));
	} else if (type == SOSNAP_RECORD_PUT) {
		nr += SOSNAP_PUT_SLOTS;
		sosnap_record_fill(slot, type, what, id, SOSNAP_PUT_SLOTS, 0);
		hex(l, "value", (u8 *)(slot + 1), SOSNAP_CATALOG_BYTES);
	} else {
		sosnap_record_fill(slot, type, what, id, 0, 0);
	}
	if (l->why)
		return;
	if (seq < l->seq) {
		wrong(l, "'sequence' is %llu, after %llu", (unsigned long long)seq,
		      (unsigned long long)l->seq);
		return;
	}
	l->seq = seq;
	l->last = seq;
	r = sosnap_rebuild_records(&l->rb, slot, nr);
	if (r == -EUCLEAN)
		wrong(l, "the record makes no sense");
	else if (r)
		sosnap_die_memory();
}

/* What follows from the rest, and is made anew */
static void row_skip(struct load *l)
{
}

static const struct {
	const char *name;
	void (*row)(struct load *l);
} sections[] = {
	{ "superblock", row_super },
	{ "trees", row_skip },
	{ "golds", row_gold },
	{ "objects", row_object },
	{ "snapshots", row_snapshot },
	{ "regions", row_skip },
	{ "extents", row_extent },
	{ "journal", row_record },
};

/* What the parser tells */

static struct field *field(struct load *l, enum kind kind)
{
	struct field *f = l->nr ? &l->field[l->nr - 1] : NULL;

	if (l->depth == 1 && !strcmp(l->section, "complete") && kind == BOOL) {
		static struct field end;

		end.kind = BOOL;
		return &end;
	}
	if (!f || f->kind != NONE || !(l->depth == DEPTH ||
				       (l->depth == 2 && !strcmp(l->section, "superblock")))) {
		wrong(l, "a value is where none can be");
		return NULL;
	}
	f->kind = kind;
	return f;
}

static int on_null(void *ctx)
{
	return field(ctx, NONE) ? 1 : 0;
}

static int on_bool(void *ctx, int value)
{
	struct load *l = ctx;
	struct field *f = field(l, BOOL);

	if (!f)
		return 0;
	f->n = value;
	if (l->depth == 1)
		l->complete = value;
	return 1;
}

static int on_number(void *ctx, const char *text, size_t len)
{
	struct load *l = ctx;
	struct field *f = field(l, NUMBER);

	if (!f)
		return 0;
	if (!len || len > 20)
		return wrong(l, "'%s' is no number that can be", f->key);
	f->n = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' ||
		    check_mul_overflow(f->n, (u64)10, &f->n) ||
		    check_add_overflow(f->n, (u64)(text[i] - '0'), &f->n))
			return wrong(l, "'%s' is no number that can be", f->key);
	}
	return 1;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct load *l = ctx;
	struct field *f = field(l, STRING);

	if (!f)
		return 0;
	if (len >= sizeof(f->s) || memchr(text, 0, len))
		return wrong(l, "'%s' is too long or has a zero byte in it", f->key);
	memcpy(f->s, text, len);
	f->s[len] = 0;
	return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct load *l = ctx;
	char key[sizeof(l->field->key)];

	if (len >= sizeof(key) || memchr(text, 0, len))
		return wrong(l, "a name of a field is too long");
	memcpy(key, text, len);
	key[len] = 0;
	if (l->depth == 1) {
		strscpy(l->section, key, sizeof(l->section));
		l->row = 0;
		return 1;
	}
	if (l->nr == FIELDS)
		return wrong(l, "there are too many fields");
	if (find(l, key))
		return wrong(l, "'%s' is there twice", key);
	memset(&l->field[l->nr], 0, sizeof(l->field[l->nr]));
	strscpy(l->field[l->nr++].key, key, sizeof(l->field->key));
	return 1;
}

/* The section that is open, as an index, or -1 */
static int section_of(const struct load *l)
{
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		if (!strcmp(sections[i].name, l->section))
			return (int)i;
	return -1;
}

/* Whether maps of fields stand at this depth */
static bool row_depth(const struct load *l)
{
	return l->depth == (strcmp(l->section, "superblock") ? DEPTH : 2);
}

static int on_map(void *ctx)
{
	struct load *l = ctx;

	l->depth++;
	if (l->depth == 1)
		return 1;
	if (!row_depth(l))
		return wrong(l, "an object is where none can be");
	if (l->depth == DEPTH)
		l->row++;
	else
		l->seen |= 1;
	l->nr = 0;
	return 1;
}

static int on_map_end(void *ctx)
{
	struct load *l = ctx;

	if (l->depth > 1)
		sections[section_of(l)].row(l);
	l->depth--;
	return !l->why;
}

static int on_array(void *ctx)
{
	struct load *l = ctx;
	int i = section_of(l);

	l->depth++;
	if (l->depth != 2 || i <= 0)
		return wrong(l, "is not a part of a dump that can be here");
	if (!l->ready)
		return wrong(l, "comes before the superblock");
	if (l->seen & 1U << i)
		return wrong(l, "there are two of them");
	l->seen |= 1U << i;
	return 1;
}

static int on_array_end(void *ctx)
{
	struct load *l = ctx;

	l->depth--;
	l->row = 0;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_map_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

/* The parser's own complaint, one line of it */
static void not_json(struct load *l, yajl_handle h)
{
	unsigned char *text = yajl_get_error(h, 0, NULL, 0);

	text[strcspn((char *)text, "\n")] = 0;
	l->row = 0;
	l->section[0] = 0;
	wrong(l, "the input is not a whole dump: %s", text);
	yajl_free_error(h, text);
}

static void parse(struct load *l, FILE *in, FILE *spool)
{
	yajl_handle h = yajl_alloc(&callbacks, NULL, l);
	yajl_status status = yajl_status_ok;
	static unsigned char buf[65536];
	size_t n;

	if (!h)
		sosnap_die_memory();
	while (status == yajl_status_ok && (n = fread(buf, 1, sizeof(buf), in))) {
		if (spool && fwrite(buf, 1, n, spool) != n)
			wrong(l, "the input cannot be kept in a temporary file: %s",
			      strerror(errno));
		status = l->why ? yajl_status_client_canceled : yajl_parse(h, buf, n);
	}
	if (status == yajl_status_ok && ferror(in))
		wrong(l, "the input cannot be read: %s", strerror(errno));
	else if (status == yajl_status_ok)
		status = yajl_complete_parse(h);
	if (status == yajl_status_error)
		not_json(l, h);
	yajl_free(h);
	l->row = 0;
	l->section[0] = 0;
	if (!l->why && l->seen != (1U << ARRAY_SIZE(sections)) - 1)
		wrong(l, "the input is not a whole dump: a part is missing");
	if (!l->why && !l->complete)
		wrong(l, "the dump is of a damaged store and not complete: 'sosnap store repair' comes first");
}

/* The journal of a device that had this store must not go on where the dump ends */
static void refuse_younger(struct load *l)
{
	const struct sosnap_super *s = &l->rb.meta.super;
	struct sosnap_salvage_commit *commits;
	u32 nr;

	if (sosnap_salvage_commits(&l->file->io, s->journal_blk, s->journal_blocks, l->last,
				   &commits, &nr, NULL))
		sosnap_die_memory();
	if (nr && commits[nr - 1].seq > l->last)
		wrong(l, "the device holds commit %llu of this store, the dump ends with %llu: the dump is of an older state, and blocks that it names may have been used again since",
		      (unsigned long long)commits[nr - 1].seq, (unsigned long long)l->last);
	kvfree(commits);
}

/*
 * The place of the first commit is wiped, as for a new store. The new superblocks are
 * younger than any that is there: if one of those is left, it is not the one in force.
 */
static int write_store(struct load *l, u64 device_gen)
{
	static const u8 zero[SOSNAP_BLOCK_SIZE];
	struct sosnap_io *io = &l->file->io;
	int r = io->ops->write(io, l->rb.meta.super.journal_blk, 1, zero);

	/* the number after the last one may have been written and torn */
	return r ?: sosnap_rebuild_write(&l->rb, max(l->gen, device_gen) + 1, l->seq + 2);
}

/* One pass: read, and write to the io of @file; what is wrong is told */
static int load(struct sosnap_file *file, FILE *in, FILE *spool, struct sosnap_super *super)
{
	struct load *l = sosnap_alloc(1, sizeof(*l));
	const struct sosnap_fault *f = &file->io.fault;
	struct sosnap_super was;
	int r = 0;

	l->file = file;
	/* of whatever store; the dump says below which one the device is to hold */
	if (sosnap_super_read(&file->io, &was))
		was.gen = 0;
	parse(l, in, spool);
	if (!l->why)
		refuse_younger(l);
	if (!l->why) {
		r = write_store(l, was.gen);
		if (r == -EUCLEAN)
			wrong(l, "%s (%s): block %llu", sosnap_fault_text(f->what),
			      sosnap_fault_name(f->what), (unsigned long long)f->arg);
		else if (r)
			wrong(l, "the store cannot be written: %s", strerror(-r));
		else if (l->rb.orphans)
			wrong(l, "%llu extents belong to no cache object",
			      (unsigned long long)l->rb.orphans);
		*super = l->rb.meta.super;
	}
	if (l->why) {
		sosnap_error("%s", l->why);
		r = r ?: -EINVAL;
	}
	if (l->ready)
		sosnap_rebuild_exit(&l->rb);
	free(l->why);
	free(l);
	return r;
}

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	bool *said = ctx;

	if (!*said)
		sosnap_error("the dump contradicts itself: %s: %s (%s)",
			     sosnap_fault_text(fault->what), detail,
			     sosnap_fault_name(fault->what));
	*said = true;
}

/* Everything up to the first write: the whole store in memory, and its check */
static int rehearse(const struct sosnap_dev *dev, FILE *in, FILE *spool,
		    struct sosnap_super *super)
{
	static const struct sosnap_check_ops ops = { .found = found };
	struct sosnap_check_result result;
	struct sosnap_file file;
	bool said = false;
	int r;

	sosnap_file_init(&file, dev, SOSNAP_FILE_OVERLAY);
	r = load(&file, in, spool, super);
	if (!r) {
		r = sosnap_check(&file.io, &ops, &said, &result);
		if (r)
			sosnap_error("the dump cannot be checked: %s", strerror(-r));
		else if (said)
			r = -EUCLEAN;
	}
	sosnap_file_exit(&file);
	return r;
}

/* All of the input has to be there when it is wanted again: nothing was written yet */
static int keep(FILE *spool)
{
	int r = fflush(spool) ? -errno : 0;

	if (!r && ferror(spool))
		r = -EIO;
	if (r)
		sosnap_error("the input cannot be kept in a temporary file: %s", strerror(-r));
	return r;
}

/* What blkid knows the device by; a store's data blocks are never touched */
static int wipe(const struct sosnap_dev *dev, struct sosnap_file *file)
{
	struct sosnap_super was;

	return sosnap_super_read(&file->io, &was) ? sosnap_probe_wipe(dev) : 0;
}

static int restore(const struct sosnap_dev *dev, FILE *spool, struct sosnap_super *super)
{
	struct sosnap_file file;
	int r;

	rewind(spool);
	sosnap_file_init(&file, dev, 0);
	r = wipe(dev, &file) ?: load(&file, spool, NULL, super);
	sosnap_file_exit(&file);
	return r;
}

static int store_restore(const struct sosnap_args *a)
{
	unsigned int flags = SOSNAP_DEV_EXCLUSIVE | SOSNAP_DEV_FILE;
	struct sosnap_super super;
	struct sosnap_dev dev;
	FILE *spool;
	int r;

	if (!sosnap_options.dry_run)
		flags |= SOSNAP_DEV_WRITE;
	if (sosnap_dev_open(&dev, a->arg[0], flags))
		return SOSNAP_EXIT_FAILED;
	spool = tmpfile();
	r = spool ? 0 : -errno;
	if (r)
		sosnap_error("a temporary file cannot be made: %s", strerror(-r));
	r = r ?: sosnap_probe_refuse(&dev, a->opt[OPT_FORCE]) ?:
	    rehearse(&dev, stdin, spool, &super) ?: keep(spool);
	if (!r && sosnap_options.dry_run)
		sosnap_out_step("write the metadata of store '%s' to %s", super.name, dev.path);
	else if (!r)
		r = restore(&dev, spool, &super);
	if (!r)
		sosnap_done("restored the metadata of store %s on %s", super.name, dev.path);
	if (spool)
		fclose(spool);
	sosnap_dev_close(&dev);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_restore = {
	.name = "store restore",
	.usage = "<device>",
	.help = "make a store's metadata from a dump",
	.text = "Reads from its standard input what 'sosnap store dump --json' printed. The store\n"
		"gets the same name, UUID, gold images, snapshots and extents, at the same block\n"
		"numbers: the data blocks have to be copied there by other means. The device must\n"
		"be as large as the store at least. Nothing is written before all of the input was\n"
		"read and checked. A device that holds something is refused unless --force is given.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 1,
	.max = 1,
	.fn = store_restore,
};
