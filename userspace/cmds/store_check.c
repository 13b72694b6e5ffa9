// SPDX-License-Identifier: GPL-2.0
#include "check.h"
#include "cmd.h"
#include "lib/out.h"
#include "lib/progress.h"
#include "lib/storedev.h"

/* The check under way */
struct run {
	struct sosnap_progress progress;
	bool showing;
	bool table;
};

static const struct sosnap_col damage_cols[] = {
	{ "fault", "DAMAGE", SOSNAP_OUT_STRING, 16 },
	{ "block", "BLOCK", SOSNAP_OUT_NUMBER, 12 },
	{ "argument", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "text", "WHAT", SOSNAP_OUT_STRING, 1 },
};

static void found(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	struct run *run = ctx;
	char *text = sosnap_printf("%s: %s", sosnap_fault_text(fault->what), detail);

	if (run->showing)
		sosnap_progress_end(&run->progress);
	run->showing = false;
	if (!run->table)
		sosnap_out_stream("damage", damage_cols, ARRAY_SIZE(damage_cols));
	run->table = true;
	sosnap_out_row((struct sosnap_val[]){
		{ .s = sosnap_fault_name(fault->what) }, { .n = fault->blk },
		{ .n = fault->arg }, { .s = text } });
	free(text);
}

static void progress(void *ctx, u64 done, u64 total)
{
	struct run *run = ctx;

	if (!run->showing)
		sosnap_progress_start(&run->progress, "checking", total);
	run->showing = true;
	sosnap_progress_show(&run->progress, done);
}

static const struct sosnap_col result_cols[] = {
	{ "name", "store", SOSNAP_OUT_STRING, 0 },
	{ "uuid", "uuid", SOSNAP_OUT_STRING, 0 },
	{ "clean", "clean", SOSNAP_OUT_BOOL, 0 },
	{ "damages", "damages", SOSNAP_OUT_NUMBER, 0 },
	{ "mended_by_activation", "mended by activation", SOSNAP_OUT_NUMBER, 0 },
	{ "complete", "all could be read", SOSNAP_OUT_BOOL, 0 },
	{ "commits", "commits to replay", SOSNAP_OUT_NUMBER, 0 },
	{ "replayed", "replayed (in memory)", SOSNAP_OUT_BOOL, 0 },
	{ "golds", "gold images", SOSNAP_OUT_NUMBER, 0 },
	{ "snapshots", "snapshots", SOSNAP_OUT_NUMBER, 0 },
	{ "objects", "cache objects", SOSNAP_OUT_NUMBER, 0 },
	{ "extents", "extents", SOSNAP_OUT_NUMBER, 0 },
	{ "nodes", "tree nodes", SOSNAP_OUT_NUMBER, 0 },
	{ "data_blocks", "data blocks", SOSNAP_OUT_NUMBER, 0 },
	{ "free_blocks", "free blocks", SOSNAP_OUT_NUMBER, 0 },
};

static void say_result(const struct sosnap_storedev *s, const struct sosnap_check_result *res)
{
	sosnap_out_record(NULL, result_cols, ARRAY_SIZE(result_cols), (struct sosnap_val[]){
		{ .s = s->super.name }, { .s = s->uuid }, { .n = !res->damages },
		{ .n = res->damages }, { .n = res->mended }, { .n = !res->incomplete },
		{ .n = res->commits }, { .n = res->replayed }, { .n = res->golds },
		{ .n = res->snapshots }, { .n = res->objects }, { .n = res->extents },
		{ .n = res->nodes }, { .n = res->data_blocks }, { .n = res->free_blocks } });
}

static int store_check(const struct sosnap_args *a)
{
	static const struct sosnap_check_ops ops = { .found = found, .progress = progress };
	struct sosnap_check_result result;
	struct sosnap_storedev s;
	struct run run = { .table = false };
	int r;

	r = sosnap_storedev_open(&s, a->arg[0]);
	if (r)
		return r == -EUCLEAN ? SOSNAP_CHECK_DAMAGED : SOSNAP_CHECK_FAILED;
	r = sosnap_check(&s.file.io, &ops, &run, &result);
	if (run.showing)
		sosnap_progress_end(&run.progress);
	if (run.table) {
		sosnap_out_table_end();
		sosnap_out_text("%s", "");
	} else if (sosnap_options.json) {
		sosnap_out_stream("damage", damage_cols, ARRAY_SIZE(damage_cols));
		sosnap_out_table_end();
	}
	if (r == -ENOSPC)
		sosnap_error("%s: there are too few free blocks to replay the journal", a->arg[0]);
	else if (r)
		sosnap_error("%s: the store could not be checked: %s", a->arg[0], strerror(-r));
	else
		say_result(&s, &result);
	sosnap_storedev_close(&s);
	if (r)
		return SOSNAP_CHECK_FAILED;
	return result.damages ? SOSNAP_CHECK_DAMAGED : SOSNAP_CHECK_CLEAN;
}

const struct sosnap_cmd sosnap_cmd_store_check = {
	.name = "store check",
	.usage = "<device>",
	.help = "look for damage in an inactive store",
	.text = "The device may be a regular file. Nothing is written: what the journal holds is\n"
		"replayed in memory, then everything is compared with everything. All that is wrong\n"
		"is told, one line each.",
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_CHECK,
	.min = 1,
	.max = 1,
	.fn = store_check,
};
