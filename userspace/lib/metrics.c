// SPDX-License-Identifier: GPL-2.0
#include "lib/metrics.h"

#include "lib/report.h"

/* Values are numbers of the status line, most of them of blocks */
struct metric {
	const char *name;
	const char *type;
	const char *help;
	size_t offset;
	unsigned int unit;
};

#define STORE(metric, kind, field, bytes, text) \
	{ "sosnap_store_" metric, kind, text, offsetof(struct sosnap_reply_store, field), bytes }

static const struct metric store_metrics[] = {
	STORE("size_bytes", "gauge", total, SOSNAP_BLOCK_SIZE, "Size of the store."),
	STORE("used_bytes", "gauge", used, SOSNAP_BLOCK_SIZE,
	      "Used by data and metadata, the journal included."),
	STORE("data_bytes", "gauge", data, SOSNAP_BLOCK_SIZE, "Changed blocks of all snapshots."),
	STORE("metadata_bytes", "gauge", metadata, SOSNAP_BLOCK_SIZE, "Metadata and journal."),
	STORE("reserved_bytes", "gauge", reserved, SOSNAP_BLOCK_SIZE,
	      "Free, but kept for metadata."),
	STORE("kept_bytes", "gauge", kept, SOSNAP_BLOCK_SIZE,
	      "Free, but kept for snapshots that have a reservation."),
	STORE("removing_bytes", "gauge", removing, SOSNAP_BLOCK_SIZE,
	      "Of removed snapshots, still to be given back."),
	STORE("journal_size_bytes", "gauge", journal, SOSNAP_BLOCK_SIZE, "Size of the journal."),
	STORE("journal_used_bytes", "gauge", journal_used, SOSNAP_BLOCK_SIZE,
	      "Journal in use until the next checkpoint."),
	STORE("pending_records", "gauge", pending, 1, "Changes that are not merged yet."),
	STORE("checkpoints_total", "counter", generation, 1,
	      "Checkpoints since the store was made."),
	STORE("snapshots", "gauge", snapshots, 1, "Snapshots in the store."),
	STORE("gold_images", "gauge", golds, 1, "Gold images that the store knows."),
	STORE("map_memory_bytes", "gauge", map_kib, 1024, "Memory of the maps of all snapshots."),
};

static const char *const states[] = { "active", "read-only", "full", "failed" };

static void head(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void store_value(FILE *f, const struct metric *d, const struct sosnap_store *s)
{
	u64 n = *(const u64 *)((const char *)&s->st + d->offset);

	fprintf(f, "%s{store=\"%s\"} %llu\n", d->name, s->st.name,
		(unsigned long long)n * d->unit);
}

static void store_state(FILE *f, const struct sosnap_store *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		fprintf(f, "sosnap_store_state{store=\"%s\",state=\"%s\"} %d\n", s->st.name,
			states[i], !strcmp(states[i], sosnap_store_state(s)));
}

static const struct {
	const char *name;
	const char *help;
} snap_metrics[] = {
	{ "sosnap_snapshot_size_bytes", "Size of the snapshot." },
	{ "sosnap_snapshot_changed_bytes", "What it has changed of its gold image." },
	{ "sosnap_snapshot_active", "Whether it has a device." },
	{ "sosnap_snapshot_fenced", "Whether damaged metadata keeps it from being used." },
};

static u64 snap_value(size_t metric, const struct sosnap_reply_snapshot *s)
{
	switch (metric) {
	case 0: return s->sectors << 9;
	case 1: return s->blocks << SOSNAP_BLOCK_SHIFT;
	case 2: return s->active;
	default: return !strcmp(s->state, "fenced");
	}
}

void sosnap_metrics_print(FILE *f, const struct sosnap_measured *m, size_t nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(store_metrics); i++) {
		const struct metric *d = &store_metrics[i];

		head(f, d->name, d->type, d->help);
		for (size_t k = 0; k < nr; k++)
			store_value(f, d, &m[k].store);
	}
	head(f, "sosnap_store_state", "gauge", "1 for the state that the store is in.");
	for (size_t k = 0; k < nr; k++)
		store_state(f, &m[k].store);
	for (size_t i = 0; i < ARRAY_SIZE(snap_metrics); i++) {
		head(f, snap_metrics[i].name, "gauge", snap_metrics[i].help);
		for (size_t k = 0; k < nr; k++)
			for (size_t j = 0; j < m[k].nr; j++)
				fprintf(f, "%s{store=\"%s\",snapshot=\"%s\",gold=\"%s\"} %llu\n",
					snap_metrics[i].name, m[k].store.st.name,
					m[k].snaps[j].name, m[k].snaps[j].gold,
					(unsigned long long)snap_value(i, &m[k].snaps[j]));
	}
}

int sosnap_measure(struct sosnap_measured **m, size_t *nr)
{
	struct sosnap_store *stores;
	int r = sosnap_stores_active(&stores, nr);

	if (r)
		return r;
	*m = sosnap_alloc(*nr, sizeof(**m));
	for (size_t i = 0; i < *nr && !r; i++) {
		(*m)[i].store = stores[i];
		r = sosnap_store_snapshots(&stores[i], &(*m)[i].snaps, &(*m)[i].nr);
	}
	free(stores);
	if (r)
		sosnap_measured_free(*m, *nr);
	return r;
}

void sosnap_measured_free(struct sosnap_measured *m, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(m[i].snaps);
	free(m);
}
