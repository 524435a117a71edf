// LayerNorm of a residual sum with dropout, the end of each half of a post-norm transformer layer; also of a single
// input.
//
//     x = residual + dropout(branch)    x̂ = (x − mean) / √(variance + ε)    output = weight · x̂ + bias
#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    const void *residual, *branch, *gradient;
    void *output, *residual_gradient, *branch_gradient;
    enum ck_format format;
    const float *weight, *bias;
    float *mean, *inverse_deviation, *scratch;
    int64_t rows, columns, rows_of_unit;
    uint64_t seed;
    double probability, epsilon;
};

/// The dropout factors of a row's elements: 0 or the scale.
CK_INLINE void factor_row(const struct arguments *a, int64_t row, float *restrict factors) {
    const int64_t start = row * a->columns, end = start + a->columns;
    for (int64_t begin = start; begin < end;) {
        const int64_t stop = mask_run_end(begin, end);
        const struct mask mask = make_mask(a->seed, (uint32_t)(begin >> 32), a->probability);
        float *restrict output = factors + (begin - start);
        const uint32_t first = (uint32_t)begin, count = (uint32_t)(stop - begin);
        for (uint32_t i = 0; i < count; i++) output[i] = mask_factor(mask, first + i);
        begin = stop;
    }
}

/// Normalizes some rows; `scratch` has room for one.
CK_INLINE void norm_rows(
    const struct arguments *a, int64_t begin, int64_t end, float *scratch, enum ck_format format, const int adds) {
#pragma clang fp reassociate(on)
    const int64_t columns = a->columns;
    const float *restrict weight = a->weight, *restrict bias = a->bias;
    for (int64_t row = begin; row < end; row++) {
        const void *restrict residual = from(a->residual, format, row * columns);
        const void *restrict branch = adds ? from(a->branch, format, row * columns) : 0;
        void *output = to(a->output, format, row * columns);
        float *restrict values = format == CK_FLOAT32 ? output : scratch;
        float total = 0, squares = 0;
        if (a->probability > 0) {
            factor_row(a, row, values);
            for (int64_t i = 0; i < columns; i++) {
                const float value = element(residual, format, i) + element(branch, format, i) * values[i];
                values[i] = value;
                total += value;
            }
        } else {
            for (int64_t i = 0; i < columns; i++) {
                const float value = element(residual, format, i) + (adds ? element(branch, format, i) : 0);
                values[i] = value;
                total += value;
            }
        }
        const float mean = total / (float)columns;
        for (int64_t i = 0; i < columns; i++) {
            const float difference = values[i] - mean;
            squares += difference * difference;
        }
        // If the squares overflow, 1 / ∞ would turn the row into plausible zeros; it must become NaN instead.
        const float variance = squares / (float)columns;
        const float inverse = 1.0f / __builtin_sqrtf(variance + (float)a->epsilon) + 0.0f * variance;
        if (format == CK_FLOAT32)
            for (int64_t i = 0; i < columns; i++) values[i] = (values[i] - mean) * inverse * weight[i] + bias[i];
        else
            for (int64_t i = 0; i < columns; i++)
                put(output, format, i, (values[i] - mean) * inverse * weight[i] + bias[i]);
        a->mean[row] = mean;
        a->inverse_deviation[row] = inverse;
    }
}

CK_EVERY_CPU void ck_residual_norm_unit(const void *data, float *scratch, int64_t unit) {
    const struct arguments *a = data;
    const int64_t begin = unit * a->rows_of_unit;
    const int64_t end = begin + a->rows_of_unit < a->rows ? begin + a->rows_of_unit : a->rows;
    if (a->branch == 0) norm_rows(a, begin, end, scratch, CK_FLOAT32, 0);
    else if (a->format == CK_BFLOAT16) norm_rows(a, begin, end, scratch, CK_BFLOAT16, 1);
    else norm_rows(a, begin, end, scratch, CK_FLOAT32, 1);
}

/// The rows whose weight and bias gradients are summed together; it depends on the shape only, so that the order of the
/// additions does too.
static int64_t rows_per_piece(int64_t rows) { return rows / 32 < 16 ? 16 : (rows + 31) / 32; }

/// The rows of scratch memory of a piece: gradients of weight and bias, the same for the latest rows only, the current
/// normalized row and its dropout factors.
enum { SCRATCH_ROWS = 6 };
/// The rows whose gradients are summed before they are added to the total: one by one, a sum of many rows would lose
/// accuracy.
enum { ROWS_OF_SUM = 64 };

