/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kinds of changes share: change.c, and change_lineage.c for those that
 * make cache objects out of cache objects.
 */
#ifndef SOSNAP_CHANGE_INTERNAL_H
#define SOSNAP_CHANGE_INTERNAL_H

#include "change.h"
#include "platform.h"

/* Note why a change is refused; the errno is the caller's return value. */
#define sosnap_change_refuse(c, error, ...) ({				\
	snprintf((c)->why, (c)->why_bytes, __VA_ARGS__);		\
	(error); })

int sosnap_change_put(struct sosnap_change *c, u32 type, u32 id, const union sosnap_item *item);
void sosnap_change_del(struct sosnap_change *c, u32 type, u32 id);
struct sosnap_entry *sosnap_change_leaves(struct sosnap_change *c, const struct sosnap_entry *s);
int sosnap_change_new_name(struct sosnap_change *c, u32 type, const char *name);

static inline struct sosnap_entry *sosnap_change_named(struct sosnap_change *c, u32 type,
						       const char *name)
{
	return sosnap_catalog_name(&c->m->catalog, type, name);
}

#endif /* SOSNAP_CHANGE_INTERNAL_H */
