/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ancestry: which cache objects are read through, and by whom.
 *
 * Taking a snapshot of a snapshot freezes the origin's top object and puts an
 * empty one on it for the origin, and one for each new snapshot. A lookup asks
 * the top first, then its parent, and so on to the gold image.
 *
 * L1  A parent is older than its children: its id is lower. So chains end.
 * L2  An object with children is frozen: no record of it is logged after the
 *     commit that froze it, but of moves (evacuate.h), which change no content.
 * L3  What is neither frozen nor dying is the top of exactly one snapshot, and
 *     a snapshot's top is that.
 * L4  An object is *live* if some snapshot reads through it: if it is a top, or
 *     is frozen and has a live child. What is not live is dropped (reap.h).
 * L5  A frozen object gets a further child only while it has two live ones. So
 *     one that has come down to a single child, its *heir*, keeps that for good,
 *     and may be merged into it step by step.
 *
 * Nothing of this is kept on media but parents and flags: who is live and who
 * has an heir follows, so a crash cannot make them disagree.
 */
#ifndef SOSNAP_LINEAGE_H
#define SOSNAP_LINEAGE_H

#include "catalog.h"
#include "platform.h"

#define SOSNAP_MAX_CHAIN	256U	/* objects that a snapshot reads through */

void sosnap_lineage_count(struct sosnap_catalog *c);
u32 sosnap_lineage_depth(const struct sosnap_catalog *c, u32 object);

static inline bool sosnap_object_is(const struct sosnap_entry *e, u32 flag)
{
	return le32_to_cpu(e->item.object.flags) & flag;
}

/* L4, after sosnap_lineage_count() */
static inline bool sosnap_object_live(const struct sosnap_entry *e)
{
	return !sosnap_object_is(e, SOSNAP_OBJECT_DYING) &&
	       (!sosnap_object_is(e, SOSNAP_OBJECT_FROZEN) || e->children);
}

#endif /* SOSNAP_LINEAGE_H */
