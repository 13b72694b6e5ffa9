// SPDX-License-Identifier: GPL-2.0
/*
 * Threads, each bound to a CPU of its own, that submit bios one after the other:
 * how much two of them get done beside one, and how long the slow ones of their
 * bios take. Loading it runs one case; the result is in the kernel log:
 *
 *	scale: case=<name> threads=<n> ios=<bios of all> us=<time> p50=<ns> p99=<ns> max=<ns>
 *
 * The case ends for all threads when the first of them ends, so that nobody is
 * measured alone.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched/clock.h>
#include <linux/sort.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define MAX_THREADS 2

static char *dev[MAX_THREADS];
static int nr_devs;
module_param_array(dev, charp, &nr_devs, 0444);
MODULE_PARM_DESC(dev, "block devices, one for each thread or one for all");
static char *name = "case";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "name of the case, for the report");
static bool write;
module_param(write, bool, 0444);
MODULE_PARM_DESC(write, "write, not read");
static uint threads = 1;
module_param(threads, uint, 0444);
MODULE_PARM_DESC(threads, "1 or 2");
static uint blocks = 16384;
module_param(blocks, uint, 0444);
MODULE_PARM_DESC(blocks, "4 KiB blocks of each thread");
static uint spread = 1;
module_param(spread, uint, 0444);
MODULE_PARM_DESC(spread, "only every so-manieth block of the device is used");
static uint msecs;
module_param(msecs, uint, 0444);
MODULE_PARM_DESC(msecs, "go over the blocks again until then; 0: once");
static bool latency;
module_param(latency, bool, 0444);
MODULE_PARM_DESC(latency, "measure each bio");

#define MAX_SAMPLES (1U << 22)

/* The threads of one device share its blocks: of each two neighbours, one each. */
struct worker {
	struct block_device *bdev;
	struct task_struct *task;
	struct bio *bio;
	struct page *page;
	u32 *place;
	u32 *cost;
	u32 nr_costs;
	u64 ios;
	int error;
};

static struct worker workers[MAX_THREADS];
static struct completion go, done;
static bool stop;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
static struct file *handle[MAX_THREADS];

static struct block_device *dev_open(int i)
{
	handle[i] = bdev_file_open_by_path(dev[i], BLK_OPEN_READ | BLK_OPEN_WRITE, NULL, NULL);
	return IS_ERR(handle[i]) ? ERR_CAST(handle[i]) : file_bdev(handle[i]);
}

static void dev_close(int i, struct block_device *bdev)
{
	fput(handle[i]);
}
#else
static struct block_device *dev_open(int i)
{
	return blkdev_get_by_path(dev[i], FMODE_READ | FMODE_WRITE, NULL);
}

static void dev_close(int i, struct block_device *bdev)
{
	blkdev_put(bdev, FMODE_READ | FMODE_WRITE);
}
#endif

