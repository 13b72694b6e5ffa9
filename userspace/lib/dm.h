/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device-mapper. This pair is the only one that knows libdevmapper.
 *
 * Unless said otherwise the functions return 0 or a negative errno and say
 * nothing; sosnap_dm_error() then says the caller's sentence together with the
 * errno and the kernel's reason of the last call that failed. Calls that change
 * something only tell what they would do under --dry-run.
 */
#ifndef SOSNAP_DM_H
#define SOSNAP_DM_H

#include "platform.h"

#define SOSNAP_DM_NAME	128	/* with the terminating zero */
#define SOSNAP_DM_UUID	129

/**
 * struct sosnap_dm_dev - a device-mapper device
 * @exists:    nothing else is valid if not
 * @opens:     how often it is open
 * @live:      it has a table
 */
struct sosnap_dm_dev {
	char name[SOSNAP_DM_NAME];
	char uuid[SOSNAP_DM_UUID];
	u32 major;
	u32 minor;
	int opens;
	bool exists;
	bool live;
	bool read_only;
	bool suspended;
};

/* 0 if device-mapper can be used; says why not */
int sosnap_dm_available(void);

/* Whether it can be, without a word and without loading it */
bool sosnap_dm_loaded(void);

/* By name, or by uuid when @name is NULL */
int sosnap_dm_find(const char *name, const char *uuid, struct sosnap_dm_dev *dev);

/* Calls @fn for every device there is; a value other than 0 ends it */
int sosnap_dm_each(int (*fn)(const struct sosnap_dm_dev *dev, void *ctx), void *ctx);

/* Type and status of the first target, both to be freed; -ENXIO: no table */
int sosnap_dm_status(const char *name, char **type, char **params);

/* The same with the table's words */
int sosnap_dm_table(const char *name, char **type, char **params);

/* A device of one target; nothing remains of it on failure */
int sosnap_dm_create(const char *name, const char *uuid, u64 sectors, const char *type,
		     const char *params, bool read_only);
/*
 * Another table, or another length, for a device that is in use: I/O is held
 * while one takes the place of the other. Killed half-way, or failed, it leaves
 * the old table in force, perhaps with the new one loaded beside it.
 */
int sosnap_dm_reload(const char *name, u64 sectors, const char *type, const char *params,
		     bool read_only);
int sosnap_dm_remove(const char *name);
int sosnap_dm_rename(const char *name, const char *new_name);

/* Lets I/O in flight end, freezes a file system mounted on it, and holds what comes */
int sosnap_dm_suspend(const char *name);
int sosnap_dm_resume(const char *name);

/*
 * Between these, udev works on the devices that are made and removed while more
 * are; at the end it is done with all of them.
 */
void sosnap_dm_batch_begin(void);
void sosnap_dm_batch_end(void);

/* A message that changes something; @reply, if not NULL, is to be freed */
int sosnap_dm_message(const char *name, const char *message, char **reply);

/* A message that only asks; also sent under --dry-run */
int sosnap_dm_ask(const char *name, const char *message, char **reply);

/* "<sentence>: <errno>; the kernel says: <reason>", or what is known better */
void sosnap_dm_error(int error, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif /* SOSNAP_DM_H */
