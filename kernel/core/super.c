// SPDX-License-Identifier: GPL-2.0
/*
 * Encoding, verification and choice of superblocks.
 *
 * A crash between the two writes leaves copies of two generations, both of
 * them complete states (meta.h, I2): the newer is taken. A torn copy fails its
 * checksum, and the other one is taken.
 */
#include "super.h"
#include "uapi.h"

/* One 64th of the device, within bounds: 2 MiB at least from 128 MiB on. */
static u64 default_journal(u64 nr_blocks)
{
	return clamp_t(u64, nr_blocks >> 6, SOSNAP_MIN_JOURNAL, SOSNAP_MAX_JOURNAL);
}

/**
 * sosnap_super_init() - the superblock of an empty store
 * @s:              to fill
 * @name:           of the store
 * @nr_blocks:      of its device
 * @journal_blocks: size of the journal, 0: the default
 * @now:            seconds since 1970
 * Context: any.
 */
void sosnap_super_init(struct sosnap_super *s, const char *name, u64 nr_blocks,
		       u64 journal_blocks, u64 now)
{
	memset(s, 0, sizeof(*s));
	strscpy(s->name, name, sizeof(s->name));
	s->gen = 1;
	s->flags = SOSNAP_SUPER_CLEAN;
	s->nr_blocks = min_t(u64, nr_blocks, SOSNAP_MAX_BLOCKS);
	s->journal_blk = SOSNAP_JOURNAL_BLK;
	s->journal_blocks = journal_blocks ? journal_blocks : default_journal(nr_blocks);
	s->tail_seq = 1;
	s->ctime = now;
	s->next_object = 1;
	s->next_snapshot = 1;
	s->next_gold = 1;
}

static void root_encode(const struct sosnap_root *r, struct sosnap_disk_root *d)
{
	d->blk = cpu_to_le64(r->blk);
	d->gen = cpu_to_le64(r->gen);
	d->nr_nodes = cpu_to_le64(r->nr_nodes);
	d->nr_items = cpu_to_le64(r->nr_items);
	d->depth = r->depth;
}

static void root_decode(const struct sosnap_disk_root *d, struct sosnap_root *r)
{
	r->blk = le64_to_cpu(d->blk);
	r->gen = le64_to_cpu(d->gen);
	r->nr_nodes = le64_to_cpu(d->nr_nodes);
	r->nr_items = le64_to_cpu(d->nr_items);
	r->depth = d->depth;
}

/**
 * sosnap_super_encode() - make the block that is written
 * @s:    the superblock
 * @uuid: of the store, 16 bytes
 * @blk:  which copy, its block number
 * @d:    filled and sealed
 * Context: any.
 */
void sosnap_super_encode(const struct sosnap_super *s, const u8 *uuid, u64 blk,
			 struct sosnap_disk_super *d)
{
	int i;

	memset(d, 0, sizeof(*d));
	d->h.magic = cpu_to_le32(SOSNAP_MAGIC_SUPER);
	memcpy(d->h.uuid, uuid, sizeof(d->h.uuid));
	d->h.blk = cpu_to_le64(blk);
	d->h.gen = cpu_to_le64(s->gen);
	d->version = cpu_to_le32(SOSNAP_VERSION);
	d->flags = cpu_to_le32(s->flags);
	d->compat = cpu_to_le64(s->compat);
	d->ro_compat = cpu_to_le64(s->ro_compat);
	strscpy(d->name, s->name, sizeof(d->name));
	d->nr_blocks = cpu_to_le64(s->nr_blocks);
	d->journal_blk = cpu_to_le64(s->journal_blk);
	d->journal_blocks = cpu_to_le64(s->journal_blocks);
	d->tail = cpu_to_le64(s->tail);
	d->tail_seq = cpu_to_le64(s->tail_seq);
	d->ctime = cpu_to_le64(s->ctime);
	d->next_object = cpu_to_le64(s->next_object);
	d->next_snapshot = cpu_to_le64(s->next_snapshot);
	d->next_gold = cpu_to_le64(s->next_gold);
	d->data_blocks = cpu_to_le64(s->data_blocks);
	d->node_blocks = cpu_to_le64(s->node_blocks);
	for (i = 0; i < SOSNAP_NR_TREES; i++)
		root_encode(&s->root[i], &d->root[i]);
	memcpy(d->summary_slot, s->summary_slot, sizeof(d->summary_slot));
	sosnap_seal(d, sizeof(*d));
}

