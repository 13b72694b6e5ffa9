/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOSNAP_TEST_RACE_H
#define SOSNAP_TEST_RACE_H

#include <stdint.h>

int race(const char *mode, const char *dev, uint64_t first_block, uint32_t rounds);

#endif /* SOSNAP_TEST_RACE_H */
