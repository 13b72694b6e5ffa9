// SPDX-License-Identifier: GPL-2.0
/*
 * The trees are built by puts in key order, the records merged into them as a
 * checkpoint does; then one walk over the result says which blocks have an owner,
 * and bitmaps and counts are made from that.
 */
#include "rebuild.h"

/**
 * sosnap_rebuild_init() - nothing collected yet
 * @rb:    to fill
 * @io:    the device; its uuid is that of the store
 * @super: of the store; its sizes, name and slots count
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int sosnap_rebuild_init(struct sosnap_rebuild *rb, struct sosnap_io *io,
			const struct sosnap_super *super)
{
	static const u16 val_bytes[SOSNAP_NR_TREES] = {
		[SOSNAP_TREE_CATALOG - 1] = SOSNAP_CATALOG_BYTES,
		[SOSNAP_TREE_EXTENT - 1] = sizeof(struct sosnap_disk_extent),
	};
	int r, i;

	memset(rb, 0, sizeof(*rb));
	rb->io = io;
	rb->meta.io = io;
	rb->meta.super = *super;
	for (i = 0; i < SOSNAP_NR_TREES; i++) {
		rb->meta.work[i].io = io;
		rb->meta.work[i].id = i + 1;
		rb->meta.work[i].val_bytes = val_bytes[i];
	}
	rb->nr_regions = sosnap_space_regions(super);
	rb->busy = kvcalloc(rb->nr_regions, sizeof(*rb->busy), GFP_KERNEL);
	rb->used = kvcalloc(rb->nr_regions, sizeof(*rb->used), GFP_KERNEL);
	r = sosnap_batch_init(&rb->batch, 4096);
	if (!r && rb->busy && rb->used)
		return 0;
	sosnap_rebuild_exit(rb);
	return -ENOMEM;
}

/**
 * sosnap_rebuild_exit() - free the memory
 * @rb: initialised, or failed to
 */
void sosnap_rebuild_exit(struct sosnap_rebuild *rb)
{
	u32 i;

	for (i = 0; i < rb->nr_regions; i++) {
		if (rb->busy)
			kvfree(rb->busy[i]);
		if (rb->used)
			kvfree(rb->used[i]);
	}
	kvfree(rb->busy);
	kvfree(rb->used);
	kvfree(rb->extent);
	sosnap_batch_exit(&rb->batch);
	sosnap_catalog_exit(&rb->meta.catalog);
	memset(rb, 0, sizeof(*rb));
}

static void seen_id(u64 *next, u64 id)
{
	*next = max(*next, id + 1);
}

/**
 * sosnap_rebuild_item() - a catalogue item
 * @rb:   what is collected
 * @type: enum sosnap_catalog_type
 * @id:   which
 * @item: its value; the block count of an object is made anew
 * Return: 0, -ENOMEM, or -EUCLEAN when it makes no sense.
 */
int sosnap_rebuild_item(struct sosnap_rebuild *rb, u32 type, u64 id,
			const union sosnap_item *item)
{
	struct sosnap_super *s = &rb->meta.super;

	if (!sosnap_catalog_sane(type, id, item))
		return sosnap_fault_set(&rb->io->fault, SOSNAP_FAULT_CATALOG_VALUE, 0, id);
	seen_id(type == SOSNAP_CATALOG_GOLD ? &s->next_gold :
		type == SOSNAP_CATALOG_OBJECT ? &s->next_object : &s->next_snapshot, id);
	return sosnap_catalog_put(&rb->meta.catalog, type, id, item);
}

/**
 * sosnap_rebuild_extent() - an extent
 * @rb:     what is collected
 * @object: whose
 * @blk:    first block
 * @len:    blocks
 * @store:  first store block or SOSNAP_STORE_ZERO
 * Return: 0, -ENOMEM, or -EUCLEAN when it is out of bounds.
 */
