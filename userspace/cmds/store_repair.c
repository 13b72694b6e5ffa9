// SPDX-License-Identifier: GPL-2.0
/*
 * A damaged store is made anew, first in memory: only when the check finds
 * nothing wrong with that, and somebody agreed, the same goes to the device.
 */
#include <time.h>
#include <uuid/uuid.h>

#include "check.h"
#include "cmd.h"
#include "lib/io_file.h"
#include "lib/out.h"
#include "lib/progress.h"
#include "lib/store.h"
#include "lib/units.h"
#include "salvage.h"
#include "uapi.h"

enum { OPT_NAME, OPT_UUID, OPT_JOURNAL, OPT_DOUBTFUL };

static const struct sosnap_opt options[] = {
	[OPT_NAME] = { "name", "<store>", "its name, when both superblocks are lost", 0 },
	[OPT_UUID] = { "uuid", "<uuid>", "its UUID, when blocks of several stores are left", 0 },
	[OPT_JOURNAL] = { "journal", "<size>", "size of its journal, when that is not found", 0 },
	[OPT_DOUBTFUL] = { "doubtful", NULL, "take blocks that may be another snapshot's, too", 0 },
	{ 0 }
};

/**
 * struct repair - one run
 * @check: what the check said before
 * @want:  what the user says of the store
 * @found: what the salvage found
 * @dry_run: nothing is written, but all is told
 * @losses: ranges told
 * @changes: items of the catalogue told
 */
struct repair {
	struct sosnap_dev dev;
	struct sosnap_check_result check;
	struct sosnap_salvage_want want;
	struct sosnap_salvage_result found;
	struct sosnap_salvage *salvage;
	struct sosnap_progress progress;
	const char *doing;
	u8 uuid[16];
	bool dry_run;
	bool unit_bytes;
	bool showing;
	bool table;
	u64 losses;
	u64 changes;
};

static void stop_progress(struct repair *rp)
{
	if (rp->showing)
		sosnap_progress_end(&rp->progress);
	rp->showing = false;
}

static void progress(void *ctx, u64 done, u64 total)
{
	struct repair *rp = ctx;
	u64 unit = rp->unit_bytes ? SOSNAP_BLOCK_SIZE : 1;

	if (!rp->showing)
		sosnap_progress_start(&rp->progress, rp->doing, total * unit);
	rp->showing = true;
	sosnap_progress_show(&rp->progress, done * unit);
}

/* Tables: damage, changes, losses; each begun with its first row */

static const struct sosnap_col damage_cols[] = {
	{ "fault", "DAMAGE", SOSNAP_OUT_STRING, 16 },
	{ "block", "BLOCK", SOSNAP_OUT_NUMBER, 12 },
	{ "argument", NULL, SOSNAP_OUT_NUMBER, 0 },
	{ "text", "WHAT", SOSNAP_OUT_STRING, 1 },
};

static const struct sosnap_col change_cols[] = {
	{ "what", "CHANGED", SOSNAP_OUT_STRING, 16 },
	{ "id", "ID", SOSNAP_OUT_NUMBER, 12 },
	{ "text", "WHAT", SOSNAP_OUT_STRING, 1 },
};

static const struct sosnap_col loss_cols[] = {
	{ "snapshot", "LOSES", SOSNAP_OUT_STRING, 16 },
	{ "id", "ID", SOSNAP_OUT_NUMBER, 6 },
	{ "object", "OBJECT", SOSNAP_OUT_NUMBER, 6 },
	{ "blocks", "BLOCKS", SOSNAP_OUT_NUMBER, 12 },
	{ "first_block", "FROM BLOCK", SOSNAP_OUT_NUMBER, 14 },
	{ "length", "WITHIN", SOSNAP_OUT_NUMBER, 14 },
};

static void table_begin(struct repair *rp, const char *key, const struct sosnap_col *cols,
			size_t nr)
{
	stop_progress(rp);
	if (rp->table)
		return;
	sosnap_out_stream(key, cols, nr);
	rp->table = true;
}

/* In JSON an empty one is there too */
static void table_end(struct repair *rp, const char *key, const struct sosnap_col *cols, size_t nr)
{
	stop_progress(rp);
	if (!rp->table && sosnap_options.json)
		sosnap_out_stream(key, cols, nr);
	if (rp->table || sosnap_options.json)
		sosnap_out_table_end();
	if (rp->table)
		sosnap_out_text("%s", "");
	rp->table = false;
}

