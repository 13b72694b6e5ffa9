// SPDX-License-Identifier: GPL-2.0
/*
 * mutate <file or device> <seed> <edits> - change fields of a store at random
 * mutate <file or device> <block> <offset> <bytes> <value> - change this one
 *
 * Checksums are made right again, so that whoever reads it has to look at what
 * it says. Metadata is looked for in the first 160 MiB.
 */
#include <fcntl.h>
#include <unistd.h>

#include "image.h"

#define MOST_BLOCKS	40960U

static int fd;
static bool *changed;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static u8 *writable(void *ctx, u64 blk)
{
	struct image *im = ctx;

	if (!im->blk[blk]) {
		im->blk[blk] = calloc(1, SOSNAP_BLOCK_SIZE);
		must(im->blk[blk] && pread(fd, im->blk[blk], SOSNAP_BLOCK_SIZE,
					   blk * SOSNAP_BLOCK_SIZE) == SOSNAP_BLOCK_SIZE, "read");
	}
	changed[blk] = true;
	return im->blk[blk];
}

/* Only what carries its own address is metadata; data may look like anything. */
static void load(struct image *im)
{
	u8 data[SOSNAP_BLOCK_SIZE];
	struct sosnap_disk_header *h = (void *)data;
	u64 i;

	for (i = 0; i < im->nr_blocks; i++) {
		must(pread(fd, data, sizeof(data), i * sizeof(data)) == sizeof(data), "read");
		if (le64_to_cpu(h->blk) != i || !h->magic)
			continue;
		im->blk[i] = malloc(sizeof(data));
		must(im->blk[i], "memory");
		memcpy(im->blk[i], data, sizeof(data));
	}
	image_find_places(im);
}

/* One field; of a superblock both copies. */
static void change_one(struct image *im, char **argv)
{
	struct edit e = {
		.offset = cpu_to_le16(atoi(argv[3])),
		.width = atoi(argv[4]),
		.value = cpu_to_le64(strtoull(argv[5], NULL, 0)),
	};
	u32 blk = atoi(argv[2]), i;

	for (i = 0; i < im->nr_places && im->place[i] != blk; i++)
		;
	if (i == im->nr_places) {
		fprintf(stderr, "block %u is no metadata\n", blk);
		exit(1);
	}
	e.place = cpu_to_le16(i);
	edit_apply(im, &e, writable, im);
}

int main(int argc, char **argv)
{
	struct image im;
	struct edit e;
	u64 seed, i;
	off_t bytes;
	int edits;

	if (argc != 4 && argc != 6) {
		fputs("usage: mutate <file or device> <seed> <edits>\n"
		      "       mutate <file or device> <block> <offset> <bytes> <value>\n", stderr);
		return 2;
	}
	seed = strtoull(argv[2], NULL, 0);
	edits = argc == 4 ? atoi(argv[3]) : 0;
	fd = open(argv[1], O_RDWR);
	must(fd >= 0, argv[1]);
	bytes = lseek(fd, 0, SEEK_END);
	must(bytes > 0, argv[1]);
	image_init(&im, min_t(u64, bytes / SOSNAP_BLOCK_SIZE, MOST_BLOCKS));
	changed = calloc(im.nr_blocks, sizeof(*changed));
	must(changed, "memory");
	load(&im);
	if (argc == 6)
		change_one(&im, argv);
	while (edits--) {
		edit_random(&im, &e, &seed);
		printf("block %u offset %u width %u op %u value %#llx flags %u\n",
		       im.place[le16_to_cpu(e.place) % im.nr_places], le16_to_cpu(e.offset),
		       e.width, e.op, (unsigned long long)le64_to_cpu(e.value), e.flags);
		edit_apply(&im, &e, writable, &im);
	}
	for (i = 0; i < im.nr_blocks; i++)
		if (changed[i])
			must(pwrite(fd, im.blk[i], SOSNAP_BLOCK_SIZE, i * SOSNAP_BLOCK_SIZE) ==
			     SOSNAP_BLOCK_SIZE, "write");
	must(!fsync(fd), "fsync");
	image_exit(&im);
	free(changed);
	return 0;
}
