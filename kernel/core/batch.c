// SPDX-License-Identifier: GPL-2.0
/*
 * One sweep over the records sorted by start. A heap keeps the records that
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

static int by_start(const void *x, const void *y)
{
	const struct sosnap_batch_record *a = x, *b = y;

	cond_resched();	/* sort() does not, and a million records take it seconds */
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	if (a->blk != b->blk)
		return a->blk < b->blk ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
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

/* Sweep the records [from, to) of one object. */
static int sweep(struct sosnap_batch *b, u32 from, u32 to, struct run *run)
{
	u32 nr = 0, next = from;
	u64 line = 0;
	int r;

	while (nr || next < to) {
		struct sosnap_batch_record *top;
		u64 end;

		if (!nr)
			line = b->record[next].blk;
		while (next < to && b->record[next].blk == line)
			heap_push(b, &nr, next++);
		top = &b->record[b->heap[0]];
		if (end_of(top) <= line) {
			r = hidden(run, top, end_of(top));
			if (r)
				return r;
			heap_pop(b, &nr);
			continue;
		}
		end = end_of(top);
		if (next < to)
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
	u32 from, to;
	int r = 0;

	sort(b->record, b->nr, sizeof(*b->record), by_start, NULL);
	for (from = 0; from < b->nr && !r; from = to) {
		for (to = from + 1; to < b->nr; to++)
			if (b->record[to].object != b->record[from].object)
				break;
		r = sweep(b, from, to, &run);
	}
	if (!r)
		r = run_out(&run);
	b->nr = 0;
	return r;
}