static void on_damage(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	char *text = sosnap_printf("%s: %s", sosnap_fault_text(fault->what), detail);

	table_begin(ctx, "damage", damage_cols, ARRAY_SIZE(damage_cols));
	sosnap_out_row((struct sosnap_val[]){
		{ .s = sosnap_fault_name(fault->what) }, { .n = fault->blk },
		{ .n = fault->arg }, { .s = text } });
	free(text);
}

static void on_changed(void *ctx, u32 type, u32 id, const char *what)
{
	struct repair *rp = ctx;

	table_begin(rp, "changes", change_cols, ARRAY_SIZE(change_cols));
	rp->changes++;
	sosnap_out_row((struct sosnap_val[]){
		{ .s = type == SOSNAP_CATALOG_GOLD ? "gold image" :
		       type == SOSNAP_CATALOG_OBJECT ? "cache object" :
		       type == SOSNAP_CATALOG_SNAPSHOT ? "snapshot" : "unknown item" },
		{ .n = id }, { .s = what } });
}

static void on_lost(void *ctx, const struct sosnap_salvage_loss *loss)
{
	struct repair *rp = ctx;

	if (!rp->losses)
		table_end(rp, "changes", change_cols, ARRAY_SIZE(change_cols));
	table_begin(rp, "lost", loss_cols, ARRAY_SIZE(loss_cols));
	rp->losses++;
	sosnap_out_row((struct sosnap_val[]){
		{ .s = loss->snapshot }, { .n = loss->id }, { .n = loss->object },
		{ .n = loss->blocks, .none = !loss->counted }, { .n = loss->blk },
		{ .n = loss->len } });
}

static void on_rehearsal(void *ctx, const struct sosnap_fault *fault, const char *detail)
{
	struct repair *rp = ctx;

	stop_progress(rp);
	if (!rp->table)
		sosnap_error("%s: what was found cannot be made whole: %s: %s (%s); nothing was written",
			     rp->dev.path, sosnap_fault_text(fault->what), detail,
			     sosnap_fault_name(fault->what));
	rp->table = true;
}

static const char *verdict(const struct repair *rp, bool written)
{
	const struct sosnap_salvage_result *f = &rp->found;

	if (!rp->salvage && !rp->check.damages)
		return "clean";
	if (!written && !rp->dry_run)
		return "damaged";
	if (f->lost_snapshots || f->lost_commits || f->lost_blocks || f->shared_blocks ||
	    f->older_state || rp->changes)
		return written ? "mended, with losses" : "can be mended, with losses";
	return written ? "mended" : "can be mended";
}

static const struct sosnap_col result_cols[] = {
	{ "name", "store", SOSNAP_OUT_STRING, 0 },
	{ "uuid", "uuid", SOSNAP_OUT_STRING, 0 },
	{ "state", "state", SOSNAP_OUT_STRING, 0 },
	{ "damages", "damages", SOSNAP_OUT_NUMBER, 0 },
	{ "superblock_lost", "both superblocks lost", SOSNAP_OUT_BOOL, 0 },
	{ "older_state", "state before the last", SOSNAP_OUT_BOOL, 0 },
	{ "scanned", "device scanned", SOSNAP_OUT_BOOL, 0 },
	{ "nodes", "tree nodes found", SOSNAP_OUT_NUMBER, 0 },
	{ "orphans", "of these, by the scan", SOSNAP_OUT_NUMBER, 0 },
	{ "older_items", "items of older states", SOSNAP_OUT_NUMBER, 0 },
	{ "commits", "commits of the journal", SOSNAP_OUT_NUMBER, 0 },
	{ "lost_commits", "commits lost", SOSNAP_OUT_NUMBER, 0 },
	{ "data_blocks", "data blocks found", SOSNAP_OUT_NUMBER, 0 },
	{ "lost_blocks", "data blocks lost", SOSNAP_OUT_NUMBER, 0 },
	{ "shared_blocks", "claimed twice", SOSNAP_OUT_NUMBER, 0 },
	{ "doubtful_blocks", "doubtful", SOSNAP_OUT_NUMBER, 0 },
	{ "lost_snapshots", "snapshots with losses", SOSNAP_OUT_NUMBER, 0 },
	{ "lossy_snapshots", "marked as lossy", SOSNAP_OUT_NUMBER, 0 },
};