static int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static int work(void *data)
{
	struct worker *w = data;
	blk_opf_t opf = write ? REQ_OP_WRITE | REQ_SYNC : REQ_OP_READ;
	ktime_t end;
	u32 i = 0;

	wait_for_completion(&go);
	end = ktime_add_ms(ktime_get(), msecs);
	while (!READ_ONCE(stop) && !w->error) {
		u64 start = latency ? local_clock() : 0;

		bio_reset(w->bio, w->bdev, opf);
		w->bio->bi_iter.bi_sector = (sector_t)w->place[i] * spread << 3;
		__bio_add_page(w->bio, w->page, PAGE_SIZE, 0);
		w->error = submit_bio_wait(w->bio);
		if (latency && w->nr_costs < MAX_SAMPLES)
			w->cost[w->nr_costs++] = min_t(u64, local_clock() - start, U32_MAX);
		w->ios++;
		if (++i == blocks)
			i = 0;
		if (!(w->ios & 63)) {
			cond_resched();
			if (msecs && ktime_after(ktime_get(), end))
				break;
		}
		if (!msecs && !i)
			break;
	}
	WRITE_ONCE(stop, true);
	complete(&done);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* A permutation of the blocks of thread @i, the same on every run. */
static void places(struct worker *w, int i)
{
	u32 step = nr_devs == 1 ? threads : 1, k;
	struct rnd_state rnd;

	for (k = 0; k < blocks; k++)
		w->place[k] = k * step + (step > 1 ? i : 0);
	prandom_seed_state(&rnd, i + 1);
	for (k = blocks; k > 1; k--) {
		u32 other = prandom_u32_state(&rnd) % k;

		swap(w->place[k - 1], w->place[other]);
	}
}

static int prepare(struct worker *w, int i)
{
	w->bdev = workers[nr_devs == 1 ? 0 : i].bdev;
	w->bio = bio_alloc(w->bdev, 1, REQ_OP_READ, GFP_KERNEL);
	w->page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	w->place = vmalloc(array_size(blocks, sizeof(*w->place)));
	w->cost = latency ? vmalloc(array_size(MAX_SAMPLES, sizeof(*w->cost))) : NULL;
	if (!w->bio || !w->page || !w->place || (latency && !w->cost))
		return -ENOMEM;
	places(w, i);
	w->task = kthread_create(work, w, "sosnap-scale/%d", i);
	if (IS_ERR(w->task)) {
		int r = PTR_ERR(w->task);

		w->task = NULL;
		return r;
	}
	kthread_bind(w->task, i);
	wake_up_process(w->task);
	return 0;
}

static void report(u64 ns)
{
	u32 *all = workers[0].cost, n = 0, i;
	u64 ios = 0;

	for (i = 0; i < threads; i++)
		ios += workers[i].ios;
	if (latency && threads > 1) {
		all = vmalloc(array_size(threads * MAX_SAMPLES, sizeof(*all)));
		if (!all)
			return;
	}
	for (i = 0; latency && i < threads; i++) {
		if (all != workers[i].cost)
			memcpy(all + n, workers[i].cost, workers[i].nr_costs * sizeof(*all));
		n += workers[i].nr_costs;
	}
	if (n)
		sort(all, n, sizeof(*all), by_value, NULL);
	pr_info("scale: case=%s threads=%u ios=%llu us=%llu p50=%u p99=%u max=%u\n", name, threads,
		ios, div_u64(ns, 1000), n ? all[n / 2] : 0, n ? all[n - 1 - n / 100] : 0,
		n ? all[n - 1] : 0);
	if (all != workers[0].cost)
		vfree(all);
}

static int run(void)
{
	u64 start;
	int r = 0;
	u32 i;

	init_completion(&go);
	init_completion(&done);
	for (i = 0; i < threads && !r; i++)
		r = prepare(&workers[i], i);
	stop = r;
	start = ktime_get_ns();
	complete_all(&go);
	if (!r)
		wait_for_completion(&done);
	start = ktime_get_ns() - start;
	for (i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		if (w->task)
			kthread_stop(w->task);
		if (w->error) {
			pr_err("scale: case=%s failed: error=%d\n", name, w->error);
			r = w->error;
		}
	}
	if (!r)
		report(start);
	for (i = 0; i < threads; i++) {
		struct worker *w = &workers[i];

		if (w->bio)
			bio_put(w->bio);
		if (w->page)
			__free_page(w->page);
		vfree(w->place);
		vfree(w->cost);
	}
	return r;
}

static int __init scale_init(void)
{
	int r = -EINVAL, i;

	if (!nr_devs || !threads || threads > MAX_THREADS || threads > num_online_cpus() ||
	    !blocks || !spread)
		return r;
	for (i = 0; i < nr_devs; i++) {
		workers[i].bdev = dev_open(i);
		if (IS_ERR(workers[i].bdev)) {
			r = PTR_ERR(workers[i].bdev);
			goto out;
		}
	}
	r = run();
out:
	while (i--)
		dev_close(i, workers[i].bdev);
	return r;
}

static void __exit scale_exit(void)
{
}

module_init(scale_init);
module_exit(scale_exit);

MODULE_DESCRIPTION("bios of several CPUs at a time, for sosnap's benchmarks");
MODULE_LICENSE("GPL");
