/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Commands. Each is one file in cmds/ that defines one struct sosnap_cmd; all of
 * them stand in the table of main.c. Help, usage errors and (by 'sosnap help
 * --json') documentation and completion come from there.
 */
#ifndef SOSNAP_CMD_H
#define SOSNAP_CMD_H

#include "lib/args.h"
#include "lib/report.h"

#define SOSNAP_CMD_JSON		0x1	/* prints something: takes --json */
#define SOSNAP_CMD_DRY_RUN	0x2	/* changes something: takes --dry-run */
#define SOSNAP_CMD_ASKS		0x4	/* destroys something: takes --yes */
#define SOSNAP_CMD_CHECK	0x8	/* exit codes of enum sosnap_exit_check */

/**
 * struct sosnap_cmd - one command
 * @name:     its words
 * @usage:    its arguments
 * @help:     what it does, one line
 * @text:     more about it, or NULL
 * @options:  its own options, ended by a NULL name, or NULL
 * @flags:    SOSNAP_CMD_*
 * @min:      fewest arguments
 * @max:      most, -1: any number
 * @fn:       does it; returns the exit code
 */
struct sosnap_cmd {
	const char *name;
	const char *usage;
	const char *help;
	const char *text;
	const struct sosnap_opt *options;
	u32 flags;
	int min;
	int max;
	int (*fn)(const struct sosnap_args *args);
};

/* Exit code for the result of a library function */
static inline int sosnap_exit_code(int r)
{
	return r ? SOSNAP_EXIT_FAILED : SOSNAP_EXIT_OK;
}

extern const struct sosnap_cmd sosnap_cmd_activate;
extern const struct sosnap_cmd sosnap_cmd_create;
extern const struct sosnap_cmd sosnap_cmd_deactivate;
extern const struct sosnap_cmd sosnap_cmd_gold_add;
extern const struct sosnap_cmd sosnap_cmd_gold_list;
extern const struct sosnap_cmd sosnap_cmd_gold_remove;
extern const struct sosnap_cmd sosnap_cmd_gold_verify;
extern const struct sosnap_cmd sosnap_cmd_list;
extern const struct sosnap_cmd sosnap_cmd_monitor;
extern const struct sosnap_cmd sosnap_cmd_probe;
extern const struct sosnap_cmd sosnap_cmd_refresh;
extern const struct sosnap_cmd sosnap_cmd_remove;
extern const struct sosnap_cmd sosnap_cmd_rename;
extern const struct sosnap_cmd sosnap_cmd_resize;
extern const struct sosnap_cmd sosnap_cmd_rollback;
extern const struct sosnap_cmd sosnap_cmd_set;
extern const struct sosnap_cmd sosnap_cmd_snapshot;
extern const struct sosnap_cmd sosnap_cmd_status;
extern const struct sosnap_cmd sosnap_cmd_store_activate;
extern const struct sosnap_cmd sosnap_cmd_store_check;
extern const struct sosnap_cmd sosnap_cmd_store_create;
extern const struct sosnap_cmd sosnap_cmd_store_deactivate;
extern const struct sosnap_cmd sosnap_cmd_store_dump;
extern const struct sosnap_cmd sosnap_cmd_store_grow;
extern const struct sosnap_cmd sosnap_cmd_store_list;
extern const struct sosnap_cmd sosnap_cmd_store_repair;
extern const struct sosnap_cmd sosnap_cmd_store_restore;
extern const struct sosnap_cmd sosnap_cmd_store_shrink;
extern const struct sosnap_cmd sosnap_cmd_store_status;

#endif /* SOSNAP_CMD_H */
