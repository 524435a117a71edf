// Products of activations with packed weights: in FP32, and in INT8 with 32-bit sums.
//
// A BLAS repacks its weights in every call, rejects overlapping rows (the windows of a convolution), and leaves bias
// and nonlinearity to further passes over memory. Here a panel of PANEL outputs is stored input by input, the sums of a
// block of rows stay in the first-level cache, and the epilogue (bias, GELU) is applied there.
#include <string.h>

#include "CKernels.h"
#include "Instructions.h"
#include "MatrixTiles.h"
#include "Parallel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/// The rows whose sums are held, and the inputs of a panel that stay in the second-level cache while the block's rows
/// pass.
enum { BLOCK = 96, DEPTH = 1536 };

// MARK: Bytes

/// Inputs whose bytes are multiplied together: four products make one 32-bit sum.
enum { GROUP = 4 };

typedef void (*byte_sums)(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, int64_t rows);

/// One row's sums; exact in any order, so that all code paths agree bit for bit.
CK_EVERY_CPU void ck_byte_sums_of_row(const uint8_t *input, const int8_t *panel, int64_t groups, int32_t *sums) {
    for (int64_t k = 0; k < groups; k++) {
        const int8_t *weight = panel + k * PANEL * GROUP;
        const int32_t a = input[k * GROUP], b = input[k * GROUP + 1], c = input[k * GROUP + 2],
                      d = input[k * GROUP + 3];
        for (int i = 0; i < PANEL; i++)
            sums[i] += a * weight[i * GROUP] + b * weight[i * GROUP + 1] + c * weight[i * GROUP + 2] +
                       d * weight[i * GROUP + 3];
    }
}

static void byte_sums_of_any(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, int64_t rows) {
    for (int64_t row = 0; row < rows; row++)
        ck_byte_sums_of_row(input + row * stride, panel, groups, sums + row * PANEL);
}

#if defined(__x86_64__)
#define CK_VNNI __attribute__((target("avx512f,avx512vnni")))

