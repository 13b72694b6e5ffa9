// SPDX-License-Identifier: GPL-2.0
#include "lib/out.h"

#include <stdarg.h>
#include <time.h>

#include "lib/json.h"
#include "lib/report.h"
#include "lib/text.h"
#include "lib/units.h"

/* The table that is being written; text cells wait in it for their widths */
static struct {
	const struct sosnap_col *cols;
	size_t nr;
	bool stream;
	char **cells;		/* nr a row */
	size_t rows;
	size_t room;
} table;

static struct sosnap_json json;
static bool steps;		/* some were told; in JSON their array is open */

/* The JSON document, begun if it is not; NULL when text is wanted */
static struct sosnap_json *out_json(void)
{
	if (!sosnap_options.json)
		return NULL;
	if (!json.f) {
		json.f = stdout;
		sosnap_json_object(&json, NULL);
	}
	return &json;
}

static void format_time(u64 seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "%llu", (unsigned long long)seconds);
}

/* The text of a value, to be freed */
static char *format_val(const struct sosnap_col *col, const struct sosnap_val *val)
{
	char buf[64];

	if (val->none)
		return sosnap_strdup("-");
	switch (col->type) {
	case SOSNAP_OUT_STRING:
		return sosnap_text_clean(val->s);
	case SOSNAP_OUT_BYTES:
		return sosnap_strdup(sosnap_units_format(val->n, buf));
	case SOSNAP_OUT_PERCENT:
		snprintf(buf, sizeof(buf), "%llu.%llu%%", (unsigned long long)val->n / 100,
			 (unsigned long long)val->n / 10 % 10);
		break;
	case SOSNAP_OUT_TIME:
		format_time(val->n, buf, sizeof(buf));
		break;
	case SOSNAP_OUT_BOOL:
		return sosnap_strdup(val->n ? "yes" : "no");
	default:
		snprintf(buf, sizeof(buf), "%llu", (unsigned long long)val->n);
	}
	return sosnap_strdup(buf);
}

static void json_val(struct sosnap_json *j, const struct sosnap_col *col,
		     const struct sosnap_val *val)
{
	if (val->none)
		sosnap_json_null(j, col->key);
	else if (col->type == SOSNAP_OUT_STRING)
		sosnap_json_string(j, col->key, val->s);
	else if (col->type == SOSNAP_OUT_PERCENT)
		sosnap_json_hundredths(j, col->key, val->n);
	else if (col->type == SOSNAP_OUT_BOOL)
		sosnap_json_bool(j, col->key, val->n);
	else
		sosnap_json_number(j, col->key, val->n);
}

static void json_vals(struct sosnap_json *j, const struct sosnap_col *cols, size_t nr,
		      const struct sosnap_val *vals)
{
	for (size_t i = 0; i < nr; i++)
		json_val(j, &cols[i], &vals[i]);
}

/* Numbers to the right, words to the left; nothing trails at the line's end */
static void put_cell(const char *text, size_t width, bool right, bool last)
{
	size_t have = sosnap_text_width(text);
	int pad = have < width ? (int)(width - have) : 0;

	if (right)
		printf("%*s%s", pad, "", text);
	else
		printf("%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", stdout);
}

static bool col_right(const struct sosnap_col *col)
{
	return col->type == SOSNAP_OUT_NUMBER || col->type == SOSNAP_OUT_BYTES ||
	       col->type == SOSNAP_OUT_PERCENT;
}

void sosnap_out_object(const char *key)
{
	if (!sosnap_options.dry_run && out_json())
		sosnap_json_object(&json, key);
}

void sosnap_out_array(const char *key)
{
	if (!sosnap_options.dry_run && out_json())
		sosnap_json_array(&json, key);
}

void sosnap_out_close(void)
{
	if (!sosnap_options.dry_run && out_json())
		sosnap_json_close(&json);
}

void sosnap_out_text(const char *fmt, ...)
{
	va_list args;
	char *text;

	if (sosnap_options.json || sosnap_options.dry_run)
		return;
	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	sosnap_text_put(stdout, text);
	putchar('\n');
	free(text);
}

static void text_record(const struct sosnap_col *cols, size_t nr, const struct sosnap_val *vals)
{
	size_t width = 0;

	for (size_t i = 0; i < nr; i++)
		if (cols[i].label && strlen(cols[i].label) > width)
			width = strlen(cols[i].label);
	for (size_t i = 0; i < nr; i++) {
		char *text;

		if (!cols[i].label)
			continue;
		text = format_val(&cols[i], &vals[i]);
		printf("%s:%*s%s\n", cols[i].label, (int)(width - strlen(cols[i].label) + 2), "",
		       text);
		free(text);
	}
}

