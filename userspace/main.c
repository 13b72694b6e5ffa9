// SPDX-License-Identifier: GPL-2.0
/*
 * The table of commands, and the way from the arguments to one of them.
 */
#include <ctype.h>
#include <locale.h>

#include "cmd.h"
#include "lib/out.h"
#include "manual.h"

#define TOOL_VERSION "0.1"
#define TOOL_DATE "2026-11-25"

/* Sorted by name */
static const struct sosnap_cmd *const commands[] = {
	&sosnap_cmd_activate,
	&sosnap_cmd_create,
	&sosnap_cmd_deactivate,
	&sosnap_cmd_gold_add,
	&sosnap_cmd_gold_list,
	&sosnap_cmd_gold_remove,
	&sosnap_cmd_gold_verify,
	&sosnap_cmd_list,
	&sosnap_cmd_monitor,
	&sosnap_cmd_probe,
	&sosnap_cmd_refresh,
	&sosnap_cmd_remove,
	&sosnap_cmd_rename,
	&sosnap_cmd_resize,
	&sosnap_cmd_rollback,
	&sosnap_cmd_set,
	&sosnap_cmd_snapshot,
	&sosnap_cmd_status,
	&sosnap_cmd_store_activate,
	&sosnap_cmd_store_check,
	&sosnap_cmd_store_create,
	&sosnap_cmd_store_deactivate,
	&sosnap_cmd_store_dump,
	&sosnap_cmd_store_grow,
	&sosnap_cmd_store_list,
	&sosnap_cmd_store_repair,
	&sosnap_cmd_store_restore,
	&sosnap_cmd_store_shrink,
	&sosnap_cmd_store_status,
};

/* Options of every command, or of those with the flag of the same place */
enum { OPT_JSON, OPT_DRY_RUN, OPT_YES, OPT_QUIET, OPT_HELP, NR_COMMON };

static const struct sosnap_opt common[] = {
	[OPT_JSON] = { "json", NULL, "print JSON", 0 },
	[OPT_DRY_RUN] = { "dry-run", NULL, "say what would be done, change nothing", 0 },
	[OPT_YES] = { "yes", NULL, "do not ask", 0 },
	[OPT_QUIET] = { "quiet", NULL, "print neither progress nor what was done", 0 },
	[OPT_HELP] = { "help", NULL, "print this", 0 },
	{ 0 }
};

static const u32 needs_flag[NR_COMMON] = {
	[OPT_JSON] = SOSNAP_CMD_JSON,
	[OPT_DRY_RUN] = SOSNAP_CMD_DRY_RUN,
	[OPT_YES] = SOSNAP_CMD_ASKS,
};

static bool takes_common(const struct sosnap_cmd *cmd, int opt)
{
	return !needs_flag[opt] || (cmd->flags & needs_flag[opt]);
}

static const struct sosnap_table table = {
	.cmds = commands,
	.nr = ARRAY_SIZE(commands),
	.common = common,
	.has = takes_common,
	.version = TOOL_VERSION,
	.date = TOOL_DATE,
};

static void print_usage(FILE *f, const struct sosnap_cmd *cmd)
{
	fprintf(f, "usage: sosnap %s%s%s%s\n", cmd->name, cmd->options ? " [options]" : "",
		cmd->usage[0] ? " " : "", cmd->usage);
}

static void print_option(const struct sosnap_opt *o)
{
	char text[64];

	snprintf(text, sizeof(text), "--%s%s%s", o->name, o->value ? " " : "", o->value ?: "");
	printf("  %-26s %s\n", text, o->help);
}

static int print_help(const struct sosnap_cmd *cmd)
{
	print_usage(stdout, cmd);
	printf("\n%c%s.\n", toupper((unsigned char)cmd->help[0]), cmd->help + 1);
	if (cmd->text)
		printf("\n%s\n", cmd->text);
	puts("\nOptions:");
	for (const struct sosnap_opt *o = cmd->options; o && o->name; o++)
		print_option(o);
	for (int i = 0; i < NR_COMMON; i++)
		if (takes_common(cmd, i))
			print_option(&common[i]);
	if ((cmd->flags & SOSNAP_CMD_CHECK) && (cmd->flags & SOSNAP_CMD_ASKS))
		puts("\nExit status: 0 clean, 1 mended, 4 damage left, 8 it could not be repaired, 16 wrong\n"
		     "usage.");
	else if (cmd->flags & SOSNAP_CMD_CHECK)
		puts("\nExit status: 0 clean, 4 damage found, 8 it could not be checked, 16 wrong usage.");
	else
		puts("\nExit status: 0 done, 1 failed, 2 wrong usage.");
	return SOSNAP_EXIT_OK;
}

