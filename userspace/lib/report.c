// SPDX-License-Identifier: GPL-2.0
#include "lib/report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/text.h"

struct sosnap_options sosnap_options;

static void say(FILE *f, const char *prefix, const char *fmt, va_list args)
{
	char *text;

	fflush(stdout);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	fputs(prefix, f);
	sosnap_text_put(f, text);
	fputc('\n', f);
	free(text);
}

void sosnap_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stderr, "sosnap: ", fmt, args);
	va_end(args);
}

void sosnap_warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(stderr, "sosnap: warning: ", fmt, args);
	va_end(args);
}

void sosnap_done(const char *fmt, ...)
{
	va_list args;

	if (sosnap_options.json || sosnap_options.quiet || sosnap_options.dry_run)
		return;
	va_start(args, fmt);
	say(stdout, "", fmt, args);
	va_end(args);
}

bool sosnap_confirm(const char *fmt, ...)
{
	char answer[16] = "";
	va_list args;
	char *text;
	bool yes;

	if (sosnap_options.yes || sosnap_options.dry_run)
		return true;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		sosnap_error("%s? There is no terminal to ask on: add --yes to agree", text);
		free(text);
		return false;
	}
	sosnap_text_put(stderr, text);
	fputs("? [y/N] ", stderr);
	fflush(stderr);
	yes = fgets(answer, sizeof(answer), stdin) && tolower(answer[0]) == 'y';
	if (!yes)
		sosnap_error("not confirmed, nothing was changed");
	free(text);
	return yes;
}

void sosnap_die_memory(void)
{
	fputs("sosnap: out of memory\n", stderr);
	exit(SOSNAP_EXIT_FAILED);
}

void *sosnap_alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		sosnap_die_memory();
	return p;
}

char *sosnap_strdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		sosnap_die_memory();
	return copy;
}

char *sosnap_printf(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	return text;
}
