// SPDX-License-Identifier: GPL-2.0
#include "journal.h"

/**
 * sosnap_journal_used() - how much of the journal cannot be written now
 * @j: the journal
 * Context: caller serialises changes of @j.
 * Return: blocks.
 */
u64 sosnap_journal_used(const struct sosnap_journal *j)
{
	return j->head >= j->tail ? j->head - j->tail : j->blocks - j->tail + j->head;
}

/**
 * sosnap_journal_place() - where the next commit goes
 * @j:      the journal
 * @blocks: size of the commit
 * @pos:    set to its place
 * Context: caller serialises changes of @j.
 * Return: 0, or -ENOSPC until a checkpoint moves the tail.
 */
int sosnap_journal_place(const struct sosnap_journal *j, u32 blocks, u64 *pos)
{
	if (j->head < j->tail) {
		*pos = j->head;
		return j->head + blocks < j->tail ? 0 : -ENOSPC;
	}
	if (j->head + blocks <= j->blocks) {
		*pos = j->head;
		return 0;
	}
	*pos = 0;
	return blocks < j->tail ? 0 : -ENOSPC;
}

/**
 * sosnap_journal_encode() - turn a buffer of slots into a commit
 * @io:    the device, for its uuid
 * @s:     the superblock
 * @pos:   place in the journal
 * @seq:   its number
 * @slots: how many record slots follow the header in @buf
 * @buf:   room for the header, then the slots; sealed here. It is
 *         sosnap_commit_blocks(@slots) blocks long, and what is behind the slots
 *         is the caller's to clear
 * Context: any.
 */
void sosnap_journal_encode(const struct sosnap_io *io, const struct sosnap_super *s, u64 pos,
			   u64 seq, u32 slots, void *buf)
{
	struct sosnap_disk_header *h = buf;

	memset(h, 0, sizeof(*h));
	h->magic = cpu_to_le32(SOSNAP_MAGIC_COMMIT);
	memcpy(h->uuid, io->uuid, sizeof(h->uuid));
	h->blk = cpu_to_le64(s->journal_blk + pos);
	h->gen = cpu_to_le64(seq);
	h->count = cpu_to_le32(slots);
	sosnap_seal(buf, sosnap_commit_bytes(slots));
}

/**
 * sosnap_journal_write() - append one commit and wait until it is durable
 * @io:    the device
 * @s:     the superblock
 * @j:     the journal, moved on when it is done
 * @slots: the record slots
 * @nr:    how many, at most SOSNAP_COMMIT_SLOTS
 *
 * For callers that have no requests to overlap it with: tool and tests.
 * Context: may sleep.
 * Return: 0, -ENOMEM, -ENOSPC when a checkpoint is due, or the device's error.
 */
int sosnap_journal_write(struct sosnap_io *io, const struct sosnap_super *s,
			 struct sosnap_journal *j, const struct sosnap_disk_record *slots,
			 u32 nr)
{
	u32 blocks = sosnap_commit_blocks(nr);
	void *buf;
	u64 pos;
	int r;

	r = sosnap_journal_place(j, blocks, &pos);
	if (r)
		return r;
	buf = kvzalloc((size_t)blocks << SOSNAP_BLOCK_SHIFT, GFP_NOIO);
	if (!buf)
		return -ENOMEM;
	memcpy((u8 *)buf + sizeof(struct sosnap_disk_header), slots, nr * sizeof(*slots));
	sosnap_journal_encode(io, s, pos, j->seq, nr, buf);
	r = io->ops->write(io, s->journal_blk + pos, blocks, buf);
	kvfree(buf);
	if (!r) {
		j->head = pos + blocks;
		j->seq++;
	}
	return r;
}

/* Whether the commit with the expected number starts at pos; 0 blocks: no. */
static int commit_at(struct sosnap_io *io, const struct sosnap_super *s,
		     const struct sosnap_journal *j, u64 pos, void *buf, u32 *blocks)
{
	const struct sosnap_disk_header *h = buf;
	u32 n;
	int r;

	*blocks = 0;
	if (pos >= j->blocks)
		return 0;
	r = io->ops->read(io, s->journal_blk + pos, 1, buf);
	if (r)
		return r;
	if (le32_to_cpu(h->magic) != SOSNAP_MAGIC_COMMIT ||
	    le64_to_cpu(h->gen) != j->seq ||
	    le64_to_cpu(h->blk) != s->journal_blk + pos ||
	    memcmp(h->uuid, io->uuid, sizeof(h->uuid)) ||
	    !h->count || le32_to_cpu(h->count) > SOSNAP_COMMIT_SLOTS)
		return 0;
	n = sosnap_commit_blocks(le32_to_cpu(h->count));
	if (pos + n > j->blocks)
		return 0;
	if (n > 1) {
		r = io->ops->read(io, s->journal_blk + pos, n, buf);
		if (r)
			return r;
	}
	/* the device was read twice: believe only what the checksum covers */
	if (le64_to_cpu(h->gen) != j->seq || !h->count ||
	    le32_to_cpu(h->count) > SOSNAP_COMMIT_SLOTS ||
	    sosnap_commit_blocks(le32_to_cpu(h->count)) != n ||
	    !sosnap_sealed(buf, sosnap_commit_bytes(le32_to_cpu(h->count))))
		return 0;
	*blocks = n;
	return 0;
}

/**
 * sosnap_journal_scan() - go through all commits that a crash has left
 * @io:  the device
 * @s:   its superblock, which says where to start
 * @j:   filled: the journal as it is after the last whole commit
 * @fn:  called for each commit, oldest first
 * @ctx: for @fn
 * Context: may sleep.
 * Return: 0, -ENOMEM, -EIO, or what @fn returned.
 */
int sosnap_journal_scan(struct sosnap_io *io, const struct sosnap_super *s,
			struct sosnap_journal *j, sosnap_journal_fn fn, void *ctx)
{
	void *buf = kvmalloc((size_t)SOSNAP_COMMIT_BLOCKS << SOSNAP_BLOCK_SHIFT, GFP_KERNEL);
	const struct sosnap_disk_header *h = buf;
	int r = 0;

	if (!buf)
		return -ENOMEM;
	j->blocks = s->journal_blocks;
	j->tail = s->tail;
	j->head = s->tail;
	j->seq = s->tail_seq;
	for (;;) {
		u64 pos = j->head;
		u32 blocks;

		r = commit_at(io, s, j, pos, buf, &blocks);
		if (!r && !blocks && pos) {
			pos = 0;
			r = commit_at(io, s, j, pos, buf, &blocks);
		}
		if (r || !blocks)
			break;
		r = fn(ctx, j->seq, (const void *)(h + 1), le32_to_cpu(h->count));
		if (r)
			break;
		j->head = pos + blocks;
		j->seq++;
		/* a whole lap without end: nothing written here looks like that */
		if (j->seq - s->tail_seq > j->blocks)
			break;
		cond_resched();
	}
	kvfree(buf);
	return r;
}
