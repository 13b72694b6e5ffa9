// SPDX-License-Identifier: GPL-2.0
#include "lib/kmsg.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/report.h"

#define KMSG_LINES 3		/* more would hide the sentence they belong to */

/* Kept open: an open costs the kernel a buffer of a page or more every time */
static int log_fd = -1;
static bool tried;

int sosnap_kmsg_mark(void)
{
	if (!tried)
		log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	tried = true;
	if (log_fd >= 0 && lseek(log_fd, 0, SEEK_END) < 0) {
		close(log_fd);
		log_fd = -1;
	}
	return log_fd;
}

/* "table: 254:0: <target>: <reason>" -> "<target>: <reason>" */
static char *skip_device(char *s)
{
	char *p;

	if (strncmp(s, "table: ", 7))
		return s;
	p = s + 7;
	while (isdigit((unsigned char)*p) || *p == ':')
		p++;
	return *p == ' ' ? p + 1 : s;
}

/* What the errno and the caller's sentence do not say already */
static char *core_of(char *s)
{
	static const char *const prefixes[] = { "sosnap: ", "sosnap-store: " };
	char *p, *end;

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(s, prefixes[i], strlen(prefixes[i]))) {
			s += strlen(prefixes[i]);
			break;
		}
	/* "<store>: message <words>: <reason>" */
	p = strstr(s, ": message ");
	p = p ? strstr(p + 2, ": ") : NULL;
	if (p)
		s = p + 2;
	/* "<reason> (-EINVAL)" */
	end = strstr(s, " (-E");
	if (end)
		*end = 0;
	return s;
}

/* The words of one record of /dev/kmsg, or NULL if it is not about us */
static char *record_reason(char *record)
{
	char *text = strchr(record, ';');
	char *end;

	if (!text)
		return NULL;
	text++;
	end = strchr(text, '\n');
	if (end)
		*end = 0;
	text = strstr(text, "device-mapper: ");
	if (!text)
		return NULL;
	text = skip_device(text + strlen("device-mapper: "));
	if (!strncmp(text, "ioctl: ", 7))
		return NULL;
	return core_of(text);
}

char *sosnap_kmsg_reason(int mark)
{
	char record[8192];
	char *all = NULL;
	int lines = 0;

	while (mark >= 0 && lines < KMSG_LINES) {
		ssize_t n = read(mark, record, sizeof(record) - 1);
		char *text, *longer;

		if (n < 0 && errno == EPIPE)	/* older records were overwritten */
			continue;
		if (n <= 0)
			break;
		record[n] = 0;
		text = record_reason(record);
		if (!text || (all && strstr(all, text)))
			continue;
		longer = all ? sosnap_printf("%s; %s", all, text) : sosnap_strdup(text);
		free(all);
		all = longer;
		lines++;
	}
	return all;
}
