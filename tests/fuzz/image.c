// SPDX-License-Identifier: GPL-2.0
#include "image.h"
#include "journal.h"
#include "ops.h"

struct field {
	u16 offset;
	u16 width;
};

#define FIELD(type, member) { offsetof(type, member), sizeof_field(type, member) }
#define HEADER(member) FIELD(struct sosnap_disk_header, member)
#define SUPER(member) FIELD(struct sosnap_disk_super, member)

static const struct field header_fields[] = {
	HEADER(magic), { 8, 8 }, HEADER(blk), HEADER(gen), HEADER(owner), HEADER(hint),
	HEADER(count), HEADER(level),
};

static const struct field super_fields[] = {
	SUPER(version), SUPER(flags), SUPER(compat), SUPER(ro_compat), SUPER(incompat),
	{ offsetof(struct sosnap_disk_super, name), 8 }, SUPER(nr_blocks), SUPER(journal_blk),
	SUPER(journal_blocks), SUPER(tail), SUPER(tail_seq), SUPER(next_object),
	SUPER(next_snapshot), SUPER(next_gold), SUPER(data_blocks), SUPER(node_blocks),
	SUPER(root[0].blk), SUPER(root[0].gen), SUPER(root[0].nr_nodes), SUPER(root[0].nr_items),
	SUPER(root[0].depth), SUPER(root[1].blk), SUPER(root[1].gen), SUPER(root[1].nr_nodes),
	SUPER(root[1].nr_items), SUPER(root[1].depth),
	{ offsetof(struct sosnap_disk_super, summary_slot), 1 },
};

static const struct field child_fields[] = { { 0, 4 }, { 4, 8 }, { 12, 8 }, { 20, 8 } };
static const struct field extent_fields[] = { { 0, 4 }, { 4, 8 }, { 12, 8 }, { 20, 4 } };
static const struct field record_fields[] = { { 0, 4 }, { 4, 4 }, { 8, 7 }, { 15, 1 }, { 16, 8 } };
static const struct field summary_fields[] = { { 0, 8 }, { 8, 4 } };

