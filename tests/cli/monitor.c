// SPDX-License-Identifier: GPL-2.0
/*
 * monitor <configuration> - one look of the monitor at a store that is made up here:
 * it is full, has two disposable snapshots, and what removes them never gets further.
 */
#include "cmd.h"
#include "lib/dm.h"
#include "lib/report.h"

static unsigned int removed, checkpoints;

int sosnap_dm_available(void)
{
	return 0;
}

int sosnap_dm_find(const char *name, const char *uuid, struct sosnap_dm_dev *dev)
{
	memset(dev, 0, sizeof(*dev));
	strscpy(dev->name, "sosnap-main", sizeof(dev->name));
	dev->exists = true;
	dev->live = true;
	return 0;
}

int sosnap_dm_each(int (*fn)(const struct sosnap_dm_dev *dev, void *ctx), void *ctx)
{
	struct sosnap_dm_dev dev;

	sosnap_dm_find(NULL, NULL, &dev);
	return fn(&dev, ctx);
}

int sosnap_dm_status(const char *name, char **type, char **params)
{
	*type = sosnap_strdup("sosnap-store");
	*params = sosnap_printf("rw main 5a 1000 1000 900 100 0 0 256 0 1 2 1 0 %u 0 0 0",
				removed ? 5 : 0);
	return 0;
}

int sosnap_dm_table(const char *name, char **type, char **params)
{
	*type = sosnap_strdup("sosnap-store");
	*params = sosnap_strdup("7:0");
	return 0;
}

int sosnap_dm_ask(const char *name, const char *message, char **reply)
{
	const char *list = "a\nb\n";
	const char *rest = removed > 1 ? "" : list + 2 * removed;

	if (!strcmp(message, "list disposable"))
		*reply = sosnap_strdup(rest);
	else if (!strncmp(message, "list snapshot", 13))
		*reply = sosnap_strdup("1 a 8 g 1 0 0 1 5a idle - 0 1 0 0 0\n"
				       "2 b 8 g 1 0 0 1 5a idle - 0 1 0 0 0\n");
	else
		*reply = sosnap_strdup("");
	return 0;
}

int sosnap_dm_message(const char *name, const char *message, char **reply)
{
	if (!strncmp(message, "low_water", 9))
		*reply = sosnap_strdup("0");
	else if (!strncmp(message, "remove", 6))
		removed++;
	else if (!strcmp(message, "checkpoint") && ++checkpoints > 1000)
		exit(3);
	return 0;
}

void sosnap_dm_error(int error, const char *fmt, ...)
{
}

int main(int argc, char **argv)
{
	struct sosnap_args a = { .command = "monitor" };

	/* as in the table of the command: --config, --once */
	a.opt[0] = argv[1];
	a.opt[1] = "";
	return argc == 2 ? sosnap_cmd_monitor.fn(&a) : 2;
}
