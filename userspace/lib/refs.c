// SPDX-License-Identifier: GPL-2.0
#include "lib/refs.h"

#include "lib/report.h"

static int parse_all(char **args, int nr, struct sosnap_ref *refs)
{
	for (int i = 0; i < nr; i++) {
		int r = sosnap_ref_parse(args[i], &refs[i]);

		for (int k = 0; !r && k < i; k++)
			if (!strcmp(refs[i].store, refs[k].store) &&
			    !strcmp(refs[i].snap, refs[k].snap)) {
				sosnap_error("%s is given twice", args[i]);
				r = -EINVAL;
			}
		if (r)
			return r;
	}
	return 0;
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
