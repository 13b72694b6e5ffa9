/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The manual page and the completion for bash, made from the table of commands:
 * what a command is added with appears in both.
 */
#ifndef SOSNAP_MANUAL_H
#define SOSNAP_MANUAL_H

#include "cmd.h"

/**
 * struct sosnap_table - all that the tool takes
 * @cmds:    the commands
 * @nr:      how many
 * @common:  options of several commands, ended by a NULL name
 * @has:     whether a command takes one of them, by its place
 * @version: of the tool
 * @date:    of that
 */
struct sosnap_table {
	const struct sosnap_cmd *const *cmds;
	size_t nr;
	const struct sosnap_opt *common;
	bool (*has)(const struct sosnap_cmd *cmd, int common);
	const char *version;
	const char *date;
};

/* sosnap(8), for man and mandoc */
void sosnap_manual_page(const struct sosnap_table *t);

/* Shell code for /usr/share/bash-completion/completions */
void sosnap_manual_completion(const struct sosnap_table *t);

#endif /* SOSNAP_MANUAL_H */
