// SPDX-License-Identifier: GPL-2.0
#include "fuzz.h"

/* Mostly fields of the image, now and then what libFuzzer thinks of. */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	u64 s = seed;
	u32 n = size ? data[0] % (FUZZ_MAX_EDITS + 1) : 0;
	struct edit e;
	size_t at;

	if (max < 1 + sizeof(e) || !(edit_rand(&s) % 4))
		return LLVMFuzzerMutate(data, size, max);
	n = min_t(size_t, n, size ? (size - 1) / sizeof(e) : 0);
	edit_random(&fuzz_image, &e, &s);
	if (!n || (n < FUZZ_MAX_EDITS && size + sizeof(e) <= max && edit_rand(&s) % 2)) {
		at = 1 + n * sizeof(e);
		size = size ?: 1;
		size = min(size, max - sizeof(e));
		memmove(data + at + sizeof(e), data + at, size - at);
		size += sizeof(e);
		data[0] = n + 1;
	} else {
		at = 1 + edit_rand(&s) % n * sizeof(e);
	}
	memcpy(data + at, &e, sizeof(e));
	return size;
}
