// Numbers too small for the normal range of their format.
//
// Processors compute with them in microcode, tens of times slower on Intel's, and trained models are full of them:
// tails of GELU, moments of parameters without a gradient, gradients of saturated softmaxes. Compared with numbers of
// usual size they are negligible, so results and operands below the normal range count as zero while models compute.
#pragma once

#ifdef __SSE__
#include <xmmintrin.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// A thread's floating-point settings.
typedef unsigned long long subnormals_settings;

/// Makes the calling thread, and those that it starts from now on, treat subnormal numbers as zero.
///
/// Returns the previous settings, for subnormals_restore.
static inline subnormals_settings subnormals_flush(void) {
#if defined(__SSE__)
    // Flush to zero for results (bit 15), and denormals are zero for operands (bit 6).
    const unsigned flush = 0x8040, settings = _mm_getcsr();
    // Writing the register stalls, and usually nothing needs to change.
    if ((settings & flush) != flush) _mm_setcsr(settings | flush);
    return settings;
#elif defined(__aarch64__)
    unsigned long long settings;
    __asm__ volatile("mrs %0, fpcr" : "=r"(settings));
    const unsigned long long flush = 1ull << 24;
    if ((settings & flush) == 0) __asm__ volatile("msr fpcr, %0" : : "r"(settings | flush));
    return settings;
#else
    return 0;
#endif
}

/// Restores the settings that subnormals_flush returned.
static inline void subnormals_restore(subnormals_settings settings) {
#if defined(__SSE__)
    // The lower six bits are status flags, which are not worth a write.
    if (((_mm_getcsr() ^ (unsigned)settings) & ~0x3Fu) != 0) _mm_setcsr((unsigned)settings);
#elif defined(__aarch64__)
    unsigned long long now;
    __asm__ volatile("mrs %0, fpcr" : "=r"(now));
    if (now != settings) __asm__ volatile("msr fpcr, %0" : : "r"(settings));
#else
    (void)settings;
#endif
}

#ifdef __cplusplus
}
#endif
