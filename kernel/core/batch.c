// SPDX-License-Identifier: GPL-2.0
/*
 * The records are linked, not moved, into the order of their starts, by merging
 * the runs that are in order already. Guests write in runs: that is the time it
 * saves, and in the worst case it is a merge sort without room of its own.
 *
 * Then one sweep over them. A heap keeps the records that
 * reach the sweep line, the latest on top; the top owns the line up to its end
 * or to the next start. Each record remembers how far it is accounted for, so
 * what was hidden under later records is found when it surfaces or leaves:
 * O(n log n), however the records nest.
 */
#include "batch.h"

/**
 * sosnap_batch_init() - make room
 * @b:   to initialise
 * @max: records it can take
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_batch_init(struct sosnap_batch *b, u32 max)
{
	b->nr = 0;
	b->max = max;
	b->record = kvmalloc_array(max, sizeof(*b->record), GFP_NOIO);
	b->heap = kvmalloc_array(max, sizeof(*b->heap), GFP_NOIO);
	if (!b->record || !b->heap) {
		sosnap_batch_exit(b);
		return -ENOMEM;
	}
	return 0;
}

/**
 * sosnap_batch_exit() - free the room
 * @b: initialised, or failed to
 */
void sosnap_batch_exit(struct sosnap_batch *b)
{
	kvfree(b->record);
	kvfree(b->heap);
	b->record = NULL;
	b->heap = NULL;
}

/**
 * sosnap_batch_add() - add the next record in journal order
 * @b:      the batch
 * @object: whose blocks
 * @blk:    first block
 * @len:    how many, not 0
 * @store:  first store block or SOSNAP_STORE_ZERO
 * Context: may sleep; grows the batch if it is full.
 * Return: 0 or -ENOMEM.
 */
int sosnap_batch_add(struct sosnap_batch *b, u32 object, u64 blk, u32 len, u64 store)
{
	struct sosnap_batch_record *r;

	if (b->nr == b->max) {
		struct sosnap_batch more;

		if (b->max > U32_MAX / 4 || sosnap_batch_init(&more, b->max * 2))
			return -ENOMEM;
		memcpy(more.record, b->record, b->nr * sizeof(*b->record));
		more.nr = b->nr;
		sosnap_batch_exit(b);
		*b = more;
	}
	r = &b->record[b->nr];
	r->object = object;
	r->blk = blk;
	r->len = len;
	r->store = store;
	r->done = blk;
	r->order = b->nr++;
	return 0;
}

#define END		U32_MAX
#define MAX_LEVELS	32U	/* a level has twice the runs of the one below it */

static bool starts_before(const struct sosnap_batch_record *a,
			  const struct sosnap_batch_record *b)
{
	return a->object != b->object ? a->object < b->object : a->blk < b->blk;
}

/* Merge two lists that are not empty; where starts are equal, x comes first. */
static u32 merge(struct sosnap_batch *b, u32 x, u32 y)
{
	struct sosnap_batch_record *rx = &b->record[x], *ry = &b->record[y];
	u32 head, *tail = &head, n = 0;

	for (;;) {
		if (starts_before(ry, rx)) {
			*tail = y;
			tail = &ry->next;
			y = *tail;
			if (y == END)
				break;
			ry = &b->record[y];
		} else {
			*tail = x;
			tail = &rx->next;
			x = *tail;
			if (x == END)
				break;
			rx = &b->record[x];
		}
		if (++n % 1024 == 0)
			cond_resched();
	}
	*tail = x != END ? x : y;
	return head;
}

/* Take the run in order that starts at record *i off the journal's order. */
static u32 take_run(struct sosnap_batch *b, u32 *i)
{
	u32 first = (*i)++;

	while (*i < b->nr && !starts_before(&b->record[*i], &b->record[*i - 1])) {
		b->record[*i - 1].next = *i;
		(*i)++;
	}
	b->record[*i - 1].next = END;
	return first;
}

/* Link the records in the order of their starts, equal ones in that of the journal. */
static u32 sort_records(struct sosnap_batch *b)
{
	u32 level[MAX_LEVELS], levels = 0, l, i = 0, list;

	while (i < b->nr) {
		list = take_run(b, &i);
		for (l = 0; l < levels && level[l] != END; l++) {
			list = merge(b, level[l], list);
			level[l] = END;
		}
		if (l == levels)
			levels++;
		level[l] = list;
	}
	list = END;
	for (l = 0; l < levels; l++) {
		if (level[l] == END)
			continue;
		list = list == END ? level[l] : merge(b, level[l], list);
	}
	return list;
}

static u64 end_of(const struct sosnap_batch_record *r)
{
	return r->blk + r->len;
}

