/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the targets share. An input is
 *
 *	u8 number of edits, the edits, and bytes that choose what is done then
 */
#ifndef SOSNAP_FUZZ_H
#define SOSNAP_FUZZ_H

#include "io_mem.h"

#define FUZZ_MAX_EDITS	16U

/* What is left of the input; 0 once it is used up. */
struct fuzz_in {
	const u8 *data;
	size_t left;
};

extern struct image fuzz_image;
extern struct io_mem fuzz_mem;

u64 fuzz_take(struct fuzz_in *in, u32 bytes);
void fuzz_edit(struct fuzz_in *in);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max, unsigned int seed);

#endif /* SOSNAP_FUZZ_H */
