/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only door out of the metadata core: the kernel's headers, or the user
 * space stand-ins for the same names. Nothing else in core/ includes a
 * <linux/...> or libc header, and no other file in core/ asks __KERNEL__.
 */
#ifndef SOSNAP_PLATFORM_H
#define SOSNAP_PLATFORM_H

#ifdef __KERNEL__
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/byteorder/generic.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#else
#include "../../userspace/shim/shim.h"
#endif

#endif /* SOSNAP_PLATFORM_H */