static bool root_sane(const struct sosnap_root *r, const struct sosnap_super *s)
{
	if (!r->blk)
		return !r->depth && !r->nr_items && !r->nr_nodes;
	return r->blk < s->nr_blocks && r->depth && r->depth <= SOSNAP_MAX_DEPTH &&
	       r->nr_nodes <= s->nr_blocks && r->gen <= s->gen;
}

static bool fields_sane(const struct sosnap_super *s)
{
	u64 end;
	int i;

	if (s->nr_blocks < SOSNAP_MIN_BLOCKS || s->nr_blocks > SOSNAP_MAX_BLOCKS)
		return false;
	if (s->journal_blk != SOSNAP_JOURNAL_BLK ||
	    s->journal_blocks < SOSNAP_MIN_JOURNAL || s->journal_blocks > SOSNAP_MAX_JOURNAL)
		return false;
	/* the journal ends in the first region, its bitmap knows it as fixed */
	end = s->journal_blk + s->journal_blocks;
	if (end > s->nr_blocks || s->tail > s->journal_blocks)
		return false;
	if (!s->gen || s->gen >= 1ULL << 62 || !s->tail_seq || s->tail_seq >= 1ULL << 62)
		return false;
	if (s->next_object > U32_MAX || s->next_snapshot > U32_MAX || s->next_gold > U32_MAX ||
	    !s->next_object || !s->next_snapshot || !s->next_gold)
		return false;
	if (s->data_blocks > s->nr_blocks || s->node_blocks > s->nr_blocks)
		return false;
	for (i = 0; i < SOSNAP_NR_TREES; i++)
		if (!root_sane(&s->root[i], s))
			return false;
	return true;
}

/**
 * sosnap_super_decode() - verify a superblock and take it over
 * @d:             the block as read
 * @blk:           where it was read
 * @device_blocks: size of the device
 * @s:             filled on success
 * @fault:         what is wrong otherwise
 * Context: any.
 * Return: 0, or -EUCLEAN.
 */
int sosnap_super_decode(const struct sosnap_disk_super *d, u64 blk, u64 device_blocks,
			struct sosnap_super *s, struct sosnap_fault *fault)
{
	int i;

	if (le32_to_cpu(d->h.magic) != SOSNAP_MAGIC_SUPER)
		return sosnap_fault_set(fault, SOSNAP_FAULT_BLOCK_MAGIC, blk, 0);
	if (!sosnap_sealed(d, sizeof(*d)))
		return sosnap_fault_set(fault, SOSNAP_FAULT_BLOCK_CRC, blk, 0);
	if (le64_to_cpu(d->h.blk) != blk)
		return sosnap_fault_set(fault, SOSNAP_FAULT_BLOCK_ADDRESS, blk,
					le64_to_cpu(d->h.blk));
	if (le32_to_cpu(d->version) != SOSNAP_VERSION)
		return sosnap_fault_set(fault, SOSNAP_FAULT_SUPER_VERSION, blk,
					le32_to_cpu(d->version));
	if (le64_to_cpu(d->incompat) & ~SOSNAP_INCOMPAT_KNOWN)
		return sosnap_fault_set(fault, SOSNAP_FAULT_SUPER_INCOMPAT, blk,
					le64_to_cpu(d->incompat));

	memset(s, 0, sizeof(*s));
	memcpy(s->name, d->name, sizeof(s->name));
	s->gen = le64_to_cpu(d->h.gen);
	s->flags = le32_to_cpu(d->flags);
	s->compat = le64_to_cpu(d->compat);
	s->ro_compat = le64_to_cpu(d->ro_compat);
	s->read_only = s->ro_compat & ~SOSNAP_RO_COMPAT_KNOWN;
	s->nr_blocks = le64_to_cpu(d->nr_blocks);
	s->journal_blk = le64_to_cpu(d->journal_blk);
	s->journal_blocks = le64_to_cpu(d->journal_blocks);
	s->tail = le64_to_cpu(d->tail);
	s->tail_seq = le64_to_cpu(d->tail_seq);
	s->ctime = le64_to_cpu(d->ctime);
	s->next_object = le64_to_cpu(d->next_object);
	s->next_snapshot = le64_to_cpu(d->next_snapshot);
	s->next_gold = le64_to_cpu(d->next_gold);
	s->data_blocks = le64_to_cpu(d->data_blocks);
	s->node_blocks = le64_to_cpu(d->node_blocks);
	for (i = 0; i < SOSNAP_NR_TREES; i++)
		root_decode(&d->root[i], &s->root[i]);
	memcpy(s->summary_slot, d->summary_slot, sizeof(s->summary_slot));

