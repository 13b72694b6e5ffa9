/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of the catalogue, as an administrator asks for them: verified first,
 * then applied to the catalogue in memory and written down as records. The
 * caller commits the records as one; until then a crash forgets the change.
 *
 * Typical use, under the meta lock:
 *
 *	sosnap_change_init(&c, m, why, sizeof(why));
 *	r = sosnap_change_create(&c, "vm1", "debian", sectors, uuid, now, &id);
 *	if (!r) commit c.slots, c.nr
 *	sosnap_change_exit(&c);
 *
 * A call that fails has changed nothing, and c.why holds the sentence to show.
 */
#ifndef SOSNAP_CHANGE_H
#define SOSNAP_CHANGE_H

#include "meta.h"

/**
 * struct sosnap_change - a change under way
 * @m:     the metadata
 * @seq:   its commit has this number at most
 * @slots: its records
 * @nr:    how many slots they fill
 * @max:   how many there is room for
 * @why:   the sentence, when it is refused
 * @why_bytes: room for that
 */
struct sosnap_change {
	struct sosnap_meta *m;
	u64 seq;
	struct sosnap_disk_record *slots;
	u32 nr;
	u32 max;
	char *why;
	size_t why_bytes;
};

/* One snapshot to be made. @id is set. */
struct sosnap_create {
	const char *name;
	const char *gold;
	u64 sectors;
	u8 uuid[16];
	u32 id;
};

/*
 * One snapshot of a snapshot to be made. @merged: the trees know all records of
 * @origin, so that whether it has changes can be told. @id is set.
 */
struct sosnap_pair {
	const char *origin;
	const char *name;
	u8 uuid[16];
	bool merged;
	u32 id;
};

void sosnap_change_init(struct sosnap_change *c, struct sosnap_meta *m, char *why,
			size_t why_bytes);
void sosnap_change_exit(struct sosnap_change *c);

int sosnap_change_room(struct sosnap_change *c, u32 puts);
int sosnap_change_gold_add(struct sosnap_change *c, const char *name, u64 sectors,
			   u32 sample_crc, const u8 *sha256, u64 now);
int sosnap_change_gold_remove(struct sosnap_change *c, const char *name);
int sosnap_change_create(struct sosnap_change *c, struct sosnap_create *list, u32 nr, u64 now);
int sosnap_change_remove(struct sosnap_change *c, const char *name);
int sosnap_change_rename(struct sosnap_change *c, const char *name, const char *to);
int sosnap_change_set_auto(struct sosnap_change *c, const char *name, bool on);
int sosnap_change_set_flag(struct sosnap_change *c, const char *name, u32 flag, bool on);
int sosnap_change_set_quota(struct sosnap_change *c, const char *name, u64 blocks);
int sosnap_change_set_reservation(struct sosnap_change *c, const char *name, u64 blocks);
int sosnap_change_resize_check(const struct sosnap_catalog *c,
			       const struct sosnap_disk_snapshot *s, u64 to, char *why,
			       size_t why_bytes);
int sosnap_change_resize(struct sosnap_change *c, const char *name, u64 to);

int sosnap_change_snapshot(struct sosnap_change *c, struct sosnap_pair *list, u32 nr, u64 now);
int sosnap_change_refresh(struct sosnap_change *c, const char *name, u64 now);
int sosnap_change_rollback(struct sosnap_change *c, const char *name, const char *to,
			   bool merged, u64 now);

#endif /* SOSNAP_CHANGE_H */
