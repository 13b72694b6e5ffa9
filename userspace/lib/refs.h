/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A list of <store>/<snapshot> arguments, taken store by store.
 */
#ifndef SOSNAP_REFS_H
#define SOSNAP_REFS_H

#include "lib/store.h"

/* One store and the names given for it; returns 0, or an error that ends it */
typedef int (*sosnap_refs_fn)(const struct sosnap_store *store, const char *const *names,
			      size_t nr, void *ctx);

/*
 * Calls @fn once a store. Before the first call every argument was well formed,
 * none given twice, and every store active.
 */
int sosnap_refs_each(char **args, int nr, sosnap_refs_fn fn, void *ctx);

#endif /* SOSNAP_REFS_H */
