// SPDX-License-Identifier: GPL-2.0
#include "lib/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/report.h"

/* Controls, and what reorders text (bidirectional marks) or hides in it */
static bool char_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad ||
	       (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xd800 && c <= 0xdfff) || c >= 0xe0000;
}

size_t sosnap_text_char(const char *s)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)s;
	uint32_t c = p[0];
	size_t len = 1, i;

	if (c >= 0x80) {
		if ((c & 0xe0) == 0xc0)
			len = 2;
		else if ((c & 0xf0) == 0xe0)
			len = 3;
		else if ((c & 0xf8) == 0xf0)
			len = 4;
		else
			return 0;
		c &= 0x7f >> len;
		for (i = 1; i < len; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < least[len])
			return 0;
	}
	return char_harmful(c) ? 0 : len;
}

void sosnap_text_put(FILE *f, const char *s)
{
	while (*s) {
		size_t len = sosnap_text_char(s);

		if (len) {
			fwrite(s, 1, len, f);
			s += len;
		} else {
			fprintf(f, "\\x%02x", (unsigned char)*s++);
		}
	}
}

char *sosnap_text_clean(const char *s)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		sosnap_die_memory();
	sosnap_text_put(f, s);
	if (fclose(f) || !text)
		sosnap_die_memory();
	return text;
}

size_t sosnap_text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
