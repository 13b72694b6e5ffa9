/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results on stdout, as text for people or as JSON. Fields are described once:
 * key, label and type serve both. Numbers are raw in JSON (bytes, seconds since
 * 1970), readable in text. JSON is one object, opened by the first thing that is
 * written.
 *
 * Typical use:
 *
 *	static const struct sosnap_col cols[] = {
 *		{ "name", "NAME", SOSNAP_OUT_STRING },
 *		{ "size", "SIZE", SOSNAP_OUT_BYTES },
 *	};
 *
 *	sosnap_out_table("golds", cols, ARRAY_SIZE(cols));
 *	sosnap_out_row((struct sosnap_val[]){ { .s = name }, { .n = bytes } });
 *	sosnap_out_table_end();
 */
#ifndef SOSNAP_OUT_H
#define SOSNAP_OUT_H

#include "platform.h"

enum sosnap_out_type {
	SOSNAP_OUT_STRING,
	SOSNAP_OUT_NUMBER,
	SOSNAP_OUT_BYTES,
	SOSNAP_OUT_PERCENT,	/* in hundredths of a percent */
	SOSNAP_OUT_TIME,	/* seconds since 1970 */
	SOSNAP_OUT_BOOL,	/* text: yes, no */
};

/**
 * struct sosnap_col - one field
 * @key:   its name in JSON
 * @label: its name in text; NULL: in JSON only
 * @type:  enum sosnap_out_type
 * @width: columns it gets where rows are printed as they come
 */
struct sosnap_col {
	const char *key;
	const char *label;
	u8 type;
	u8 width;
};

/* Its value: @s for strings, @n for all else; @none: "-" and null */
struct sosnap_val {
	const char *s;
	u64 n;
	bool none;
};

#define SOSNAP_NONE ((struct sosnap_val){ .none = true })

/* Nesting of the JSON; nothing in text */
void sosnap_out_object(const char *key);
void sosnap_out_array(const char *key);
void sosnap_out_close(void);

/* A heading or a sentence; nothing in JSON */
void sosnap_out_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* One thing, a line a field. @key NULL: fields of the object that is open */
void sosnap_out_record(const char *key, const struct sosnap_col *cols, size_t nr,
		       const struct sosnap_val *vals);

/* Many things: aligned once all are known, or (stream) printed as they come */
void sosnap_out_table(const char *key, const struct sosnap_col *cols, size_t nr);
void sosnap_out_stream(const char *key, const struct sosnap_col *cols, size_t nr);
void sosnap_out_row(const struct sosnap_val *vals);
void sosnap_out_table_end(void);

/* What a command would do under --dry-run; then nothing else is printed */
void sosnap_out_step(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Closes what is open, at the end of a command that has @failed or not; 0, or
 * -errno when stdout could not be written
 */
int sosnap_out_finish(bool failed);

#endif /* SOSNAP_OUT_H */