int sosnap_rebuild_extent(struct sosnap_rebuild *rb, u32 object, u64 blk, u32 len, u64 store)
{
	u64 blocks = rb->meta.super.nr_blocks;
	struct sosnap_rebuild_extent *more;
	u64 most;

	if (!object || !len || len > SOSNAP_MAX_EXTENT || blk >= SOSNAP_MAX_BLK ||
	    len > SOSNAP_MAX_BLK - blk ||
	    (store != SOSNAP_STORE_ZERO && (store >= blocks || len > blocks - store)))
		return sosnap_fault_set(&rb->io->fault, SOSNAP_FAULT_EXTENT_VALUE, 0, blk);
	if (rb->nr == rb->max) {
		most = rb->max ? rb->max * 2 : 1024;
		more = kvmalloc_array(most, sizeof(*more), GFP_KERNEL);
		if (!more)
			return -ENOMEM;
		if (rb->nr)
			memcpy(more, rb->extent, rb->nr * sizeof(*more));
		kvfree(rb->extent);
		rb->extent = more;
		rb->max = most;
	}
	rb->extent[rb->nr++] = (struct sosnap_rebuild_extent){
		.object = object, .e = { .blk = blk, .store = store, .len = len },
	};
	return 0;
}

/**
 * sosnap_rebuild_records() - the slots of a commit, the later ones later
 * @rb:    what is collected
 * @slots: its record slots
 * @nr:    how many
 * Return: 0, -ENOMEM, or -EUCLEAN when one of them makes no sense.
 */
int sosnap_rebuild_records(struct sosnap_rebuild *rb, const struct sosnap_disk_record *slots,
			   u32 nr)
{
	return sosnap_meta_apply(&rb->meta, &rb->batch, slots, nr);
}

/* The bitmap of a region, made on first use. */
static u8 *region_bits(struct sosnap_rebuild *rb, u8 **map, u32 region)
{
	u32 unused;

	if (!map[region]) {
		map[region] = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
		if (map[region])
			sosnap_space_fresh(&rb->meta.super, region, map[region], &unused);
	}
	return map[region];
}

/* Set bits. Once: none of them may be set, so that no block has two owners. */
static int mark(struct sosnap_rebuild *rb, u8 **map, u64 blk, u64 len, bool once)
{
	while (len) {
		u32 bit, region, n, i;
		u8 *bits;

		if (blk >= rb->meta.super.nr_blocks ||
		    blk / SOSNAP_REGION_BLOCKS >= rb->nr_regions)
			return sosnap_fault_set(&rb->io->fault, SOSNAP_FAULT_BLOCK_RANGE, 0, blk);
		region = div_u64_rem(blk, SOSNAP_REGION_BLOCKS, &bit);
		n = min_t(u64, len, SOSNAP_REGION_BLOCKS - bit);
		bits = region_bits(rb, map, region);
		if (!bits)
			return -ENOMEM;
		for (i = bit; i < bit + n; i++) {
			if (once && test_bit_le(i, bits))
				return sosnap_fault_set(&rb->io->fault, SOSNAP_FAULT_BLOCK_SHARED,
							0, blk + (i - bit));
			__set_bit_le(i, bits);
		}
		blk += n;
		len -= n;
	}
	return 0;
}

/**
 * sosnap_rebuild_busy() - blocks that nothing may be written to
 * @rb:  what is collected
 * @blk: first block
 * @len: how many
 * Return: 0, -ENOMEM, or -EUCLEAN when they are outside of the store.
 */
int sosnap_rebuild_busy(struct sosnap_rebuild *rb, u64 blk, u64 len)
{
	return mark(rb, rb->busy, blk, len, false);
}

static int node_alloc(struct sosnap_txn *txn, u64 *blk)
{
	struct sosnap_rebuild *rb = container_of(txn, struct sosnap_rebuild, meta.txn);

	while (rb->cursor < (u64)rb->nr_regions * SOSNAP_REGION_BLOCKS) {
		u32 bit, region = div_u64_rem(rb->cursor, SOSNAP_REGION_BLOCKS, &bit);
		u8 *bits = region_bits(rb, rb->busy, region);

		if (!bits)
			return -ENOMEM;
		bit = find_next_zero_bit_le(bits, SOSNAP_REGION_BLOCKS, bit);
		rb->cursor = (u64)region * SOSNAP_REGION_BLOCKS + bit;
		if (bit < SOSNAP_REGION_BLOCKS) {
			*blk = rb->cursor++;
			return 0;
		}
	}
	return -ENOSPC;
}

