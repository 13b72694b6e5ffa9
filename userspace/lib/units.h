/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sizes as people write them: a number, with K, M, G, T or P (1024-based, "iB"
 * may follow), and as they read them.
 */
#ifndef SOSNAP_UNITS_H
#define SOSNAP_UNITS_H

#include "platform.h"

#define SOSNAP_UNITS_LEN 32

/* Returns 0 or -errno, and says nothing. "1.5G" is fine, a broken byte is not */
int sosnap_units_parse(const char *s, u64 *bytes);

/* "20G", "1.2G", "512"; at most SOSNAP_UNITS_LEN with its end */
const char *sosnap_units_format(u64 bytes, char *buf);

/*
 * An option that is a size in bytes and a multiple of @unit, or a number of at
 * most @max; @what names it in the error. NULL leaves @val as it is.
 */
int sosnap_units_option(const char *what, const char *s, u32 unit, u64 *bytes);
int sosnap_units_number(const char *what, const char *s, u64 max, u64 *val);

/* part of whole in hundredths of a percent; 0 of 0 is 0 */
u64 sosnap_units_share(u64 part, u64 whole);

#endif /* SOSNAP_UNITS_H */
