/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many blocks a snapshot owns, whether it may have more, and how many are kept
 * for it that it does not own yet.
 *
 * What is counted is what its top object holds: blocks that it has written since
 * it was made, or since a snapshot was taken of it. That is what a list shows as
 * changed. A frozen ancestor is nobody's: when a merge brings its blocks back to
 * the one snapshot that is left, they count again, even beyond the quota, and
 * first writes wait for the count to come down.
 *
 * The count has four parts: what the trees say; what the records that a checkpoint
 * is just merging change; what later records change; and first writes in flight
 * of a snapshot with a quota, which are claimed before they are sent.
 *
 * O1  The sum is never less than what the object holds, or will when the first
 *     writes in flight have ended. It is more only by what was discarded, since the
 *     last checkpoint, where the map in memory did not know who owns the blocks.
 * O2  A claim never takes the sum beyond the quota. So at each point of the log,
 *     and after a crash at any, no more is owned than that.
 * O3  A checkpoint of the commits up to one takes over what records of those have
 *     changed, and nothing else: records of later ones keep their share.
 *
 * O4  What is kept for a snapshot with a reservation is what it lacks of that; the sum
 *     over all snapshots follows each change. Since a claim lowers it, and none of
 *     what is owned is free, a block that the snapshot gets costs nobody else anything.
 *
 * O3 needs no more than two older states of the sum: a commit is in flight at
 * most when records of the next are logged, so what was logged before both is
 * durable.
 *
 * Typical use, for each first write:
 *
 *	n = sosnap_own_claim(o, n);	n may be less, 0 is no-space
 *	write n blocks
 *	sosnap_own_record(o, seq, n, n) on success, else sosnap_own_unclaim(o, n)
 *
 * Locking: one lock of the caller around every call.
 */
#ifndef SOSNAP_OWN_H
#define SOSNAP_OWN_H

#include "format.h"
#include "platform.h"

/**
 * struct sosnap_own - see above
 * @blocks:  in the trees
 * @merging: what records change that a checkpoint is merging
 * @delta:   what later records change
 * @claimed: first writes in flight
 * @quota:   blocks, 0: none
 * @logged:  commit of the last record
 * @base:    @delta before the first record of that commit
 * @older:   the commit of the last record before that
 * @older_base: @delta before its first record
 * @reservation: blocks, 0: none
 * @kept:   free blocks that others leave for it
 * @sum:    @kept of all snapshots of the store, when there is a reservation
 */
struct sosnap_own {
	u64 blocks;
	s64 merging;
	s64 delta;
	u64 claimed;
	u64 quota;
	u64 logged;
	s64 base;
	u64 older;
	s64 older_base;
	u64 reservation;
	u64 kept;
	u64 *sum;
};

/**
 * sosnap_own_lacks() - what a snapshot lacks
 * @reservation: how many blocks it shall have
 * @owned:       how many it has
 * Context: any.
 * Return: blocks.
 */
static inline u64 sosnap_own_lacks(u64 reservation, u64 owned)
{
	return reservation > owned ? reservation - owned : 0;
}

/**
 * sosnap_own_metadata() - what is kept for the metadata of a reservation
 * @reservation: blocks
 *
 * Each may become a record, two items in leaves that hold 84 at least, and both a
 * leaf and its copy: less than a 16th of a block. The rest is for what others may
 * take though there is no space for data any more: half of what discards have. It is
 * kept whether it is in use or not: else what a snapshot discards, and needs more
 * metadata for then, would not be there.
 * Context: any.
 * Return: blocks.
 */
static inline u64 sosnap_own_metadata(u64 reservation)
{
	return reservation ? reservation / 16 + 64 : 0;
}

/**
 * sosnap_own_count() - blocks that are owned
 * @o: the count
 * Return: without those in flight, as a list shows it.
 */
