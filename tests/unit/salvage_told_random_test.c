// SPDX-License-Identifier: GPL-2.0
/*
 * The same as in salvage_told_test.c, of random stores with lineages, by random damage
 * and by power cuts.
 */
#include "told_env.h"

#define OBJECTS	4096U

/**
 * struct family - a store and what was done to it
 * @name:    of the snapshots there are, @nr of them
 * @numbers: so many copies were made, c0 and on
 * @copy_of: by number of a copy: the one of s1 to s6 that it goes back to
 * @kin:     by object that was written to: the same
 */
struct family {
	struct sv_store st;
	u64 seed;
	char name[TOLD_SNAPS][16];
	u32 nr;
	u32 numbers;
	u8 copy_of[OBJECTS];
	u8 kin[OBJECTS];
};

static u32 below(struct family *f, u32 n)
{
	return io_ram_random(&f->seed) % n;
}

/* Which of s1 to s6 a snapshot goes back to; 0: it is none of them. */
static u32 kin_of(const struct family *f, const char *name)
{
	u32 number;

	if (sscanf(name, "c%u", &number) == 1)
		return f->copy_of[number];
	return sscanf(name, "s%u", &number) == 1 ? number : 0;
}

static void write_some(struct family *f)
{
	u32 who = below(f, f->nr), object = told_top_of(&f->st, f->name[who]);
	u32 blk = below(f, SV_SPAN - 140);

	assert_in_range(object, 1, OBJECTS - 1);
	f->kin[object] = kin_of(f, f->name[who]);
	/* one has zeros only */
	if (who == 5 || (who == 1 && below(f, 2)))
		sv_zero(&f->st, object, blk, 1 + below(f, 120));
	else if (below(f, 4))
		sv_map(&f->st, object, blk, 1 + below(f, 3));
	else
		sv_zero(&f->st, object, blk, 1 + below(f, 20));
}

static void make_some(struct family *f)
{
	struct sosnap_change c;
	char why[128];
	u32 who;

	if (f->nr < 14 && below(f, 2)) {
		who = below(f, f->nr);
		f->copy_of[f->numbers] = kin_of(f, f->name[who]);
		snprintf(f->name[f->nr], sizeof(f->name[0]), "c%u", f->numbers++);
		told_snapshot_of(&f->st, f->name[who], f->name[f->nr]);
		f->nr++;
	}
	if (!below(f, 6)) {
		sosnap_change_init(&c, &f->st.m, why, sizeof(why));
		sv_change(&f->st, &c, sosnap_change_refresh(&c, f->name[below(f, f->nr)], 1));
	}
	if (!below(f, 5) && f->nr > 4) {
		who = below(f, f->nr);
		sv_remove_snapshot(&f->st, f->name[who]);
		memcpy(f->name[who], f->name[--f->nr], sizeof(f->name[0]));
	}
}

/* Trees of three levels, and states before the last one. */
static void family(struct family *f, u64 seed)
{
	u32 i, k;

	memset(f, 0, sizeof(*f));
	f->seed = seed * 7919 + 1;
	sv_new(&f->st, TOLD_BLOCKS);
	f->st.m.work[0].max_items = 4 + below(f, 6);
	f->st.m.work[1].max_items = 4 + below(f, 20);
	f->st.m.reap_extents = 40;
	for (f->nr = 0; f->nr < 6; f->nr++) {
		snprintf(f->name[f->nr], sizeof(f->name[0]), "s%u", f->nr + 1);
		sv_add_snapshot(&f->st, f->name[f->nr]);
	}
	for (k = 0; k < 12; k++) {
		for (i = 0; i < 30; i++) {
			write_some(f);
			if (!below(f, 40) || sosnap_journal_used(&f->st.m.journal) > 120)
				sv_checkpoint(&f->st, 0);
		}
		make_some(f);
		if (below(f, 2))
			sv_checkpoint(&f->st, 0);
	}
	sv_checkpoint(&f->st, 0);
	for (i = below(f, 3) * 8; i > 0; i--)
		write_some(f);
	if (!below(f, 3))
		sv_add_snapshot(&f->st, "late");
}

/* Blocks with metadata, of the last state and of those before. */
static u32 find_metadata(struct io_ram *ram, u64 *blk, u32 most)
{
	u32 nr = 0;
	u64 i;

	for (i = 0; i < ram->io.nr_blocks; i++) {
		const struct sosnap_disk_header *h = (void *)ram->disk[i];
		u32 magic = h ? le32_to_cpu(h->magic) : 0;

		if ((magic == SOSNAP_MAGIC_SUPER || magic == SOSNAP_MAGIC_NODE ||
		     magic == SOSNAP_MAGIC_BITMAP || magic == SOSNAP_MAGIC_SUMMARY) &&
		    le64_to_cpu(h->blk) == i && nr < most)
			blk[nr++] = i;
	}
	return nr;
}

static void damage(struct family *f, struct io_ram *ram, const u64 *blk, u32 nr)
{
	u32 k = 1 + below(f, 5);

	if (!below(f, 3))
		told_destroy_supers(ram);
	if (!below(f, 4))
		told_destroy_bitmaps(ram);
	while (k--)
		told_destroy(ram, blk[below(f, nr)]);
}

