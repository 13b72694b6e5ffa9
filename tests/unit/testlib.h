/* SPDX-License-Identifier: GPL-2.0 */
/* cmocka, which wants its headers in this order. */
#ifndef SOSNAP_TESTLIB_H
#define SOSNAP_TESTLIB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#endif /* SOSNAP_TESTLIB_H */
