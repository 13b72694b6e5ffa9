// SPDX-License-Identifier: GPL-2.0
/* The check tells whatever is wrong, and comes to an end. */
#include "check.h"
#include "fuzz.h"

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	u64 *told = ctx;

	++*told;
	if (!detail[0] || !sosnap_fault_text(fault->what)[0])
		abort();
}

static void progress(void *ctx, u64 done, u64 total)
{
	if (done > total)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const struct sosnap_check_ops ops = { .found = found, .progress = progress };
	struct fuzz_in in = { data, size };
	struct sosnap_check_result result;
	u64 told = 0;

	fuzz_edit(&in);
	if (!sosnap_check(&fuzz_mem.io, &ops, &told, &result) && told != result.damages)
		abort();
	return 0;
}
