/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A line on a terminal that tells how far long work has come; nothing when
 * stderr is not a terminal or with --quiet.
 */
#ifndef SOSNAP_PROGRESS_H
#define SOSNAP_PROGRESS_H

#include <time.h>

#include "platform.h"

struct sosnap_progress {
	const char *what;
	u64 total;
	struct timespec start;
	struct timespec shown;
	bool on;
};

void sosnap_progress_start(struct sosnap_progress *p, const char *what, u64 total);
void sosnap_progress_show(struct sosnap_progress *p, u64 done);
void sosnap_progress_end(struct sosnap_progress *p);

#endif /* SOSNAP_PROGRESS_H */
