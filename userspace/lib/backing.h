/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making the device under a store larger: an LVM volume by lvextend, a loop
 * device by its file.
 */
#ifndef SOSNAP_BACKING_H
#define SOSNAP_BACKING_H

#include "platform.h"

/* To @bytes; 0, or -errno with the sentence in @why. -ENOTSUP: of another kind */
int sosnap_backing_grow(const char *path, u64 bytes, char *why, size_t why_bytes);

#endif /* SOSNAP_BACKING_H */