static void say_result(const struct repair *rp, const struct sosnap_super *super, bool written)
{
	const struct sosnap_salvage_result *f = &rp->found;
	char uuid[37];

	uuid_unparse_lower(rp->uuid, uuid);
	sosnap_out_record(NULL, result_cols, ARRAY_SIZE(result_cols), (struct sosnap_val[]){
		{ .s = super->name }, { .s = uuid }, { .s = verdict(rp, written) },
		{ .n = rp->check.damages }, { .n = f->super_lost },
		{ .n = f->older_state }, { .n = f->scanned },
		{ .n = f->nodes, .none = !rp->salvage }, { .n = f->orphans },
		{ .n = f->older_items }, { .n = f->commits, .none = !rp->salvage },
		{ .n = f->lost_commits }, { .n = f->data_blocks, .none = !rp->salvage },
		{ .n = f->lost_blocks }, { .n = f->shared_blocks }, { .n = f->doubtful_blocks },
		{ .n = f->lost_snapshots }, { .n = f->marked } });
	if (!written || !f->marked)
		return;
	sosnap_out_text("%s", "");
	sosnap_out_text("Snapshots that are marked as lossy are not activated without --lossy. What they lack is");
	sosnap_out_text("accepted by 'sosnap set %s/<snapshot> lossy off'.", super->name);
}

/* The check was given up: so something is wrong, and what is worth a search */
static void given_up(struct repair *rp, const struct sosnap_fault *fault, int r)
{
	struct sosnap_fault read = { .what = SOSNAP_FAULT_BLOCK_READ, .arg = (u64)-r };

	rp->check.damages++;
	if (r != -ENOSPC)
		on_damage(rp, r == -EUCLEAN ? fault : &read, "the check got no further");
}

/* The check, on a copy in memory; 1: there is no superblock to start from */
static int check(struct repair *rp, struct sosnap_super *super)
{
	static const struct sosnap_check_ops ops = { .found = on_damage, .progress = progress };
	struct sosnap_file file;
	int r;

	sosnap_file_init(&file, &rp->dev, SOSNAP_FILE_OVERLAY);
	r = sosnap_super_read(&file.io, super);
	if (!r) {
		memcpy(rp->uuid, file.io.uuid, sizeof(rp->uuid));
		rp->doing = "checking";
		r = sosnap_check(&file.io, &ops, rp, &rp->check);
		if (r && r != -ENOMEM)
			given_up(rp, &file.io.fault, r);
		table_end(rp, "damage", damage_cols, ARRAY_SIZE(damage_cols));
		r = r == -ENOMEM ? r : 0;
	} else {
		r = r == -ENOMEM ? r : 1;
	}
	sosnap_file_exit(&file);
	return r;
}

static int say_find_error(const struct repair *rp, const struct sosnap_fault *f, int r)
{
	const char *path = rp->dev.path;

	if (r == -ENOENT && rp->want.uuid)
		sosnap_error("%s holds nothing of a store with this UUID: leave --uuid out to see whether it holds another",
			     path);
	else if (r == -ENOENT)
		sosnap_error("%s holds no store, nor what would be left of one: 'sosnap store create' makes one",
			     path);
	else if (r == -ENOTUNIQ)
		sosnap_error("%s holds metadata of %u stores and no superblock that says which one counts: add --uuid <uuid>",
			     path, rp->found.uuids);
	else if (r == -EINVAL)
		sosnap_error("%s: both superblocks are lost, and with them the name of the store: add --name <store>",
			     path);
	else if (r == -EOVERFLOW)
		sosnap_error("%s: what is lost cannot be made anew, as its numbers are used up: copy what can be read of its snapshots, and make another store",
			     path);
	else if (r == -EUCLEAN)
		sosnap_error("%s: the superblock (block %llu) %s (%s): a newer tool, or the whole device, is needed",
			     path, (unsigned long long)f->blk, sosnap_fault_text(f->what),
			     sosnap_fault_name(f->what));
	else
		sosnap_error("%s cannot be searched: %s", path, strerror(-r));
	return r;
}

