// Products with packed weights: FP32 and bytes.
#include <math.h>
#include <string.h>

#include "Checks.h"

/// Rows, inputs and outputs that do not fill a tile, a panel, a block or the cache.
static const int64_t sizes[][3] = {
    {1, 5, 1}, {7, 64, 33}, {97, 1537, 48}, {10, 3, 100}, {9, 130, 64}, {8, 512, 96}, {13, 1, 47}, {200, 36, 50}};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static double *product_of(
    const float *input, int64_t stride, const float *weight, int64_t rows, int64_t depth, int64_t columns) {
    double *result = doubles(rows * columns);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            double sum = 0;
            for (int64_t k = 0; k < depth; k++) sum += (double)input[r * stride + k] * weight[c * depth + k];
            result[r * columns + c] = sum;
        }
    return result;
}

/// A product with the bias and GELU that were asked for.
static double *finished(const double *product, const float *bias, int gelu, int64_t rows, int64_t columns) {
    double *result = doubles(rows * columns);
    for (int64_t i = 0; i < rows * columns; i++) {
        const double sum = product[i] + (bias != NULL ? bias[i % columns] : 0);
        result[i] = gelu ? gelu_of(sum) : sum;
    }
    return result;
}

void check_products(void) {
    for (int s = 0; s < SIZES; s++) {
        const int64_t rows = sizes[s][0], depth = sizes[s][1], columns = sizes[s][2];
        const float *input = normals(rows * depth, 1), *weight = normals(columns * depth, 2), *bias = normals(columns, 3);
        float *packed = floats(ck_packed_count(columns, depth)), *output = floats(rows * columns);
        const double *product = product_of(input, depth, weight, rows, depth, columns);
        ck_pack(weight, columns, depth, packed, THREADS);
        for (int variant = 0; variant < 4; variant++) {
            const float *added = variant & 1 ? bias : NULL;
            ck_matrix_product(
                input, depth, packed, added, variant & 2, output, columns, rows, depth, columns, THREADS);
            expect_near(
                output, finished(product, added, variant & 2, rows, columns), rows * columns, 2e-6, "product of [%d, %d] and [%d, %d], variant %d", (int)rows,
                (int)depth, (int)columns, (int)depth, variant);
            if (variant == 0) fingerprint(output, rows * columns * 4);
        }
        // A row's results do not depend on the others.
        float *alone = floats(columns);
        ck_matrix_product(input, depth, packed, bias, 1, output, columns, rows, depth, columns, THREADS);
        for (int64_t r = 0; r < rows; r += 3) {
            ck_matrix_product(input + r * depth, depth, packed, bias, 1, alone, columns, 1, depth, columns, 1);
            expect_same(alone, output + r * columns, columns * 4, "row %d alone and among %d", (int)r, (int)rows);
        }
    }
    // Overlapping windows of a signal, into rows that are further apart than they are long.
    const int64_t channels = 5, kernel = 4, rows = 27, outputs = 7, apart = 11;
    const float *signal = normals(30 * channels, 4), *weight = normals(outputs * kernel * channels, 5);
    float *packed = floats(ck_packed_count(outputs, kernel * channels)), *output = floats(rows * apart), *dense = floats(rows * outputs);
    ck_pack(weight, outputs, kernel * channels, packed, 1);
    memset(output, 0, (size_t)(rows * apart) * sizeof(float));
    ck_matrix_product(signal, channels, packed, NULL, 0, output, apart, rows, kernel * channels, outputs, THREADS);
    bool kept = true;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < apart; c++) {
            if (c < outputs) dense[r * outputs + c] = output[r * apart + c];
            else kept = kept && output[r * apart + c] == 0;
        }
    expect(kept, "what is between the rows of a product is left alone");
    expect_near(
        dense, product_of(signal, channels, weight, rows, kernel * channels, outputs), rows * outputs, 1e-6,
        "overlapping windows");
}

// MARK: Bytes

struct byte_case {
    uint8_t *values;
    int8_t *weights;
    float *scales, *weight_scales;
    int32_t *zeros, *sums;
};

static struct byte_case quantized(
    const float *input, const float *weight, int64_t rows, int64_t depth, int64_t columns) {
    const struct byte_case q = {
        bytes(rows * ck_byte_stride(depth)), bytes(ck_byte_weight_count(columns, depth)), floats(rows), floats(columns),
        bytes(rows * 4), bytes(columns * 4)};
    ck_quantize_rows(input, depth, rows, depth, q.values, q.scales, q.zeros, THREADS);
    ck_quantize_weight(weight, columns, depth, q.weights, q.weight_scales, q.sums, THREADS);
    return q;
}