static void json_options(const struct sosnap_opt *o)
{
	static const struct sosnap_col cols[] = {
		{ "name", NULL, SOSNAP_OUT_STRING, 0 },
		{ "value", NULL, SOSNAP_OUT_STRING, 0 },
		{ "help", NULL, SOSNAP_OUT_STRING, 0 },
	};

	sosnap_out_object(NULL);
	sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
		{ .s = o->name }, { .s = o->value, .none = !o->value }, { .s = o->help } });
	sosnap_out_close();
}

static void json_command(const struct sosnap_cmd *cmd)
{
	static const struct sosnap_col cols[] = {
		{ "name", NULL, SOSNAP_OUT_STRING, 0 },
		{ "usage", NULL, SOSNAP_OUT_STRING, 0 },
		{ "help", NULL, SOSNAP_OUT_STRING, 0 },
		{ "text", NULL, SOSNAP_OUT_STRING, 0 },
	};

	sosnap_out_object(NULL);
	sosnap_out_record(NULL, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
		{ .s = cmd->name }, { .s = cmd->usage }, { .s = cmd->help },
		{ .s = cmd->text, .none = !cmd->text } });
	sosnap_out_array("options");
	for (const struct sosnap_opt *o = cmd->options; o && o->name; o++)
		json_options(o);
	for (int i = 0; i < NR_COMMON; i++)
		if (takes_common(cmd, i))
			json_options(&common[i]);
	sosnap_out_close();
	sosnap_out_close();
}

static int print_overview(void)
{
	if (sosnap_options.json) {
		sosnap_out_array("commands");
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			json_command(commands[i]);
		return sosnap_exit_code(sosnap_out_finish(false));
	}
	puts("usage: sosnap <command> [options] [arguments]\n");
	puts("Snapshots of gold images, kept in stores: only changed blocks take space.\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-18s %s\n", commands[i]->name, commands[i]->help);
	puts("\n'sosnap <command> --help' tells more. A snapshot is named <store>/<snapshot>;\n"
	     "sizes may end in K, M, G, T or P.");
	return SOSNAP_EXIT_OK;
}

/* What packages are made with; false: it is none of these */
static bool print_manual(const char *what)
{
	if (!strcmp(what, "--man"))
		sosnap_manual_page(&table);
	else if (!strcmp(what, "--completion"))
		sosnap_manual_completion(&table);
	else
		return false;
	return true;
}

/* How many of the words are the command's name; 0: it is another one */
static int name_words(const struct sosnap_cmd *cmd, int argc, char **argv)
{
	const char *space = strchr(cmd->name, ' ');

	if (!argc)
		return 0;
	if (!space)
		return strcmp(argv[0], cmd->name) ? 0 : 1;
	if (argc < 2 || strncmp(argv[0], cmd->name, space - cmd->name) ||
	    argv[0][space - cmd->name] || strcmp(argv[1], space + 1))
		return 0;
	return 2;
}

static const struct sosnap_cmd *find_command(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		*words = name_words(commands[i], argc, argv);
		if (*words)
			return commands[i];
	}
	return NULL;
}

/* "store", "store frobnicate" or "frobnicate" */
static int unknown_command(int argc, char **argv)
{
	size_t len = strlen(argv[0]);
	bool group = false;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		group |= !strncmp(commands[i]->name, argv[0], len) &&
			 commands[i]->name[len] == ' ';
	if (group && (argc == 1 || argv[1][0] == '-')) {
		printf("usage: sosnap %s <command> [options] [arguments]\n\n", argv[0]);
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			if (!strncmp(commands[i]->name, argv[0], len) &&
			    commands[i]->name[len] == ' ')
				printf("  %-18s %s\n", commands[i]->name, commands[i]->help);
		return argc > 1 && !strcmp(argv[1], "--help") ? SOSNAP_EXIT_OK :
								SOSNAP_EXIT_USAGE;
	}
	sosnap_error("there is no command '%s%s%s': 'sosnap help' shows those there are", argv[0],
		     group ? " " : "", group ? argv[1] : "");
	return SOSNAP_EXIT_USAGE;
}

