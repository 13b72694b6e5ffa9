// SPDX-License-Identifier: GPL-2.0
/*
 * metrics - print the metrics of two stores that there are not, by the tool's
 * own code, so that their format can be tested without the module.
 */
#include "lib/metrics.h"
#include "lib/reply.h"

static const char *const stores[] = {
	"rw s-1 a0a5f3a1-0000-4000-8000-000000000001 1000 10000 900 100 64 3 256 7 12 2 1 44 0 0 0 80",
	/* by a module that knows no reservations */
	"full b 00000000-0000-4000-8000-00000000000b 2 2 1 1 0 0 1 0 1 1 1 0 5 0 0",
};

static const char *const snaps[][2] = {
	{ "1 web-1 2097152 debian 40 1 1 1700000000 a0a5f3a1-0000-4000-8000-0000000000aa rw - 0 0 0 0",
	  "2 web+2 8 debian 0 0 0 1700000000 a0a5f3a1-0000-4000-8000-0000000000ab inactive web-1 1 1 0 2048 1024" },
	{ "9 x 4096 g 512 0 1 0 a0a5f3a1-0000-4000-8000-0000000000ac fenced - 0 0 0 0" },
};

int main(void)
{
	struct sosnap_reply_snapshot list[2][2] = { };
	struct sosnap_measured m[2] = { };

	for (int i = 0; i < 2; i++) {
		if (sosnap_reply_parse_store(stores[i], &m[i].store.st))
			return 1;
		for (int k = 0; k < 2 && snaps[i][k]; k++, m[i].nr++)
			if (sosnap_reply_parse_snapshot(snaps[i][k], &list[i][k]))
				return 1;
		m[i].snaps = list[i];
	}
	sosnap_metrics_print(stdout, m, 2);
	return ferror(stdout);
}
