// SPDX-License-Identifier: GPL-2.0
#include "lib/store.h"

#include <sys/stat.h>

#include "lib/blocks.h"
#include "lib/report.h"
#include "uapi.h"

#define STORE_UUID_LEN (sizeof(SOSNAP_DM_UUID_PREFIX) - 1 + 36)

int sosnap_name_check(const char *what, const char *name)
{
	if (sosnap_name_valid(name))
		return 0;
	if (!name[0])
		sosnap_error("the name of a %s must not be empty", what);
	else if (strlen(name) >= SOSNAP_NAME_LEN)
		sosnap_error("the name of a %s must not be longer than %d characters: '%s' is",
			     what, SOSNAP_NAME_LEN - 1, name);
	else
		sosnap_error("'%s' cannot be the name of a %s: use letters, digits and . _ + -, and do not start with - or .",
			     name, what);
	return -EINVAL;
}

int sosnap_ref_parse(const char *text, struct sosnap_ref *ref)
{
	const char *slash = strchr(text, '/');
	char *store;
	int r;

	if (!slash || strchr(slash + 1, '/')) {
		sosnap_error("'%s' does not name a snapshot: write <store>/<snapshot>", text);
		return -EINVAL;
	}
	store = sosnap_strdup(text);
	store[slash - text] = 0;
	r = sosnap_name_check("store", store) ?: sosnap_name_check("snapshot", slash + 1);
	if (!r) {
		strscpy(ref->store, store, sizeof(ref->store));
		strscpy(ref->snap, slash + 1, sizeof(ref->snap));
	}
	free(store);
	return r;
}

/* Appends @s with every '-' doubled; false when it does not fit */
static bool append_doubled(char name[SOSNAP_DM_NAME], const char *s)
{
	size_t len = strlen(name);

	for (; *s; s++) {
		size_t n = *s == '-' ? 2 : 1;

		if (len + n >= SOSNAP_DM_NAME)
			return false;
		memset(name + len, *s, n);
		len += n;
		name[len] = 0;
	}
	return true;
}

int sosnap_dm_name(const char *store, const char *snap, char name[SOSNAP_DM_NAME])
{
	size_t len;
	bool ok;

	name[0] = 0;
	ok = append_doubled(name, store);
	len = strlen(name);
	if (ok && snap) {
		ok = len + 1 < SOSNAP_DM_NAME;
		if (ok) {
			name[len] = '-';
			name[len + 1] = 0;
			ok = append_doubled(name, snap);
		}
	}
	if (!ok) {
		sosnap_error("the names '%s%s%s' are too long together for a device name: at most %d characters, each '-' counts twice",
			     store, snap ? "/" : "", snap ?: "", SOSNAP_DM_NAME - 1);
		return -ENAMETOOLONG;
	}
	return 0;
}

int sosnap_dm_name_split(const char *name, struct sosnap_ref *ref)
{
	char *part = ref->store;
	size_t len = 0;

	memset(ref, 0, sizeof(*ref));
	for (; *name; name++) {
		/* no name starts with '-', so the first two of three are a doubled one */
		if (*name == '-' && name[1] == '-') {
			name++;
		} else if (*name == '-') {
			if (part != ref->store)
				return -EINVAL;
			part = ref->snap;
			len = 0;
			continue;
		}
		if (len == SOSNAP_NAME_LEN - 1)
			return -EINVAL;
		part[len++] = *name;
	}
	if (!sosnap_name_valid(ref->store) ||
	    (part != ref->store && !sosnap_name_valid(ref->snap)))
		return -EINVAL;
	return 0;
}

/* A device-mapper device as a store; -ENOENT when it is none. Says nothing */
static int store_from_dm(const struct sosnap_dm_dev *dev, struct sosnap_store *store)
{
	char *type = NULL, *params = NULL;
	size_t len;
	int r;

	/* one that was made by hand may have no uuid */
	if (!dev->live || (dev->uuid[0] && (strlen(dev->uuid) != STORE_UUID_LEN ||
					    strncmp(dev->uuid, SOSNAP_DM_UUID_PREFIX,
						    sizeof(SOSNAP_DM_UUID_PREFIX) - 1))))
		return -ENOENT;
	r = sosnap_dm_status(dev->name, &type, &params);
	if (r)
		return -ENOENT;		/* it went away meanwhile */
	r = strcmp(type, SOSNAP_TARGET_STORE) ? -ENOENT : 0;
	if (!r)
		r = sosnap_reply_parse_store(params, &store->st);
	free(type);
	free(params);
	if (r)
		return r;
	strscpy(store->dm, dev->name, sizeof(store->dm));

	r = sosnap_dm_table(dev->name, &type, &params);
	if (r)
		return -ENOENT;
	len = strcspn(params, " ");
	params[len] = 0;
	sosnap_blocks_path(params, store->path, sizeof(store->path));
	free(type);
	free(params);
	return 0;
}

