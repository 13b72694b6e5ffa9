/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Words of the table lines, messages and status lines that module and tool
 * share. Sizes are in 512-byte sectors unless a name says blocks (4 KiB).
 *
 * Table lines
 *
 *	0 <sectors> sosnap-store <store device> [<#options> <option>...]
 *	0 <sectors> sosnap <store dm device> <snapshot id> <gold device>
 *
 * Options of sosnap-store
 *
 *	read_only			reads only; nothing is ever written
 *	error_if_no_space		first writes fail at once when the store is full
 *	queue_if_no_space		they wait for space ...
 *	no_space_timeout <seconds>	... this long (default 60, 0: for ever), then fail
 *	map_memory <MiB>		bound of the in-memory maps of all snapshots
 *	low_water <blocks>		an event when fewer blocks are free
 *	no_discard_passdown		do not pass freed blocks down as discards
 *
 * Messages to a sosnap-store device (sector 0). Those that change the store
 * are durable when they return. Names: see sosnap_name_valid().
 *
 *	gold_add <name> <sectors> <sample crc, 8 hex> <sha256, 64 hex or ->
 *	gold_remove <name>
 *	create <name> <gold name> <sectors> [<name> <gold name> <sectors>]...
 *					all or none; replies "<id>..." in order
 *	snapshot <name> <new name> [<name> <new name>]...
 *					all or none, at one point in time; active
 *					ones have to be suspended; replies "<id>..."
 *	refresh <name>			forget all changes; suspended, if it is active
 *	rollback <name> <other name>	look like the other one does now; both
 *					suspended, if they are active
 *	remove <name>...		not while active; space comes back in the
 *					background
 *	rename <name> <new name>
 *	resize <name> <sectors>		what it gains reads as zeros; while it is active
 *					the new size counts from the next table on
 *	set <name> auto 0|1		activate it with the store
 *	set <name> disposable 0|1	it may be removed when space runs out
 *	set <name> lossy 0|1		a repair could not find all that it had; 0: what
 *					is left is good enough
 *	set <name> read_only 0|1	it takes no writes, also while it is active,
 *					no resize, refresh or rollback
 *	set <name> quota <blocks>	it may own so many, 0: any number; suspended, if
 *					it is active and has none yet
 *	set <name> reservation <blocks>	others leave it so many, with those that it owns;
 *					0: none
 *	grow				use all of the device, which became larger;
 *					replies with the size now, in blocks
 *	shrink <blocks>			empty all beyond this size, for half a second;
 *					replies "<size now> <blocks in use beyond>".
 *					Asked again until the size is that, in blocks;
 *					0 gives up, and so does grow
 *	low_water <blocks>		as the option, until the next table; replies
 *					what data may still take, in blocks
 *	list disposable, list lossy	names, oldest first
 *	list gold | list snapshot	one line each, see below
 *	list snapshot <id>		from this id on, as many as one answer
 *					holds; then, if there are others, a line
 *					"more <id>" with the first of them
 *	show <name>			the line of one snapshot
 *	commit				make everything acknowledged durable
 *	checkpoint			and merge it into the trees
 *	drop_maps			evict every clean part of every map
 *	stats				"<name>=<number>" lines
 *
 *	list gold:	<name> <sectors> <sample crc> <sha256> <snapshots> <ctime>
 *	list snapshot:	<id> <name> <sectors> <gold name> <changed blocks>
 *			<auto 0|1> <active 0|1> <ctime> <uuid> <state>
 *			<name of the snapshot it was taken of, or -> <ancestors>
 *			<disposable 0|1> <read-only 0|1> <quota blocks, 0: none>
 *			<reservation blocks, 0: none>
 *
 * Status (dmsetup status)
 *
 *	sosnap-store: <state> <name> <uuid> <used blocks> <total blocks>
 *		<data blocks> <metadata blocks> <reserved blocks>
 *		<journal blocks used> <journal blocks> <pending records>
 *		<generation> <snapshots> <golds> <map KiB> <removing blocks>
 *		<blocks it shrinks to, or 0> <blocks in use beyond that>
 *		<blocks kept for snapshots with a reservation, and their
 *		metadata>
 *	   state: rw, ro, full (first writes wait or fail), failed (a metadata
 *	   write failed; reads go on)
 *	   used: data + metadata. reserved: what only a checkpoint may take
 *
 *	sosnap: <state> <name> <size sectors> <changed blocks> <gold name> <map KiB>
 *		<quota blocks, 0: none> <reservation blocks, 0: none>
 *	   state: rw, ro, fenced (its metadata is damaged)
 */
#ifndef SOSNAP_UAPI_H
#define SOSNAP_UAPI_H

#include "platform.h"
#include "format.h"

#define SOSNAP_TARGET_STORE	"sosnap-store"
#define SOSNAP_TARGET_SNAPSHOT	"sosnap"
#define SOSNAP_DM_UUID_PREFIX	"SOSNAP-"	/* SOSNAP-<store uuid>[-<snapshot id>] */

bool sosnap_name_valid(const char *name);

#endif /* SOSNAP_UAPI_H */
