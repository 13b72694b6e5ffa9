/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a device holds, before it is overwritten.
 */
#ifndef SOSNAP_PROBE_H
#define SOSNAP_PROBE_H

#include "lib/dev.h"

/**
 * sosnap_probe_content() - find known content
 * @dev:  open
 * @what: set to "an ext4 filesystem 'root'" or the like, to be freed; NULL: nothing
 * Return: 0, or a negative errno after saying why.
 */
int sosnap_probe_content(const struct sosnap_dev *dev, char **what);

/*
 * Nothing is known to be lost by writing to the device, or it was @forced; else
 * -EEXIST after saying what it holds. Under --dry-run, tells what is overwritten.
 */
int sosnap_probe_refuse(const struct sosnap_dev *dev, bool forced);

/* Remove the signatures of all of it; @dev is open for writing */
int sosnap_probe_wipe(const struct sosnap_dev *dev);

#endif /* SOSNAP_PROBE_H */
