// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/grow.h"
#include "lib/out.h"
#include "lib/units.h"

static const struct sosnap_col cols[] = {
	{ "name", "Store", SOSNAP_OUT_STRING, 0 },
	{ "state", "State", SOSNAP_OUT_STRING, 0 },
	{ "uuid", "UUID", SOSNAP_OUT_STRING, 0 },
	{ "device", "Device", SOSNAP_OUT_STRING, 0 },
	{ "size", "Size", SOSNAP_OUT_BYTES, 0 },
	{ "device_size", NULL, SOSNAP_OUT_BYTES, 0 },
	{ "used", "Used", SOSNAP_OUT_BYTES, 0 },
	{ "used_percent", "Used share", SOSNAP_OUT_PERCENT, 0 },
	{ "data", "  data", SOSNAP_OUT_BYTES, 0 },
	{ "metadata", "  metadata and journal", SOSNAP_OUT_BYTES, 0 },
	{ "free", "Free", SOSNAP_OUT_BYTES, 0 },
	{ "reserved", "  kept for metadata", SOSNAP_OUT_BYTES, 0 },
	{ "kept", "  kept for snapshots", SOSNAP_OUT_BYTES, 0 },
	{ "removing", "To come back by removals", SOSNAP_OUT_BYTES, 0 },
	{ "shrinks_to", "Shrinks to", SOSNAP_OUT_BYTES, 0 },
	{ "beyond", "  to be moved yet", SOSNAP_OUT_BYTES, 0 },
	{ "golds", "Gold images", SOSNAP_OUT_NUMBER, 0 },
	{ "snapshots", "Snapshots", SOSNAP_OUT_NUMBER, 0 },
	{ "journal", "Journal", SOSNAP_OUT_BYTES, 0 },
	{ "journal_used", "  in use", SOSNAP_OUT_BYTES, 0 },
	{ "pending_records", "Changes not merged yet", SOSNAP_OUT_NUMBER, 0 },
	{ "generation", "Checkpoints", SOSNAP_OUT_NUMBER, 0 },
	{ "map_memory", "Memory of maps", SOSNAP_OUT_BYTES, 0 },
};

/* For people with what it means */
static const char *state_text(const struct sosnap_store *s)
{
	const char *state = sosnap_store_state(s);

	if (sosnap_options.json)
		return state;
	if (!strcmp(state, "full"))
		return "full: first writes wait or fail until space is given back";
	if (!strcmp(state, "failed"))
		return "failed: metadata could not be written; reads go on, the kernel log tells why";
	return state;
}

static void print_status(const char *key, const struct sosnap_store *s)
{
	const struct sosnap_reply_store *st = &s->st;
	const u32 shift = SOSNAP_BLOCK_SHIFT;
	u64 device = sosnap_store_device_blocks(s);
	char more[SOSNAP_UNITS_LEN];

	sosnap_out_record(key, cols, ARRAY_SIZE(cols), (struct sosnap_val[]){
		{ .s = st->name }, { .s = state_text(s) }, { .s = st->uuid },
		{ .s = s->path }, { .n = st->total << shift },
		{ .n = device << shift, .none = !device }, { .n = st->used << shift },
		{ .n = sosnap_units_share(st->used, st->total) }, { .n = st->data << shift },
		{ .n = st->metadata << shift }, { .n = (st->total - st->used) << shift },
		{ .n = st->reserved << shift }, { .n = st->kept << shift },
		{ .n = st->removing << shift },
		{ .n = st->shrinks_to << shift, .none = !st->shrinks_to },
		{ .n = st->beyond << shift, .none = !st->shrinks_to },
		{ .n = st->golds }, { .n = st->snapshots }, { .n = st->journal << shift },
		{ .n = st->journal_used << shift }, { .n = st->pending },
		{ .n = st->generation }, { .n = st->map_kib << 10 } });
	if (device > st->total)
		sosnap_out_text("The device has %s more: 'sosnap store grow %s' takes it in use.",
				sosnap_units_format((device - st->total) << shift, more),
				st->name);
}

static int store_status(const struct sosnap_args *a)
{
	struct sosnap_store one, *all = &one;
	size_t nr = 1;
	int r;

	r = a->nr ? sosnap_store_find(a->arg[0], &one) : sosnap_stores_active(&all, &nr);
	if (r)
		return SOSNAP_EXIT_FAILED;
	if (!nr)
		sosnap_out_text("No store is active: 'sosnap store list' shows the stores there are.");
	sosnap_out_array("stores");
	for (size_t i = 0; i < nr; i++) {
		if (i)
			sosnap_out_text("%s", "");
		sosnap_out_object(NULL);
		print_status(NULL, &all[i]);
		sosnap_out_close();
	}
	sosnap_out_close();
	if (all != &one)
		free(all);
	return SOSNAP_EXIT_OK;
}

const struct sosnap_cmd sosnap_cmd_store_status = {
	.name = "store status",
	.usage = "[<store>]",
	.help = "show all about an active store, or about all of them",
	.flags = SOSNAP_CMD_JSON,
	.min = 0,
	.max = 1,
	.fn = store_status,
};
