// SPDX-License-Identifier: GPL-2.0
#include "lineage.h"

/**
 * sosnap_lineage_count() - find the live children of every cache object
 * @c: the catalogue; entry->children and entry->heir of the objects are set
 *
 * One pass from the youngest to the oldest: by L1 an object comes after all of
 * its children, so that it is known by then whether it is live itself.
 * Context: meta lock held.
 */
void sosnap_lineage_count(struct sosnap_catalog *c)
{
	u32 i;

	for (i = 0; i < c->nr; i++)
		c->entry[i]->children = 0;
	for (i = c->nr; i-- > 0;) {
		struct sosnap_entry *e = c->entry[i], *parent;

		if (e->type != SOSNAP_CATALOG_OBJECT || e->gone || !e->item.object.parent ||
		    !sosnap_object_live(e))
			continue;
		parent = sosnap_catalog_get(c, SOSNAP_CATALOG_OBJECT,
					    le32_to_cpu(e->item.object.parent));
		if (!parent)
			continue;
		parent->children++;
		parent->heir = e->id;
	}
}

/**
 * sosnap_lineage_depth() - how many objects a lookup asks
 * @c:      the catalogue
 * @object: the first of them
 * Context: meta lock held.
 * Return: their number; more than SOSNAP_MAX_CHAIN when the chain is too long or
 * one of them is missing.
 */
u32 sosnap_lineage_depth(const struct sosnap_catalog *c, u32 object)
{
	u32 n = 0;

	while (object && n <= SOSNAP_MAX_CHAIN) {
		const struct sosnap_entry *e = sosnap_catalog_get(c, SOSNAP_CATALOG_OBJECT, object);

		if (!e)
			return U32_MAX;
		object = le32_to_cpu(e->item.object.parent);
		n++;
	}
	return n;
}
