// SPDX-License-Identifier: GPL-2.0
/*
 * Submits bios to a block device one after the other and reports what each one
 * cost. Under QEMU with -icount shift=0 a nanosecond of the guest is one
 * executed instruction, so the figures are instructions and the same on every
 * run. Loading it runs one case; the result is in the kernel log:
 *
 *	bench: case=<name> n=<bios> mean=<ns> p50=<ns> p99=<ns>
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sort.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

static char *dev = "";
module_param(dev, charp, 0444);
MODULE_PARM_DESC(dev, "block device");
static char *name = "case";
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "name of the case, for the report");
static char *op = "read";
module_param(op, charp, 0444);
MODULE_PARM_DESC(op, "read, write or discard");
static unsigned int bytes = 4096;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "size of each bio, up to 1 MiB");
static unsigned int count = 4096;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "number of bios");
static unsigned int offset;
module_param(offset, uint, 0444);
MODULE_PARM_DESC(offset, "bytes added to every place");
static bool sequential;
module_param(sequential, bool, 0444);
MODULE_PARM_DESC(sequential, "in order; else every place once, scattered");
static bool flush;
module_param(flush, bool, 0444);
MODULE_PARM_DESC(flush, "a flush after each, counted with it");

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
#else
static struct block_device *bench_open(void)
{
	return blkdev_get_by_path(dev, FMODE_READ | FMODE_WRITE, NULL);
}

static void bench_close(struct block_device *bdev)
{
	blkdev_put(bdev, FMODE_READ | FMODE_WRITE);
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
	u32 *place = vmalloc(array_size(count, sizeof(*place))), i;
	struct rnd_state rnd;

	if (!place)
		return NULL;
	for (i = 0; i < count; i++)
		place[i] = i;
	prandom_seed_state(&rnd, 1);
	for (i = count; !sequential && i > 1; i--) {
		u32 other = prandom_u32_state(&rnd) % i;	/* swap() evaluates twice */

		swap(place[i - 1], place[other]);
	}
	return place;
}

static int one(struct block_device *bdev, struct bio *bio, struct page *page, blk_opf_t opf,
	       u64 at)
{
	unsigned int left = bytes;
	int r;

	bio_reset(bio, bdev, opf);
	bio->bi_iter.bi_sector = at >> SECTOR_SHIFT;
	if (opf == REQ_OP_DISCARD)
		bio->bi_iter.bi_size = bytes;
	for (; opf != REQ_OP_DISCARD && left; left -= min_t(u32, left, PAGE_SIZE))
		if (!bio_add_page(bio, page, min_t(u32, left, PAGE_SIZE), 0))
			return -EIO;
	r = submit_bio_wait(bio);
	if (!r && flush) {
		bio_reset(bio, bdev, REQ_OP_WRITE | REQ_PREFLUSH);
		r = submit_bio_wait(bio);
	}
	return r;
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

		r = one(bdev, bio, page, opf, (u64)place[i] * bytes + offset);
		cost[i] = ktime_get_ns() - start;
		sum += cost[i];
		if (!(i & 255))
			cond_resched();
	}
	if (r) {
		pr_err("bench: case=%s failed: error=%d\n", name, r);
		goto out;
	}
	sort(cost, count, sizeof(*cost), by_value, NULL);
	pr_info("bench: case=%s n=%u mean=%llu p50=%u p99=%u\n", name, count,
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

static int __init bench_init(void)
{
	struct block_device *bdev;
	int r;

	if (!count || !bytes || bytes > 256 * PAGE_SIZE || bytes % SECTOR_SIZE)
		return -EINVAL;
	bdev = bench_open();
	if (IS_ERR(bdev))
		return PTR_ERR(bdev);
	r = run(bdev);
	bench_close(bdev);
	return r;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("instructions per bio, for sosnap's benchmarks");
MODULE_LICENSE("GPL");
