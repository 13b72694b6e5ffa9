// SPDX-License-Identifier: GPL-2.0
/*
 * Whole commits, wherever they lie in the journal, and those that come on top
 * of the state that was found.
 */
#include "journal.h"
#include "salvage_internal.h"

/*
 * The commit that starts at a block, of any number; 0 blocks: none does. *@error
 * is set when the device says that it cannot tell.
 */
static u32 commit_at(struct sosnap_io *io, u64 journal_blk, u64 left, u64 pos, void *buf,
		     int *error)
{
	const struct sosnap_disk_header *h = buf;
	u32 n, count;

	*error = io->ops->read(io, journal_blk + pos, 1, buf);
	if (*error ||
	    le32_to_cpu(h->magic) != SOSNAP_MAGIC_COMMIT ||
	    le64_to_cpu(h->blk) != journal_blk + pos ||
	    memcmp(h->uuid, io->uuid, sizeof(h->uuid)) || le64_to_cpu(h->gen) >= 1ULL << 62)
		return 0;
	count = le32_to_cpu(h->count);
	if (!count || count > SOSNAP_COMMIT_SLOTS)
		return 0;
	n = sosnap_commit_blocks(count);
	if (n > left)
		return 0;
	if (n > 1)
		*error = io->ops->read(io, journal_blk + pos, n, buf);
	if (*error)
		return 0;
	/* the device was read twice: believe only what the checksum covers */
	if (le32_to_cpu(h->count) != count || !sosnap_sealed(buf, sosnap_commit_bytes(count)))
		return 0;
	return n;
}

