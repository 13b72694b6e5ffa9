/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User space stand-ins for the kernel names that kernel/core uses. Only what
 * core needs; core files never know which side they are built for.
 */
#ifndef SOSNAP_SHIM_H
#define SOSNAP_SHIM_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define U16_MAX UINT16_MAX
#define U32_MAX UINT32_MAX
#define U64_MAX UINT64_MAX

#ifndef __packed
#define __packed __attribute__((packed))
#endif
#ifndef __always_unused
#define __always_unused __attribute__((unused))
#endif
#ifndef fallthrough
#define fallthrough __attribute__((fallthrough))
#endif
#ifndef __force
#define __force
#endif
#define __must_check __attribute__((warn_unused_result))

#define cpu_to_le16(x) ((__force __le16)htole16(x))
#define cpu_to_le32(x) ((__force __le32)htole32(x))
#define cpu_to_le64(x) ((__force __le64)htole64(x))
#define le16_to_cpu(x) le16toh((__force u16)(x))
#define le32_to_cpu(x) le32toh((__force u32)(x))
#define le64_to_cpu(x) le64toh((__force u64)(x))

static inline void le32_add_cpu(__le32 *p, u32 v) { *p = cpu_to_le32(le32_to_cpu(*p) + v); }

#define min(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b) ({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })
#define min_t(t, a, b) min((t)(a), (t)(b))
#define max_t(t, a, b) max((t)(a), (t)(b))
#define clamp_t(t, v, lo, hi) ({					\
	t _v = (v), _l = (lo), _h = (hi);				\
	_v < _l ? _l : _v > _h ? _h : _v; })
#define swap(a, b) do { __typeof__(a) _t = (a); (a) = (b); (b) = _t; } while (0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define round_up(x, y) ((((x) - 1) | ((__typeof__(x))((y) - 1))) + 1)
#define sizeof_field(t, m) sizeof(((t *)0)->m)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define struct_size(p, m, n) (sizeof(*(p)) + sizeof(*(p)->m) * (size_t)(n))
#define array_size(a, b) ((size_t)(a) * (size_t)(b))
#define container_of(p, t, m) ((t *)((char *)(p) - offsetof(t, m)))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)
#define check_mul_overflow(a, b, d) __builtin_mul_overflow(a, b, d)

static inline u64 div64_u64(u64 a, u64 b) { return a / b; }
static inline u64 div_u64(u64 a, u32 b) { return a / b; }
static inline u64 div_u64_rem(u64 a, u32 b, u32 *rem) { *rem = a % b; return a / b; }

#define GFP_KERNEL 0
#define GFP_NOIO 0
#define __GFP_NOFAIL 0
typedef unsigned int gfp_t;
static inline void *kmalloc(size_t n, gfp_t gfp) { (void)gfp; return malloc(n); }
static inline void *kzalloc(size_t n, gfp_t gfp) { (void)gfp; return calloc(1, n); }
static inline void kfree(const void *p) { free((void *)p); }
static inline void *kvmalloc(size_t n, gfp_t gfp) { return kmalloc(n, gfp); }
static inline void *kvzalloc(size_t n, gfp_t gfp) { return kzalloc(n, gfp); }
static inline void *kvcalloc(size_t n, size_t s, gfp_t gfp) { (void)gfp; return calloc(n, s); }
static inline void *kvmalloc_array(size_t n, size_t s, gfp_t gfp)
{
	size_t bytes;

	return check_mul_overflow(n, s, &bytes) ? NULL : kmalloc(bytes, gfp);
}
static inline void kvfree(const void *p) { free((void *)p); }
static inline void cond_resched(void) { }

void sort(void *base, size_t num, size_t size,
	  int (*cmp)(const void *, const void *), void (*swap_fn)(void *, void *, int));
u32 crc32c(u32 crc, const void *data, size_t len);
ssize_t strscpy(char *dst, const char *src, size_t size);

/* Bitmaps of little-endian bytes are what is on disk; core uses these only. */
static inline bool test_bit_le(u64 nr, const void *p)
{
	return (((const u8 *)p)[nr >> 3] >> (nr & 7)) & 1;
}
static inline void __set_bit_le(u64 nr, void *p) { ((u8 *)p)[nr >> 3] |= 1U << (nr & 7); }
static inline void __clear_bit_le(u64 nr, void *p) { ((u8 *)p)[nr >> 3] &= ~(1U << (nr & 7)); }
unsigned long find_next_bit_le(const void *p, unsigned long size, unsigned long off);
unsigned long find_next_zero_bit_le(const void *p, unsigned long size, unsigned long off);
static inline unsigned int hweight64(u64 v) { return (unsigned int)__builtin_popcountll(v); }

#define WARN_ON_ONCE(c) ({						\
	bool _c = !!(c);						\
	if (_c)								\
		fprintf(stderr, "warning: %s at %s:%d\n", #c, __FILE__, __LINE__); \
	_c; })

#endif /* SOSNAP_SHIM_H */
