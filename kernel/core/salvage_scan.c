// SPDX-License-Identifier: GPL-2.0
/*
 * The scan of a whole device for blocks that describe themselves: right magic,
 * their own address, right checksum. Data blocks pass none of these but by
 * intent, and who writes them does not know the uuid nor where they will be.
 */
#include "journal.h"
#include "salvage_internal.h"

#define SCAN_BLOCKS	256U	/* read at a time */

/**
 * salvage_room() - make room for one more element of an array
 * @v:     the array
 * @nr:    elements it has
 * @max:   elements it has room for
 * @bytes: size of one
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_room(void **v, u64 nr, u64 *max, size_t bytes)
{
	u64 most = *max ? *max * 2 : 256;
	void *more;

	if (nr < *max)
		return 0;
	more = kvmalloc_array(most, bytes, GFP_KERNEL);
	if (!more)
		return -ENOMEM;
	if (nr)
		memcpy(more, *v, nr * bytes);
	kvfree(*v);
	*v = more;
	*max = most;
	return 0;
}

/* Which of the stores; the ones that come when the table is full are left out. */
static u8 uuid_index(struct sosnap_salvage *s, const u8 *uuid)
{
	u8 i;

	for (i = 0; i < SALVAGE_UUIDS && s->uuid_count[i]; i++)
		if (!memcmp(s->uuid[i], uuid, sizeof(s->uuid[i])))
			break;
	if (i < SALVAGE_UUIDS && !s->uuid_count[i]++)
		memcpy(s->uuid[i], uuid, sizeof(s->uuid[i]));
	return i;
}

static void item_key(const u8 *data, u32 bytes, u32 i, struct sosnap_key *key)
{
	struct sosnap_disk_key d;

	memcpy(&d, data + sizeof(struct sosnap_disk_header) + i * bytes, sizeof(d));
	key->hi = le32_to_cpu(d.hi);
	key->lo = le64_to_cpu(d.lo);
}

static bool node_range(const u8 *data, struct salvage_block *b)
{
	const struct sosnap_disk_header *h = (const void *)data;
	u32 bytes = h->level ? sizeof(struct sosnap_disk_child) : sizeof(struct sosnap_disk_key) +
		    (b->owner == SOSNAP_TREE_CATALOG ? SOSNAP_CATALOG_BYTES :
		     sizeof(struct sosnap_disk_extent));
	u32 count = le32_to_cpu(h->count);

	if ((b->owner != SOSNAP_TREE_CATALOG && b->owner != SOSNAP_TREE_EXTENT) || !count ||
	    h->level >= SOSNAP_MAX_DEPTH || count > (SOSNAP_BLOCK_SIZE - sizeof(*h)) / bytes)
		return false;
	item_key(data, bytes, 0, &b->first);
	item_key(data, bytes, count - 1, &b->last);
	return true;
}

/* Take a block over if it is metadata of any store. */
static int look_at(struct sosnap_salvage *s, u64 blk, const u8 *data)
{
	const struct sosnap_disk_header *h = (const void *)data;
	u32 magic = le32_to_cpu(h->magic);
	u64 gen = le64_to_cpu(h->gen);
	struct salvage_block *b;
	int r;

	if ((magic != SOSNAP_MAGIC_NODE && magic != SOSNAP_MAGIC_BITMAP &&
	     magic != SOSNAP_MAGIC_SUMMARY) || le64_to_cpu(h->blk) != blk ||
	    le64_to_cpu(h->owner) > U32_MAX ||
	    (gen >= SALVAGE_MOST_GEN && gen > s->meta.super.gen) ||
	    /* what a guest has written, or what another store has left */
	    (!s->result->super_lost && memcmp(h->uuid, s->io->uuid, sizeof(h->uuid))) ||
	    !sosnap_sealed(data, SOSNAP_BLOCK_SIZE))
		return 0;
	r = salvage_room((void **)&s->block, s->nr_blocks, &s->max_blocks, sizeof(*s->block));
	if (r)
		return r;
	b = &s->block[s->nr_blocks];
	memset(b, 0, sizeof(*b));
	b->blk = blk;
	b->gen = gen;
	b->magic = magic;
	b->owner = le64_to_cpu(h->owner);
	b->level = h->level;
	if (magic == SOSNAP_MAGIC_NODE && !node_range(data, b))
		return 0;
	b->uuid = uuid_index(s, h->uuid);
	s->nr_blocks += b->uuid < SALVAGE_UUIDS;
	return 0;
}

/* What cannot be read at once is read block by block, and passed over. */
static int scan_piece(struct sosnap_salvage *s, u64 blk, u32 nr, u8 *data)
{
	bool whole = !s->io->ops->read(s->io, blk, nr, data);
	u32 i;
	int r = 0;

	for (i = 0; i < nr && !r; i++) {
		u8 *at = data + (size_t)i * SOSNAP_BLOCK_SIZE;

		if (whole || !s->io->ops->read(s->io, blk + i, 1, at))
			r = look_at(s, blk + i, at);
	}
	return r;
}

/**
 * salvage_scan() - find all metadata on the device
 * @s: block, uuid and uuid_count are filled
 * Context: may sleep, long.
 * Return: 0 or -ENOMEM; what cannot be read is passed over.
 */
int salvage_scan(struct sosnap_salvage *s)
{
	u8 *data = kvmalloc((size_t)SCAN_BLOCKS * SOSNAP_BLOCK_SIZE, GFP_KERNEL);
	u64 blk, end = s->io->nr_blocks;
	int r = data ? 0 : -ENOMEM;
	u32 nr;

	for (blk = 0; blk < end && !r; blk += nr) {
		nr = min_t(u64, end - blk, SCAN_BLOCKS);
		r = scan_piece(s, blk, nr, data);
		if (s->ops->progress)
			s->ops->progress(s->ctx, blk + nr, end);
		cond_resched();
	}
	kvfree(data);
	s->result->scanned = true;
	return r;
}
