// SPDX-License-Identifier: GPL-2.0
/*
 * Crash simulator. A workload runs on a device that keeps a log of its writes;
 * every write is a point where power may fail. For each point devices are made
 * that have lost, kept and torn (at 512 bytes) what was not flushed. Of the small
 * workload: every choice of lost writes where they are at most FEW_WRITES, and
 * every tear of each of them; else, and of long random ones, a sample. On each a
 * recovery runs, the result is judged (store_env.h, M1 to M3) and checked; some
 * crash again during the recovery; some go on with the workload and crash later.
 *
 * CRASH_RECOVERIES=<n>  recoveries of the long test (100000)
 * CRASH_SEED=<n>        another sample
 * CRASH_JOBS=<n>        processes (one for each CPU); changes no result
 *
 * The same with bugs planted, each of which has to be found.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_env.h"
#include "testlib.h"

#define STORE_BLOCKS	2048U
#define FEW_WRITES	9U	/* all subsets of so many are tried */
#define CHUNK		2500U	/* recoveries from one seed */
#define MOST_JOBS	64U

static u64 env_number(const char *name, u64 otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* What survives of the writes that were not flushed. */
struct outcome {
	enum { KEEP_ALL, KEEP_NONE, KEEP_WRITES, KEEP_TORN, KEEP_BLOCKS, KEEP_SECTORS } how;
	u32 mask;	/* KEEP_WRITES: of writes, KEEP_TORN: of sectors of the one that is torn */
	u32 torn;	/* KEEP_TORN: the others are kept */
	u64 seed;
	u32 first;
};

static bool keep(void *ctx, u32 write, u32 sector)
{
	struct outcome *o = ctx;
	u32 nr = write - o->first;
	u64 seed = o->seed + nr;

	switch (o->how) {
	case KEEP_ALL:
		return true;
	case KEEP_NONE:
		return false;
	case KEEP_WRITES:
		return o->mask >> nr & 1;
	case KEEP_TORN:
		return nr != o->torn || (o->mask >> sector & 1);
	case KEEP_BLOCKS:
		return io_ram_random(&seed) & 1;
	default:
		seed += ((u64)nr * SOSNAP_BLOCK_SECTORS + sector) << 32;
		return io_ram_random(&seed) & 1;
	}
}

struct sim {
	struct se *se;
	u64 recoveries;
	u64 again;	/* of these, after a crash during a recovery */
	u64 points;
	const char *why;	/* the first that was wrong */
	char text[400];
};

/* The figures of one process. */
struct figures {
	u64 recoveries;
	u64 again;
	u64 points;
};

static struct figures *all;	/* of each process; shared by them */
static u32 jobs, job;		/* how many there are, which this one is */

/* As if no checksum had been compared: every block and commit gets a right one. */
static void forge(struct io_ram *after)
{
	u64 blk;

	for (blk = 0; blk < after->io.nr_blocks; blk++) {
		u8 data[SOSNAP_COMMIT_BLOCKS * SOSNAP_BLOCK_SIZE];
		const struct sosnap_disk_header *h = (void *)data;
		u32 magic, blocks = 1, i;

		io_ram_read(after, blk, data);
		magic = le32_to_cpu(h->magic);
		if (magic == SOSNAP_MAGIC_COMMIT && le32_to_cpu(h->count) <= SOSNAP_COMMIT_SLOTS)
			blocks = sosnap_commit_blocks(le32_to_cpu(h->count));
		else if (magic != SOSNAP_MAGIC_SUPER && magic != SOSNAP_MAGIC_NODE &&
			 magic != SOSNAP_MAGIC_BITMAP && magic != SOSNAP_MAGIC_SUMMARY)
			continue;
		if (blk + blocks > after->io.nr_blocks)
			continue;
		for (i = 1; i < blocks; i++)
			io_ram_read(after, blk + i, data + i * SOSNAP_BLOCK_SIZE);
		sosnap_seal(data, magic == SOSNAP_MAGIC_COMMIT ?
			    sosnap_commit_bytes(le32_to_cpu(h->count)) :
			    blocks * SOSNAP_BLOCK_SIZE);
		memcpy(io_ram_disk(after, blk), data, SOSNAP_BLOCK_SIZE);
	}
}

static const char *wrong(struct sim *sim, struct io_ram_point point, const char *why)
{
	if (why && !sim->why) {
		snprintf(sim->text, sizeof(sim->text), "after %u of %u writes, %u flushed: %s",
			 point.written, sim->se->ram->log_nr, point.stable, why);
		sim->why = sim->text;
	}
	return why;
}

/* Recover and judge; the device is left closed. */
static const char *recover(struct sim *sim, struct io_ram_point point, struct io_ram *after,
			   u32 *which)
{
	struct sosnap_meta m;
	const char *why;

	sim->recoveries++;
	if (sim->se->plant == SE_PLANT_NO_CHECKSUM)
		forge(after);
	if (se_recover(&after->io, &m, sim->se->plant))
		return wrong(sim, point, "it cannot be recovered");
	why = se_judge(sim->se, point, after, &m, which);
	sosnap_meta_close(&m);
	io_ram_drop_cache(after);
	if (!why)
		why = se_check(&after->io, NULL);
	return wrong(sim, point, why);
}

static struct io_ram *crash(struct sim *sim, struct io_ram_point point, struct outcome *o)
{
	struct io_ram_fate fate = { .keep = keep, .ctx = o };

	o->first = point.stable;
	return io_ram_crash(sim->se->ram, point, &fate);
}

static void free_quietly(struct sim *sim, struct io_ram *after)
{
	u32 violations = io_ram_free(after);

	/* a recovery that gave up may leave what it likes */
	if (!sim->why)
		assert_int_equal(violations, 0);
}

static void one(struct sim *sim, struct io_ram_point point, struct outcome *o)
{
	struct io_ram *after = crash(sim, point, o);
	u32 which;

	recover(sim, point, after, &which);
	free_quietly(sim, after);
}

/* Crash, crash again within the recovery, and recover from that. */
static void twice(struct sim *sim, struct io_ram_point point, struct outcome *o, u32 times)
{
	struct io_ram *after = crash(sim, point, o);
	struct sosnap_meta m;
	u32 which, i;

	io_ram_log_begin(after);
	if (se_recover(&after->io, &m, sim->se->plant)) {
		wrong(sim, point, "it cannot be recovered");
		free_quietly(sim, after);
		return;
	}
	for (i = 0; i < times; i++) {
		u32 at = 1 + io_ram_random(&sim->se->seed) % after->log_nr;
		struct outcome second = {
			.how = io_ram_random(&sim->se->seed) & 1 ? KEEP_BLOCKS : KEEP_SECTORS,
			.seed = io_ram_random(&sim->se->seed),
		};
		struct io_ram_fate fate = { .keep = keep, .ctx = &second };
		struct io_ram_point then = io_ram_point_at(after, at);
		struct io_ram *again;

		second.first = then.stable;
		again = io_ram_crash(after, then, &fate);
		sim->again++;
		recover(sim, point, again, &which);
		free_quietly(sim, again);
	}
	sosnap_meta_close(&m);
	free_quietly(sim, after);
}

/* All that may be left, where that is few; else nothing, all, and a sample. */
static void crash_here(struct sim *sim, struct io_ram_point point, u32 sample)
{
	u32 lost = point.written - point.stable, i;
	struct outcome o = { .how = KEEP_NONE };

	sim->points++;
	if (lost <= FEW_WRITES) {
		o.how = KEEP_WRITES;
		for (o.mask = 0; o.mask < 1U << lost; o.mask++)
			one(sim, point, &o);
		o.how = KEEP_TORN;
		for (o.torn = 0; o.torn < lost; o.torn++)
			for (o.mask = 1; o.mask < 255; o.mask++)
				one(sim, point, &o);
	} else {
		one(sim, point, &o);
		o.how = KEEP_ALL;
		one(sim, point, &o);
	}
	if (lost < 2)
		return;
	for (i = 0; i < sample; i++) {
		o.how = io_ram_random(&sim->se->seed) & 1 ? KEEP_BLOCKS : KEEP_SECTORS;
		o.seed = io_ram_random(&sim->se->seed);
		one(sim, point, &o);
	}
}

/* Nothing, all, every choice where that is few, and a sample of tears. */
static void crash_sampled(struct sim *sim, struct io_ram_point point, u32 sample)
{
	u32 lost = point.written - point.stable, i;
	struct outcome o = { .how = KEEP_NONE };

	sim->points++;
	one(sim, point, &o);
	o.how = KEEP_ALL;
	one(sim, point, &o);
	o.how = KEEP_WRITES;
	for (o.mask = 1; lost <= 5 && o.mask < (1U << lost) - 1; o.mask++)
		one(sim, point, &o);
	for (i = 0; i < sample && lost; i++) {
		o.how = io_ram_random(&sim->se->seed) & 1 ? KEEP_BLOCKS : KEEP_SECTORS;
		o.seed = io_ram_random(&sim->se->seed);
		one(sim, point, &o);
	}
}

static void sim_end(struct sim *sim)
{
	all[job].recoveries += sim->recoveries;
	all[job].again += sim->again;
	all[job].points += sim->points;
	se_free(sim->se);
}

/* A first write, an overwrite, a discard, a removal, each with its flush. */
static void small_life(struct se *se)
{
	se_create(se);
	se_checkpoint(se, 0);
	se_log_begin(se);
	se_write(se, &se->now.snap[SE_SNAPS - 1], 3, 2);
	se_flush(se);
	se_write(se, &se->now.snap[SE_SNAPS - 1], 4, 2);
	se_zero(se, &se->now.snap[SE_SNAPS - 1], 3, 1);
	se_flush(se);
	se_checkpoint(se, 0);
	se_write(se, &se->now.snap[SE_SNAPS - 1], 3, 1);
	se_flush(se);
	se_create(se);
	se_remove(se, &se->now.snap[SE_SNAPS - 1]);
	se_checkpoint(se, 0);
}

/* A snapshot of a snapshot, writes over what both share, and the way back to one. */
static void family_life(struct se *se)
{
	struct se_snap *old = &se->now.snap[SE_SNAPS - 1], *young = old - 1;

	se_create(se);
	se_write(se, old, 3, 4);
	se_zero(se, old, 9, 2);
	se_checkpoint(se, 0);
	se_log_begin(se);
	se_write(se, old, 5, 3);
	se_snapshot(se, old);
	se_write(se, young, 4, 2);
	se_zero(se, old, 3, 1);
	se_flush(se);
	se_checkpoint(se, 0);
	se_rollback(se, old, young);
	se_write(se, old, 9, 1);
	se_remove(se, young);
	se_checkpoint(se, 0);
	se_checkpoint(se, 0);
	se_refresh(se, old);
	se_checkpoint(se, 0);
}

static void every_outcome(void (*life)(struct se *))
{
	struct sim sim = { .se = se_new(STORE_BLOCKS, 1) };
	u32 at;

	life(sim.se);
	for (at = 0; at <= sim.se->ram->log_nr && !sim.why; at++)
		crash_here(&sim, io_ram_point_at(sim.se->ram, at), 64);
	if (sim.why)
		fail_msg("%s", sim.why);
	sim_end(&sim);
}

static void every_outcome_of_a_small_workload(void **state)
{
	every_outcome(small_life);
}

static void every_outcome_of_a_small_family(void **state)
{
	every_outcome(family_life);
}

/* Growing, used at once; growing beyond a border of regions. */
static void growing_life(struct se *se)
{
	struct se_snap *sn = &se->now.snap[SE_SNAPS - 1];
	u64 blk;

	se_create(se);
	se_checkpoint(se, 0);
	se_log_begin(se);
	se_write(se, sn, 0, 4);
	se_flush(se);
	se_grow(se, 200);
	/* what was free before would be taken first */
	for (blk = 0; blk < STORE_BLOCKS; blk++)
		sosnap_space_take(&se->m.space, blk, 1);
	se_write(se, sn, 4, 30);
	se_flush(se);
	se_write(se, sn, 40, 4);
	se_grow(se, SOSNAP_REGION_BLOCKS);
	se_write(se, sn, 36, 4);
	se_flush(se);
	se_zero(se, sn, 0, 8);
	se_grow(se, 7);
	se_flush(se);
	se_checkpoint(se, 0);
}

static void every_point_of_growing(void **state)
{
	struct sim sim = { .se = se_new_growing(STORE_BLOCKS, 2 * SOSNAP_REGION_BLOCKS, 1) };
	u32 at, blk, new = 0;

	growing_life(sim.se);
	for (blk = 0; blk < SE_BLKS; blk++)
		new += sim.se->now.snap[SE_SNAPS - 1].map[blk] % SOSNAP_STORE_ZERO >= STORE_BLOCKS;
	assert_true(new > 20);
	for (at = 0; at <= sim.se->ram->log_nr && !sim.why; at++)
		crash_sampled(&sim, io_ram_point_at(sim.se->ram, at), 32);
	if (sim.why)
		fail_msg("%s", sim.why);
	sim_end(&sim);
}

/* Nodes and data of a family in the tail, a shrink, a life in what is left, another one. */
static void shrinking_life(struct se *se)
{
	struct se_snap *sn = &se->now.snap[SE_SNAPS - 1];

	se_create(se);
	se_write(se, sn, 0, 12);
	se_push_up(se);
	se_snapshot(se, sn);
	se_write(se, sn, 3, 4);
	se_push_up(se);
	se_log_begin(se);
	se_write(se, sn, 20, 4);
	assert_true(se_shrink(se, se->m.super.nr_blocks - 1200));
	se_write(se, sn, 22, 4);
	se_flush(se);
	se_zero(se, sn, 0, 2);
	assert_true(se_shrink(se, STORE_BLOCKS + 7));
	se_grow(se, 500);
	se_write(se, sn, 30, 8);
	se_flush(se);
}

static void every_point_of_shrinking_from(u64 blocks)
{
	struct sim sim = { .se = se_new_shrinking(blocks, 3) };
	u32 at;

	shrinking_life(sim.se);
	assert_true(sim.se->moved > 10);
	for (at = 0; at <= sim.se->ram->log_nr && !sim.why; at++)
		crash_sampled(&sim, io_ram_point_at(sim.se->ram, at), 16);
	if (sim.why)
		fail_msg("%s", sim.why);
	sim_end(&sim);
}

static void every_point_of_shrinking(void **state)
{
	every_point_of_shrinking_from(2 * STORE_BLOCKS);
	every_point_of_shrinking_from(SOSNAP_REGION_BLOCKS + 700);
}

/* Crash at every write of so many steps, then go on from one of the crashes. */
static void epoch(struct sim *sim, u32 steps, u32 sample, u64 most)
{
	struct se *se = sim->se;
	u32 i, at, next;

	se_log_begin(se);
	for (i = 0; i < steps; i++)
		se_step(se);
	next = se_random(se, se->ram->log_nr + 1);
	for (at = 0; at <= se->ram->log_nr && !sim->why && sim->recoveries < most; at++) {
		struct io_ram_point point = io_ram_point_at(se->ram, at);
		u32 lost = point.written - point.stable, k;
		struct outcome o = { .how = at & 1 ? KEEP_ALL : KEEP_NONE };

		sim->points++;
		one(sim, point, &o);
		for (k = 0; k < sample && lost; k++) {
			o.how = k & 1 ? KEEP_BLOCKS : KEEP_SECTORS;
			o.seed = io_ram_random(&se->seed);
			one(sim, point, &o);
		}
		if (se_random(se, se->plant == SE_PLANT_STALE_SUPER_LAST ? 2 : 24) == 0)
			twice(sim, point, &o, 6);
	}
	if (!sim->why) {
		struct io_ram_point point = io_ram_point_at(se->ram, next);
		struct outcome o = { .how = KEEP_SECTORS, .seed = io_ram_random(&se->seed) };
		struct io_ram *after = crash(sim, point, &o);
		u32 which;

		if (recover(sim, point, after, &which))
			free_quietly(sim, after);
		else
			se_go_on(se, after, which);
	}
}

static void sampled(u64 seed, u64 most, enum se_plant plant, struct sim *sim)
{
	memset(sim, 0, sizeof(*sim));
	/* every third one grows, from a size that few writes fill; others shrink, too */
	if (plant == SE_PLANT_MOVE_UNFLUSHED || plant == SE_PLANT_MOVE_STALE || seed % 3 == 1)
		sim->se = se_new_shrinking(2 * STORE_BLOCKS, seed);
	else if (plant == SE_PLANT_GROWN_EARLY || seed % 3 == 2)
		sim->se = se_new_growing(STORE_BLOCKS, 2 * STORE_BLOCKS, seed);
	else
		sim->se = se_new(STORE_BLOCKS, seed);
	sim->se->concurrent = seed & 1 ? 0 : 5;
	sim->se->ram->lazy = seed & 2 ? 0 : 3;
	sim->se->plant = plant;
	if (plant == SE_PLANT_RELEASE_EARLY)
		sim->se->concurrent = 2;
	while (!sim->why && sim->recoveries < most)
		epoch(sim, 40, 2, most);
}

static void samples_of_long_workloads(void **state)
{
	u64 most = env_number("CRASH_RECOVERIES", 100000), seed = env_number("CRASH_SEED", 1);
	u64 chunk;

	for (chunk = job; chunk * CHUNK < most; chunk += jobs) {
		struct sim sim;

		sampled(seed + chunk, min_t(u64, most - chunk * CHUNK, CHUNK), SE_PLANT_NONE, &sim);
		if (sim.why)
			fail_msg("CRASH_SEED=%llu: %s", (unsigned long long)(seed + chunk), sim.why);
		sim_end(&sim);
	}
}

static void plant_is_found(enum se_plant plant, const char *name)
{
	u64 seed, recoveries = 0;
	bool found = false;

	for (seed = 1; seed <= 64 && !found; seed++) {
		struct sim sim;

		sampled(seed, 1000, plant, &sim);
		found = sim.why;
		recoveries += sim.recoveries;
		if (found)
			print_message("# %s: found after %llu recoveries: %s\n", name,
				      (unsigned long long)recoveries, sim.why);
		sim_end(&sim);
	}
	if (!found)
		fail_msg("%s: not found in %llu recoveries", name, (unsigned long long)recoveries);
}

static void planted_bugs_are_found(void **state)
{
	plant_is_found(SE_PLANT_COMMIT_UNFLUSHED, "commit without flush");
	plant_is_found(SE_PLANT_SUPER_UNFLUSHED, "superblock before its nodes");
	plant_is_found(SE_PLANT_RELEASE_EARLY, "blocks freed before the superblock");
	plant_is_found(SE_PLANT_NO_CHECKSUM, "checksums not compared");
	plant_is_found(SE_PLANT_STALE_SUPER_LAST, "good superblock overwritten first");
	plant_is_found(SE_PLANT_GROWN_EARLY, "new blocks used before the superblock");
	plant_is_found(SE_PLANT_MOVE_UNFLUSHED, "moves logged before the copy");
	plant_is_found(SE_PLANT_MOVE_STALE, "moves of what was written meanwhile");
}

static struct {
	pid_t pid;
	FILE *said;
} others[MOST_JOBS];

/* The other processes take every so manieth seed of the long test. */
static void start_others(void)
{
	static const struct CMUnitTest part[] = {
		cmocka_unit_test(samples_of_long_workloads),
	};
	u32 i;

	for (i = 1; i < jobs; i++) {
		others[i].said = tmpfile();
		others[i].pid = others[i].said ? fork() : -1;
		if (others[i].pid < 0)
			abort();
		if (others[i].pid)
			continue;
		job = i;
		if (dup2(fileno(others[i].said), STDOUT_FILENO) < 0 ||
		    dup2(fileno(others[i].said), STDERR_FILENO) < 0)
			abort();
		exit(cmocka_run_group_tests_name("part", part, NULL, NULL));
	}
}

static void the_other_processes_found_nothing(void **state)
{
	bool good = true;
	u32 i;

	for (i = 1; i < jobs; i++) {
		int status, c;

		if (waitpid(others[i].pid, &status, 0) == others[i].pid && !status)
			continue;
		good = false;
		rewind(others[i].said);
		while ((c = getc(others[i].said)) != EOF)
			putc(c, stderr);
	}
	assert_true(good);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_of_a_small_workload),
		cmocka_unit_test(every_outcome_of_a_small_family),
		cmocka_unit_test(every_point_of_growing),
		cmocka_unit_test(every_point_of_shrinking),
		cmocka_unit_test(samples_of_long_workloads),
		cmocka_unit_test(planted_bugs_are_found),
		cmocka_unit_test(the_other_processes_found_nothing),
	};
	struct figures sum = { 0 };
	u32 i;
	int r;

	jobs = env_number("CRASH_JOBS", sysconf(_SC_NPROCESSORS_ONLN));
	jobs = jobs < 1 ? 1 : min(jobs, MOST_JOBS);
	all = mmap(NULL, jobs * sizeof(*all), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		   -1, 0);
	if (all == MAP_FAILED)
		abort();
	start_others();
	r = cmocka_run_group_tests_name("sosnap_crash", tests, NULL, NULL);
	for (i = 0; i < jobs; i++) {
		sum.recoveries += all[i].recoveries;
		sum.again += all[i].again;
		sum.points += all[i].points;
	}
	print_message("# %llu recoveries from %llu crash points, %llu of them of a second crash\n",
		      (unsigned long long)sum.recoveries, (unsigned long long)sum.points,
		      (unsigned long long)sum.again);
	return r;
}
