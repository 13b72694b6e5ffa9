// SPDX-License-Identifier: GPL-2.0
#include "lib/json.h"

#include "lib/text.h"

static void put_string(struct sosnap_json *j, const char *s)
{
	fputc('"', j->f);
	while (*s) {
		size_t len = sosnap_text_char(s);

		if (*s == '"' || *s == '\\') {
			fprintf(j->f, "\\%c", *s++);
		} else if (len) {
			fwrite(s, 1, len, j->f);
			s += len;
		} else {
			/* a lone byte is kept readable as the character of its number */
			fprintf(j->f, "\\u%04x", (unsigned char)*s++);
		}
	}
	fputc('"', j->f);
}

static void put_key(struct sosnap_json *j, const char *key)
{
	if (!j->depth)
		return;
	if (j->some[j->depth])
		fputs(j->flat ? ", " : ",", j->f);
	j->some[j->depth] = true;
	if (!j->flat)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	if (key) {
		put_string(j, key);
		fputs(": ", j->f);
	}
}

static void open_level(struct sosnap_json *j, const char *key, char begin, char end)
{
	put_key(j, key);
	fputc(begin, j->f);
	if (WARN_ON_ONCE(j->depth == SOSNAP_JSON_DEPTH - 1))
		return;
	j->depth++;
	j->some[j->depth] = false;
	j->end[j->depth] = end;
}

void sosnap_json_object(struct sosnap_json *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void sosnap_json_row(struct sosnap_json *j, const char *key)
{
	open_level(j, key, '{', '}');
	j->flat = true;
}

void sosnap_json_array(struct sosnap_json *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void sosnap_json_close(struct sosnap_json *j)
{
	bool some = j->some[j->depth];
	char end = j->end[j->depth];

	j->depth--;
	if (some && !j->flat)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	j->flat = false;
	fputc(end, j->f);
	if (!j->depth)
		fputc('\n', j->f);
}

void sosnap_json_string(struct sosnap_json *j, const char *key, const char *s)
{
	put_key(j, key);
	put_string(j, s);
}

void sosnap_json_number(struct sosnap_json *j, const char *key, u64 n)
{
	put_key(j, key);
	fprintf(j->f, "%llu", (unsigned long long)n);
}

void sosnap_json_hundredths(struct sosnap_json *j, const char *key, u64 n)
{
	put_key(j, key);
	fprintf(j->f, "%llu.%02llu", (unsigned long long)n / 100, (unsigned long long)n % 100);
}

void sosnap_json_bool(struct sosnap_json *j, const char *key, bool b)
{
	put_key(j, key);
	fputs(b ? "true" : "false", j->f);
}

void sosnap_json_null(struct sosnap_json *j, const char *key)
{
	put_key(j, key);
	fputs("null", j->f);
}