void sosnap_out_record(const char *key, const struct sosnap_col *cols, size_t nr,
		       const struct sosnap_val *vals)
{
	struct sosnap_json *j = out_json();

	if (sosnap_options.dry_run)
		return;
	if (!j) {
		text_record(cols, nr, vals);
		return;
	}
	if (key)
		sosnap_json_object(j, key);
	json_vals(j, cols, nr, vals);
	if (key)
		sosnap_json_close(j);
}

static void put_header(const size_t *width)
{
	size_t last = 0;

	for (size_t i = 0; i < table.nr; i++)
		if (table.cols[i].label)
			last = i;
	for (size_t i = 0; i < table.nr; i++)
		if (table.cols[i].label)
			put_cell(table.cols[i].label, width ? width[i] : table.cols[i].width,
				 col_right(&table.cols[i]), i == last);
}

void sosnap_out_table(const char *key, const struct sosnap_col *cols, size_t nr)
{
	memset(&table, 0, sizeof(table));
	table.cols = cols;
	table.nr = nr;
	sosnap_out_array(key);
}

void sosnap_out_stream(const char *key, const struct sosnap_col *cols, size_t nr)
{
	sosnap_out_table(key, cols, nr);
	table.stream = true;
	if (!sosnap_options.json && !sosnap_options.dry_run)
		put_header(NULL);
}

static void stream_row(const struct sosnap_val *vals)
{
	for (size_t i = 0; i < table.nr; i++) {
		char *text;

		if (!table.cols[i].label)
			continue;
		text = format_val(&table.cols[i], &vals[i]);
		put_cell(text, table.cols[i].width, col_right(&table.cols[i]), i == table.nr - 1);
		free(text);
	}
}

void sosnap_out_row(const struct sosnap_val *vals)
{
	struct sosnap_json *j = out_json();

	if (sosnap_options.dry_run)
		return;
	if (j) {
		sosnap_json_row(j, NULL);
		json_vals(j, table.cols, table.nr, vals);
		sosnap_json_close(j);
		return;
	}
	if (table.stream) {
		stream_row(vals);
		return;
	}
	if (table.rows == table.room) {
		table.room = table.room ? table.room * 2 : 16;
		table.cells = reallocarray(table.cells, table.room * table.nr,
					   sizeof(*table.cells));
		if (!table.cells)
			sosnap_die_memory();
	}
	for (size_t i = 0; i < table.nr; i++)
		table.cells[table.rows * table.nr + i] = format_val(&table.cols[i], &vals[i]);
	table.rows++;
}

static void text_table(void)
{
	size_t *width = sosnap_alloc(table.nr, sizeof(*width));

	for (size_t i = 0; i < table.nr; i++) {
		if (!table.cols[i].label)
			continue;
		width[i] = strlen(table.cols[i].label);
		for (size_t row = 0; row < table.rows; row++)
			width[i] = max(width[i],
				       sosnap_text_width(table.cells[row * table.nr + i]));
	}
	put_header(width);
	for (size_t row = 0; row < table.rows; row++) {
		char **cell = &table.cells[row * table.nr];
		size_t last = 0;

		for (size_t i = 0; i < table.nr; i++)
			if (table.cols[i].label)
				last = i;
		for (size_t i = 0; i < table.nr; i++) {
			if (table.cols[i].label)
				put_cell(cell[i], width[i], col_right(&table.cols[i]), i == last);
			free(cell[i]);
		}
	}
	free(width);
	free(table.cells);
}

void sosnap_out_table_end(void)
{
	if (sosnap_options.dry_run)
		return;
	if (out_json())
		sosnap_json_close(&json);
	else if (!table.stream)
		text_table();
}

void sosnap_out_step(const char *fmt, ...)
{
	struct sosnap_json *j = out_json();
	va_list args;
	char *text;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		sosnap_die_memory();
	va_end(args);
	if (j && !steps)
		sosnap_json_array(j, "steps");
	steps = true;
	if (j) {
		sosnap_json_string(j, NULL, text);
	} else {
		fputs("would do: ", stdout);
		sosnap_text_put(stdout, text);
		putchar('\n');
	}
	free(text);
}

int sosnap_out_finish(bool failed)
{
	if (sosnap_options.dry_run && !steps && !failed) {
		if (out_json())
			sosnap_json_array(&json, "steps");
		else
			puts("would do: nothing, all is as it should be");
	}
	while (json.f && json.depth)
		sosnap_json_close(&json);
	if (fflush(stdout) || ferror(stdout)) {
		sosnap_error("cannot write the output: %s", strerror(errno));
		return -EIO;
	}
	return 0;
}