u64 edit_rand(u64 *seed)
{
	u64 x = *seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

void image_init(struct image *im, u64 nr_blocks)
{
	memset(im, 0, sizeof(*im));
	im->nr_blocks = nr_blocks;
	im->blk = must(calloc(nr_blocks, sizeof(*im->blk)));
}

void image_exit(struct image *im)
{
	u64 i;

	for (i = 0; i < im->nr_blocks; i++)
		free(im->blk[i]);
	free(im->blk);
	free(im->place);
}

static u32 magic_of(const u8 *data)
{
	return le32_to_cpu(((const struct sosnap_disk_header *)data)->magic);
}

/* Commits that are merged already are left out: nobody reads them. */
static bool is_metadata(const struct image *im, const u8 *data)
{
	const struct sosnap_disk_super *super = (const void *)im->blk[SOSNAP_SUPER_BLK0];
	const struct sosnap_disk_header *h = (const void *)data;
	u32 magic = magic_of(data);

	return magic == SOSNAP_MAGIC_SUPER || magic == SOSNAP_MAGIC_NODE ||
	       magic == SOSNAP_MAGIC_BITMAP || magic == SOSNAP_MAGIC_SUMMARY ||
	       (magic == SOSNAP_MAGIC_COMMIT &&
		le64_to_cpu(h->gen) >= le64_to_cpu(super->tail_seq));
}

void image_find_places(struct image *im)
{
	u64 i;

	if (!im->blk[SOSNAP_SUPER_BLK0])
		abort();
	im->place = must(calloc(im->nr_blocks, sizeof(*im->place)));
	im->nr_places = 0;
	for (i = 0; i < im->nr_blocks; i++)
		if (im->blk[i] && is_metadata(im, im->blk[i]))
			im->place[im->nr_places++] = i;
	if (!im->nr_places)
		abort();
}

#define ONE_OF(fields) (fields)[edit_rand(seed) % ARRAY_SIZE(fields)]

static struct field in_items(const struct field *f, u32 bytes, u32 count, u64 *seed)
{
	u32 most = (SOSNAP_BLOCK_SIZE - sizeof(struct sosnap_disk_header)) / bytes;
	u32 i = edit_rand(seed) % (min(count, most) ?: 1);

	/* the first and the last ones are met more often than their share */
	if (!(edit_rand(seed) % 4))
		i = edit_rand(seed) % 2 || !count ? 0 : min(count, most) - 1;
	return (struct field){ sizeof(struct sosnap_disk_header) + i * bytes + f->offset,
			       f->width };
}

static struct field field_of(const u8 *data, u64 *seed)
{
	const struct sosnap_disk_header *h = (const void *)data;
	struct field any = { edit_rand(seed) % SOSNAP_BLOCK_SIZE, 1 + edit_rand(seed) % 8 };
	u32 count = le32_to_cpu(h->count);

	if (!(edit_rand(seed) % 4))
		return ONE_OF(header_fields);
	switch (magic_of(data)) {
	case SOSNAP_MAGIC_SUPER:
		return ONE_OF(super_fields);
	case SOSNAP_MAGIC_SUMMARY:
		return in_items(&ONE_OF(summary_fields), 16, 2, seed);
	case SOSNAP_MAGIC_BITMAP:	/* blocks with a fixed place, often */
		if (edit_rand(seed) % 2)
			any.offset = sizeof(*h) + edit_rand(seed) % 128;
		break;
	case SOSNAP_MAGIC_COMMIT:
		return in_items(&ONE_OF(record_fields), 24, count, seed);
	case SOSNAP_MAGIC_NODE:
		if (h->level)
			return in_items(&ONE_OF(child_fields), 28, count, seed);
		if (le64_to_cpu(h->owner) == SOSNAP_TREE_EXTENT)
			return in_items(&ONE_OF(extent_fields), 24, count, seed);
		any.offset %= 12 + SOSNAP_CATALOG_BYTES;
		return in_items(&any, 12 + SOSNAP_CATALOG_BYTES, count, seed);
	}
	return any;
}

static u64 value_for(const struct image *im, u64 *seed)
{
	const u64 fixed[] = { 0, 1, 2, 3, 4, 255, 256, 257, U32_MAX, 1ULL << 31, 1ULL << 32,
			      U64_MAX, 1ULL << 48, 1ULL << 62, 1ULL << 63, im->nr_blocks,
			      im->nr_blocks - 1, SOSNAP_REGION_BLOCKS, (1ULL << 48) - 1 };

	switch (edit_rand(seed) % 4) {
	case 0:
		return im->place[edit_rand(seed) % im->nr_places];
	case 1:
		return edit_rand(seed) % 512;
	case 2:
		return edit_rand(seed);
	}
	return fixed[edit_rand(seed) % ARRAY_SIZE(fixed)];
}

/* A change of one field that is there, to a value that may be of interest. */
void edit_random(const struct image *im, struct edit *e, u64 *seed)
{
	u32 place = edit_rand(seed) % im->nr_places;
	struct field f = field_of(im->blk[im->place[place]], seed);

	memset(e, 0, sizeof(*e));
	e->place = cpu_to_le16(place);
	e->offset = cpu_to_le16(f.offset);
	e->width = min_t(u32, f.width, 8);
	e->op = edit_rand(seed) % 8 < 6 ? 0 : edit_rand(seed) % 3;
	e->value = cpu_to_le64(value_for(im, seed));
	if (!(edit_rand(seed) % 16))
		e->flags = edit_rand(seed) % 4;
}

/* A commit's checksum may cover blocks that the image does not keep as places. */
static void seal_commit(const struct image *im, u64 blk, u8 *data, image_write_fn write,
			void *ctx)
{
	struct sosnap_disk_header *h = (void *)data;
	u32 count = le32_to_cpu(h->count), i, n;
	u8 *all;

	if (count > SOSNAP_COMMIT_SLOTS)
		return;
	n = sosnap_commit_blocks(count);
	if (n > im->nr_blocks - blk)
		return;
	all = must(calloc(n, SOSNAP_BLOCK_SIZE));
	for (i = 0; i < n; i++)
		memcpy(all + i * SOSNAP_BLOCK_SIZE, i ? write(ctx, blk + i) : data,
		       SOSNAP_BLOCK_SIZE);
	sosnap_seal(all, sosnap_commit_bytes(count));
	memcpy(data, all, sizeof(h->crc));
	free(all);
}

static void seal(const struct image *im, u64 blk, u8 *data, u32 offset, image_write_fn write,
		 void *ctx)
{
	struct sosnap_disk_header *h = (void *)data;

	if (magic_of(data) == SOSNAP_MAGIC_COMMIT) {
		seal_commit(im, blk, data, write, ctx);
		return;
	}
	/* the hint follows the first key, unless it is what was changed */
	if (magic_of(data) == SOSNAP_MAGIC_NODE && h->count &&
	    offset != offsetof(struct sosnap_disk_header, hint)) {
		__le32 hi;

		memcpy(&hi, data + sizeof(*h), sizeof(hi));
		h->hint = cpu_to_le64(le32_to_cpu(hi));
	}
	sosnap_seal(data, SOSNAP_BLOCK_SIZE);
}

static void change(const struct image *im, u64 blk, const struct edit *e, image_write_fn write,
		   void *ctx)
{
	u32 offset = le16_to_cpu(e->offset) % SOSNAP_BLOCK_SIZE;
	u32 width = min_t(u32, e->width % 9, SOSNAP_BLOCK_SIZE - offset);
	u64 have = 0, value = le64_to_cpu(e->value);
	u8 *data = write(ctx, blk);

	memcpy(&have, data + offset, width);
	if (e->op % 3 == 1)
		value ^= have;
	else if (e->op % 3 == 2)
		value += have;
	memcpy(data + offset, &value, width);
	if (!(e->flags & EDIT_BROKEN))
		seal(im, blk, data, offset, write, ctx);
}

void edit_apply(const struct image *im, const struct edit *e, image_write_fn write, void *ctx)
{
	u64 blk = im->place[le16_to_cpu(e->place) % im->nr_places];

	change(im, blk, e, write, ctx);
	/* or the other copy would be taken */
	if (blk == SOSNAP_SUPER_BLK0 && !(e->flags & EDIT_SINGLE))
		change(im, SOSNAP_SUPER_BLK1, e, write, ctx);
	else if (blk == SOSNAP_SUPER_BLK1 && !(e->flags & EDIT_SINGLE))
		change(im, SOSNAP_SUPER_BLK0, e, write, ctx);
}
