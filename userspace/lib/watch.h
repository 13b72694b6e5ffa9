/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table of all active stores and snapshots with what they do, again and
 * again. On a terminal it stays in place; elsewhere each follows the one before.
 */
#ifndef SOSNAP_WATCH_H
#define SOSNAP_WATCH_H

#include "platform.h"

/**
 * sosnap_watch() - show it until interrupted
 * @seconds: between two tables
 * @times:   tables, 0: for ever
 * Return: 0, or -errno after saying why; a closed pipe is an end like any other.
 */
int sosnap_watch(u64 seconds, u64 times);

#endif /* SOSNAP_WATCH_H */