struct store_list {
	struct sosnap_store *v;
	size_t nr;
};

static int add_store(const struct sosnap_dm_dev *dev, void *ctx)
{
	struct store_list *list = ctx;
	struct sosnap_store store;
	int r = store_from_dm(dev, &store);

	if (r == -ENOENT)
		return 0;
	if (r)
		return r;
	list->v = reallocarray(list->v, list->nr + 1, sizeof(*list->v));
	if (!list->v)
		sosnap_die_memory();
	list->v[list->nr++] = store;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(((const struct sosnap_store *)a)->st.name,
			  ((const struct sosnap_store *)b)->st.name);
}

int sosnap_stores_active(struct sosnap_store **stores, size_t *nr)
{
	struct store_list list = { 0 };
	int r = sosnap_dm_available();

	if (r)
		return r;
	r = sosnap_dm_each(add_store, &list);
	if (r == -EPROTO)
		sosnap_error("the status of a store is not understood: tool and module are of different versions");
	else if (r)
		sosnap_dm_error(r, "the active stores cannot be listed");
	if (r) {
		free(list.v);
		return r;
	}
	if (list.nr)
		qsort(list.v, list.nr, sizeof(*list.v), by_name);
	*stores = list.v;
	*nr = list.nr;
	return 0;
}

int sosnap_store_lookup(const char *name, struct sosnap_store *store)
{
	char dm[SOSNAP_DM_NAME];
	struct sosnap_store *stores;
	struct sosnap_dm_dev dev;
	size_t nr;
	int r;

	r = sosnap_name_check("store", name) ?: sosnap_dm_name(name, NULL, dm) ?:
	    sosnap_dm_available();
	if (r)
		return r;
	/* where it usually is, and then wherever somebody put it by hand */
	r = sosnap_dm_find(dm, NULL, &dev);
	if (!r && dev.exists && !store_from_dm(&dev, store) && !strcmp(store->st.name, name))
		return 0;
	r = sosnap_stores_active(&stores, &nr);
	if (r)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(stores[i].st.name, name))
			continue;
		*store = stores[i];
		r = 0;
	}
	free(stores);
	return r;
}

int sosnap_store_find(const char *name, struct sosnap_store *store)
{
	int r = sosnap_store_lookup(name, store);

	if (r == -ENOENT)
		sosnap_error("store '%s' is not active: 'sosnap store activate %s' activates it, 'sosnap store list' shows the stores there are",
			     name, name);
	return r;
}

int sosnap_store_on(const char *path, struct sosnap_store *store)
{
	struct sosnap_store *stores;
	struct stat st, on;
	size_t nr;
	int r = sosnap_stores_active(&stores, &nr);

	if (r)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < nr && !stat(path, &st) && S_ISBLK(st.st_mode); i++) {
		if (stat(stores[i].path, &on) || on.st_rdev != st.st_rdev)
			continue;
		*store = stores[i];
		r = 0;
	}
	free(stores);
	return r;
}

const char *sosnap_store_state(const struct sosnap_store *store)
{
	if (!strcmp(store->st.state, "rw"))
		return "active";
	if (!strcmp(store->st.state, "ro"))
		return "read-only";
	return store->st.state;
}

/* The lines of a reply, cut in place; how many */
static size_t split_lines(char *reply, char ***lines)
{
	size_t nr = 0, room = 1;
	char *line;

	for (const char *p = reply; *p; p++)
		room += *p == '\n';
	*lines = sosnap_alloc(room, sizeof(**lines));
	for (line = strtok(reply, "\n"); line; line = strtok(NULL, "\n"))
		(*lines)[nr++] = line;
	return nr;
}

typedef int parse_fn(const char *line, void *item);

/* An answer that grows by what it is asked for */
struct answer {
	void *items;
	size_t nr;
	bool parts;	/* a last line "more <id>" says that there are others */
	u64 more;	/* the id to ask from next, 0: none */
};

/* Appends the lines of an answer */
static int take_lines(struct answer *a, char *reply, size_t size, parse_fn *parse)
{
	unsigned long long more = 0;
	char **lines, *items;
	size_t nr = split_lines(reply, &lines);
	int r = 0;

	if (a->parts && nr && sscanf(lines[nr - 1], "more %llu", &more) == 1)
		nr--;
	items = sosnap_alloc(a->nr + nr, size);
	if (a->nr)
		memcpy(items, a->items, a->nr * size);
	for (size_t i = 0; !r && i < nr; i++)
		r = parse(lines[i], items + (a->nr + i) * size);
	if (more && (more <= a->more || !nr))
		r = -EPROTO;
	free(lines);
	free(a->items);
	a->items = items;
	a->nr += nr;
	a->more = more;
	return r;
}