static void take_common(const char *const *got)
{
	sosnap_options.json |= !!got[OPT_JSON];
	sosnap_options.dry_run |= !!got[OPT_DRY_RUN];
	sosnap_options.yes |= !!got[OPT_YES];
	sosnap_options.quiet |= !!got[OPT_QUIET];
}

/* Says what is wrong; 0 if nothing */
static int check_args(const struct sosnap_cmd *cmd, const struct sosnap_args *args,
		      const char *const *got)
{
	for (int i = 0; i < NR_COMMON; i++)
		if (got[i] && !takes_common(cmd, i)) {
			sosnap_error("%s: there is no option --%s here", cmd->name,
				     common[i].name);
			return -EINVAL;
		}
	if (args->nr < cmd->min) {
		sosnap_error("%s: too few arguments", cmd->name);
		return -EINVAL;
	}
	if (cmd->max >= 0 && args->nr > cmd->max) {
		sosnap_error("%s: unexpected argument '%s'", cmd->name, args->arg[cmd->max]);
		return -EINVAL;
	}
	return 0;
}

static int run_command(const struct sosnap_cmd *cmd, int argc, char **argv, const char **got)
{
	bool check = cmd->flags & SOSNAP_CMD_CHECK;
	struct sosnap_args args = { .command = cmd->name };
	int code, r;

	r = sosnap_args_parse(&args, cmd->options, common, got, argc, argv);
	if (!r && got[OPT_HELP])
		return print_help(cmd);
	r = r ?: check_args(cmd, &args, got);
	if (r) {
		print_usage(stderr, cmd);
		return check ? SOSNAP_CHECK_USAGE : SOSNAP_EXIT_USAGE;
	}
	take_common(got);
	code = cmd->fn(&args);
	if (sosnap_out_finish(code) && !code)
		code = check ? SOSNAP_CHECK_FAILED : SOSNAP_EXIT_FAILED;
	return code;
}

/* Options before the command; how many arguments they are, or -EINVAL */
static int leading_options(int argc, char **argv, const char **got)
{
	int i;

	for (i = 0; i < argc && argv[i][0] == '-'; i++) {
		struct sosnap_args args = { .command = "sosnap" };
		int r = sosnap_args_parse(&args, NULL, common, got, 1, (char *[]){ argv[i] });

		if (r)
			return r;
	}
	return i;
}

int main(int argc, char **argv)
{
	const char *got[NR_COMMON] = { NULL };
	const struct sosnap_cmd *cmd;
	int n, words;

	setlocale(LC_CTYPE, "");
	argc--;
	argv++;
	if (argc && !strcmp(argv[0], "--version")) {
		puts("sosnap " TOOL_VERSION);
		return SOSNAP_EXIT_OK;
	}
	n = leading_options(argc, argv, got);
	if (n < 0)
		return SOSNAP_EXIT_USAGE;
	argc -= n;
	argv += n;
	if (argc && !strcmp(argv[0], "help")) {
		argc--;
		argv++;
		if (argc && print_manual(argv[0]))
			return sosnap_exit_code(sosnap_out_finish(false));
		if (argc && !strcmp(argv[0], "--json"))
			got[OPT_JSON] = "";
		else if (argc)
			got[OPT_HELP] = "";
		if (got[OPT_JSON])
			argc = 0;
	} else if (!argc && !got[OPT_HELP]) {
		print_overview();
		return SOSNAP_EXIT_USAGE;
	}
	if (!argc) {
		take_common(got);
		return print_overview();
	}
	cmd = find_command(argc, argv, &words);
	if (!cmd)
		return unknown_command(argc, argv);
	return run_command(cmd, argc - words, argv + words, got);
}
