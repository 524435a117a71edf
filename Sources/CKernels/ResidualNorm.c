// LayerNorm of a residual sum with dropout: the end of each half of a post-norm transformer layer.
#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    const float *residual, *branch, *weight, *bias, *gradient;
    float *output, *mean, *inverse_deviation;
    float *residual_gradient, *branch_gradient, *scratch;
    int64_t columns;
    uint64_t seed;
    double probability, epsilon;
};

/// The factors of a row's elements: 0 or the scale.
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

CK_EVERY_CPU void ck_residual_norm_rows(const void *data, int64_t begin, int64_t end) {
#pragma clang fp reassociate(on)
    const struct arguments *a = data;
    const int64_t columns = a->columns;
    const float *restrict weight = a->weight, *restrict bias = a->bias;
    for (int64_t row = begin; row < end; row++) {
        const float *restrict residual = a->residual + row * columns, *restrict branch = a->branch + row * columns;
        float *restrict output = a->output + row * columns;
        float total = 0, squares = 0;
        if (a->probability > 0) {
            factor_row(a, row, output);
            for (int64_t i = 0; i < columns; i++) {
                const float value = residual[i] + branch[i] * output[i];
                output[i] = value;
                total += value;
            }
        } else {
            for (int64_t i = 0; i < columns; i++) {
                const float value = residual[i] + branch[i];
                output[i] = value;
                total += value;
            }
        }
        const float mean = total / (float)columns;
        for (int64_t i = 0; i < columns; i++) {
            const float difference = output[i] - mean;
            squares += difference * difference;
        }
        const float inverse = 1.0f / __builtin_sqrtf(squares / (float)columns + (float)a->epsilon);
        for (int64_t i = 0; i < columns; i++) output[i] = (output[i] - mean) * inverse * weight[i] + bias[i];
        a->mean[row] = mean;
        a->inverse_deviation[row] = inverse;
    }
}

/// Rows that add up their weight and bias gradients together; a function of nothing but the shape, so that the order
/// of the additions is too.
static int64_t rows_per_piece(int64_t rows) { return rows / 32 < 16 ? 16 : (rows + 31) / 32; }

/// Rows of scratch memory that a piece owns: gradients of weight and bias, its normalised row and the row's factors.
enum { SCRATCH_ROWS = 4 };

CK_EVERY_CPU void ck_residual_norm_backward_rows(const void *data, int64_t begin, int64_t end, int64_t piece) {
#pragma clang fp reassociate(on)
    const struct arguments *a = data;
    const int64_t columns = a->columns;
    const int drops = a->probability > 0;
    float *restrict weight_gradient = a->scratch + piece * SCRATCH_ROWS * columns;
    float *restrict bias_gradient = weight_gradient + columns;
    float *restrict normalised = bias_gradient + columns;
    float *restrict factors = normalised + columns;
    for (int64_t i = 0; i < columns; i++) weight_gradient[i] = bias_gradient[i] = 0, factors[i] = 1;
    for (int64_t row = begin; row < end; row++) {
        const float mean = a->mean[row], inverse = a->inverse_deviation[row];
        const float *restrict gradient = a->gradient + row * columns, *restrict weight = a->weight;
        const float *restrict residual = a->residual + row * columns, *restrict branch = a->branch + row * columns;
        float *restrict residual_gradient = a->residual_gradient + row * columns;
        float *restrict branch_gradient = a->branch_gradient + row * columns;
        if (drops) factor_row(a, row, factors);
        float direct = 0, projected = 0;
        for (int64_t i = 0; i < columns; i++) {
            const float value = (residual[i] + branch[i] * factors[i] - mean) * inverse;
            const float weighted = gradient[i] * weight[i];
            normalised[i] = value;
            direct += weighted;
            projected += weighted * value;
            weight_gradient[i] += gradient[i] * value;
            bias_gradient[i] += gradient[i];
        }
        direct /= (float)columns;
        projected /= (float)columns;
        if (drops) {
            for (int64_t i = 0; i < columns; i++) {
                const float value = inverse * (gradient[i] * weight[i] - direct - normalised[i] * projected);
                residual_gradient[i] = value;
                branch_gradient[i] = value * factors[i];
            }
        } else {
            for (int64_t i = 0; i < columns; i++)
                residual_gradient[i] = inverse * (gradient[i] * weight[i] - direct - normalised[i] * projected);
        }
    }
}

struct pieces {
    struct arguments arguments;
    int64_t rows, size;
};

static void backward_pieces(const void *data, int64_t begin, int64_t end) {
    const struct pieces *pieces = data;
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t first = piece * pieces->size;
        const int64_t last = first + pieces->size < pieces->rows ? first + pieces->size : pieces->rows;
        ck_residual_norm_backward_rows(&pieces->arguments, first, last, piece);
    }
}

static int64_t piece_count(int64_t rows) { return (rows + rows_per_piece(rows) - 1) / rows_per_piece(rows); }

int64_t ck_residual_norm_scratch(int64_t rows, int64_t columns) { return piece_count(rows) * SCRATCH_ROWS * columns; }

void ck_residual_norm(
    const float *residual, const float *branch, const float *weight, const float *bias, float *output, float *mean,
    float *inverse_deviation, int64_t rows, int64_t columns, uint64_t seed, double probability, double epsilon,
    int threads) {
    const struct arguments a = {
        .residual = residual, .branch = branch, .weight = weight, .bias = bias, .output = output, .mean = mean,
        .inverse_deviation = inverse_deviation, .columns = columns, .seed = seed, .probability = probability,
        .epsilon = epsilon};
    const int64_t grain = CK_GRAIN / columns > 0 ? CK_GRAIN / columns : 1;
    ck_parallel(rows, grain, threads, ck_residual_norm_rows, &a);
}

void ck_residual_norm_backward(
    const float *residual, const float *branch, const float *weight, const float *mean,
    const float *inverse_deviation, const float *gradient, float *residual_gradient, float *branch_gradient,
    float *weight_gradient, float *bias_gradient, float *scratch, int64_t rows, int64_t columns, uint64_t seed,
    double probability, int threads) {
    const struct pieces pieces = {
        .arguments =
            {.residual = residual, .branch = branch, .weight = weight, .gradient = gradient,
             .mean = (float *)mean, .inverse_deviation = (float *)inverse_deviation,
             .residual_gradient = residual_gradient, .branch_gradient = branch_gradient, .scratch = scratch,
             .columns = columns, .seed = seed, .probability = probability},
        .rows = rows, .size = rows_per_piece(rows)};
    ck_parallel(piece_count(rows), 1, threads, backward_pieces, &pieces);
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
