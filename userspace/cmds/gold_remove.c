// SPDX-License-Identifier: GPL-2.0
#include "cmd.h"
#include "lib/store.h"

enum { OPT_IF_EXISTS };

static const struct sosnap_opt options[] = {
	[OPT_IF_EXISTS] = { "if-exists", NULL, "it is fine if there is no such gold image", 0 },
	{ 0 }
};

static int remove_gold(const struct sosnap_store *store, const struct sosnap_reply_gold *gold)
{
	char *message;
	int r;

	if (gold->snapshots) {
		sosnap_error("gold image '%s' of store '%s' has %llu snapshots: remove them first",
			     gold->name, store->st.name, (unsigned long long)gold->snapshots);
		return -EBUSY;
	}
	message = sosnap_printf("gold_remove %s", gold->name);
	r = sosnap_dm_message(store->dm, message, NULL);
	if (r)
		sosnap_dm_error(r, "gold image '%s' cannot be removed from store '%s'",
				gold->name, store->st.name);
	else
		sosnap_done("removed gold image %s from store %s; its device was not touched",
			    gold->name, store->st.name);
	free(message);
	return r;
}

static int gold_remove(const struct sosnap_args *a)
{
	const struct sosnap_reply_gold *gold;
	struct sosnap_reply_gold *golds;
	struct sosnap_store store;
	size_t nr;
	int r = sosnap_store_find(a->arg[0], &store) ?: sosnap_store_golds(&store, &golds, &nr);

	if (r)
		return SOSNAP_EXIT_FAILED;
	if (a->opt[OPT_IF_EXISTS] && !sosnap_gold_by_name(golds, nr, a->arg[1])) {
		sosnap_done("store %s has no gold image %s", store.st.name, a->arg[1]);
	} else {
		gold = sosnap_gold_need(&store, golds, nr, a->arg[1]);
		r = gold ? remove_gold(&store, gold) : -ENOENT;
	}
	free(golds);
	return sosnap_exit_code(r);
}

const struct sosnap_cmd sosnap_cmd_gold_remove = {
	.name = "gold remove",
	.usage = "<store> <gold>",
	.help = "make a store forget a gold image that has no snapshots",
	.options = options,
	.flags = SOSNAP_CMD_DRY_RUN,
	.min = 2,
	.max = 2,
	.fn = gold_remove,
};
