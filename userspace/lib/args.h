/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command-line arguments, parsed by tables. Options may stand anywhere, as
 * "--name value" or "--name=value"; "--" ends them. An option either always
 * takes a value or never does.
 */
#ifndef SOSNAP_ARGS_H
#define SOSNAP_ARGS_H

#include "platform.h"

#define SOSNAP_ARGS_OPTIONS 12	/* most options of one command */

/**
 * struct sosnap_opt - one option
 * @name:     without the dashes; the table ends with NULL
 * @value:    what it takes, for the usage ("<size>"); NULL: nothing
 * @help:     one line
 * @excludes: bit mask of the options of the table that it cannot stand with
 */
struct sosnap_opt {
	const char *name;
	const char *value;
	const char *help;
	u32 excludes;
};

/**
 * struct sosnap_args - what was given
 * @command: name of the command
 * @opt:     by place in the table: the value, "" for an option without one,
 *           NULL when it was not given
 * @arg:     the other arguments
 * @nr:      how many
 */
struct sosnap_args {
	const char *command;
	const char *opt[SOSNAP_ARGS_OPTIONS];
	char **arg;
	int nr;
};

/**
 * sosnap_args_parse() - sort out the arguments of a command
 * @a:      filled; @a->command is set, for the errors
 * @opts:   its own options
 * @common: options of all commands, or NULL; their values go to @got
 * @got:    as @a->opt for @common
 * @argc:   number of @argv
 * @argv:   what follows the command; reordered
 * Return: 0, or -EINVAL after saying why.
 */
int sosnap_args_parse(struct sosnap_args *a, const struct sosnap_opt *opts,
		      const struct sosnap_opt *common, const char **got, int argc,
		      char **argv);

#endif /* SOSNAP_ARGS_H */
