/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stores and snapshots as Prometheus reads them (text format 0.0.4), for the
 * textfile collector of node_exporter. One table holds name, type and help of
 * each metric; Documentation/json.md lists them.
 */
#ifndef SOSNAP_METRICS_H
#define SOSNAP_METRICS_H

#include "lib/store.h"

/**
 * struct sosnap_measured - an active store and its snapshots
 * @store: its status
 * @snaps: all of its snapshots
 * @nr:    how many
 */
struct sosnap_measured {
	struct sosnap_store store;
	struct sosnap_reply_snapshot *snaps;
	size_t nr;
};

/* All active stores, to be freed by the other; says why it failed */
int sosnap_measure(struct sosnap_measured **m, size_t *nr);
void sosnap_measured_free(struct sosnap_measured *m, size_t nr);

void sosnap_metrics_print(FILE *f, const struct sosnap_measured *m, size_t nr);

#endif /* SOSNAP_METRICS_H */
