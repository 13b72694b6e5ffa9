// SPDX-License-Identifier: GPL-2.0
#include "change.h"
#include "many_snapshots.h"
#include "testlib.h"

void many_snapshots(struct sosnap_meta *m, struct sosnap_batch *batch, u32 nr, u64 sectors)
{
	struct sosnap_change c;
	char name[16], why[128];
	u32 i;

	sosnap_change_init(&c, m, why, sizeof(why));
	assert_int_equal(sosnap_change_gold_add(&c, "gold", sectors, 1, NULL, 1), 0);
	assert_int_equal(sosnap_meta_apply(m, batch, c.slots, c.nr), 0);
	sosnap_change_exit(&c);
	for (i = 0; i < nr; i++) {
		struct sosnap_create one = {
			.name = name, .gold = "gold", .sectors = sectors, .uuid = { i + 1 },
		};

		snprintf(name, sizeof(name), "s%u", i);
		sosnap_change_init(&c, m, why, sizeof(why));
		assert_int_equal(sosnap_change_create(&c, &one, 1, 1), 0);
		assert_int_equal(sosnap_meta_apply(m, batch, c.slots, c.nr), 0);
		sosnap_change_exit(&c);
	}
}