static int find(struct repair *rp, struct sosnap_file *file)
{
	static const struct sosnap_salvage_ops ops = {
		.lost = on_lost, .changed = on_changed, .progress = progress,
	};
	int r;

	rp->doing = "searching";
	rp->unit_bytes = true;
	r = sosnap_salvage_find(&file->io, &rp->want, &ops, rp, &rp->found, &rp->salvage);
	stop_progress(rp);
	rp->unit_bytes = false;
	if (r)
		return say_find_error(rp, &file->io.fault, r);
	memcpy(rp->uuid, file->io.uuid, sizeof(rp->uuid));
	if (!rp->losses)
		table_end(rp, "changes", change_cols, ARRAY_SIZE(change_cols));
	table_end(rp, "lost", loss_cols, ARRAY_SIZE(loss_cols));
	return 0;
}

/* All of it in memory, and the check of that */
static int rehearse(struct repair *rp, struct sosnap_file *file)
{
	static const struct sosnap_check_ops ops = { .found = on_rehearsal, .progress = progress };
	struct sosnap_check_result result;
	int r = sosnap_salvage_write(rp->salvage, &file->io);

	if (r == -ENOSPC)
		sosnap_error("%s: there are too few free blocks for new metadata: copy the device to a larger one and repair that",
			     rp->dev.path);
	else if (r)
		sosnap_error("%s: what was found cannot be put together: %s", rp->dev.path,
			     r == -EUCLEAN ? sosnap_fault_text(file->io.fault.what) :
					     strerror(-r));
	if (r)
		return r;
	rp->doing = "checking the result";
	r = sosnap_check(&file->io, &ops, rp, &result);
	stop_progress(rp);
	if (r)
		sosnap_error("%s: the result cannot be checked: %s", rp->dev.path, strerror(-r));
	else if (result.damages)
		r = -EUCLEAN;
	rp->table = false;
	return r;
}

static bool agreed(const struct repair *rp)
{
	char lost[SOSNAP_UNITS_LEN];

	if (rp->found.lost_snapshots)
		return sosnap_confirm("write new metadata to %s: %llu snapshots lose %s or more",
				      rp->dev.path,
				      (unsigned long long)rp->found.lost_snapshots,
				      sosnap_units_format(rp->found.lost_blocks <<
							  SOSNAP_BLOCK_SHIFT, lost));
	return sosnap_confirm("write new metadata to %s", rp->dev.path);
}

/* To the device. A copy of the superblock that is lost needs no more than that. */
static int commit(struct repair *rp, const struct sosnap_super *super)
{
	struct sosnap_file file;
	int r;

	sosnap_file_init(&file, &rp->dev, 0);
	memcpy(file.io.uuid, rp->uuid, sizeof(file.io.uuid));
	r = rp->salvage ? sosnap_salvage_write(rp->salvage, &file.io) :
			  sosnap_super_write(&file.io, super);
	sosnap_file_exit(&file);
	if (r)
		sosnap_error("%s cannot be written: %s; the store is as damaged as it was, or mended",
			     rp->dev.path, strerror(-r));
	return r;
}

static int mend(struct repair *rp, const struct sosnap_super *super)
{
	if (rp->found.doubtful_blocks && !rp->want.doubtful)
		sosnap_warn("%llu blocks may be out of date or another snapshot's, and are left out: --doubtful takes them, now or never",
			    (unsigned long long)rp->found.doubtful_blocks);
	if (rp->found.older_state)
		sosnap_warn("the youngest state is not complete, and the one before it is taken: what was made or changed since then may be gone");
	if (rp->dry_run) {
		say_result(rp, super, false);
		return SOSNAP_CHECK_DAMAGED;
	}
	if (!agreed(rp)) {
		say_result(rp, super, false);
		return SOSNAP_CHECK_DAMAGED;
	}
	if (commit(rp, super))
		return SOSNAP_CHECK_FAILED;
	say_result(rp, super, true);
	return SOSNAP_CHECK_MENDED;
}

/* What this tool does not know of the store is in the copy that is lost, too */
static int refuse_features(const struct repair *rp, const struct sosnap_super *super)
{
	struct sosnap_fault fault = {
		.what = SOSNAP_FAULT_SUPER_INCOMPAT, .arg = super->ro_compat,
	};

	say_find_error(rp, &fault, -EUCLEAN);
	return SOSNAP_CHECK_DAMAGED;
}

