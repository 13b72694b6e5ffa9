// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies of the stand-ins that are too long for a header.
 */
#include "shim.h"

void sort(void *base, size_t num, size_t size,
	  int (*cmp)(const void *, const void *), void (*swap_fn)(void *, void *, int))
{
	(void)swap_fn;
	if (num)
		qsort(base, num, size, cmp);
}

/* CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, slicing by eight. */
static u32 crc_table[8][256];

__attribute__((constructor)) static void crc_init(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;

		for (int k = 0; k < 8; k++)
			c = (c & 1) ? (c >> 1) ^ 0x82f63b78U : c >> 1;
		crc_table[0][i] = c;
	}
	for (u32 i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			crc_table[t][i] = crc_table[0][crc_table[t - 1][i] & 0xff] ^
					  (crc_table[t - 1][i] >> 8);
}

u32 crc32c(u32 crc, const void *data, size_t len)
{
	const u8 *p = data;

	while (len >= 8) {
		u64 v;

		memcpy(&v, p, 8);
		v = le64toh(v) ^ crc;
		crc = crc_table[7][v & 0xff] ^ crc_table[6][(v >> 8) & 0xff] ^
		      crc_table[5][(v >> 16) & 0xff] ^ crc_table[4][(v >> 24) & 0xff] ^
		      crc_table[3][(v >> 32) & 0xff] ^ crc_table[2][(v >> 40) & 0xff] ^
		      crc_table[1][(v >> 48) & 0xff] ^ crc_table[0][v >> 56];
		p += 8;
		len -= 8;
	}
	while (len--)
		crc = crc_table[0][(crc ^ *p++) & 0xff] ^ (crc >> 8);
	return crc;
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size);

	if (!size)
		return -E2BIG;
	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = 0;
		return -E2BIG;
	}
	memcpy(dst, src, n + 1);
	return (ssize_t)n;
}

static unsigned long find_next(const void *p, unsigned long size, unsigned long off, bool want)
{
	const u8 *b = p;
	const u8 skip = want ? 0x00 : 0xff;

	while (off < size) {
		if (!(off & 7) && b[off >> 3] == skip) {
			off += 8;
			continue;
		}
		if (test_bit_le(off, p) == want)
			return off;
		off++;
	}
	return size;
}

unsigned long find_next_bit_le(const void *p, unsigned long size, unsigned long off)
{
	return find_next(p, size, off, true);
}

unsigned long find_next_zero_bit_le(const void *p, unsigned long size, unsigned long off)
{
	return find_next(p, size, off, false);
}
