// Sharing a kernel's work among threads.
#pragma once

#include <stdint.h>

/// The kernels are compiled for several instruction sets, of which the machine's best is selected when the program
/// starts.
#if defined(__x86_64__) && defined(__linux__)
#define CK_EVERY_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_EVERY_CPU
#endif

/// Work on the elements or rows from `begin` to before `end`.
typedef void (*ck_body)(const void *arguments, int64_t begin, int64_t end);

/// The elements of one piece of work: large compared with the cost of sharing, small enough for the second-level cache.
enum { CK_GRAIN = 16384 };

/// Calls `body` for pieces of `grain` that cover 0 ..< `count`, on up to `threads` threads, and waits for them.
void ck_parallel(int64_t count, int64_t grain, int threads, ck_body body, const void *arguments);

/// Work on one unit, in memory that no other thread uses meanwhile.
typedef void (*ck_scratch_body)(const void *arguments, float *scratch, int64_t unit);

/// Calls `body` for the units 0 ..< `count` on up to `threads` threads, and waits for them; `scratch` has `floats`
/// numbers per thread.
void ck_parallel_with_scratch(
    int64_t count, int threads, float *scratch, int64_t floats, ck_scratch_body body, const void *arguments);
