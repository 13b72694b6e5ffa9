// SPDX-License-Identifier: GPL-2.0
#include "lib/units.h"

#include <ctype.h>

#include "lib/report.h"

static const char units[] = "KMGTP";

static int parse_digits(const char **s, u64 *val)
{
	const char *p = *s;

	*val = 0;
	for (; isdigit((unsigned char)*p); p++)
		if (check_mul_overflow(*val, (u64)10, val) ||
		    check_add_overflow(*val, (u64)(*p - '0'), val))
			return -ERANGE;
	if (p == *s)
		return -EINVAL;
	*s = p;
	return 0;
}

/* "K", "KiB" or "" */
static int parse_unit(const char *s, u64 *unit)
{
	*unit = 1;
	if (*s) {
		const char *u = strchr(units, toupper((unsigned char)*s));

		if (!u)
			return -EINVAL;
		*unit = 1ULL << (10 * (u - units + 1));
		s++;
	}
	return *s && strcmp(s, "iB") ? -EINVAL : 0;
}

int sosnap_units_parse(const char *s, u64 *bytes)
{
	u64 whole, unit, part = 0, scale = 1;
	int r = parse_digits(&s, &whole);

	if (r)
		return r;
	if (*s == '.') {
		const char *start = ++s;

		r = parse_digits(&s, &part);
		if (r)
			return r;
		if (s - start > 6)
			return -EINVAL;
		while (start++ < s)
			scale *= 10;
	}
	r = parse_unit(s, &unit);
	if (r)
		return r;
	if (check_mul_overflow(whole, unit, bytes))
		return -ERANGE;
	if (check_mul_overflow(part, unit, &part))
		return -ERANGE;
	if (scale > 1 && part / scale == 0 && part % scale)
		return -EINVAL;
	return check_add_overflow(*bytes, part / scale, bytes) ? -ERANGE : 0;
}

const char *sosnap_units_format(u64 bytes, char *buf)
{
	int i = -1;
	u64 tenths;

	if (bytes < 1024) {
		snprintf(buf, SOSNAP_UNITS_LEN, "%llu", (unsigned long long)bytes);
		return buf;
	}
	for (i = 0; i < 4 && bytes >> (10 * (i + 2)); i++)
		;
	/* in tenths of the unit, rounded; 1023.95 and more is 1 of the next */
	tenths = (bytes >> (10 * (i + 1))) * 10 +
		 (((bytes & ((1ULL << (10 * (i + 1))) - 1)) >> (10 * i)) * 10 + 512) / 1024;
	if (tenths >= 10240 && i < 4) {
		tenths = 10;
		i++;
	}
	if (tenths % 10)
		snprintf(buf, SOSNAP_UNITS_LEN, "%llu.%llu%c", (unsigned long long)tenths / 10,
			 (unsigned long long)tenths % 10, units[i]);
	else
		snprintf(buf, SOSNAP_UNITS_LEN, "%llu%c", (unsigned long long)tenths / 10,
			 units[i]);
	return buf;
}

int sosnap_units_option(const char *what, const char *s, u32 unit, u64 *bytes)
{
	char text[SOSNAP_UNITS_LEN];
	u64 val;
	int r;

	if (!s)
		return 0;
	r = sosnap_units_parse(s, &val);
	if (r == -ERANGE) {
		sosnap_error("%s '%s' is too large", what, s);
	} else if (r) {
		sosnap_error("%s '%s' is not a size: write a number and K, M, G, T or P, as in 20G",
			     what, s);
	} else if (!val || val % unit) {
		sosnap_error("%s '%s' must be a multiple of %s bytes and not 0", what, s,
			     sosnap_units_format(unit, text));
		r = -EINVAL;
	} else {
		*bytes = val;
	}
	return r;
}

int sosnap_units_number(const char *what, const char *s, u64 max, u64 *val)
{
	u64 n;

	if (!s)
		return 0;
	if (parse_digits(&s, &n) || *s || n > max) {
		sosnap_error("%s must be a number from 0 to %llu", what,
			     (unsigned long long)max);
		return -EINVAL;
	}
	*val = n;
	return 0;
}

u64 sosnap_units_share(u64 part, u64 whole)
{
	if (!whole)
		return 0;
	return (u64)((unsigned __int128)part * 10000 / whole);
}