/* The block stays unused; the walk at the end finds no owner for it. */
static int node_free(struct sosnap_txn *txn, u64 blk)
{
	struct sosnap_rebuild *rb = container_of(txn, struct sosnap_rebuild, meta.txn);

	rb->io->ops->forget(rb->io, blk);
	return 0;
}

static struct sosnap_tree *tree(struct sosnap_rebuild *rb, u32 id)
{
	return &rb->meta.work[id - 1];
}

static int by_place(const void *a, const void *b)
{
	const struct sosnap_rebuild_extent *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->e.blk != y->e.blk)
		return x->e.blk < y->e.blk ? -1 : 1;
	return 0;
}

static struct sosnap_entry *object_of(struct sosnap_rebuild *rb, u32 object)
{
	return sosnap_catalog_get(&rb->meta.catalog, SOSNAP_CATALOG_OBJECT, object);
}

static void orphan(struct sosnap_rebuild *rb, u64 store, u32 len)
{
	rb->orphans++;
	if (store != SOSNAP_STORE_ZERO)
		rb->orphan_blocks += len;
}

static int put_extents(struct sosnap_rebuild *rb)
{
	u64 i;
	int r;

	if (rb->nr)
		sort(rb->extent, rb->nr, sizeof(*rb->extent), by_place, NULL);
	for (i = 0; i < rb->nr; i++) {
		const struct sosnap_rebuild_extent *x = &rb->extent[i], *last = x - 1;
		struct sosnap_key key = { .hi = x->object, .lo = x->e.blk };
		struct sosnap_disk_extent d = {
			.store = cpu_to_le64(x->e.store), .len = cpu_to_le32(x->e.len),
		};

		if (i && last->object == x->object && last->e.blk + last->e.len > x->e.blk)
			return sosnap_fault_set(&rb->io->fault, SOSNAP_FAULT_EXTENT_OVERLAP, 0,
						x->e.blk);
		if (!object_of(rb, x->object)) {
			orphan(rb, x->e.store, x->e.len);
			continue;
		}
		r = sosnap_btree_put(tree(rb, SOSNAP_TREE_EXTENT), &rb->meta.txn, &key, &d);
		if (r)
			return r;
	}
	return 0;
}

/* Everything that extents or records refer to, so that no node goes there. */
static int mark_data(struct sosnap_rebuild *rb)
{
	u64 i;
	int r = 0;

	for (i = 0; i < rb->nr && !r; i++)
		if (rb->extent[i].e.store != SOSNAP_STORE_ZERO)
			r = mark(rb, rb->busy, rb->extent[i].e.store, rb->extent[i].e.len, false);
	for (i = 0; i < rb->batch.nr && !r; i++)
		if (rb->batch.record[i].store != SOSNAP_STORE_ZERO)
			r = mark(rb, rb->busy, rb->batch.record[i].store,
				 rb->batch.record[i].len, false);
	return r;
}

static int freed(void __always_unused *ctx, u64 __always_unused store, u32 __always_unused len)
{
	return 0;
}

static int emit(void *ctx, u32 object, u64 blk, u32 len, u64 store)
{
	struct sosnap_extent e = { .blk = blk, .store = store, .len = len };
	struct sosnap_rebuild *rb = ctx;
	struct sosnap_entry *entry = object_of(rb, object);
	struct sosnap_tree *extents = tree(rb, SOSNAP_TREE_EXTENT);
	struct sosnap_extent_near near;
	int r;

	if (!entry) {
		orphan(rb, store, len);
		return 0;
	}
	if (le32_to_cpu(entry->item.object.flags) & SOSNAP_OBJECT_DYING)
		return 0;
	r = sosnap_extent_probe(extents, &rb->meta.txn, object, &e, &near);
	return r ? r : sosnap_extent_write(extents, &rb->meta.txn, object, &e, &near, freed, rb);
}