	if (s->name[SOSNAP_NAME_LEN - 1] || !sosnap_name_valid(s->name) || !fields_sane(s))
		return sosnap_fault_set(fault, SOSNAP_FAULT_SUPER_FIELD, blk, 0);
	if (s->nr_blocks > device_blocks)
		return sosnap_fault_set(fault, SOSNAP_FAULT_SUPER_SIZE, blk, s->nr_blocks);
	return 0;
}

/**
 * sosnap_super_read() - find the newest superblock that verifies
 * @io: the device; its uuid is set from what is found
 * @s:  filled on success
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO when neither copy can be read, or -EUCLEAN with
 * io->fault saying what is wrong with the first copy (or the only one that is
 * a superblock at all).
 */
int sosnap_super_read(struct sosnap_io *io, struct sosnap_super *s)
{
	static const u64 place[2] = { SOSNAP_SUPER_BLK0, SOSNAP_SUPER_BLK1 };
	struct sosnap_fault fault[2] = { { 0 }, { 0 } };
	struct sosnap_disk_super *d;
	struct sosnap_super *other;
	u8 bad = 0, uuid[16];
	int r[2], i, best;

	d = kmalloc(2 * sizeof(*d), GFP_KERNEL);
	other = kmalloc(sizeof(*other), GFP_KERNEL);
	if (!d || !other) {
		best = -ENOMEM;
		goto out;
	}
	for (i = 0; i < 2; i++) {
		struct sosnap_super *to = i ? other : s;

		r[i] = -EIO;
		if (place[i] < io->nr_blocks)
			r[i] = io->ops->read(io, place[i], 1, &d[i]);
		if (!r[i])
			r[i] = sosnap_super_decode(&d[i], place[i], io->nr_blocks, to, &fault[i]);
		if (r[i])
			bad |= 1 << i;
	}
	if (bad == 3) {
		best = r[0];
		io->fault = fault[0];
		if (fault[0].what == SOSNAP_FAULT_BLOCK_MAGIC &&
		    fault[1].what > SOSNAP_FAULT_BLOCK_MAGIC) {
			best = r[1];
			io->fault = fault[1];
		}
		goto out;
	}
	memcpy(uuid, d[bad & 1].h.uuid, sizeof(uuid));
	if ((bad & 1) || (!bad && other->gen > s->gen)) {
		memcpy(uuid, d[1].h.uuid, sizeof(uuid));
		if (!bad)
			bad = 1;
		*s = *other;
	} else if (!bad && (other->gen != s->gen ||
			    memcmp(d[0].h.uuid, d[1].h.uuid, sizeof(uuid)))) {
		bad = 2;
	}
	memcpy(io->uuid, uuid, sizeof(uuid));
	s->bad_copies = bad;
	best = 0;
out:
	kfree(other);
	kfree(d);
	return best;
}

/**
 * sosnap_super_write() - write both copies, one after the other
 * @io: the device
 * @s:  what to write; bad_copies says which copy goes first
 *
 * A copy that is lost or stale is written first: were the good one torn before
 * that, nothing would be left but a state whose blocks were used again.
 * Context: may sleep; everything it refers to is on stable media already.
 * Return: 0, -ENOMEM or the error of the device, with io->fault saying which copy
 * it was. After an error of the second write the new state is in force all the
 * same, after one of the first it may be.
 */
int sosnap_super_write(struct sosnap_io *io, const struct sosnap_super *s)
{
	/* a page; a checkpoint that failed for it would end all writes */
	struct sosnap_disk_super *d = kmalloc(sizeof(*d), GFP_NOIO | __GFP_NOFAIL);
	u64 place[2] = { SOSNAP_SUPER_BLK0, SOSNAP_SUPER_BLK1 };
	int r, i;

	if (!d)
		return -ENOMEM;
	if (s->bad_copies == 2)
		swap(place[0], place[1]);
	for (i = 0, r = 0; i < 2 && !r; i++) {
		sosnap_super_encode(s, io->uuid, place[i], d);
		r = io->ops->write(io, place[i], 1, d);
		if (r)
			sosnap_fault_set(&io->fault, SOSNAP_FAULT_SUPER_WRITE, place[i], 0);
	}
	kfree(d);
	return r;
}
