/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration of the monitor: what it may do to which store.
 *
 *	[vms]				# a store, or * for all others
 *	high_watermark = 80		# percent; act when more is in use
 *	grow_by = 10G			# make its device larger by so much ...
 *	max_size = 200G			# ... up to so much
 *	remove_disposable = yes		# then remove disposable snapshots
 */
#ifndef SOSNAP_MONCONF_H
#define SOSNAP_MONCONF_H

#include "format.h"
#include "platform.h"

#define SOSNAP_MONCONF_HIGH 80	/* percent, if nothing is said */

/**
 * struct sosnap_policy - what may be done
 * @store:     whose, "*": of all that have none
 * @high:      percent
 * @grow_by:   bytes, 0: the device is left alone
 * @max_size:  bytes, of the device
 * @disposable: snapshots that are marked so, and inactive, may be removed
 */
struct sosnap_policy {
	char store[SOSNAP_NAME_LEN];
	u64 high;
	u64 grow_by;
	u64 max_size;
	bool disposable;
};

struct sosnap_monconf {
	struct sosnap_policy *v;
	size_t nr;
};

/*
 * Reads it. One that does not exist is empty, unless it @must. Says what is wrong,
 * with the line; then @conf is empty.
 */
int sosnap_monconf_read(const char *path, bool must, struct sosnap_monconf *conf);
void sosnap_monconf_free(struct sosnap_monconf *conf);

/* The policy of a store; one that only watches when there is none */
struct sosnap_policy sosnap_monconf_policy(const struct sosnap_monconf *conf, const char *store);

#endif /* SOSNAP_MONCONF_H */