static int by_seq(const void *a, const void *b)
{
	const struct sosnap_salvage_commit *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/**
 * sosnap_salvage_commits() - find every whole commit in the journal
 * @io:             the device; its uuid is set
 * @journal_blk:    first block of the journal
 * @journal_blocks: its size
 * @tail_seq:       the number that its first commit should have, 0: not known
 * @commits:        set to an array, by number, to be kvfree()d
 * @nr:             set to how many
 * @bad:            NULL, or set to the last block that cannot be read, 0: none
 * Context: may sleep.
 * Return: 0 or -ENOMEM; what cannot be read is passed over.
 */
int sosnap_salvage_commits(struct sosnap_io *io, u64 journal_blk, u64 journal_blocks,
			   u64 tail_seq, struct sosnap_salvage_commit **commits, u32 *nr,
			   u64 *bad)
{
	void *buf = kvmalloc((size_t)SOSNAP_COMMIT_BLOCKS << SOSNAP_BLOCK_SHIFT, GFP_KERNEL);
	const struct sosnap_disk_header *h = buf;
	u64 pos = 0, found = 0, max = 0;
	int r = buf ? 0 : -ENOMEM, error;

	*commits = NULL;
	if (bad)
		*bad = 0;
	while (pos < journal_blocks && journal_blk + pos < io->nr_blocks && !r) {
		u64 left = min(journal_blocks - pos, io->nr_blocks - journal_blk - pos);
		u32 n = commit_at(io, journal_blk, left, pos, buf, &error);

		if (error && bad)
			*bad = journal_blk + pos;
		if (n) {
			r = salvage_room((void **)commits, found, &max, sizeof(**commits));
			if (!r)
				(*commits)[found++] = (struct sosnap_salvage_commit){
					.pos = pos, .seq = le64_to_cpu(h->gen), .blocks = n,
				};
		}
		pos += n ? n : 1;
		cond_resched();
	}
	kvfree(buf);
	if (found)
		sort(*commits, found, sizeof(**commits), by_seq, NULL);
	/* a number that no store reaches was not given out */
	while (found && (*commits)[found - 1].seq >= SALVAGE_MOST_GEN &&
	       (*commits)[found - 1].seq > tail_seq + journal_blocks)
		found--;
	*nr = found;
	return r;
}

struct apply {
	struct sosnap_salvage *s;
	struct sosnap_batch batch;	/* stays empty: only catalogue records go there */
	void *buf;
};

static const struct sosnap_disk_record *slots_of(const struct apply *a, u32 *nr)
{
	const struct sosnap_disk_header *h = a->buf;

	*nr = le32_to_cpu(h->count);
	return (const void *)(h + 1);
}

static bool load_commit(struct apply *a, const struct sosnap_salvage_commit *c)
{
	const struct sosnap_super *super = &a->s->meta.super;
	int error;

	return commit_at(a->s->io, super->journal_blk, c->blocks, c->pos, a->buf, &error) ==
	       c->blocks;
}

/* Whether the state has blocks of this commit: then it is merged. */
static bool is_merged(const struct apply *a)
{
	u64 blocks = a->s->meta.super.nr_blocks;
	u32 nr, i, k;
	const struct sosnap_disk_record *d = slots_of(a, &nr);

	for (i = 0; i < nr; i++) {
		u32 type = sosnap_record_type(&d[i]), len = le32_to_cpu(d[i].len);
		u64 store = le64_to_cpu(d[i].store);

		if (type == SOSNAP_RECORD_PUT)
			i += len;
		if (type != SOSNAP_RECORD_MAP || store >= blocks || len > blocks - store)
			continue;
		if (!salvage_spend(a->s, len)) {
			a->s->all_doubtful = true;
			a->s->result->shared_blocks += len;
		}
		for (k = 0; k < len && !a->s->all_doubtful; k++)
			if (salvage_is_kept(a->s, store + k))
				return true;
	}
	return false;
}

static int add_record(struct sosnap_salvage *s, const struct sosnap_disk_record *d)
{
	u64 blk = sosnap_record_blk(d), store = le64_to_cpu(d->store);
	u64 blocks = s->meta.super.nr_blocks;
	u32 len = le32_to_cpu(d->len);
	bool map = sosnap_record_type(d) == SOSNAP_RECORD_MAP;
	int r;

	if (!len || len > SOSNAP_MAX_EXTENT || !d->object || blk + len > SOSNAP_MAX_BLK ||
	    (map && (store >= blocks || len > blocks - store)))
		return 0;
	r = salvage_room((void **)&s->records.v, s->records.nr, &s->records.max,
			 sizeof(*s->records.v));
	if (r)
		return r;
	s->records.v[s->records.nr] = (struct salvage_claim){
		.object = le32_to_cpu(d->object), .blk = blk, .len = len,
		.store = map ? store : SOSNAP_STORE_ZERO, .order = s->records.nr,
	};
	s->records.nr++;
	return 0;
}

/* A record that makes no sense is passed over, and so is what cannot be told apart. */
static int apply_commit(struct apply *a)
{
	struct sosnap_salvage *s = a->s;
	u32 nr, i, n;
	const struct sosnap_disk_record *d = slots_of(a, &nr);
	int r = 0;

	for (i = 0; i < nr && !r; i += n) {
		u32 type = sosnap_record_type(&d[i]);

		n = 1;
		if (type == SOSNAP_RECORD_MAP || type == SOSNAP_RECORD_ZERO) {
			r = add_record(s, &d[i]);
			continue;
		}
		if (type == SOSNAP_RECORD_PUT && i + SOSNAP_PUT_SLOTS < nr)
			n += SOSNAP_PUT_SLOTS;
		r = sosnap_meta_apply(&s->meta, &a->batch, &d[i], n);
		if (!r && type == SOSNAP_RECORD_PUT) {
			struct sosnap_entry *e = sosnap_catalog_get(&s->meta.catalog,
								    le32_to_cpu(d[i].object),
								    sosnap_record_blk(&d[i]));
			/* what it counts is another matter */
			if (e && e->type != SOSNAP_CATALOG_OBJECT)
				e->fenced = false;
		}
		if (r == -EUCLEAN)
			r = 0;
	}
	return r;
}

/* The first commit that is not in the state. */
static u32 first_new(struct apply *a, const struct sosnap_salvage_commit *c, u32 nr)
{
	u32 i;

	if (!a->s->result->super_lost) {
		for (i = 0; i < nr && c[i].seq < a->s->meta.super.tail_seq; i++)
			;
		return i;
	}
	a->s->budget = SALVAGE_LAPS * a->s->meta.super.nr_blocks;
	for (i = nr; i > 0; i--)
		if (load_commit(a, &c[i - 1]) && is_merged(a))
			break;
	return i;
}

/* Without a superblock, numbers may be missing where the store was activated. */
static u64 missing(const struct sosnap_salvage *s, const struct sosnap_salvage_commit *c, u32 i,
		   u32 from)
{
	if (!s->result->super_lost)
		return c[i].seq - (i > from ? c[i - 1].seq + 1 : s->meta.super.tail_seq);
	if (i == from || !c[i].pos || c[i].pos == c[i - 1].pos + c[i - 1].blocks)
		return 0;
	return c[i].seq - c[i - 1].seq - 1;
}

static int apply_all(struct apply *a, const struct sosnap_salvage_commit *c, u32 nr)
{
	struct sosnap_salvage *s = a->s;
	u32 i, from = first_new(a, c, nr);
	int r = 0;

	s->tail_seq = from < nr ? c[from].seq : s->most_seq + 1;
	s->tail = from < nr ? c[from].pos : nr ? c[nr - 1].pos + c[nr - 1].blocks : 0;
	for (i = from; i < nr && !r; i++) {
		if (!load_commit(a, &c[i]))
			continue;
		r = apply_commit(a);
		s->result->commits++;
		s->result->lost_commits += missing(s, c, i, from);
		cond_resched();
	}
	return r;
}

static int find_bad(struct sosnap_salvage *s, void *buf)
{
	const struct sosnap_super *super = &s->meta.super;
	u64 blk;
	int r = 0;

	for (blk = super->journal_blk; blk < super->journal_blk + super->journal_blocks && !r;
	     blk++) {
		if (!s->io->ops->read(s->io, blk, 1, buf))
			continue;
		r = salvage_room((void **)&s->bad, s->nr_bad, &s->max_bad, sizeof(*s->bad));
		if (!r)
			s->bad[s->nr_bad++] = blk;
	}
	return r;
}

/* Whether a commit of this number or a later one may be here and cannot be read. */
static bool may_be_at(const struct apply *a, u64 pos, u64 seq)
{
	const struct sosnap_super *super = &a->s->meta.super;
	const struct sosnap_disk_header *h = a->buf;
	struct sosnap_io *io = a->s->io;
	int error;

	if (pos >= super->journal_blocks)
		return false;
	commit_at(io, super->journal_blk, super->journal_blocks - pos, pos, a->buf, &error);
	if (!error)
		return false;
	/* if only the rest of it is unreadable, its header says how old it is */
	return io->ops->read(io, super->journal_blk + pos, 1, a->buf) ||
	       le64_to_cpu(h->gen) >= seq;
}

/* A commit that nothing comes after: whether there was one is not known. */
static bool last_lost(const struct apply *a, const struct sosnap_salvage_commit *c, u32 nr)
{
	const struct sosnap_salvage *s = a->s;
	const struct sosnap_super *super = &s->meta.super;
	u64 head = super->tail, seq = super->tail_seq;

	if (!s->nr_bad)
		return false;
	if (s->result->super_lost)
		return !s->result->lost_commits;
	if (super->flags & SOSNAP_SUPER_CLEAN)
		return false;
	if (nr && c[nr - 1].seq >= seq) {
		head = c[nr - 1].pos + c[nr - 1].blocks;
		seq = c[nr - 1].seq + 1;
	}
	return may_be_at(a, head, seq) ||
	       (head + SOSNAP_COMMIT_BLOCKS > super->journal_blocks && may_be_at(a, 0, seq));
}

/**
 * salvage_journal_wipe() - what cannot be read of the journal is written
 * @s:  the journal was read
 * @io: the device, maybe by another way
 *
 * An activation reads where the next commit would be, and a device that can is what
 * most are again once a sector was written.
 * Context: may sleep.
 * Return: 0, -ENOMEM or the error of the device.
 */
int salvage_journal_wipe(const struct sosnap_salvage *s, struct sosnap_io *io)
{
	void *zero;
	u64 i;
	int r = 0;

	if (!s->nr_bad)
		return 0;
	zero = kzalloc(SOSNAP_BLOCK_SIZE, GFP_KERNEL);
	if (!zero)
		return -ENOMEM;
	for (i = 0; i < s->nr_bad && !r; i++)
		r = io->ops->write(io, s->bad[i], 1, zero);
	kfree(zero);
	return r;
}

/**
 * salvage_journal() - take the commits that come on top of the state
 * @s: the trees were walked; the catalogue is changed and records are filled
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int salvage_journal(struct sosnap_salvage *s)
{
	struct sosnap_super *super = &s->meta.super;
	u64 blocks = s->result->super_lost && !s->want->journal_blocks ?
		     min_t(u64, SOSNAP_MAX_JOURNAL, super->nr_blocks / 2) : super->journal_blocks;
	struct sosnap_salvage_commit *c;
	struct apply a = { .s = s };
	u64 end = 0, bad;
	u32 nr, i;
	int r = sosnap_salvage_commits(s->io, super->journal_blk, blocks,
				       s->result->super_lost ? 0 : super->tail_seq, &c, &nr, &bad);

	a.buf = kvmalloc((size_t)SOSNAP_COMMIT_BLOCKS << SOSNAP_BLOCK_SHIFT, GFP_KERNEL);
	if (!r && !a.buf)
		r = -ENOMEM;
	if (!r)
		r = sosnap_batch_init(&a.batch, 1);
	for (i = 0; i < nr && !r; i++)
		end = max(end, c[i].pos + c[i].blocks);
	if (!r)
		salvage_super_journal(s, end);
	if (!r && bad)
		r = find_bad(s, a.buf);
	s->most_seq = max(s->most_seq, super->tail_seq);
	if (nr)
		s->most_seq = max(s->most_seq, c[nr - 1].seq);
	if (!r)
		r = apply_all(&a, c, nr);
	if (!r)
		s->result->lost_commits += last_lost(&a, c, nr);
	sosnap_batch_exit(&a.batch);
	kvfree(a.buf);
	kvfree(c);
	return r;
}
