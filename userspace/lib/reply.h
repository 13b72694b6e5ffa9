/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lines that the module answers with, as uapi.h describes them. Fields that a
 * newer module adds at the end are ignored; a line that is not understood is
 * -EPROTO, and nothing is said.
 */
#ifndef SOSNAP_REPLY_H
#define SOSNAP_REPLY_H

#include "format.h"
#include "platform.h"

/* "list gold": <name> <sectors> <sample crc> <sha256> <snapshots> <ctime> */
struct sosnap_reply_gold {
	char name[SOSNAP_NAME_LEN];
	u64 sectors;
	u32 crc;
	char sha256[65];	/* "-": not known */
	u64 snapshots;
	u64 ctime;
};

/*
 * "list snapshot", "show": <id> <name> <sectors> <gold name> <changed blocks>
 *			<auto 0|1> <active 0|1> <ctime> <uuid> <state> <origin or -> <ancestors>
 *			<disposable 0|1> <read-only 0|1> <quota blocks> <reservation blocks>
 */
struct sosnap_reply_snapshot {
	u64 id;
	char name[SOSNAP_NAME_LEN];
	u64 sectors;
	char gold[SOSNAP_NAME_LEN];
	u64 blocks;
	bool auto_activate;
	bool active;
	u64 ctime;
	char uuid[37];
	char state[16];
	char origin[SOSNAP_NAME_LEN];	/* "-": it was made of the gold image */
	u64 ancestors;
	bool disposable;
	bool read_only;		/* it is set so; @state tells what it is now */
	u64 quota;		/* blocks, 0: none */
	u64 reservation;	/* the same */
	bool lossy;		/* not in the line, but by "list lossy" */
};

/*
 * Status of sosnap-store: <state> <name> <uuid> <used blocks> <total blocks>
 *	<data blocks> <metadata blocks> <reserved blocks> <journal blocks used>
 *	<journal blocks> <pending records> <generation> <snapshots> <golds>
 *	<map KiB> <removing blocks> <blocks it shrinks to, or 0>
 *	<blocks in use beyond that> <blocks kept for snapshots>
 */
struct sosnap_reply_store {
	char state[16];
	char name[SOSNAP_NAME_LEN];
	char uuid[37];
	u64 used;
	u64 total;
	u64 data;
	u64 metadata;
	u64 reserved;
	u64 journal_used;
	u64 journal;
	u64 pending;
	u64 generation;
	u64 snapshots;
	u64 golds;
	u64 map_kib;
	u64 removing;
	u64 shrinks_to;
	u64 beyond;
	u64 kept;		/* for reservations; not part of @reserved */
};

/*
 * Status of sosnap: <state> <name> <size sectors> <changed blocks> <gold name> <map KiB>
 *	<quota blocks> <reservation blocks>
 */
struct sosnap_reply_status {
	char state[16];
	char name[SOSNAP_NAME_LEN];
	u64 sectors;
	u64 blocks;
	char gold[SOSNAP_NAME_LEN];
	u64 map_kib;
	u64 quota;
	u64 reservation;
};

int sosnap_reply_parse_gold(const char *line, struct sosnap_reply_gold *g);
int sosnap_reply_parse_snapshot(const char *line, struct sosnap_reply_snapshot *s);
int sosnap_reply_parse_store(const char *line, struct sosnap_reply_store *s);
int sosnap_reply_parse_status(const char *line, struct sosnap_reply_status *s);

#endif /* SOSNAP_REPLY_H */
