// SPDX-License-Identifier: GPL-2.0
#include "fuzz.h"

struct image fuzz_image;
struct io_mem fuzz_mem;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	image_seed(&fuzz_image);
	io_mem_init(&fuzz_mem, &fuzz_image);
	return 0;
}

u64 fuzz_take(struct fuzz_in *in, u32 bytes)
{
	__le64 v = 0;
	u32 n = min_t(size_t, bytes, in->left);

	memcpy(&v, in->data, n);
	in->data += n;
	in->left -= n;
	return le64_to_cpu(v);
}

void fuzz_edit(struct fuzz_in *in)
{
	u32 n = fuzz_take(in, 1) % (FUZZ_MAX_EDITS + 1);
	struct edit e;

	io_mem_reset(&fuzz_mem);
	while (n-- && in->left >= sizeof(e)) {
		memcpy(&e, in->data, sizeof(e));
		in->data += sizeof(e);
		in->left -= sizeof(e);
		edit_apply(&fuzz_image, &e, io_mem_block, &fuzz_mem);
	}
}
