// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/grow.h"
#include "lib/progress.h"
#include "lib/units.h"

#define PATIENCE_SECONDS	60	/* that nothing becomes less */

enum { OPT_SIZE };

static const struct sosnap_opt options[] = {
	[OPT_SIZE] = { "size", "<size>", "the new size, a multiple of 4K (needed)", 0 },
	{ 0 }
};

/* One part of the work. Return: 0, or -errno with what is wrong said. */
static int ask(const struct sosnap_store *store, u64 blocks, u64 *size, u64 *left)
{
	char *message = sosnap_printf("shrink %llu", (unsigned long long)blocks), *reply = NULL;
	unsigned long long s = blocks, l = 0;
	int r = sosnap_dm_message(store->dm, message, &reply);

	if (r) {
		sosnap_dm_error(r, "store '%s' cannot be shrunk", store->st.name);
	} else if (!sosnap_options.dry_run &&
		 (!reply || sscanf(reply, "%llu %llu", &s, &l) != 2)) {
		sosnap_error("store '%s' cannot be shrunk: the module's answer is not understood",
			     store->st.name);
		r = -EPROTO;
	}
	free(message);
	free(reply);
	*size = s;
	*left = l;
	return r;
}

/* The module moves what it can in half a second; this goes on until all is done */
static int empty_tail(const struct sosnap_store *store, u64 blocks)
{
	u64 size, left, all = 0, least = U64_MAX;
	struct sosnap_progress progress;
	time_t since = time(NULL);
	int r;

	for (;;) {
		r = ask(store, blocks, &size, &left);
		if (!all && left) {
			all = left;
			sosnap_progress_start(&progress, "moving", all << SOSNAP_BLOCK_SHIFT);
		}
		if (r || size == blocks)
			break;
		if (left < least) {
			least = left;
			since = time(NULL);
		}
		if (time(NULL) - since > PATIENCE_SECONDS) {
			sosnap_error("store '%s' has %llu blocks beyond the new end that do not become less: 'sosnap store check' tells whether it is damaged",
				     store->st.name, (unsigned long long)left);
			r = -EBUSY;
			break;
		}
		if (all)
			sosnap_progress_show(&progress, (all - min_t(u64, left, all)) <<
							SOSNAP_BLOCK_SHIFT);
	}
	if (all)
		sosnap_progress_end(&progress);
	return r;
}

static int shrink(const struct sosnap_store *store, u64 blocks)
{
	char from[SOSNAP_UNITS_LEN], to[SOSNAP_UNITS_LEN];
	int r = 0;

	sosnap_units_format(store->st.total << SOSNAP_BLOCK_SHIFT, from);
	sosnap_units_format(blocks << SOSNAP_BLOCK_SHIFT, to);
	if (blocks > store->st.total) {
		sosnap_error("store '%s' has only %s: 'sosnap store grow' makes it larger",
			     store->st.name, from);
		return -EINVAL;
	}
	if (blocks < store->st.total) {
		if (!sosnap_options.dry_run &&
		    !sosnap_confirm("shrink store %s from %s to %s, after which %s may be cut off there",
				    store->st.name, from, to, store->path))
			return -ECANCELED;
		r = empty_tail(store, blocks);
	}
	if (!r)
		r = sosnap_store_set_table(store, blocks);
	if (r)
		return r;
	if (blocks == store->st.total)
		sosnap_done("store %s has %s already", store->st.name, to);
	else
		sosnap_done("shrank store %s from %s to %s: %s may be cut to that size now",
			    store->st.name, from, to, store->path);
	return 0;
}

static int store_shrink(const struct sosnap_args *a)
{
	struct sosnap_store store;
	u64 bytes = 0;
	int r;

	if (!a->opt[OPT_SIZE]) {
		sosnap_error("store shrink: add --size <size>");
		return SOSNAP_EXIT_USAGE;
	}
	if (sosnap_units_option("--size", a->opt[OPT_SIZE], SOSNAP_BLOCK_SIZE, &bytes))
		return SOSNAP_EXIT_USAGE;
	r = sosnap_store_find(a->arg[0], &store) ?: shrink(&store, bytes >> SOSNAP_BLOCK_SHIFT);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_store_shrink = {
	.name = "store shrink",
	.usage = "<store>",
	.help = "empty the end of a store, so that its device can be made smaller",
	.text = "Guests keep running. Interrupted, it has lost nothing: repeat it, and it goes on.\n"
		"Only when it has ended make the device smaller, to no less than that size:\n"
		"'lvreduce -L <size> <volume>' for an LVM volume. Asks on a terminal; elsewhere\n"
		"--yes is needed.",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS,
	.min = 1,
	.max = 1,
	.fn = store_shrink,
};