/* Asks once, and makes an array of the lines of the answer */
static int ask_list(const struct sosnap_store *store, const char *message, size_t size,
		    parse_fn *parse, struct answer *a)
{
	char *reply = NULL;
	int r = sosnap_dm_ask(store->dm, message, &reply);

	if (r) {
		sosnap_dm_error(r, "store '%s' does not answer '%s'", store->st.name, message);
	} else {
		r = take_lines(a, reply, size, parse);
		if (r)
			sosnap_error("the answer of store '%s' to '%s' is not understood: tool and module are of different versions",
				     store->st.name, message);
	}
	free(reply);
	if (r) {
		free(a->items);
		memset(a, 0, sizeof(*a));
	}
	return r;
}

static int parse_gold(const char *line, void *item)
{
	return sosnap_reply_parse_gold(line, item);
}

static int parse_snapshot(const char *line, void *item)
{
	return sosnap_reply_parse_snapshot(line, item);
}

int sosnap_store_golds(const struct sosnap_store *store, struct sosnap_reply_gold **golds,
		       size_t *nr)
{
	struct answer a = { 0 };
	int r = ask_list(store, "list gold", sizeof(**golds), parse_gold, &a);

	*golds = a.items;
	*nr = a.nr;
	return r;
}

/* Few stores have any, so that is asked for once and not told with each snapshot */
static int mark_lossy(const struct sosnap_store *store, struct sosnap_reply_snapshot *snaps,
		      size_t nr)
{
	char *names = NULL, *name, *rest = NULL;
	size_t at = 0;
	int r;

	if (!nr)
		return 0;
	r = sosnap_dm_ask(store->dm, "list lossy", &names);
	if (r)
		sosnap_dm_error(r, "store '%s' does not answer 'list lossy'", store->st.name);
	for (name = r ? NULL : strtok_r(names, "\n", &rest); name;
	     name = strtok_r(NULL, "\n", &rest)) {
		/* both lists are in the order of ids */
		for (size_t i = 0; i < nr; i++) {
			at = (at + 1) % nr;
			if (strcmp(snaps[at].name, name))
				continue;
			snaps[at].lossy = true;
			break;
		}
	}
	free(names);
	return r;
}

int sosnap_store_snapshots(const struct sosnap_store *store,
			   struct sosnap_reply_snapshot **snaps, size_t *nr)
{
	struct answer a = { .parts = true };
	int r;

	/* in parts: libdevmapper keeps the buffer of the longest answer for all later calls */
	do {
		char *message = sosnap_printf("list snapshot %llu", (unsigned long long)a.more);

		r = ask_list(store, message, sizeof(**snaps), parse_snapshot, &a);
		free(message);
	} while (!r && a.more);
	*snaps = a.items;
	*nr = a.nr;
	return r ?: mark_lossy(store, a.items, a.nr);
}

const struct sosnap_reply_gold *sosnap_gold_by_name(const struct sosnap_reply_gold *golds,
						    size_t nr, const char *name)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(golds[i].name, name))
			return &golds[i];
	return NULL;
}

const struct sosnap_reply_snapshot *
sosnap_snapshot_by_name(const struct sosnap_reply_snapshot *snaps, size_t nr, const char *name)
{
	/* many are mostly asked for in the order of the list: begin where the last one was */
	static size_t next;

	for (size_t i = 0; i < nr; i++) {
		size_t at = (next + i) % nr;

		if (strcmp(snaps[at].name, name))
			continue;
		next = at;
		return &snaps[at];
	}
	return NULL;
}

const struct sosnap_reply_gold *sosnap_gold_need(const struct sosnap_store *store,
						 const struct sosnap_reply_gold *golds,
						 size_t nr, const char *name)
{
	const struct sosnap_reply_gold *g = sosnap_gold_by_name(golds, nr, name);

	if (!g)
		sosnap_error("store '%s' has no gold image '%s': 'sosnap gold list %s' shows those it has",
			     store->st.name, name, store->st.name);
	return g;
}

const struct sosnap_reply_snapshot *
sosnap_snapshot_need(const struct sosnap_store *store,
		     const struct sosnap_reply_snapshot *snaps, size_t nr, const char *name)
{
	const struct sosnap_reply_snapshot *s = sosnap_snapshot_by_name(snaps, nr, name);

	if (!s)
		sosnap_error("store '%s' has no snapshot '%s': 'sosnap list %s' shows those it has",
			     store->st.name, name, store->st.name);
	return s;
}
