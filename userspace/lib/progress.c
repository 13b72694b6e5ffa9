// SPDX-License-Identifier: GPL-2.0
#include "lib/progress.h"

#include <unistd.h>

#include "lib/report.h"
#include "lib/text.h"
#include "lib/units.h"

static double seconds(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) +
	       (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

void sosnap_progress_start(struct sosnap_progress *p, const char *what, u64 total)
{
	p->what = what;
	p->total = total;
	p->on = isatty(STDERR_FILENO) && !sosnap_options.quiet && total;
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->shown = p->start;
}

void sosnap_progress_show(struct sosnap_progress *p, u64 done)
{
	char have[SOSNAP_UNITS_LEN], all[SOSNAP_UNITS_LEN], speed[SOSNAP_UNITS_LEN];
	struct timespec now;
	double t;

	if (!p->on)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (seconds(&p->shown, &now) < 0.2)
		return;
	p->shown = now;
	t = seconds(&p->start, &now);
	fputc('\r', stderr);
	sosnap_text_put(stderr, p->what);
	fprintf(stderr, ": %llu%%, %s of %s, %s/s\033[K",
		(unsigned long long)sosnap_units_share(done, p->total) / 100,
		sosnap_units_format(done, have), sosnap_units_format(p->total, all),
		sosnap_units_format((u64)((double)done / t), speed));
	fflush(stderr);
}

void sosnap_progress_end(struct sosnap_progress *p)
{
	if (p->on)
		fputs("\r\033[K", stderr);
}
