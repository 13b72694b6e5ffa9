// SPDX-License-Identifier: GPL-2.0
/*
 * Submits bios to a block device one after the other and reports what each one
 * cost. Under QEMU with -icount shift=0 a nanosecond of the guest is one
 * executed instruction, so the figures are instructions and the same on every
 * run. Loading it runs one case; the result is in the kernel log:
 *
 *	bench: cost <name> <bios> <mean> <median> <99th percentile>
 *
 * With ops=1 it counts instead what reaches each RAM disk below, from the time
 * it is loaded to the time it is unloaded:
 *
 *	bench: ops <name> <bios> <minor> <reads> <sectors> <writes> <sectors> <flushes> <fua>
 *
 * RAM disks keep no statistics of their own, so bios are counted where they are
 * submitted. That costs instructions itself, hence one or the other. The block
 * layer ends a flush of a device without a write cache early; op=cache says of
 * a RAM disk that it has one, so that flushes get there and can be counted.
 */
#include <linux/atomic.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>
#include <linux/major.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sort.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

#define DISKS	4

static char *dev = "";
module_param(dev, charp, 0444);
MODULE_PARM_DESC(dev, "block device; none: submit nothing");
static char *name = "case";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "name of the case, for the report");
static char *op = "read";
module_param(op, charp, 0444);
MODULE_PARM_DESC(op, "read, write, discard or cache");
static unsigned int bytes = 4096;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "size of each bio, up to 1 MiB");
static unsigned int stride;
module_param(stride, uint, 0444);
MODULE_PARM_DESC(stride, "bytes from place to place, default: the size of a bio");
static unsigned int offset;
module_param(offset, uint, 0444);
MODULE_PARM_DESC(offset, "bytes added to every place");
static unsigned int span = 32 << 20;
module_param(span, uint, 0444);
MODULE_PARM_DESC(span, "bytes of the device that are divided into places");
static unsigned int count;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "how many of the places, default: all");
static bool sequential;
module_param(sequential, bool, 0444);
MODULE_PARM_DESC(sequential, "in order; else every place once, scattered");
static bool flush;
module_param(flush, bool, 0444);
MODULE_PARM_DESC(flush, "a flush after each, counted with it");
static bool ops;
module_param(ops, bool, 0444);
MODULE_PARM_DESC(ops, "count what reaches RAM disks; a flush follows the last write");

struct counts {
	atomic_long_t reads;
	atomic_long_t read_sectors;
	atomic_long_t writes;
	atomic_long_t write_sectors;
	atomic_long_t flushes;
	atomic_long_t fua;
};

static struct counts counted[DISKS];

static int count_bio(struct kprobe *probe, struct pt_regs *regs)
{
	struct bio *bio = (struct bio *)regs_get_kernel_argument(regs, 0);
	dev_t at = bio->bi_bdev->bd_dev;
	struct counts *c = &counted[MINOR(at)];

	if (MAJOR(at) != RAMDISK_MAJOR || MINOR(at) >= DISKS)
		return 0;
	if (bio_op(bio) == REQ_OP_READ) {
		atomic_long_inc(&c->reads);
		atomic_long_add(bio_sectors(bio), &c->read_sectors);
	} else if (bio_sectors(bio)) {
		atomic_long_inc(&c->writes);
		atomic_long_add(bio_sectors(bio), &c->write_sectors);
	}
	if (bio->bi_opf & REQ_PREFLUSH)
		atomic_long_inc(&c->flushes);
	if (bio->bi_opf & REQ_FUA)
		atomic_long_inc(&c->fua);
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "submit_bio_noacct",
	.pre_handler = count_bio,
};

