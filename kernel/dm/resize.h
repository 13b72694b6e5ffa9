/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Other sizes for snapshots.
 *
 * Z1  What a snapshot gains reads as zeros: the record that says so is in the
 *     trees before the catalogue has the new size. So what was cut off, at any
 *     time, and whatever its ancestors or the gold image have there, never shows.
 *     No map knows of that record; so it is refused while a table that reaches
 *     beyond the old size is in force, whose map has blocks there that it frees.
 * Z2  A table has the size that the catalogue had when it was loaded. It goes on
 *     working when the catalogue's changes; a new one needs the new size.
 * Z3  snap->sectors and the depth of snap->map change in the resume of a table
 *     of another length only, when no I/O of the snapshot is under way. The map
 *     is loaded anew then, from trees that know everything of the old one.
 * Z4  What a smaller snapshot has lost is freed when no table reaches it: at once
 *     if none is active, else in the resume of the smaller table. A crash before
 *     leaves blocks that nobody sees; the same message again frees them, or Z1.
 *
 * A kill between message, load and resume leaves the old table in force, which
 * can be suspended and resumed as ever (Z2).
 */
#ifndef SOSNAP_RESIZE_H
#define SOSNAP_RESIZE_H

#include "types.h"

bool sosnap_resize_out_of_reach(struct sosnap_store *store, u32 id, u64 sectors);
int sosnap_resize_zero(struct sosnap_store *store, u32 id, u64 from, u64 to);
int sosnap_resize_cut(struct sosnap_store *store, u32 id, u64 sectors);
int sosnap_resize_apply(struct sosnap_snap *snap, u64 sectors);

#endif /* SOSNAP_RESIZE_H */
