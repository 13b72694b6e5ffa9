/* SPDX-License-Identifier: GPL-2.0 */
/*
 * JSON written as it comes, so that the output may be larger than memory. @key
 * is NULL inside arrays.
 */
#ifndef SOSNAP_JSON_H
#define SOSNAP_JSON_H

#include <stdio.h>

#include "platform.h"

#define SOSNAP_JSON_DEPTH 16

struct sosnap_json {
	FILE *f;
	int depth;
	bool flat;	/* members go on the line of their object */
	bool some[SOSNAP_JSON_DEPTH];	/* something was written at this level */
	char end[SOSNAP_JSON_DEPTH];	/* what closes it */
};

void sosnap_json_object(struct sosnap_json *j, const char *key);
/* An object without objects in it, on one line */
void sosnap_json_row(struct sosnap_json *j, const char *key);
void sosnap_json_array(struct sosnap_json *j, const char *key);
void sosnap_json_close(struct sosnap_json *j);
void sosnap_json_string(struct sosnap_json *j, const char *key, const char *s);
void sosnap_json_number(struct sosnap_json *j, const char *key, u64 n);
void sosnap_json_hundredths(struct sosnap_json *j, const char *key, u64 n);
void sosnap_json_bool(struct sosnap_json *j, const char *key, bool b);
void sosnap_json_null(struct sosnap_json *j, const char *key);

#endif /* SOSNAP_JSON_H */
