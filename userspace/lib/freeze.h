/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshots that are held still for a moment, so that what the store is told
 * meanwhile is about one point in time of all of them.
 *
 * Between begin and end the signals that would end the tool wait: a guest whose
 * disk stays suspended hangs. One that a killed tool left suspended goes on by
 * 'sosnap activate', or 'dmsetup resume'.
 */
#ifndef SOSNAP_FREEZE_H
#define SOSNAP_FREEZE_H

#include <signal.h>

#include "lib/snap.h"

/**
 * struct sosnap_freeze - what is held
 * @names: of devices that were suspended
 * @nr:    how many
 * @mask:  signals that were blocked before
 */
struct sosnap_freeze {
	char (*names)[SOSNAP_DM_NAME];
	size_t nr;
	sigset_t mask;
};

/*
 * Suspends those of the snapshots that are active; names given twice are fine. On
 * failure, which it says, nothing is held.
 */
int sosnap_freeze_begin(struct sosnap_freeze *f, const struct sosnap_store *store,
			const struct sosnap_reply_snapshot *const *snaps, size_t nr);

/* Resumes all of them, in any case; says what went wrong */
int sosnap_freeze_end(struct sosnap_freeze *f);

#endif /* SOSNAP_FREEZE_H */
