// Elementwise functions that the kernels are made of, written so that loops over them vectorize.
#pragma once

#include <stdint.h>
#include <string.h>

#include "CKernels.h"

#define CK_INLINE static inline __attribute__((always_inline))

// MARK: Formats

/// The bytes of an element.
CK_INLINE int64_t size_of(enum ck_format format) { return format == CK_BFLOAT16 ? 2 : 4; }

/// An element of an array. BF16 is the upper half of a float.
CK_INLINE float element(const void *array, enum ck_format format, int64_t index) {
    if (format == CK_FLOAT32) return ((const float *)array)[index];
    const uint32_t bits = (uint32_t)((const uint16_t *)array)[index] << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/// Stores an element, rounded to nearest even; NaN stays NaN.
CK_INLINE void put(void *array, enum ck_format format, int64_t index, float value) {
    if (format == CK_FLOAT32) {
        ((float *)array)[index] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    ((uint16_t *)array)[index] = (uint16_t)(value != value ? bits >> 16 | 0x40 : rounded);
}

/// The array from an element on.
CK_INLINE const void *from(const void *array, enum ck_format format, int64_t index) {
    return (const char *)array + index * size_of(format);
}

CK_INLINE void *to(void *array, enum ck_format format, int64_t index) { return (char *)array + index * size_of(format); }

// MARK: Dropout masks

/// A dropout mask: two 32-bit keys, and the threshold below which a draw drops its element.
struct mask {
    uint32_t first;
    uint32_t second;
    uint32_t bound;
    float scale;
};

/// splitmix64's finalizer (Steele, Lea and Flood 2014): every bit of the seed reaches every bit of the keys.
CK_INLINE uint64_t mix_seed(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/// The mask of the 2³² elements whose index has this upper half.
CK_INLINE struct mask make_mask(uint64_t seed, uint32_t upper, double probability) {
    const uint64_t key = mix_seed(mix_seed(seed) + upper);
    const struct mask mask = {
        (uint32_t)key, (uint32_t)(key >> 32), (uint32_t)(probability * 4294967296.0),
        (float)(1.0 / (1.0 - probability))};
    return mask;
}

/// 0 or the scale, for the element whose index has this lower half.
///
/// Two rounds of a multiply-and-shift permutation of 32 bits with low avalanche bias (constants found by C. Wellons,
/// "Prospecting for hash functions", 2018, and its sequel), each after its own key. Elements of one mask differ in the
/// counter, masks in both keys. As a permutation it draws without replacement from 2³² numbers, which narrows the
/// spread of a mask's rate by a relative count / 2³³: negligible beside the spread itself. It is not a cipher.
CK_INLINE float mask_factor(struct mask mask, uint32_t index) {
    uint32_t x = index + mask.first;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    x = (x ^ (x >> 16)) + mask.second;
    x = (x ^ (x >> 16)) * 0x21F0AAADu;
    x = (x ^ (x >> 15)) * 0x735A2D97u;
    x = x ^ (x >> 15);
    return x >= mask.bound ? mask.scale : 0.0f;
}

/// The end of the run of elements from `begin` on whose indices share their upper half.
CK_INLINE int64_t mask_run_end(int64_t begin, int64_t end) {
    const int64_t limit = (begin | 0xFFFFFFFF) + 1;
    return limit < end ? limit : end;
}

// MARK: GELU

/// eˣ for x ≤ 0, to a relative 1e-7: Cody and Waite's reduction and the polynomial of Cephes' expf (Moshier 1992).
///
/// Below e⁻⁶⁴, about 1e-28, it is zero: negligible beside the 1 that every softmax has, and far enough from the
/// subnormal numbers that products with gradients do not reach them.
CK_INLINE float exp_negative(float exponent) {
    const float x = exponent < -64.0f ? -64.0f : exponent;
    // Adding 1.5 · 2²³ rounds to an integer, which is then in the lowest bits.
    const float shifter = 12582912.0f;
    const float shifted = x * 1.44269504f + shifter;
    const float whole = shifted - shifter;
    const float r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * (r * r) + r + 1.0f;
    uint32_t power, bits;
    memcpy(&power, &shifted, 4);
    memcpy(&bits, &y, 4);
    bits += power << 23;
    memcpy(&y, &bits, 4);
    return exponent < -64.0f ? 0.0f : y;
}

/// Φ(x), the normal distribution, and e^(−x²/2).
struct normal {
    float cumulative;
    float exponential;
};

/// Abramowitz and Stegun (1964), formula 7.1.26: erf to 1.5e-7, with z = |x| / √2.
CK_INLINE struct normal normal_of(float x) {
    const float magnitude = __builtin_fabsf(x);
    const float t = 1.0f / (1.0f + (0.3275911f * 0.70710678f) * magnitude);
    const float e = exp_negative(-0.5f * x * x);
    float y = 1.061405429f;
    y = y * t - 1.453152027f;
    y = y * t + 1.421413741f;
    y = y * t - 0.284496736f;
    y = y * t + 0.254829592f;
    // Half of erfc(z): the upper tail, accurate in relative terms where 1 − erf would cancel. Where 1 − erf is zero in
    // FP32, and so is PyTorch's GELU, this is zero too: trained models have many such inputs.
    const float half = 0.5f * (y * t) * e;
    const float tail = half < 0x1p-26f ? 0.0f : half;
    const struct normal result = {x < 0.0f ? tail : 1.0f - tail, e};
    return result;
}

CK_INLINE float gelu(float x) { return x * normal_of(x).cumulative; }

CK_INLINE float gelu_derivative(float x) {
    const struct normal at = normal_of(x);
    const float density = 0.39894228f * at.exponential;
    return at.cumulative + x * density;
}
