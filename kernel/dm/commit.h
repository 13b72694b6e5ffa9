/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commits: what makes first writes durable.
 *
 * A commit is one write of the open records to the journal with PREFLUSH|FUA:
 * data that ended before it is on media before its mapping is.
 *
 * C1  At most one commit is in flight.
 * C2  A flush that arrives while one is in flight joins the next: data may have
 *     ended after that commit's PREFLUSH.
 * C3  A flush completes when every record appended before it arrived is durable
 *     and the device has been flushed since.
 * C4  A flush with nothing open and nothing in flight is a plain flush.
 *
 * It is started from whatever context asks; only what cannot start at once
 * (one in flight, journal full) goes through the worker.
 */
#ifndef SOSNAP_COMMIT_H
#define SOSNAP_COMMIT_H

#include "types.h"

void sosnap_commit_prepare(struct sosnap_store *store);
int sosnap_commit_init(struct sosnap_store *store);
void sosnap_commit_idle(struct sosnap_store *store);
void sosnap_commit_exit(struct sosnap_store *store);
int sosnap_commit_flush(struct sosnap_store *store, struct bio *bio);
void sosnap_commit_join(struct sosnap_store *store, struct bio *bio);
int sosnap_commit_change(struct sosnap_store *store, struct sosnap_commit_request *rq);
void sosnap_commit_want(struct sosnap_store *store);
int sosnap_commit_sync(struct sosnap_store *store);

#endif /* SOSNAP_COMMIT_H */
