/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the user asked for in general, and how things are said to the user.
 *
 * Errors are one sentence on stderr that names the object and the remedy. Every
 * function of lib/ that returns a negative errno has said why, unless its
 * header says otherwise; callers only pass it on.
 */
#ifndef SOSNAP_REPORT_H
#define SOSNAP_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes of every command but the check of a store ... */
enum sosnap_exit {
	SOSNAP_EXIT_OK = 0,
	SOSNAP_EXIT_FAILED = 1,
	SOSNAP_EXIT_USAGE = 2,
};

/* ... and of its repair, which answer as fsck(8) does */
enum sosnap_exit_check {
	SOSNAP_CHECK_CLEAN = 0,
	SOSNAP_CHECK_MENDED = 1,
	SOSNAP_CHECK_DAMAGED = 4,
	SOSNAP_CHECK_FAILED = 8,
	SOSNAP_CHECK_USAGE = 16,
};

/**
 * struct sosnap_options - options that every command may be given
 * @json:    print JSON
 * @dry_run: say what would be done, change nothing
 * @yes:     do not ask
 * @quiet:   neither progress nor what was done
 */
struct sosnap_options {
	bool json;
	bool dry_run;
	bool yes;
	bool quiet;
};

extern struct sosnap_options sosnap_options;

void sosnap_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sosnap_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What was done; on stdout, in text mode only */
void sosnap_done(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Asks on the terminal; without one only --yes agrees, and an error is said */
bool sosnap_confirm(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void sosnap_die_memory(void) __attribute__((noreturn));
void *sosnap_alloc(size_t n, size_t size);
char *sosnap_strdup(const char *s);
char *sosnap_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* SOSNAP_REPORT_H */