static void multiply(
    const struct byte_case *q, const float *bias, int gelu, float *output, int64_t rows, int64_t depth, int64_t columns,
    int portable) {
    const ck_byte_rows input = {q->values, q->scales, q->zeros, ck_byte_stride(depth)};
    const ck_byte_weight weight = {q->weights, q->weight_scales, q->sums};
    ck_byte_product(&input, &weight, bias, gelu, output, columns, rows, columns, portable, THREADS);
}

static void check_byte_size(int64_t rows, int64_t depth, int64_t columns) {
    float *input = normals(rows * depth, 1), *weight = normals(columns * depth, 2), *bias = normals(columns, 3);
    struct byte_case q = quantized(input, weight, rows, depth, columns);
    float *output = floats(rows * columns), *portable = floats(rows * columns);
    for (int gelu = 1; gelu >= 0; gelu--) {
        multiply(&q, bias, gelu, output, rows, depth, columns, 0);
        multiply(&q, bias, gelu, portable, rows, depth, columns, 1);
        expect_same(
            output, portable, rows * columns * 4, "bytes [%d, %d] by [%d, %d] by instructions and in plain C", (int)rows,
            (int)depth, (int)columns, (int)depth);
    }
    fingerprint(q.values, rows * ck_byte_stride(depth));
    fingerprint(q.weights, ck_byte_weight_count(columns, depth));
    fingerprint(output, rows * columns * 4);
    // Rounding moves a weight by at most half its scale, and an input by half its row's step.
    const double *exact = finished(product_of(input, depth, weight, rows, depth, columns), bias, 0, rows, columns);
    int outside = 0;
    for (int64_t r = 0; r < rows; r++) {
        double low = 0, high = 0;
        for (int64_t k = 0; k < depth; k++) {
            low = fmin(low, input[r * depth + k]);
            high = fmax(high, input[r * depth + k]);
        }
        const double step = (high - low) / 255;
        for (int64_t c = 0; c < columns; c++) {
            const double scale = q.weight_scales[c];
            double bound = 0;
            for (int64_t k = 0; k < depth; k++)
                bound += fabs(input[r * depth + k]) * scale / 2 + fabs(weight[c * depth + k]) * step / 2 + scale * step / 4;
            outside += fabs(output[r * columns + c] - exact[r * columns + c]) > bound * 1.0001 + 1e-5;
        }
    }
    expect(outside == 0, "bytes stay within their rounding (%d do not)", outside);
    // No byte can represent NaN; the results must.
    input[depth - 1] = NAN;
    q = quantized(input, weight, rows, depth, columns);
    multiply(&q, NULL, 0, output, rows, depth, columns, 0);
    bool holds = true;
    for (int64_t i = 0; i < rows * columns; i++) holds = holds && isfinite(output[i]) == (i >= columns);
    expect(holds, "NaN stays in its row of bytes");
}

/// The largest bytes of both signs, where sums of 16 bits would overflow.
static void check_extremes(void) {
    enum { ROWS = 9, DEPTH = 4096, COLUMNS = 48 };
    struct byte_case q = {
        bytes(ROWS * DEPTH), bytes(ck_byte_weight_count(COLUMNS, DEPTH)), floats(ROWS), floats(COLUMNS), bytes(ROWS * 4),
        bytes(COLUMNS * 4)};
    memset(q.values, 255, ROWS * DEPTH);
    for (int64_t i = 0; i < COLUMNS * DEPTH; i++) q.weights[i] = i / 4 % COLUMNS % 2 == 0 ? -127 : 127;
    float *output = floats(ROWS * COLUMNS);
    for (int i = 0; i < ROWS; i++) q.scales[i] = 1, q.zeros[i] = 0;
    for (int i = 0; i < COLUMNS; i++) q.weight_scales[i] = 1, q.sums[i] = 0;
    multiply(&q, NULL, 0, output, ROWS, DEPTH, COLUMNS, 0);
    bool holds = true;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        holds = holds && output[i] == (float)((i % COLUMNS % 2 == 0 ? -1 : 1) * 255 * 127 * DEPTH);
    expect(holds, "sums of the largest bytes are exact");
}

void check_bytes(void) {
    for (int s = 0; s < SIZES; s++) check_byte_size(sizes[s][0], sizes[s][1], sizes[s][2]);
    check_extremes();
}
