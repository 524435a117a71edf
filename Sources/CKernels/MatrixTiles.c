#include "MatrixTiles.h"

#include <stddef.h>

#include "Instructions.h"
#include "Parallel.h"

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
#endif

struct tiles best_tiles(void) {
#if defined(__x86_64__)
    const enum instructions instructions = ck_instructions();
    if (instructions >= AVX512) return (struct tiles){avx512_rows, avx512_columns};
    if (instructions >= AVX2) return (struct tiles){avx2_rows, avx2_columns};
#endif
    return (struct tiles){any_rows, any_columns};
}

CK_EVERY_CPU void ck_pack_panels(const float *input, int64_t stride, int64_t rows, int64_t depth, float *packed) {
    for (int64_t first = 0; first < rows; first += PANEL) {
        float *panel = packed + first * depth;
        const int64_t count = rows - first < PANEL ? rows - first : PANEL;
        if (count < PANEL) memset(panel, 0, (size_t)(PANEL * depth) * sizeof(float));
        // A few columns at a time, so that the lines written stay in the first-level cache.
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
    // Loops of constant length over whole panels, beyond the last column too.
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
