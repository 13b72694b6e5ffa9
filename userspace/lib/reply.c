// SPDX-License-Identifier: GPL-2.0
#include "lib/reply.h"

#include <stdlib.h>

/* A line that is read word by word; @bad once a word was missing or wrong */
struct words {
	const char *p;
	bool bad;
};

static void take_word(struct words *w, char *buf, size_t size)
{
	size_t len;

	w->p += strspn(w->p, " ");
	len = strcspn(w->p, " \n");
	buf[0] = 0;
	if (!len || len >= size) {
		w->bad = true;
		return;
	}
	memcpy(buf, w->p, len);
	buf[len] = 0;
	w->p += len;
}

static u64 take_number(struct words *w, int base)
{
	unsigned long long n;
	char word[32], *end;

	take_word(w, word, sizeof(word));
	errno = 0;
	n = strtoull(word, &end, base);
	if (errno || end == word || *end || word[0] == '-')
		w->bad = true;
	return n;
}

/* A number at the end, which an older module does not say: 0 then */
static u64 take_later(struct words *w)
{
	return w->p[strspn(w->p, " \n")] ? take_number(w, 10) : 0;
}

#define TAKE(w, array) take_word(w, array, sizeof(array))

int sosnap_reply_parse_gold(const char *line, struct sosnap_reply_gold *g)
{
	struct words w = { .p = line };

	TAKE(&w, g->name);
	g->sectors = take_number(&w, 10);
	g->crc = (u32)take_number(&w, 16);
	TAKE(&w, g->sha256);
	g->snapshots = take_number(&w, 10);
	g->ctime = take_number(&w, 10);
	return w.bad ? -EPROTO : 0;
}

int sosnap_reply_parse_snapshot(const char *line, struct sosnap_reply_snapshot *s)
{
	struct words w = { .p = line };

	s->id = take_number(&w, 10);
	TAKE(&w, s->name);
	s->sectors = take_number(&w, 10);
	TAKE(&w, s->gold);
	s->blocks = take_number(&w, 10);
	s->auto_activate = take_number(&w, 10);
	s->active = take_number(&w, 10);
	s->ctime = take_number(&w, 10);
	TAKE(&w, s->uuid);
	TAKE(&w, s->state);
	TAKE(&w, s->origin);
	s->ancestors = take_number(&w, 10);
	s->disposable = take_number(&w, 10);
	s->read_only = take_number(&w, 10);
	s->quota = take_number(&w, 10);
	s->reservation = take_later(&w);
	return w.bad ? -EPROTO : 0;
}

int sosnap_reply_parse_store(const char *line, struct sosnap_reply_store *s)
{
	struct words w = { .p = line };

	TAKE(&w, s->state);
	TAKE(&w, s->name);
	TAKE(&w, s->uuid);
	s->used = take_number(&w, 10);
	s->total = take_number(&w, 10);
	s->data = take_number(&w, 10);
	s->metadata = take_number(&w, 10);
	s->reserved = take_number(&w, 10);
	s->journal_used = take_number(&w, 10);
	s->journal = take_number(&w, 10);
	s->pending = take_number(&w, 10);
	s->generation = take_number(&w, 10);
	s->snapshots = take_number(&w, 10);
	s->golds = take_number(&w, 10);
	s->map_kib = take_number(&w, 10);
	s->removing = take_number(&w, 10);
	s->shrinks_to = take_later(&w);
	s->beyond = take_later(&w);
	s->kept = take_later(&w);
	return w.bad ? -EPROTO : 0;
}

int sosnap_reply_parse_status(const char *line, struct sosnap_reply_status *s)
{
	struct words w = { .p = line };

	TAKE(&w, s->state);
	TAKE(&w, s->name);
	s->sectors = take_number(&w, 10);
	s->blocks = take_number(&w, 10);
	TAKE(&w, s->gold);
	s->map_kib = take_number(&w, 10);
	s->quota = take_number(&w, 10);
	s->reservation = take_later(&w);
	return w.bad ? -EPROTO : 0;
}
