/* SPDX-License-Identifier: GPL-2.0 */
/* Block devices as the test programs use them: direct, in whole requests. */
#ifndef SOSNAP_TEST_DEV_H
#define SOSNAP_TEST_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t number(const char *s);
int dev_open(const char *path, int flags);
uint64_t dev_sectors(int fd);
void *dev_buffer(size_t bytes);
int dev_write(int fd, const void *buf, uint64_t first, uint64_t sectors, bool dsync);
int dev_read(int fd, void *buf, uint64_t first, uint64_t sectors);
int dev_discard(int fd, uint64_t first, uint64_t sectors);
int dev_zeroout(int fd, uint64_t first, uint64_t sectors);

#endif /* SOSNAP_TEST_DEV_H */