static int repair(struct repair *rp)
{
	struct sosnap_super super;
	struct sosnap_file file;
	int code, r = check(rp, &super);

	if (r < 0) {
		sosnap_error("%s cannot be checked: %s", rp->dev.path, strerror(-r));
		return SOSNAP_CHECK_FAILED;
	}
	if (!r && !rp->check.damages) {
		say_result(rp, &super, false);
		return SOSNAP_CHECK_CLEAN;
	}
	if (!r && rp->check.damages == rp->check.mended)
		return super.read_only ? refuse_features(rp, &super) : mend(rp, &super);
	sosnap_file_init(&file, &rp->dev, SOSNAP_FILE_OVERLAY);
	r = find(rp, &file);
	code = SOSNAP_CHECK_FAILED;
	if (!r) {
		super = rp->found.super;
		r = rehearse(rp, &file);
		code = r ? SOSNAP_CHECK_DAMAGED : mend(rp, &super);
	} else if (r == -ENOENT || r == -ENOTUNIQ || r == -EINVAL || r == -EUCLEAN ||
		   r == -EOVERFLOW) {
		code = SOSNAP_CHECK_DAMAGED;
	}
	sosnap_salvage_free(rp->salvage);
	sosnap_file_exit(&file);
	return code;
}

/* Returns 0, or the exit code after saying what is wrong */
static int take_options(struct repair *rp, const struct sosnap_args *a)
{
	static u8 uuid[16];
	u64 bytes;

	rp->want.now = (u64)time(NULL);
	rp->want.name = a->opt[OPT_NAME];
	rp->want.doubtful = a->opt[OPT_DOUBTFUL];
	if (rp->want.name && sosnap_name_check("store", rp->want.name))
		return SOSNAP_CHECK_USAGE;
	if (a->opt[OPT_UUID]) {
		if (uuid_parse(a->opt[OPT_UUID], uuid)) {
			sosnap_error("'%s' is not a UUID", a->opt[OPT_UUID]);
			return SOSNAP_CHECK_USAGE;
		}
		rp->want.uuid = uuid;
	}
	if (!a->opt[OPT_JOURNAL])
		return 0;
	if (sosnap_units_option("the journal", a->opt[OPT_JOURNAL], SOSNAP_BLOCK_SIZE, &bytes))
		return SOSNAP_CHECK_USAGE;
	rp->want.journal_blocks = bytes >> SOSNAP_BLOCK_SHIFT;
	if (rp->want.journal_blocks < SOSNAP_MIN_JOURNAL ||
	    rp->want.journal_blocks > SOSNAP_MAX_JOURNAL) {
		sosnap_error("the journal must be from %uM to %uM", SOSNAP_MIN_JOURNAL >> 8,
			     SOSNAP_MAX_JOURNAL >> 8);
		return SOSNAP_CHECK_USAGE;
	}
	return 0;
}

static int store_repair(const struct sosnap_args *a)
{
	unsigned int flags = SOSNAP_DEV_EXCLUSIVE | SOSNAP_DEV_FILE;
	struct repair *rp = sosnap_alloc(1, sizeof(*rp));
	int code = take_options(rp, a);

	/* what is found is told all the same, so it is not a list of steps */
	rp->dry_run = sosnap_options.dry_run;
	sosnap_options.dry_run = false;
	if (!rp->dry_run)
		flags |= SOSNAP_DEV_WRITE;
	if (!code && sosnap_dev_open(&rp->dev, a->arg[0], flags))
		code = SOSNAP_CHECK_FAILED;
	if (!code) {
		code = repair(rp);
		sosnap_dev_close(&rp->dev);
	}
	free(rp);
	return code;
}

const struct sosnap_cmd sosnap_cmd_store_repair = {
	.name = "store repair",
	.usage = "<device>",
	.help = "make the metadata of a damaged store anew from what is left",
	.text = "The device may be a regular file; the store must not be active. When something\n"
		"is wrong, everything that can still be read is put together in memory, if need be\n"
		"after a search of the whole device, and checked. What is lost is told: such ranges\n"
		"read as the gold image again. Then it is written, if that is agreed to, to blocks\n"
		"that nothing else uses. Blocks that may be out of date, or another snapshot's, are\n"
		"left out unless --doubtful is given. Copy the device first if you can.",
	.options = options,
	.flags = SOSNAP_CMD_JSON | SOSNAP_CMD_DRY_RUN | SOSNAP_CMD_ASKS | SOSNAP_CMD_CHECK,
	.min = 1,
	.max = 1,
	.fn = store_repair,
};
