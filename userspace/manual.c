// SPDX-License-Identifier: GPL-2.0
#include "manual.h"

#include <ctype.h>

/* --- the manual page ------------------------------------------------------- */

/* Text as roff takes it: nothing in it is a request or an escape */
static void put_text(const char *s)
{
	bool start = true;

	for (; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		start = *s == '\n';
		if (*s == '\\')
			fputs("\\e", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

/* "<store> [<size>]": what stands for something else in italics, the rest bold */
static void put_usage(const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("\\fI", stdout);
		else if (*s == '>')
			fputs("\\fR", stdout);
		else if (*s == '-')
			fputs("\\-", stdout);
		else
			putchar(*s);
	}
}

static void put_option(const struct sosnap_opt *o)
{
	fputs(".TP\n\\fB\\-\\-", stdout);
	put_text(o->name);
	fputs("\\fR", stdout);
	if (o->value) {
		putchar(' ');
		put_usage(o->value);
	}
	putchar('\n');
	put_text(o->help);
	fputs(".\n", stdout);
}

static void put_command(const struct sosnap_table *t, const struct sosnap_cmd *cmd)
{
	const char *comma = "";

	printf(".SS sosnap %s\n.B sosnap %s\n", cmd->name, cmd->name);
	if (cmd->options)
		puts("[options]");
	if (cmd->usage[0]) {
		put_usage(cmd->usage);
		putchar('\n');
	}
	printf(".PP\n%c", toupper((unsigned char)cmd->help[0]));
	put_text(cmd->help + 1);
	puts(".");
	if (cmd->text) {
		puts(".PP");
		put_text(cmd->text);
		putchar('\n');
	}
	for (const struct sosnap_opt *o = cmd->options; o && o->name; o++)
		put_option(o);
	puts(".PP\nAlso takes");
	for (int i = 0; t->common[i].name; i++) {
		if (!t->has(cmd, i))
			continue;
		printf("%s\\fB\\-\\-", comma);
		put_text(t->common[i].name);
		fputs("\\fR", stdout);
		comma = ",\n";
	}
	puts(".");
}

static const char head[] =
	".SH NAME\n"
	"sosnap \\- space\\-optimized snapshots of gold images\n"
	".SH SYNOPSIS\n"
	".B sosnap\n"
	".I command\n"
	".RI [ options ]\n"
	".RI [ arguments ]\n"
	".br\n"
	".B sosnap help\n"
	".RI [ command ]\n"
	".br\n"
	".B sosnap \\-\\-version\n"
	".SH DESCRIPTION\n"
	"A gold image is a block device that many snapshots share. A store is a block device\n"
	"that holds what was changed in any number of snapshots, of any number of gold images.\n"
	"A snapshot is a writable device over its gold image: only changed blocks take space.\n"
	"Snapshots are devices of the device\\-mapper target that\n"
	".BR dm\\-sosnap (7)\n"
	"describes;\n"
	".B sosnap\n"
	"makes and looks after them.\n"
	".PP\n"
	"A snapshot is named \\fIstore\\fR/\\fIsnapshot\\fR. Its device is\n"
	".IR /dev/mapper/ store \\- snapshot ,\n"
	"with every \\(oq\\-\\(cq within a name doubled, and, where the rules for\n"
	".BR udev (7)\n"
	"are installed,\n"
	".IR /dev/sosnap/ store / snapshot .\n"
	"Sizes are numbers of bytes, or end in K, M, G, T or P, of 1024 each.\n"
	"Names have 1 to 63 letters, digits and any of \\(lq. _ + \\-\\(rq, and do not start with\n"
	"\\(oq\\-\\(cq or \\(oq.\\(cq.\n"
	".PP\n"
	"Nothing is kept on the host: names, gold images and what is to be activated at boot are\n"
	"in the store.\n";

static const char tail[] =
	".SH EXIT STATUS\n"
	".TP\n.B 0\nDone.\n"
	".TP\n.B 1\nFailed; one sentence on stderr says what, and what to do about it.\n"
	".TP\n.B 2\nWrong usage.\n"
	".PP\n"
	"Commands that check a store end as\n"
	".BR fsck (8)\n"
	"does: 0 clean, 4 damage was found, 8 it could not be checked, 16 wrong usage.\n"
	".SH FILES\n"
	".TP\n.I /dev/mapper/control\nEverything that concerns active stores goes through it.\n"
	".TP\n.I /dev/sosnap/\nLinks to the devices of snapshots, made by udev.\n"
	".TP\n.I /dev/disk/by\\-id/sosnap\\-store\\-<uuid>\n"
	"Links to the devices that hold stores, made by udev.\n"
	".TP\n.I sosnap\\-store@<uuid>.service\n"
	"Activates a store, with the snapshots that are set to start with it, when udev finds it.\n"
	".SH EXAMPLES\n"
	".EX\n"
	"sosnap store create /dev/vdb \\-\\-name main\n"
	"sosnap store activate main\n"
	"sosnap gold add main /dev/vdc \\-\\-name debian12\n"
	"sosnap create main/web1 main/web2 \\-\\-gold debian12 \\-\\-activate\n"
	"sosnap list main\n"
	".EE\n"
	".SH SEE ALSO\n"
	".BR dm\\-sosnap (7),\n"
	".BR sosnap\\-monitor (8),\n"
	".BR dmsetup (8),\n"
	".BR udev (7)\n";

void sosnap_manual_page(const struct sosnap_table *t)
{
	printf(".\\\" SPDX-License-Identifier: GPL-2.0\n"
	       ".\\\" Made by 'sosnap help --man'.\n"
	       ".TH SOSNAP 8 %s \"sosnap %s\" \"System Administration\"\n", t->date, t->version);
	fputs(head, stdout);
	puts(".SH COMMANDS");
	for (size_t i = 0; i < t->nr; i++)
		put_command(t, t->cmds[i]);
	puts(".SH COMMON OPTIONS");
	for (int i = 0; t->common[i].name; i++)
		put_option(&t->common[i]);
	fputs(tail, stdout);
}

/* --- completion ------------------------------------------------------------ */

/* The words of a value such as "queue|error"; nothing for "<size>" */
static void put_choices(const char *value)
{
	if (strchr(value, '<') || strchr(value, '[') || !strchr(value, '|'))
		return;
	for (; *value; value++)
		putchar(*value == '|' ? ' ' : *value);
}

/* What the words after a command or an option stand for, by its usage */
static const char *kind(const char *usage)
{
	if (strstr(usage, "<store>/<snapshot>"))
		return "snapshot";
	if (strstr(usage, "<device>"))
		return strstr(usage, "<store>") ? "store+file" : "file";
	if (strstr(usage, "<file>"))
		return "file";
	return strstr(usage, "<store>") ? "store" : "none";
}

static void complete_command(const struct sosnap_table *t, const struct sosnap_cmd *cmd)
{
	printf("\t'%s')\n\t\topts='", cmd->name);
	for (const struct sosnap_opt *o = cmd->options; o && o->name; o++)
		printf("--%s ", o->name);
	for (int i = 0; t->common[i].name; i++)
		if (t->has(cmd, i))
			printf("--%s ", t->common[i].name);
	printf("'\n\t\targs='%s'\n\t\tcase $prev in\n", kind(cmd->usage));
	for (const struct sosnap_opt *o = cmd->options; o && o->name; o++) {
		if (!o->value)
			continue;
		printf("\t\t--%s) opts='' args='%s' words='", o->name, kind(o->value));
		put_choices(o->value);
		puts("' ;;");
	}
	puts("\t\tesac\n\t\t;;");
}

/* Whether this command and the one before it begin with the same word */
static bool same_group(const struct sosnap_table *t, size_t i)
{
	const char *name = t->cmds[i]->name;
	size_t len = strcspn(name, " ");

	return i && strcspn(t->cmds[i - 1]->name, " ") == len &&
	       !strncmp(t->cmds[i - 1]->name, name, len);
}

/* The second words of a group, "store " for example */
static void put_second_words(const struct sosnap_table *t, const char *group, size_t len)
{
	for (size_t i = 0; i < t->nr; i++)
		if (!strncmp(t->cmds[i]->name, group, len))
			printf("%s ", t->cmds[i]->name + len);
}

static const char functions[] =
	"# What is there to be named, for root; nobody is asked for a password.\n"
	"_sosnap_stores()\n"
	"{\n"
	"\tsosnap store list 2> /dev/null | awk 'NR > 1 { print $1 }'\n"
	"}\n"
	"\n"
	"_sosnap_snapshots()\n"
	"{\n"
	"\tsosnap list 2> /dev/null | awk '$1 ~ /\\// { print $1 }'\n"
	"}\n";

static const char finish[] =
	"\tif [[ $cur == -* ]]; then\n"
	"\t\twords=$opts\n"
	"\telse\n"
	"\t\tcase $args in\n"
	"\t\tsnapshot) words+=\" $(_sosnap_snapshots)\" ;;\n"
	"\t\tstore*) words+=\" $(_sosnap_stores)\" ;;\n"
	"\t\tesac\n"
	"\tfi\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	"\tif [[ $args == *file && $cur != -* ]]; then\n"
	"\t\tmapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$cur\")\n"
	"\t\tcompopt -o filenames 2> /dev/null\n"
	"\tfi\n"
	"}\n"
	"complete -F _sosnap sosnap\n";

void sosnap_manual_completion(const struct sosnap_table *t)
{
	puts("# bash completion for sosnap                              -*- shell-script -*-\n"
	     "# SPDX-License-Identifier: GPL-2.0\n"
	     "# Made by 'sosnap help --completion'.\n");
	puts(functions);
	fputs("_sosnap()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
	      "\tlocal command=${COMP_WORDS[1]:-} opts='' args=none words=''\n\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\twords='help ", stdout);
	for (size_t i = 0; i < t->nr; i++)
		if (!same_group(t, i))
			printf("%.*s ", (int)strcspn(t->cmds[i]->name, " "), t->cmds[i]->name);
	puts("'\n\t\topts='--help --version'\n\tfi\n\tcase $command in");
	for (size_t i = 0; i < t->nr; i++) {
		const char *name = t->cmds[i]->name;
		size_t len = strcspn(name, " ");

		if (!name[len] || same_group(t, i))
			continue;
		printf("\t%.*s)\n\t\t[ \"$COMP_CWORD\" != 2 ] || words='", (int)len, name);
		put_second_words(t, name, len + 1);
		puts("'\n\t\tcommand+=\" ${COMP_WORDS[2]:-}\"\n\t\t;;");
	}
	puts("\tesac\n\tcase $command in");
	for (size_t i = 0; i < t->nr; i++)
		complete_command(t, t->cmds[i]);
	puts("\tesac");
	fputs(finish, stdout);
}
