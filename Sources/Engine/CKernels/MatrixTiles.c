#include "MatrixTiles.h"

#include <stddef.h>

#include "Instructions.h"
#include "Parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define CK_NAME any
#define CK_TARGET
#define CK_WIDTH 4
#define CK_VECTORS 2
#define CK_ROWS 4
#include "MatrixTile.h"

#if defined(__x86_64__)
#define CK_NAME avx2
#define CK_TARGET __attribute__((target("avx2,fma")))
#define CK_WIDTH 8
#define CK_VECTORS 3
#define CK_ROWS 4
#include "MatrixTile.h"

#define CK_NAME avx512
#define CK_TARGET __attribute__((target("avx512f")))
#define CK_WIDTH 16
#define CK_VECTORS 3
#define CK_ROWS 8
#include "MatrixTile.h"
#elif defined(__aarch64__)
// 24 vectors of sums, 3 of weights and the number that multiplies them: nearly all of NEON's 32 registers.
#define CK_NAME neon
#define CK_TARGET
#define CK_WIDTH 4
#define CK_VECTORS 3
#define CK_ROWS 8
#include "MatrixTile.h"
#endif

// MARK: BF16

typedef float four_floats __attribute__((vector_size(16), aligned(4)));
typedef uint32_t four_words __attribute__((vector_size(16), aligned(4)));

/// total + x · weight for pairs of BF16: the sum's two terms, in the order of k.
CK_INLINE four_floats add_pairs(four_floats total, float x, four_floats weight) {
    uint32_t pair;
    memcpy(&pair, &x, 4);
    const four_words left = {pair, pair, pair, pair}, right = (four_words)weight;
    total += (four_floats)(left << 16) * (four_floats)(right << 16);
    return total + (four_floats)(left & 0xFFFF0000u) * (four_floats)(right & 0xFFFF0000u);
}

#define CK_NAME any_pairs
#define CK_TARGET
#define CK_WIDTH 4
#define CK_VECTORS 2
#define CK_ROWS 4
#define CK_ADD_PRODUCT(total, x, weight) add_pairs(total, x, weight)
#include "MatrixTile.h"

#if defined(__x86_64__)
#define CK_NAME avx512_pairs
#define CK_TARGET __attribute__((target("avx512f,avx512bf16")))
#define CK_WIDTH 16
#define CK_VECTORS 3
#define CK_ROWS 8
#define CK_ADD_PRODUCT(total, x, weight) \
    (avx512_pairs_vector) _mm512_dpbf16_ps((__m512)(total), (__m512bh)_mm512_set1_ps(x), (__m512bh)(weight))
#include "MatrixTile.h"
#elif defined(__aarch64__)
// Without instructions for BF16, each vector of pairs is split into two of floats, which need registers too.
#define CK_NAME neon_pairs
#define CK_TARGET
#define CK_WIDTH 4
#define CK_VECTORS 2
#define CK_ROWS 8
#define CK_ADD_PRODUCT(total, x, weight) add_pairs(total, x, weight)
#include "MatrixTile.h"

#define CK_NAME bfdot_pairs
#define CK_TARGET __attribute__((target("bf16")))
#define CK_WIDTH 4
#define CK_VECTORS 3
#define CK_ROWS 8
#define CK_ADD_PRODUCT(total, x, weight) \
    (bfdot_pairs_vector) vbfdotq_f32( \
        (float32x4_t)(total), (bfloat16x8_t)vdupq_n_f32(x), (bfloat16x8_t)(weight))
#include "MatrixTile.h"
#endif

struct tiles best_tiles(enum ck_format format) {
#if defined(__x86_64__)
    const enum instructions instructions = ck_instructions();
    if (format == CK_BFLOAT16 && instructions >= AVX512 && __builtin_cpu_supports("avx512bf16"))
        return (struct tiles){avx512_pairs_rows, avx512_pairs_columns};
#elif defined(__aarch64__)
    const enum instructions instructions = ck_instructions();
    if (format == CK_BFLOAT16 && instructions >= NEON)
        return ck_multiplies_bfloat16() ? (struct tiles){bfdot_pairs_rows, bfdot_pairs_columns}
                                        : (struct tiles){neon_pairs_rows, neon_pairs_columns};
#endif
    if (format == CK_BFLOAT16) return (struct tiles){any_pairs_rows, any_pairs_columns};
#if defined(__x86_64__)
    if (instructions >= AVX512) return (struct tiles){avx512_rows, avx512_columns};
    if (instructions >= AVX2) return (struct tiles){avx2_rows, avx2_columns};
#elif defined(__aarch64__)
    if (instructions >= NEON) return (struct tiles){neon_rows, neon_columns};
#endif
    return (struct tiles){any_rows, any_columns};
}

CK_EVERY_CPU void ck_pack_panels(const float *input, int64_t stride, int64_t rows, int64_t depth, float *packed) {
    for (int64_t first = 0; first < rows; first += PANEL) {
        float *panel = packed + first * depth;
        const int64_t count = rows - first < PANEL ? rows - first : PANEL;
        if (count < PANEL) memset(panel, 0, (size_t)(PANEL * depth) * sizeof(float));
        // A few columns at a time, so that the lines being written stay in the first-level cache.
        for (int64_t k = 0; k < depth; k += 16) {
            const int64_t last = k + 16 < depth ? k + 16 : depth;
            for (int64_t i = 0; i < count; i++) {
                const float *row = input + (first + i) * stride;
                for (int64_t j = k; j < last; j++) panel[j * PANEL + i] = row[j];
            }
        }
    }
}

CK_EVERY_CPU void ck_finish(
    float *restrict sums, int64_t rows, int64_t columns, const float *bias, int apply_gelu, float *output,
    int64_t output_stride) {
    // Loops of constant length over whole panels, including the padding beyond the last column.
    if (bias != NULL) {
        float padded[PANEL] = {0};
        memcpy(padded, bias, (size_t)columns * sizeof(float));
        for (int64_t r = 0; r < rows; r++)
            for (int i = 0; i < PANEL; i++) sums[r * PANEL + i] += padded[i];
    }
    if (apply_gelu) for (int64_t i = 0; i < rows * PANEL; i++) sums[i] = gelu(sums[i]);
    for (int64_t r = 0; r < rows; r++) {
        if (columns == PANEL) memcpy(output + r * output_stride, sums + r * PANEL, PANEL * sizeof(float));
        else memcpy(output + r * output_stride, sums + r * PANEL, (size_t)columns * sizeof(float));
    }
}
