// SPDX-License-Identifier: GPL-2.0
#include "lib/args.h"

#include "lib/report.h"

static int find_opt(const struct sosnap_opt *opts, const char *name, size_t len)
{
	for (int i = 0; opts && opts[i].name; i++)
		if (strlen(opts[i].name) == len && !memcmp(opts[i].name, name, len))
			return i;
	return -1;
}

/* argv[*i] is an option; takes its value from the next argument if it needs to */
static int take_opt(struct sosnap_args *a, const struct sosnap_opt *opts, const char **got,
		    int opt, int argc, char **argv, int *i)
{
	const char *given = argv[*i];
	const char *eq = strchr(given, '=');

	if (got[opt]) {
		sosnap_error("%s: option --%s is given twice", a->command, opts[opt].name);
		return -EINVAL;
	}
	if (!opts[opt].value) {
		if (eq) {
			sosnap_error("%s: option --%s takes no value", a->command,
				     opts[opt].name);
			return -EINVAL;
		}
		got[opt] = "";
		return 0;
	}
	if (eq) {
		got[opt] = eq + 1;
	} else if (*i + 1 < argc) {
		got[opt] = argv[++*i];
	} else {
		sosnap_error("%s: option --%s needs a value: %s", a->command,
			     opts[opt].name, opts[opt].value);
		return -EINVAL;
	}
	return 0;
}

static int check_exclusive(const struct sosnap_args *a, const struct sosnap_opt *opts)
{
	for (int i = 0; opts && opts[i].name; i++)
		for (int k = 0; opts[k].name; k++)
			if (a->opt[i] && a->opt[k] && (opts[i].excludes & (1U << k))) {
				sosnap_error("%s: options --%s and --%s cannot stand together",
					     a->command, opts[i].name, opts[k].name);
				return -EINVAL;
			}
	return 0;
}

int sosnap_args_parse(struct sosnap_args *a, const struct sosnap_opt *opts,
		      const struct sosnap_opt *common, const char **got, int argc,
		      char **argv)
{
	bool only_args = false;

	a->arg = argv;
	a->nr = 0;
	for (int i = 0; i < argc; i++) {
		const char *s = argv[i];
		int opt, r;

		if (only_args || s[0] != '-' || !s[1]) {
			a->arg[a->nr++] = argv[i];
			continue;
		}
		if (!strcmp(s, "--")) {
			only_args = true;
			continue;
		}
		if (!strcmp(s, "-h"))
			s = "--help";
		if (s[1] != '-') {
			sosnap_error("%s: unknown option %s", a->command, s);
			return -EINVAL;
		}
		opt = find_opt(opts, s + 2, strcspn(s + 2, "="));
		if (opt >= 0) {
			r = take_opt(a, opts, a->opt, opt, argc, argv, &i);
		} else {
			opt = find_opt(common, s + 2, strcspn(s + 2, "="));
			if (opt < 0) {
				sosnap_error("%s: unknown option %s", a->command, s);
				return -EINVAL;
			}
			r = take_opt(a, common, got, opt, argc, argv, &i);
		}
		if (r)
			return r;
	}
	return check_exclusive(a, opts);
}
