// SPDX-License-Identifier: GPL-2.0
/*
 * Dumps given to 'store restore': what it takes makes a store that the check
 * finds nothing wrong with, and what it refuses it refuses in one sentence. The
 * command's source is part of this file, so that its parser can be called.
 */
#include RESTORE_SOURCE

#include <ctype.h>
#include <fcntl.h>
#include <unistd.h>

#define DEVICE_BYTES	(64ULL << 20)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);

static struct sosnap_dev device = { .path = "device" };
static char long_key[41], long_text[601];
static char good[65536];
static size_t good_size;
static FILE *said;	/* where the sentences go */
static char *text;
static size_t text_size;

static void must(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char path[] = "/tmp/fuzz-restore.XXXXXX";
	FILE *f = fopen(GOLDEN, "r");

	must(f);
	good_size = fread(good, 1, sizeof(good), f);
	must(good_size && good_size < sizeof(good));
	fclose(f);
	memset(long_key, 'k', sizeof(long_key) - 1);
	memset(long_text, '7', sizeof(long_text) - 1);
	device.fd = mkstemp(path);
	must(device.fd >= 0 && !unlink(path) && !ftruncate(device.fd, DEVICE_BYTES));
	device.bytes = DEVICE_BYTES;
	said = open_memstream(&text, &text_size);
	must(said);
	return 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	FILE *in = size ? fmemopen((void *)data, size, "r") : NULL, *errors = stderr;
	struct sosnap_super super;
	size_t i, lines = 0;
	int r;

	if (!in)
		return 0;
	rewind(said);
	stderr = said;
	r = rehearse(&device, in, NULL, &super);
	stderr = errors;
	fclose(in);
	must(!fflush(said));
	/* one sentence, and only text in it */
	for (i = 0; r && i < text_size; i++) {
		lines += text[i] == '\n';
		must(text[i] == '\n' || (u8)text[i] >= ' ');
	}
	must(!r || lines == 1);
	must(!r ? sosnap_name_valid(super.name) : true);
	return 0;
}

static u32 seed_next(u32 *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* The token that begins at or after a place, by its first and last byte. */
static bool token(const u8 *data, size_t size, size_t at, size_t *from, size_t *to)
{
	for (*from = at; *from < size; ++*from)
		if (isalnum(data[*from]))
			break;
	for (*to = *from; *to < size; ++*to)
		if (!isalnum(data[*to]))
			break;
	return *from < *to;
}

static size_t replace(u8 *data, size_t size, size_t max, size_t from, size_t to, const char *with)
{
	size_t n = strlen(with);

	if (size - (to - from) + n > max)
		return size;
	memmove(data + from + n, data + to, size - to);
	memcpy(data + from, with, n);
	return size - (to - from) + n;
}

/* A line once more, or no more. */
static size_t line(u8 *data, size_t size, size_t max, size_t at, bool twice)
{
	size_t from = at, to = at;
	char copy[2048];

	while (from && data[from - 1] != '\n')
		from--;
	while (to < size && data[to++] != '\n')
		;
	if (!twice || to - from >= sizeof(copy))
		return replace(data, size, max, from, to, "");
	memcpy(copy, data + from, to - from);
	copy[to - from] = 0;
	return replace(data, size, max, to, to, copy);
}

/* Mostly a dump in which a word or a line is another. */
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed)
{
	static const char *const words[] = {
		"0", "1", "2", "3", "255", "256", "257", "4096", "16383", "16384", "4294967294",
		"4294967295", "4294967296", "281474976710655", "281474976710656",
		"9223372036854775808", "18446744073709551615", "18446744073709551616", "-1", "1e9",
		"null", "true", "false", "\"\"", "[]", "{}", "\"\\u0000\"", "\"\\u001b[2J\"",
		"map", "zero", "put", "delete", "gold", "object", "snapshot", "web", "extents",
		long_key, long_text,
	};
	u32 s = seed, times = 1 + seed_next(&s) % 3;
	size_t from, to;

	if (!(seed_next(&s) % 5) && size)
		return LLVMFuzzerMutate(data, size, max);
	if (size < 64 && good_size <= max) {
		memcpy(data, good, good_size);
		size = good_size;
	}
	while (times-- && size) {
		size_t at = (seed_next(&s) << 12 ^ seed_next(&s)) % size;

		if (!(seed_next(&s) % 6))
			size = line(data, size, max, at, seed_next(&s) % 2);
		else if (token(data, size, at, &from, &to))
			size = replace(data, size, max, from, to,
				       words[seed_next(&s) % ARRAY_SIZE(words)]);
	}
	return size;
}