static int lost(void __always_unused *ctx, u32 __always_unused object,
		u64 __always_unused store, u32 __always_unused len)
{
	return 0;
}

/* The walk over what was built. */

struct walk {
	struct sosnap_btree_walk w;
	struct sosnap_rebuild *rb;
};

static int own_node(struct sosnap_btree_walk *w, u64 blk, u8 __always_unused level,
		    u32 __always_unused count)
{
	struct sosnap_rebuild *rb = container_of(w, struct walk, w)->rb;

	rb->meta.super.node_blocks++;
	return mark(rb, rb->used, blk, 1, true);
}

static int own_extent(struct sosnap_btree_walk *w, const struct sosnap_key *key,
		      const void *val)
{
	struct sosnap_rebuild *rb = container_of(w, struct walk, w)->rb;
	struct sosnap_disk_object *o = &object_of(rb, key->hi)->item.object;
	struct sosnap_disk_extent d;
	u32 len;

	memcpy(&d, val, sizeof(d));
	if (le64_to_cpu(d.store) == SOSNAP_STORE_ZERO)
		return 0;
	len = le32_to_cpu(d.len);
	o->blocks = cpu_to_le64(le64_to_cpu(o->blocks) + len);
	rb->meta.super.data_blocks += len;
	return mark(rb, rb->used, le64_to_cpu(d.store), len, true);
}

static int own_tree(struct sosnap_rebuild *rb, u32 id)
{
	struct walk walk = {
		.w = { .node = own_node,
		       .item = id == SOSNAP_TREE_EXTENT ? own_extent : NULL },
		.rb = rb,
	};

	return sosnap_btree_walk(tree(rb, id), &walk.w);
}

/* Bitmaps and summaries */

static int block_create(struct sosnap_rebuild *rb, u64 blk, u32 magic, u64 owner,
			struct sosnap_buf *buf)
{
	struct sosnap_disk_header *h;
	int r = rb->io->ops->create(rb->io, blk, buf);

	if (r)
		return r;
	h = buf->data;
	memset(h, 0, SOSNAP_BLOCK_SIZE);
	h->magic = cpu_to_le32(magic);
	memcpy(h->uuid, rb->io->uuid, sizeof(h->uuid));
	h->blk = cpu_to_le64(blk);
	h->gen = cpu_to_le64(rb->meta.super.gen);
	h->owner = cpu_to_le64(owner);
	rb->io->ops->dirty(rb->io, buf);
	return 0;
}

static u32 count_clear(const u8 *bits)
{
	u32 i, n = 0;

	for (i = 0; i < SOSNAP_REGION_BLOCKS; i++)
		n += !test_bit_le(i, bits);
	return n;
}

static int write_bitmap(struct sosnap_rebuild *rb, u32 region, u32 slot,
			struct sosnap_disk_summary_entry *e)
{
	struct sosnap_buf buf;
	u8 *fresh;
	u32 free;
	int r;

	if (!rb->used[region]) {
		fresh = kvmalloc(SOSNAP_BITMAP_BYTES, GFP_KERNEL);
		if (!fresh)
			return -ENOMEM;
		sosnap_space_fresh(&rb->meta.super, region, fresh, &free);
		kvfree(fresh);
		e->free = cpu_to_le32(free);
		return 0;
	}
	r = block_create(rb, (u64)region * SOSNAP_REGION_BLOCKS + SOSNAP_BITMAP_SLOT + slot,
			 SOSNAP_MAGIC_BITMAP, region, &buf);
	if (r)
		return r;
	memcpy(((struct sosnap_disk_bitmap *)buf.data)->bits, rb->used[region],
	       SOSNAP_BITMAP_BYTES);
	e->gen_slot = cpu_to_le64(rb->meta.super.gen << 1 | slot);
	e->free = cpu_to_le32(count_clear(rb->used[region]));
	rb->io->ops->put(rb->io, &buf);
	return 0;
}

