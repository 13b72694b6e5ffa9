// SPDX-License-Identifier: GPL-2.0
#include "lib/refs.h"

#include "lib/report.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int parse_all(char **args, int nr, struct sosnap_ref *refs)
{
	char **sorted = sosnap_alloc((size_t)nr, sizeof(*sorted));
	int r = 0;

	for (int i = 0; !r && i < nr; i++)
		r = sosnap_ref_parse(args[i], &refs[i]);
	memcpy(sorted, args, (size_t)nr * sizeof(*sorted));
	qsort(sorted, (size_t)nr, sizeof(*sorted), by_text);
	for (int i = 1; !r && i < nr; i++)
		if (!strcmp(sorted[i], sorted[i - 1])) {
			sosnap_error("%s is given twice", sorted[i]);
			r = -EINVAL;
		}
	free(sorted);
	return r;
}

/* Whether refs[i] is the first of its store */
static bool first_of_store(const struct sosnap_ref *refs, int i)
{
	for (int k = 0; k < i; k++)
		if (!strcmp(refs[i].store, refs[k].store))
			return false;
	return true;
}

int sosnap_refs_each(char **args, int nr, sosnap_refs_fn fn, void *ctx)
{
	struct sosnap_ref *refs = sosnap_alloc((size_t)nr, sizeof(*refs));
	struct sosnap_store *stores = sosnap_alloc((size_t)nr, sizeof(*stores));
	const char **names = sosnap_alloc((size_t)nr, sizeof(*names));
	int r = parse_all(args, nr, refs);

	for (int i = 0; !r && i < nr; i++)
		if (first_of_store(refs, i))
			r = sosnap_store_find(refs[i].store, &stores[i]);
	for (int i = 0; !r && i < nr; i++) {
		size_t n = 0;

		if (!first_of_store(refs, i))
			continue;
		for (int k = i; k < nr; k++)
			if (!strcmp(refs[i].store, refs[k].store))
				names[n++] = refs[k].snap;
		r = fn(&stores[i], names, n, ctx);
	}
	free(names);
	free(stores);
	free(refs);
	return r;
}
