/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages to a store. What each takes and replies is in core/uapi.h.
 *
 *	message_change.c	those that change the catalogue
 *	message_list.c		those that tell what is in it
 *	message.c		those about the store itself, and finding the right one
 */
#ifndef SOSNAP_MESSAGE_H
#define SOSNAP_MESSAGE_H

#include <linux/kernel.h>
#include <linux/string.h>

#include "types.h"

#define SOSNAP_WHY_BYTES	160

struct call {
	struct sosnap_store *store;
	unsigned int argc;	/* without the word itself */
	char **argv;
	char *result;
	unsigned int maxlen;
	char why[SOSNAP_WHY_BYTES];
};

#define SOSNAP_ANY_ARGS		0xff

struct message {
	const char *name;
	int (*fn)(struct call *c);	/* 0, 1 with a reply, or -errno with c->why */
	u8 least, most;			/* arguments */
	bool writes;
};

/* The last of each has no name. */
extern const struct message sosnap_change_messages[], sosnap_list_messages[];

static inline int refuse(struct call *c, int error, const char *why)
{
	strscpy(c->why, why, sizeof(c->why));
	return error;
}

static inline int number(struct call *c, const char *s, u64 *v)
{
	return kstrtou64(s, 10, v) ? refuse(c, -EINVAL, "not a decimal number") : 0;
}

#endif /* SOSNAP_MESSAGE_H */