static inline u64 sosnap_own_count(const struct sosnap_own *o)
{
	s64 n = (s64)o->blocks + o->merging + o->delta;

	/* what was read from media may be wrong */
	return n > 0 ? n : 0;
}

static inline void sosnap_own_follow(struct sosnap_own *o)
{
	u64 kept;

	if (!o->reservation)
		return;
	kept = sosnap_own_lacks(o->reservation, sosnap_own_count(o) + o->claimed);
	/* others look at both without the lock */
	WRITE_ONCE(*o->sum, *o->sum + kept - o->kept);
	WRITE_ONCE(o->kept, kept);
}

/**
 * sosnap_own_reserve() - others must leave so many blocks
 * @o:           the count
 * @reservation: 0: none any more
 * @sum:         what all of them leave
 */
static inline void sosnap_own_reserve(struct sosnap_own *o, u64 reservation, u64 *sum)
{
	WRITE_ONCE(*sum, *sum - o->kept);
	WRITE_ONCE(o->kept, 0);
	WRITE_ONCE(o->reservation, reservation);
	o->sum = sum;
	sosnap_own_follow(o);
}

/**
 * sosnap_own_room() - how many more may be owned
 * @o: the count
 * Return: blocks, U64_MAX without a quota.
 */
static inline u64 sosnap_own_room(const struct sosnap_own *o)
{
	u64 used = sosnap_own_count(o) + o->claimed;

	if (!o->quota)
		return U64_MAX;
	return o->quota > used ? o->quota - used : 0;
}

/**
 * sosnap_own_claim() - a first write is about to be sent
 * @o: the count
 * @n: blocks that it wants
 * Return: how many it may have.
 */
static inline u32 sosnap_own_claim(struct sosnap_own *o, u32 n)
{
	n = min_t(u64, n, sosnap_own_room(o));
	o->claimed += n;
	sosnap_own_follow(o);
	return n;
}

/**
 * sosnap_own_unclaim() - it was not sent, or has failed
 * @o: the count
 * @n: of the blocks that were claimed
 */
static inline void sosnap_own_unclaim(struct sosnap_own *o, u32 n)
{
	o->claimed -= n;
	sosnap_own_follow(o);
}

/**
 * sosnap_own_record() - a record is logged
 * @o:       the count
 * @seq:     commit that it will be in, no older one than that of the last record
 * @delta:   what it changes
 * @claimed: of that, blocks that were claimed for it
 */
static inline void sosnap_own_record(struct sosnap_own *o, u64 seq, s64 delta, u32 claimed)
{
	if (o->logged != seq) {
		o->older = o->logged;
		o->older_base = o->base;
		o->logged = seq;
		o->base = o->delta;
	}
	o->delta += delta;
	o->claimed -= claimed;
	sosnap_own_follow(o);
}

/**
 * sosnap_own_merge() - a checkpoint takes records over
 * @o:   the count
 * @seq: those of commits up to this one, which is durable
 */
static inline void sosnap_own_merge(struct sosnap_own *o, u64 seq)
{
	s64 upto = o->logged <= seq ? o->delta : o->older <= seq ? o->base : o->older_base;

	o->merging += upto;
	o->delta -= upto;
	o->base -= upto;
	o->older_base -= upto;
}

/**
 * sosnap_own_merged() - it has ended
 * @o:      the count
 * @blocks: what the trees say now
 */
static inline void sosnap_own_merged(struct sosnap_own *o, u64 blocks)
{
	o->blocks = blocks;
	o->merging = 0;
	sosnap_own_follow(o);
}

/**
 * sosnap_own_new_top() - records go to another object from now on
 * @o:      the count; nothing is in flight
 * @blocks: what the trees say of that
 */
static inline void sosnap_own_new_top(struct sosnap_own *o, u64 blocks)
{
	o->delta = 0;
	o->base = 0;
	o->older_base = 0;
	sosnap_own_merged(o, blocks);
}

#endif /* SOSNAP_OWN_H */