CK_INLINE CK_VNNI void byte_tile(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, const int rows) {
    enum { VECTORS = 3, ROWS = 8 };
    __m512i total[ROWS][VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) total[r][v] = _mm512_loadu_si512(sums + r * PANEL + v * 16);
    for (int64_t k = 0; k < groups; k++) {
        __m512i weight[VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) weight[v] = _mm512_loadu_si512(panel + k * PANEL * GROUP + v * 64);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            int32_t four;
            memcpy(&four, input + r * stride + k * GROUP, GROUP);
            const __m512i x = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
            for (int v = 0; v < VECTORS; v++) total[r][v] = _mm512_dpbusd_epi32(total[r][v], x, weight[v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) _mm512_storeu_si512(sums + r * PANEL + v * 16, total[r][v]);
}

static CK_VNNI void byte_sums_of_vnni(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, int64_t rows) {
    int64_t row = 0;
    for (; row + 8 <= rows; row += 8) byte_tile(input + row * stride, stride, panel, groups, sums + row * PANEL, 8);
    for (; row < rows; row++) byte_tile(input + row * stride, stride, panel, groups, sums + row * PANEL, 1);
}
#elif defined(__aarch64__)
// Products of unsigned with signed bytes.
#define CK_NAME i8mm
#define CK_TARGET __attribute__((target("i8mm")))
#define CK_DOT(total, x, weight) vusdotq_s32(total, x, weight)
#define CK_WEIGHT(weight) (weight)
#define CK_EXCESS(row, groups) 0
#include "ByteTile.h"

/// 128 times the sum of a row.
CK_INLINE int32_t shifted_sum(const uint8_t *row, int64_t groups) {
    int32_t sum = 0;
    for (int64_t k = 0; k < groups * GROUP; k++) sum += row[k];
    return 128 * sum;
}

// Without them, both must be unsigned: 128 is added to each weight, and 128 times the row's sum subtracted.
#define CK_NAME dotprod
#define CK_TARGET __attribute__((target("dotprod")))
#define CK_DOT(total, x, weight) \
    vreinterpretq_s32_u32(vdotq_u32(vreinterpretq_u32_s32(total), x, vreinterpretq_u8_s8(weight)))
#define CK_WEIGHT(weight) veorq_s8(weight, vdupq_n_s8(-128))
#define CK_EXCESS(row, groups) shifted_sum(row, groups)
#include "ByteTile.h"
#endif

static byte_sums best_byte_sums(int portable) {
#if defined(__x86_64__)
    if (!portable && ck_instructions() >= AVX512_VNNI) return byte_sums_of_vnni;
#elif defined(__aarch64__)
    if (!portable && ck_instructions() >= NEON_I8MM) return i8mm_byte_sums;
    if (!portable && ck_instructions() >= NEON_DOTPROD) return dotprod_byte_sums;
#endif
    (void)portable;
    return byte_sums_of_any;
}

// MARK: Sharing the work

struct product {
    const float *input;
    const ck_byte_rows *bytes;
    const float *weight;
    const ck_byte_weight *byte_weight;
    int64_t stride, rows, depth, columns;
    const float *bias;
    float *output;
    int64_t output_stride;
    int gelu;
    ck_sums float_sums;
    byte_sums byte_sums;
    int64_t blocks, panels;
    int by_blocks;
};

/// Converts a block's byte sums to the numbers that they represent: scale_r · scale_c · (Σ a·b − zero_r · Σ b).
CK_EVERY_CPU void ck_dequantize(
    const struct product *p, const int32_t *restrict sums, float *restrict numbers, int64_t row, int64_t rows,
    int64_t column, int64_t columns) {
    float scales[PANEL] = {0};
    int32_t offsets[PANEL] = {0};
    memcpy(scales, p->byte_weight->scales + column, (size_t)columns * sizeof(float));
    memcpy(offsets, p->byte_weight->sums + column, (size_t)columns * sizeof(int32_t));
    for (int64_t r = 0; r < rows; r++) {
        const float scale = p->bytes->scales[row + r];
        const int32_t zero = p->bytes->zeros[row + r];
        for (int i = 0; i < PANEL; i++)
            numbers[r * PANEL + i] = (float)(sums[r * PANEL + i] - zero * offsets[i]) * (scale * scales[i]);
    }
}

static void multiply(const void *data, int64_t begin, int64_t end) {
    const struct product *p = data;
    for (int64_t unit = begin; unit < end; unit++) {
        // The larger operand is read once, the smaller one repeatedly.
        const int64_t block = p->by_blocks ? unit / p->panels : unit % p->blocks;
        const int64_t panel = p->by_blocks ? unit % p->panels : unit / p->blocks;
        const int64_t row = block * BLOCK, column = panel * PANEL;
        const int64_t rows = p->rows - row < BLOCK ? p->rows - row : BLOCK;
        const int64_t columns = p->columns - column < PANEL ? p->columns - column : PANEL;
        float sums[BLOCK * PANEL] __attribute__((aligned(64)));
        if (p->bytes != NULL) {
            int32_t whole[BLOCK * PANEL] __attribute__((aligned(64)));
            memset(whole, 0, (size_t)(rows * PANEL) * sizeof(int32_t));
            const int64_t groups = p->bytes->stride / GROUP;
            p->byte_sums(
                p->bytes->values + row * p->bytes->stride, p->bytes->stride,
                p->byte_weight->values + panel * PANEL * groups * GROUP, groups, whole, rows);
            ck_dequantize(p, whole, sums, row, rows, column, columns);
        } else {
            for (int64_t k = 0; k < p->depth; k += DEPTH) {
                const int64_t depth = p->depth - k < DEPTH ? p->depth - k : DEPTH;
                p->float_sums(
                    p->input + row * p->stride + k, p->stride,
                    p->weight + (panel * p->depth + k) * PANEL, PANEL, depth, sums, PANEL, rows, columns, k > 0);
            }
        }
        ck_finish(
            sums, rows, columns, p->bias != NULL ? p->bias + column : NULL, p->gelu,
            p->output + row * p->output_stride + column, p->output_stride);
    }
}

static void run(struct product *p, int64_t input_size, int64_t weight_size, int threads) {
    p->blocks = (p->rows + BLOCK - 1) / BLOCK;
    p->panels = (p->columns + PANEL - 1) / PANEL;
    p->by_blocks = input_size > weight_size;
    ck_parallel(p->blocks * p->panels, 1, threads, multiply, p);
}

// MARK: FP32

int64_t ck_packed_count(int64_t columns, int64_t depth) { return (columns + PANEL - 1) / PANEL * PANEL * depth; }

struct packing {
    const float *weight;
    float *packed;
    int64_t columns, depth;
};

static void pack(const void *data, int64_t begin, int64_t end) {
    const struct packing *p = data;
    const int64_t first = begin * PANEL, last = end * PANEL < p->columns ? end * PANEL : p->columns;
    ck_pack_panels(p->weight + first * p->depth, p->depth, last - first, p->depth, p->packed + first * p->depth);
}

void ck_pack(const float *weight, int64_t columns, int64_t depth, float *packed, int threads) {
    const struct packing p = {weight, packed, columns, depth};
    ck_parallel((columns + PANEL - 1) / PANEL, 1, threads, pack, &p);
}

void ck_matrix_product(
    const float *input, int64_t stride, const float *packed, const float *bias, int gelu, float *output,
    int64_t output_stride, int64_t rows, int64_t depth, int64_t columns, int threads) {
    struct product p = {
        .input = input, .weight = packed, .stride = stride, .rows = rows, .depth = depth, .columns = columns,
        .bias = bias, .output = output,
        .output_stride = output_stride, .gelu = gelu, .float_sums = best_tiles(CK_FLOAT32).rows};
    run(&p, rows * stride, columns * depth, threads);
}

// MARK: INT8

int64_t ck_byte_stride(int64_t depth) { return (depth + GROUP - 1) / GROUP * GROUP; }

int64_t ck_byte_weight_count(int64_t columns, int64_t depth) {
    return (columns + PANEL - 1) / PANEL * PANEL * ck_byte_stride(depth);
}

/// Ranges below this count as zero: their reciprocals, which scale numbers to bytes, would not be finite.
static const float LEAST = 1e-35f;

/// Rounds a value in 0...255, or in -127...127, to the nearest integer, in the lowest byte.
CK_INLINE uint8_t nearest_byte(float value) {
    const float shifted = value + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    return (uint8_t)bits;
}

struct quantization {
    const float *weight;
    int8_t *values;
    float *scales;
    int32_t *sums;
    int64_t columns, depth;
};

CK_EVERY_CPU void ck_quantize_weight_panels(const void *data, int64_t begin, int64_t end) {
    const struct quantization *q = data;
    const int64_t depth = q->depth, stride = ck_byte_stride(depth);
    for (int64_t panel = begin; panel < end; panel++) {
        int8_t *values = q->values + panel * PANEL * stride;
        memset(values, 0, (size_t)(PANEL * stride));
        for (int64_t i = 0; i < PANEL && panel * PANEL + i < q->columns; i++) {
            const int64_t column = panel * PANEL + i;
            const float *weight = q->weight + column * depth;
            // Stays 0 unless a number is NaN or infinite, which no byte can represent: then the scale becomes NaN.
            float largest = 0, flaw = 0;
            for (int64_t k = 0; k < depth; k++) {
                const float magnitude = __builtin_fabsf(weight[k]);
                largest = magnitude > largest ? magnitude : largest;
                flaw += weight[k] * 0;
            }
            const float factor = largest > LEAST ? 127.0f / largest : 0;
            int32_t sum = 0;
            for (int64_t k = 0; k < depth; k++) {
                const int8_t value = flaw == 0 ? (int8_t)nearest_byte(weight[k] * factor) : 0;
                values[(k / GROUP * PANEL + i) * GROUP + k % GROUP] = value;
                sum += value;
            }
            q->scales[column] = largest / 127.0f + flaw;
            q->sums[column] = sum;
        }
    }
}

void ck_quantize_weight(
    const float *weight, int64_t columns, int64_t depth, int8_t *values, float *scales, int32_t *sums, int threads) {
    const struct quantization q = {weight, values, scales, sums, columns, depth};
    ck_parallel((columns + PANEL - 1) / PANEL, 1, threads, ck_quantize_weight_panels, &q);
}

struct row_quantization {
    const float *input;
    uint8_t *values;
    float *scales;
    int32_t *zeros;
    int64_t stride, depth;
};

CK_EVERY_CPU void ck_quantize_row_range(const void *data, int64_t begin, int64_t end) {
    enum { LANES = 64 };
    const struct row_quantization *q = data;
    const int64_t depth = q->depth, stride = ck_byte_stride(depth);
    for (int64_t row = begin; row < end; row++) {
        const float *restrict input = q->input + row * q->stride;
        uint8_t *restrict values = q->values + row * stride;
        // The range always includes zero, which thus has an exact byte.
        float low[LANES] = {0}, high[LANES] = {0};
        // Stays 0 unless a number is NaN or infinite, which no byte can represent: then the scale becomes NaN.
        float flaw[LANES] = {0};
        int64_t k = 0;
        for (; k + LANES <= depth; k += LANES)
            for (int i = 0; i < LANES; i++) {
                const float x = input[k + i];
                low[i] = x < low[i] ? x : low[i];
                high[i] = x > high[i] ? x : high[i];
                flaw[i] += x * 0;
            }
        for (; k < depth; k++) {
            low[0] = input[k] < low[0] ? input[k] : low[0];
            high[0] = input[k] > high[0] ? input[k] : high[0];
            flaw[0] += input[k] * 0;
        }
        for (int i = 1; i < LANES; i++) {
            low[0] = low[i] < low[0] ? low[i] : low[0];
            high[0] = high[i] > high[0] ? high[i] : high[0];
            flaw[0] += flaw[i];
        }
        const float range = high[0] - low[0];
        const float factor = range > LEAST ? 255.0f / range : 0;
        const uint8_t zero = flaw[0] == 0 ? nearest_byte(-low[0] * factor) : 0;
        const float offset = zero;
        for (k = 0; k < depth; k++) {
            float x = input[k] * factor + offset;
            x = x > 0 ? x : 0;
            x = x > 255 ? 255 : x;
            values[k] = nearest_byte(x);
        }
        for (; k < stride; k++) values[k] = 0;
        q->scales[row] = range / 255.0f + flaw[0];
        q->zeros[row] = zero;
    }
}

void ck_quantize_rows(
    const float *input, int64_t stride, int64_t rows, int64_t depth, uint8_t *values, float *scales, int32_t *zeros,
    int threads) {
    const struct row_quantization q = {input, values, scales, zeros, stride, depth};
    const int64_t grain = CK_GRAIN / depth;
    ck_parallel(rows, grain > 1 ? grain : 1, threads, ck_quantize_row_range, &q);
}

void ck_byte_product(
    const ck_byte_rows *input, const ck_byte_weight *weight, const float *bias, int gelu, float *output,
    int64_t output_stride, int64_t rows, int64_t columns, int portable, int threads) {
    struct product p = {
        .bytes = input, .byte_weight = weight, .rows = rows, .columns = columns, .bias = bias,
        .output = output, .output_stride = output_stride, .gelu = gelu, .byte_sums = best_byte_sums(portable)};
    run(&p, rows * input->stride, columns * input->stride, threads);
}