/* A summary and its bitmaps, each to the slot that is not in force. */
static int write_summary(struct sosnap_rebuild *rb, u32 summary)
{
	u32 first = summary * SOSNAP_SUMMARY_REGIONS, i;
	u32 slot = sosnap_super_slot(&rb->meta.super, summary);
	u32 to = slot == 1 ? 2 : 1;
	const struct sosnap_disk_summary *in_force;
	struct sosnap_disk_summary *d;
	struct sosnap_buf old, buf;
	u64 was[SOSNAP_SUMMARY_REGIONS];
	int r;

	memset(was, 0, sizeof(was));
	r = sosnap_space_summary(rb->io, &rb->meta.super, summary, &old);
	if (r == 1) {
		in_force = old.data;
		for (i = 0; i < SOSNAP_SUMMARY_REGIONS; i++)
			was[i] = le64_to_cpu(in_force->e[i].gen_slot);
		rb->io->ops->put(rb->io, &old);
	}
	r = block_create(rb, (u64)first * SOSNAP_REGION_BLOCKS + SOSNAP_SUMMARY_SLOT + to - 1,
			 SOSNAP_MAGIC_SUMMARY, summary, &buf);
	if (r)
		return r;
	d = buf.data;
	for (i = 0; i < SOSNAP_SUMMARY_REGIONS && first + i < rb->nr_regions && !r; i++)
		r = write_bitmap(rb, first + i, was[i] ? !(was[i] & 1) : 0, &d->e[i]);
	rb->io->ops->put(rb->io, &buf);
	sosnap_super_set_slot(&rb->meta.super, summary, to);
	return r;
}

static int write_space(struct sosnap_rebuild *rb)
{
	u32 i;
	int r = 0;

	for (i = 0; i < DIV_ROUND_UP(rb->nr_regions, SOSNAP_SUMMARY_REGIONS) && !r; i++)
		r = write_summary(rb, i);
	return r;
}

static void forget_counts(struct sosnap_rebuild *rb)
{
	struct sosnap_entry *e;
	u32 id = 0;

	rb->meta.super.node_blocks = 0;
	rb->meta.super.data_blocks = 0;
	while ((e = sosnap_catalog_next(&rb->meta.catalog, SOSNAP_CATALOG_OBJECT, id))) {
		e->item.object.blocks = 0;
		id = e->id + 1;
	}
}

static int build(struct sosnap_rebuild *rb)
{
	static const struct sosnap_batch_ops ops = { .emit = emit, .lost = lost };
	struct sosnap_meta *m = &rb->meta;
	int r = mark_data(rb);

	if (!r)
		r = put_extents(rb);
	if (!r)
		r = sosnap_batch_run(&rb->batch, &ops, rb);
	forget_counts(rb);
	if (!r)
		r = own_tree(rb, SOSNAP_TREE_EXTENT);
	if (!r)
		r = sosnap_catalog_store(&m->catalog, tree(rb, SOSNAP_TREE_CATALOG), &m->txn);
	if (!r)
		r = own_tree(rb, SOSNAP_TREE_CATALOG);
	return r ? r : write_space(rb);
}

/**
 * sosnap_rebuild_write() - write it all
 * @rb:       what is collected; used up
 * @gen:      larger than that of anything on the device
 * @tail_seq: number of the next commit, larger than that of any there
 * Context: may sleep, long.
 * Return: 0, -ENOSPC when there are too few blocks that are not busy, -ENOMEM,
 * -EUCLEAN with io->fault set when extents or records contradict each other, or
 * the error of the device. After an error no superblock was written, but for one
 * of the device.
 */
int sosnap_rebuild_write(struct sosnap_rebuild *rb, u64 gen, u64 tail_seq)
{
	struct sosnap_super *s = &rb->meta.super;
	int r, i;

	s->gen = gen;
	rb->meta.txn.gen = gen;
	rb->meta.txn.alloc = node_alloc;
	rb->meta.txn.free = node_free;
	r = build(rb);
	if (r)
		return r;
	for (i = 0; i < SOSNAP_NR_TREES; i++)
		s->root[i] = rb->meta.work[i].root;
	s->flags = SOSNAP_SUPER_CLEAN;
	s->tail = 0;
	s->tail_seq = tail_seq;
	r = rb->io->ops->flush(rb->io);
	return r ? r : sosnap_super_write(rb->io, s);
}