static void heap_push(struct sosnap_batch *b, u32 *nr, u32 idx)
{
	u32 i = (*nr)++;

	while (i) {
		u32 up = (i - 1) / 2;

		if (b->record[b->heap[up]].order > b->record[idx].order)
			break;
		b->heap[i] = b->heap[up];
		i = up;
	}
	b->heap[i] = idx;
}

static void heap_pop(struct sosnap_batch *b, u32 *nr)
{
	u32 last = b->heap[--(*nr)], i = 0;

	while (2 * i + 1 < *nr) {
		u32 down = 2 * i + 1;

		if (down + 1 < *nr && b->record[b->heap[down + 1]].order >
				      b->record[b->heap[down]].order)
			down++;
		if (b->record[last].order > b->record[b->heap[down]].order)
			break;
		b->heap[i] = b->heap[down];
		i = down;
	}
	b->heap[i] = last;
}

/* A run that still may grow by its neighbour. */
struct run {
	const struct sosnap_batch_ops *ops;
	void *ctx;
	u64 blk;
	u64 store;
	u32 object;
	u32 len;
};

static int run_out(struct run *run)
{
	int r = run->len ? run->ops->emit(run->ctx, run->object, run->blk, run->len,
					  run->store) : 0;

	run->len = 0;
	return r;
}

static int run_add(struct run *run, u32 object, u64 blk, u32 len, u64 store)
{
	int r;

	if (run->len && run->object == object && run->blk + run->len == blk &&
	    run->len < SOSNAP_MAX_EXTENT - len &&
	    (store == SOSNAP_STORE_ZERO ? run->store == store :
	     run->store != SOSNAP_STORE_ZERO && run->store + run->len == store)) {
		run->len += len;
		return 0;
	}
	r = run_out(run);
	run->object = object;
	run->blk = blk;
	run->len = len;
	run->store = store;
	return r;
}

/* What lies between done and to was hidden under later records. */
static int hidden(struct run *run, struct sosnap_batch_record *r, u64 to)
{
	int error = 0;

	if (r->done < to && r->store != SOSNAP_STORE_ZERO)
		error = run->ops->lost(run->ctx, r->object, r->store + (r->done - r->blk),
				       to - r->done);
	r->done = max(r->done, to);
	return error;
}

/* Whether a record of the object starts at the line, or somewhere if it is NULL. */
static bool comes(const struct sosnap_batch *b, u32 next, u32 object, const u64 *line)
{
	return next != END && b->record[next].object == object &&
	       (!line || b->record[next].blk == *line);
}

/* Whether no record behind it meets it, as it is with most. */
static bool is_alone(const struct sosnap_batch *b, const struct sosnap_batch_record *r)
{
	return !comes(b, r->next, r->object, NULL) || b->record[r->next].blk >= end_of(r);
}

/* Sweep the records of one object, of which *from is the first; *from goes on. */
static int sweep(struct sosnap_batch *b, u32 *from, struct run *run)
{
	u32 nr = 0, next = *from, object = b->record[next].object;
	u64 line = 0;
	int r;

	while (nr || comes(b, next, object, NULL)) {
		struct sosnap_batch_record *top;
		u64 end;

		if (!nr) {
			top = &b->record[next];
			line = top->blk;
			if (is_alone(b, top)) {
				r = run_add(run, object, line, top->len, top->store);
				if (r)
					return r;
				next = top->next;
				continue;
			}
		}
		for (; comes(b, next, object, &line); next = b->record[next].next)
			heap_push(b, &nr, next);
		top = &b->record[b->heap[0]];
		if (end_of(top) <= line) {
			r = hidden(run, top, end_of(top));
			if (r)
				return r;
			heap_pop(b, &nr);
			continue;
		}
		end = end_of(top);
		if (comes(b, next, object, NULL))
			end = min(end, b->record[next].blk);
		r = hidden(run, top, line);
		if (!r)
			r = run_add(run, top->object, line, end - line,
				    top->store == SOSNAP_STORE_ZERO ? top->store :
				    top->store + (line - top->blk));
		if (r)
			return r;
		top->done = end;
		line = end;
	}
	*from = next;
	return 0;
}

/**
 * sosnap_batch_run() - sort the batch and hand it on
 * @b:   the batch; used up
 * @ops: where it goes
 * @ctx: for @ops
 * Context: as @ops; long: yields the processor now and then.
 * Return: 0, or the first error of @ops.
 */
int sosnap_batch_run(struct sosnap_batch *b, const struct sosnap_batch_ops *ops, void *ctx)
{
	struct run run = { .ops = ops, .ctx = ctx };
	u32 next = sort_records(b);
	int r = 0;

	while (next != END && !r)
		r = sweep(b, &next, &run);
	if (!r)
		r = run_out(&run);
	b->nr = 0;
	return r;
}
