/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SPACE_SANE_H
#define SPACE_SANE_H

#include "space.h"

void space_sane(struct sosnap_space *sp);

#endif /* SPACE_SANE_H */
