/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own words for a refusal. A failed device-mapper ioctl gives an
 * errno only; the reason is in the kernel log.
 *
 * Typical use: mark before the ioctl, reason after it failed.
 */
#ifndef SOSNAP_KMSG_H
#define SOSNAP_KMSG_H

/*
 * Remember the end of the log, in place of what was remembered before. A
 * descriptor that is the same every time, -1 when the log cannot be read
 */
int sosnap_kmsg_mark(void);

/* The device-mapper lines since then as one text to be freed, NULL if none */
char *sosnap_kmsg_reason(int mark);

#endif /* SOSNAP_KMSG_H */