/*
 * Each block has what was written to it there, by the snapshot or one of its kin; one that
 * repair has made, for an object that is nobody's, has what one kin has written.
 */
static void expect_data(const struct family *f, struct io_ram *ram,
			const struct told_images *images, const char *what)
{
	char data[SOSNAP_BLOCK_SIZE];
	unsigned long long blk;
	unsigned int object;
	u32 i, k, kin;

	for (i = 0; i < images->nr; i++) {
		const struct told_image *im = &images->v[i];

		kin = kin_of(f, im->name);
		for (k = 0; k < SV_SPAN; k++) {
			if (!im->store[k] || im->store[k] == SOSNAP_STORE_ZERO)
				continue;
			io_ram_read(ram, im->store[k], data);
			if (sscanf(data, "object %u block %llu", &object, &blk) != 2 ||
			    blk != k || object >= OBJECTS || (kin && f->kin[object] != kin))
				fail_msg("%s: %s has '%.40s' at %u", what, im->name, data, k);
			kin = f->kin[object];
		}
	}
}

static void random_damage(void **state)
{
	u64 first = getenv("TOLD_SEED") ? atoll(getenv("TOLD_SEED")) : 1, seed;
	u64 seeds = getenv("TOLD_SEEDS") ? atoll(getenv("TOLD_SEEDS")) : 25;
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	static u64 blk[TOLD_BLOCKS];
	u32 rep, nr, differ = 0;
	struct family f;
	struct told t;
	char what[64];

	for (seed = first; seed < first + seeds; seed++) {
		struct io_ram *ram;

		family(&f, seed);
		sv_close_store(&f.st);
		ram = sv_copy_of(&f.st);
		told_look(ram, before);
		io_ram_free(ram);
		nr = find_metadata(f.st.ram, blk, ARRAY_SIZE(blk));
		for (rep = 0; rep < 20; rep++) {
			int r;

			snprintf(what, sizeof(what), "TOLD_SEED=%llu, damage %u",
				 (unsigned long long)seed, rep);
			ram = sv_copy_of(&f.st);
			damage(&f, ram, blk, nr);
			r = told_mend(ram, &t, &res);
			if (r)
				fail_msg("%s: error %d", what, r);
			sv_expect_clean(ram);
			told_look(ram, after);
			differ += told_expect_marked(before, after, &t, &res, what);
			expect_data(&f, ram, after, what);
			io_ram_free(ram);
		}
		io_ram_free(f.st.ram);
	}
	assert_true(differ > 0);
	free(before);
	free(after);
}

static bool keep_blocks(void *ctx, u32 write, u32 sector)
{
	u64 seed = *(u64 *)ctx + write;

	return io_ram_random(&seed) & 1;
}

static bool keep_sectors(void *ctx, u32 write, u32 sector)
{
	u64 seed = *(u64 *)ctx + write * SOSNAP_BLOCK_SECTORS + sector;

	return io_ram_random(&seed) & 1;
}

/*
 * The power goes during a checkpoint, and the superblocks are lost as well: which of two
 * states is complete has to be found out. As long as blocks are there or not, it is.
 */
static void cut_checkpoint(void **state)
{
	struct told_images *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct sosnap_salvage_result res;
	struct io_ram_fate fate;
	struct io_ram *ram;
	struct family f;
	struct told t;
	char what[64];
	u32 at, i, end, seed, torn, differ, older = 0;
	u64 random;

	for (seed = 1; seed <= 6; seed++) {
		torn = seed % 2;
		fate.keep = torn ? keep_sectors : keep_blocks;
		fate.ctx = &random;
		family(&f, seed);
		for (i = 0; i < 20; i++)
			write_some(&f);
		io_ram_log_begin(f.st.ram);
		sv_checkpoint(&f.st, 0);
		end = f.st.ram->log_nr;
		sv_close_store(&f.st);
		for (at = 1; at <= end; at++) {
			struct io_ram_point point = io_ram_point_at(f.st.ram, at);

			snprintf(what, sizeof(what), "family %u, write %u", seed, at);
			random = io_ram_random(&f.seed);
			ram = io_ram_crash(f.st.ram, point, &fate);
			told_look(ram, before);
			io_ram_free(ram);
			ram = io_ram_crash(f.st.ram, point, &fate);
			told_destroy_supers(ram);
			must(told_mend(ram, &t, &res));
			sv_expect_clean(ram);
			told_look(ram, after);
			differ = told_expect_marked(before, after, &t, &res, what);
			expect_data(&f, ram, after, what);
			if (differ && (!torn || !res.doubtful_blocks))
				fail_msg("%s: %u differ", what, differ);
			older += res.older_state;
			io_ram_free(ram);
		}
		io_ram_free(f.st.ram);
	}
	assert_true(older > 0);
	free(before);
	free(after);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_checkpoint),
		cmocka_unit_test(random_damage),
	};

	return cmocka_run_group_tests_name("sosnap_salvage_told_random", tests, NULL, NULL);
}