/// Adds the gradients of weight and bias of some rows to the first two of the scratch rows.
CK_INLINE void backward_rows(
    const struct arguments *a, int64_t begin, int64_t end, float *totals, enum ck_format format, const int adds) {
#pragma clang fp reassociate(on)
    const int64_t columns = a->columns;
    const int drops = a->probability > 0;
    float *restrict weight_gradient = totals + 2 * columns;
    float *restrict bias_gradient = weight_gradient + columns;
    float *restrict normalized = bias_gradient + columns;
    float *restrict factors = normalized + columns;
    for (int64_t i = 0; i < columns; i++) weight_gradient[i] = bias_gradient[i] = 0, factors[i] = 1;
    for (int64_t row = begin; row < end; row++) {
        const float mean = a->mean[row], inverse = a->inverse_deviation[row];
        const float *restrict weight = a->weight;
        const void *restrict gradient = from(a->gradient, format, row * columns);
        const void *restrict residual = from(a->residual, format, row * columns);
        const void *restrict branch = adds ? from(a->branch, format, row * columns) : 0;
        void *restrict residual_gradient = to(a->residual_gradient, format, row * columns);
        void *restrict branch_gradient = to(a->branch_gradient, format, row * columns);
        if (drops) factor_row(a, row, factors);
        float direct = 0, projected = 0;
        for (int64_t i = 0; i < columns; i++) {
            const float sum = element(residual, format, i) + (adds ? element(branch, format, i) * factors[i] : 0);
            const float value = (sum - mean) * inverse;
            const float incoming = element(gradient, format, i), weighted = incoming * weight[i];
            normalized[i] = value;
            direct += weighted;
            projected += weighted * value;
            weight_gradient[i] += incoming * value;
            bias_gradient[i] += incoming;
        }
        // With g the gradient times the weight: dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε).
        direct /= (float)columns;
        projected /= (float)columns;
        for (int64_t i = 0; i < columns; i++) {
            const float weighted = element(gradient, format, i) * weight[i];
            const float value = inverse * (weighted - direct - normalized[i] * projected);
            put(residual_gradient, format, i, value);
            if (drops) put(branch_gradient, format, i, value * factors[i]);
        }
    }
    for (int64_t i = 0; i < columns; i++) totals[i] += weight_gradient[i], totals[columns + i] += bias_gradient[i];
}

CK_EVERY_CPU void ck_residual_norm_backward_rows(
    const struct arguments *a, int64_t begin, int64_t end, float *totals) {
    if (a->branch == 0) backward_rows(a, begin, end, totals, CK_FLOAT32, 0);
    else if (a->format == CK_BFLOAT16) backward_rows(a, begin, end, totals, CK_BFLOAT16, 1);
    else backward_rows(a, begin, end, totals, CK_FLOAT32, 1);
}

static void backward_pieces(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t first = piece * a->rows_of_unit;
        const int64_t last = first + a->rows_of_unit < a->rows ? first + a->rows_of_unit : a->rows;
        float *totals = a->scratch + piece * SCRATCH_ROWS * a->columns;
        for (int64_t i = 0; i < 2 * a->columns; i++) totals[i] = 0;
        for (int64_t row = first; row < last; row += ROWS_OF_SUM)
            ck_residual_norm_backward_rows(a, row, last - row < ROWS_OF_SUM ? last : row + ROWS_OF_SUM, totals);
    }
}

static int64_t piece_count(int64_t rows) { return (rows + rows_per_piece(rows) - 1) / rows_per_piece(rows); }

int64_t ck_residual_norm_scratch(int64_t columns, int threads) { return columns * threads; }

void ck_residual_norm(
    const void *residual, const void *branch, const float *weight, const float *bias, void *output,
    enum ck_format format, float *mean, float *inverse_deviation, int64_t rows, int64_t columns, uint64_t seed,
    double probability, double epsilon, float *scratch, int threads) {
    const int64_t together = CK_GRAIN / columns > 0 ? CK_GRAIN / columns : 1;
    const struct arguments a = {
        .residual = residual, .branch = branch, .weight = weight, .bias = bias, .output = output, .format = format,
        .mean = mean, .inverse_deviation = inverse_deviation, .rows = rows, .columns = columns,
        .rows_of_unit = together, .seed = seed, .probability = probability, .epsilon = epsilon};
    ck_parallel_with_scratch((rows + together - 1) / together, threads, scratch, columns, ck_residual_norm_unit, &a);
}

int64_t ck_residual_norm_backward_scratch(int64_t rows, int64_t columns) {
    return piece_count(rows) * SCRATCH_ROWS * columns;
}

void ck_residual_norm_backward(
    const void *residual, const void *branch, const float *weight, const float *mean, const float *inverse_deviation,
    const void *gradient, void *residual_gradient, void *branch_gradient, enum ck_format format,
    float *weight_gradient, float *bias_gradient, float *scratch, int64_t rows, int64_t columns, uint64_t seed,
    double probability, int threads) {
    const struct arguments a = {
        .residual = residual, .branch = branch, .weight = weight, .gradient = gradient, .mean = (float *)mean,
        .inverse_deviation = (float *)inverse_deviation, .residual_gradient = residual_gradient,
        .branch_gradient = branch_gradient, .format = format, .scratch = scratch, .rows = rows, .columns = columns,
        .rows_of_unit = rows_per_piece(rows), .seed = seed, .probability = probability};
    ck_parallel(piece_count(rows), 1, threads, backward_pieces, &a);
    for (int64_t i = 0; i < columns; i++) {
        double weight_sum = 0, bias_sum = 0;
        for (int64_t piece = 0; piece < piece_count(rows); piece++) {
            weight_sum += scratch[piece * SCRATCH_ROWS * columns + i];
            bias_sum += scratch[(piece * SCRATCH_ROWS + 1) * columns + i];
        }
        weight_gradient[i] = (float)weight_sum;
        bias_gradient[i] = (float)bias_sum;
    }
}
