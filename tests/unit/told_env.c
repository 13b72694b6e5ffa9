// SPDX-License-Identifier: GPL-2.0
#include "extent.h"
#include "store_env.h"
#include "told_env.h"

static void add_extents(struct sosnap_meta *m, u32 object, struct told_image *im)
{
	struct sosnap_extent x;
	u64 at = 0, i;

	while (!sosnap_extent_find(sosnap_meta_live(m, SOSNAP_TREE_EXTENT), object, at, &x)) {
		for (i = 0; i < x.len && x.blk + i < SV_SPAN; i++)
			if (!im->store[x.blk + i])
				im->store[x.blk + i] = x.store == SOSNAP_STORE_ZERO ? x.store :
						       x.store + i;
		at = x.blk + x.len;
	}
}

/* After the journal; the store is changed by that. */
void told_look(struct io_ram *ram, struct told_images *images)
{
	const struct sosnap_entry *e, *o;
	struct sosnap_meta m;
	u32 id = 0, object;

	memset(images, 0, sizeof(*images));
	must(se_recover(&ram->io, &m, SE_PLANT_NONE));
	while ((e = sosnap_catalog_next(&m.catalog, SOSNAP_CATALOG_SNAPSHOT, id)) &&
	       images->nr < TOLD_SNAPS) {
		struct told_image *im = &images->v[images->nr++];

		id = e->id + 1;
		memcpy(im->name, e->item.snapshot.name, sizeof(im->name));
		im->lossy = le32_to_cpu(e->item.snapshot.flags) & SOSNAP_SNAPSHOT_LOSSY;
		for (object = le32_to_cpu(e->item.snapshot.object); object;
		     object = le32_to_cpu(o->item.object.parent)) {
			o = sosnap_catalog_get(&m.catalog, SOSNAP_CATALOG_OBJECT, object);
			assert_non_null(o);
			add_extents(&m, object, im);
		}
	}
	sosnap_meta_close(&m);
	io_ram_drop_cache(ram);
}

const struct told_image *told_image_of(const struct told_images *images, const char *name)
{
	u32 i;

	for (i = 0; i < images->nr; i++)
		if (!strcmp(images->v[i].name, name))
			return &images->v[i];
	return NULL;
}

static void on_lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
	((struct told *)ctx)->ranges++;
}

static void on_changed(void *ctx, u32 type, u32 id, const char *what)
{
	((struct told *)ctx)->changes++;
}

static const struct sosnap_salvage_ops ops = { .lost = on_lost, .changed = on_changed };
static const struct sosnap_salvage_want want = { .name = "store", .now = 1 };

int told_mend(struct io_ram *ram, struct told *t, struct sosnap_salvage_result *res)
{
	struct sosnap_salvage *s;
	int r;

	memset(t, 0, sizeof(*t));
	io_ram_drop_cache(ram);
	r = sosnap_salvage_find(&ram->io, &want, &ops, t, res, &s);
	if (!r)
		r = sosnap_salvage_write(s, &ram->io);
	sosnap_salvage_free(s);
	io_ram_drop_cache(ram);
	return r;
}

/* Number of snapshots that are not what they were; each is marked, or gone and told. */
u32 told_expect_marked(const struct told_images *before, const struct told_images *after,
		       const struct told *t, const struct sosnap_salvage_result *res,
		       const char *what)
{
	bool told = t->ranges || t->changes || res->lost_commits || res->shared_blocks;
	u32 i, differ = 0;

	for (i = 0; i < before->nr; i++) {
		const struct told_image *was = &before->v[i], *is = told_image_of(after, was->name);

		if (is && !memcmp(was->store, is->store, sizeof(was->store)))
			continue;
		differ++;
		if (!told)
			fail_msg("%s: %s differs or is gone, and nothing is told", what, was->name);
		if (is && !is->lossy)
			fail_msg("%s: %s differs and is not marked", what, was->name);
	}
	return differ;
}

void told_destroy(struct io_ram *ram, u64 blk)
{
	memset(io_ram_disk(ram, blk), 0xff, SOSNAP_BLOCK_SIZE);
}

void told_destroy_supers(struct io_ram *ram)
{
	told_destroy(ram, SOSNAP_SUPER_BLK0);
	told_destroy(ram, SOSNAP_SUPER_BLK1);
}

void told_destroy_bitmaps(struct io_ram *ram)
{
	told_destroy(ram, SOSNAP_BITMAP_SLOT);
	told_destroy(ram, SOSNAP_BITMAP_SLOT + 1);
}

u32 told_top_of(struct sv_store *st, const char *name)
{
	return le32_to_cpu(sosnap_catalog_name(&st->m.catalog, SOSNAP_CATALOG_SNAPSHOT,
					       name)->item.snapshot.object);
}

void told_snapshot_of(struct sv_store *st, const char *origin, const char *name)
{
	struct sosnap_pair pair = { .origin = origin, .name = name };
	struct sosnap_change c;
	char why[128];

	sosnap_change_init(&c, &st->m, why, sizeof(why));
	sv_change(st, &c, sosnap_change_snapshot(&c, &pair, 1, 1));
}