static void report_counts(void)
{
	int i;

	for (i = 0; i < DISKS; i++) {
		struct counts *c = &counted[i];

		pr_info("bench: ops %s %u %d %ld %ld %ld %ld %ld %ld\n", name, count, i,
			atomic_long_read(&c->reads), atomic_long_read(&c->read_sectors),
			atomic_long_read(&c->writes), atomic_long_read(&c->write_sectors),
			atomic_long_read(&c->flushes), atomic_long_read(&c->fua));
	}
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
static struct file *handle;

static struct block_device *bench_open(void)
{
	handle = bdev_file_open_by_path(dev, BLK_OPEN_READ | BLK_OPEN_WRITE, NULL, NULL);
	return IS_ERR(handle) ? ERR_CAST(handle) : file_bdev(handle);
}

static void bench_close(struct block_device *bdev)
{
	fput(handle);
}

static int cache_set(struct block_device *bdev)
{
	struct queue_limits lim = queue_limits_start_update(bdev_get_queue(bdev));

	lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	return queue_limits_commit_update(bdev_get_queue(bdev), &lim);
}
#else
static struct block_device *bench_open(void)
{
	return blkdev_get_by_path(dev, FMODE_READ | FMODE_WRITE, NULL);
}

static void bench_close(struct block_device *bdev)
{
	blkdev_put(bdev, FMODE_READ | FMODE_WRITE);
}

static int cache_set(struct block_device *bdev)
{
	blk_queue_write_cache(bdev_get_queue(bdev), true, true);
	return 0;
}
#endif

static int by_value(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* A permutation of the places, the same on every run. */
static u32 *places_make(void)
{
	u32 nr = span / stride, i;
	u32 *place = vmalloc(array_size(nr, sizeof(*place)));
	struct rnd_state rnd;

	if (!place)
		return NULL;
	for (i = 0; i < nr; i++)
		place[i] = i;
	prandom_seed_state(&rnd, 1);
	for (i = nr; !sequential && i > 1; i--) {
		u32 other = prandom_u32_state(&rnd) % i;	/* swap() evaluates twice */

		swap(place[i - 1], place[other]);
	}
	return place;
}

static int one(struct block_device *bdev, struct bio *bio, struct page *page, blk_opf_t opf,
	       u64 at)
{
	unsigned int left = bytes;

	bio_reset(bio, bdev, opf);
	bio->bi_iter.bi_sector = at >> SECTOR_SHIFT;
	if (opf == REQ_OP_DISCARD)
		bio->bi_iter.bi_size = bytes;
	for (; opf != REQ_OP_DISCARD && left; left -= min_t(u32, left, PAGE_SIZE))
		if (!bio_add_page(bio, page, min_t(u32, left, PAGE_SIZE), 0))
			return -EIO;
	return submit_bio_wait(bio);
}

static int flush_one(struct block_device *bdev, struct bio *bio)
{
	bio_reset(bio, bdev, REQ_OP_WRITE | REQ_PREFLUSH);
	return submit_bio_wait(bio);
}

static int run(struct block_device *bdev)
{
	blk_opf_t opf = !strcmp(op, "read") ? REQ_OP_READ :
			!strcmp(op, "discard") ? REQ_OP_DISCARD : REQ_OP_WRITE | REQ_SYNC;
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct bio *bio = bio_alloc(bdev, BIO_MAX_VECS, opf, GFP_KERNEL);
	u32 *cost = vmalloc(array_size(count, sizeof(*cost)));
	u32 *place = places_make(), i;
	u64 sum = 0;
	int r = -ENOMEM;

	if (!page || !bio || !cost || !place)
		goto out;
	for (i = 0, r = 0; i < count && !r; i++) {
		u64 start = ktime_get_ns();

		r = one(bdev, bio, page, opf, (u64)place[i] * stride + offset);
		if (!r && flush)
			r = flush_one(bdev, bio);
		cost[i] = ktime_get_ns() - start;
		sum += cost[i];
		if (!(i & 255))
			cond_resched();
	}
	if (!r && ops && !flush && op_is_write(opf))
		r = flush_one(bdev, bio);
	if (r) {
		pr_err("bench: %s failed: error %d\n", name, r);
		goto out;
	}
	if (ops)
		goto out;
	sort(cost, count, sizeof(*cost), by_value, NULL);
	pr_info("bench: cost %s %u %llu %u %u\n", name, count,
		div_u64(sum, count), cost[count / 2], cost[count - 1 - count / 100]);
out:
	vfree(place);
	vfree(cost);
	if (bio)
		bio_put(bio);
	if (page)
		__free_page(page);
	return r;
}

static int submit_all(void)
{
	struct block_device *bdev = bench_open();
	int r;

	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	r = strcmp(op, "cache") ? run(bdev) : cache_set(bdev);
	bench_close(bdev);
	return r;
}

static int __init bench_init(void)
{
	int r = 0;

	if (!stride)
		stride = bytes;
	if (!bytes || bytes > 256 * PAGE_SIZE || bytes % SECTOR_SIZE || span < stride)
		return -EINVAL;
	if (!count)
		count = span / stride;
	if (count > span / stride)
		return -EINVAL;
	if (ops)
		r = register_kprobe(&probe);
	if (r)
		return r;
	if (*dev)
		r = submit_all();
	if (r && ops)
		unregister_kprobe(&probe);
	return r;
}

static void __exit bench_exit(void)
{
	if (!ops)
		return;
	unregister_kprobe(&probe);
	report_counts();
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("instructions per bio, for sosnap's benchmarks");
MODULE_LICENSE("GPL");
