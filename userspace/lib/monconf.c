// SPDX-License-Identifier: GPL-2.0
#include "lib/monconf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "lib/report.h"
#include "lib/units.h"
#include "uapi.h"

static char *trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = 0;
	return s;
}

static struct sosnap_policy *add(struct sosnap_monconf *conf, const char *store)
{
	struct sosnap_policy *p;

	for (size_t i = 0; i < conf->nr; i++)
		if (!strcmp(conf->v[i].store, store))
			return NULL;
	conf->v = reallocarray(conf->v, conf->nr + 1, sizeof(*conf->v));
	if (!conf->v)
		sosnap_die_memory();
	p = &conf->v[conf->nr++];
	memset(p, 0, sizeof(*p));
	strscpy(p->store, store, sizeof(p->store));
	p->high = SOSNAP_MONCONF_HIGH;
	return p;
}

/* "[<store>]"; what is wrong with it, or NULL */
static const char *section(struct sosnap_monconf *conf, char *s)
{
	char *end = strchr(s, ']');
	char *name = s + 1;

	if (!end || end[1])
		return "a section is [<store>] or [*]";
	*end = 0;
	name = trim(name);
	if (strcmp(name, "*") && !sosnap_name_valid(name))
		return "this is no valid name of a store";
	return add(conf, name) ? NULL : "this section is there already";
}

static const char *percent(const char *value, u64 *v)
{
	char *end;

	errno = 0;
	*v = strtoull(value, &end, 10);
	if (end == value || (*end && strcmp(end, "%")) || errno || *v < 1 || *v > 99)
		return "this takes 1 to 99 percent";
	return NULL;
}

static const char *bytes(const char *value, u64 *v)
{
	if (sosnap_units_parse(value, v) || *v % SOSNAP_BLOCK_SIZE)
		return "this takes a size, as 10G, a multiple of 4K";
	return NULL;
}

static const char *yes_no(const char *value, bool *v)
{
	*v = !strcmp(value, "yes");
	return *v || !strcmp(value, "no") ? NULL : "this takes yes or no";
}

static const char *setting(struct sosnap_monconf *conf, char *s)
{
	char *value = strchr(s, '=');
	struct sosnap_policy *p;

	if (!conf->nr)
		return "a section, [<store>] or [*], comes first";
	if (!value)
		return "a line is <setting> = <value>";
	*value++ = 0;
	value = trim(value);
	s = trim(s);
	p = &conf->v[conf->nr - 1];
	if (!strcmp(s, "high_watermark"))
		return percent(value, &p->high);
	if (!strcmp(s, "grow_by"))
		return bytes(value, &p->grow_by);
	if (!strcmp(s, "max_size"))
		return bytes(value, &p->max_size);
	if (!strcmp(s, "remove_disposable"))
		return yes_no(value, &p->disposable);
	return "there are high_watermark, grow_by, max_size and remove_disposable";
}

static int read_lines(FILE *f, const char *path, struct sosnap_monconf *conf)
{
	const char *wrong = NULL;
	unsigned int nr = 0;
	char *line = NULL;
	size_t size = 0;

	while (!wrong && getline(&line, &size, f) >= 0) {
		char *s = line;

		nr++;
		s[strcspn(s, "#")] = 0;
		s = trim(s);
		if (!*s)
			continue;
		wrong = *s == '[' ? section(conf, s) : setting(conf, s);
		if (wrong)
			sosnap_error("%s, line %u: %s", path, nr, wrong);
	}
	free(line);
	for (size_t i = 0; !wrong && i < conf->nr; i++) {
		if (!conf->v[i].grow_by == !conf->v[i].max_size)
			continue;
		wrong = "";
		sosnap_error("%s, section [%s]: grow_by and max_size go together", path,
			     conf->v[i].store);
	}
	return wrong ? -EINVAL : 0;
}

int sosnap_monconf_read(const char *path, bool must, struct sosnap_monconf *conf)
{
	FILE *f = fopen(path, "re");
	int r;

	memset(conf, 0, sizeof(*conf));
	if (!f && errno == ENOENT && !must)
		return 0;
	if (!f) {
		r = -errno;
		sosnap_error("%s cannot be read: %s", path, strerror(-r));
		return r;
	}
	r = read_lines(f, path, conf);
	if (!r && ferror(f)) {
		sosnap_error("%s cannot be read: %s", path, strerror(EIO));
		r = -EIO;
	}
	fclose(f);
	if (r)
		sosnap_monconf_free(conf);
	return r;
}

void sosnap_monconf_free(struct sosnap_monconf *conf)
{
	free(conf->v);
	memset(conf, 0, sizeof(*conf));
}

struct sosnap_policy sosnap_monconf_policy(const struct sosnap_monconf *conf, const char *store)
{
	struct sosnap_policy p = { .high = SOSNAP_MONCONF_HIGH };

	for (size_t i = 0; i < conf->nr; i++)
		if (!strcmp(conf->v[i].store, "*"))
			p = conf->v[i];
	for (size_t i = 0; i < conf->nr; i++)
		if (!strcmp(conf->v[i].store, store))
			p = conf->v[i];
	return p;
}
