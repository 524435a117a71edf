// Softmax and dropout of attention's scores, and their gradients, in place: a row is read from memory once.
#include <stddef.h>

#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    float *scores, *gradient;
    int64_t columns, first;
    uint64_t seed;
    double probability;
    float scale;
};

/// Makes a row e^(x − the row's largest x); returns one over the sum. A number that is none spreads over the whole row.
CK_INLINE float exponentials(float *restrict row, int64_t columns) {
#pragma clang fp reassociate(on)
    enum { LANES = 64 };
    float lanes[LANES];
    for (int i = 0; i < LANES; i++) lanes[i] = row[0];
    int64_t i = 0;
    for (; i + LANES <= columns; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = row[i + lane] > lanes[lane] ? row[i + lane] : lanes[lane];
    for (; i < columns; i++) lanes[0] = row[i] > lanes[0] ? row[i] : lanes[0];
    float largest = lanes[0], sum = 0;
    for (int lane = 1; lane < LANES; lane++) largest = lanes[lane] > largest ? lanes[lane] : largest;
    for (i = 0; i < columns; i++) {
        const float difference = row[i] - largest;
        const float value = exp_negative(difference) + 0.0f * difference;
        row[i] = value;
        sum += value;
    }
    return 1.0f / sum;
}

CK_EVERY_CPU void ck_attention_weights_rows(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    const int64_t columns = a->columns;
    for (int64_t r = begin; r < end; r++) {
        float *restrict row = a->scores + r * columns;
        const float inverse = exponentials(row, columns);
        if (a->probability == 0) {
            for (int64_t i = 0; i < columns; i++) row[i] *= inverse;
            continue;
        }
        const int64_t start = a->first + r * columns;
        for (int64_t at = start, stop; at < start + columns; at = stop) {
            stop = mask_run_end(at, start + columns);
            const struct mask mask = make_mask(a->seed, (uint32_t)(at >> 32), a->probability);
            float *restrict part = row + (at - start);
            const uint32_t first = (uint32_t)at, count = (uint32_t)(stop - at);
            for (uint32_t i = 0; i < count; i++) part[i] = part[i] * inverse * mask_factor(mask, first + i);
        }
    }
}

CK_EVERY_CPU void ck_attention_weights_backward_rows(const void *data, int64_t begin, int64_t end) {
#pragma clang fp reassociate(on)
    const struct arguments *a = data;
    const int64_t columns = a->columns;
    const float scale = a->scale;
    for (int64_t r = begin; r < end; r++) {
        float *restrict row = a->scores + r * columns, *restrict gradient = a->gradient + r * columns;
        const float inverse = exponentials(row, columns);
        float projected = 0;
        if (a->probability == 0) {
            for (int64_t i = 0; i < columns; i++) {
                row[i] *= inverse;
                projected += row[i] * gradient[i];
            }
            for (int64_t i = 0; i < columns; i++) gradient[i] = scale * row[i] * (gradient[i] - projected);
            continue;
        }
        const int64_t start = a->first + r * columns;
        for (int64_t at = start, stop; at < start + columns; at = stop) {
            stop = mask_run_end(at, start + columns);
            const struct mask mask = make_mask(a->seed, (uint32_t)(at >> 32), a->probability);
            float *restrict weights = row + (at - start), *restrict part = gradient + (at - start);
            const uint32_t first = (uint32_t)at, count = (uint32_t)(stop - at);
            for (uint32_t i = 0; i < count; i++) {
                weights[i] *= inverse;
                part[i] *= mask_factor(mask, first + i);
                projected += weights[i] * part[i];
            }
        }
        for (int64_t at = start, stop; at < start + columns; at = stop) {
            stop = mask_run_end(at, start + columns);
            const struct mask mask = make_mask(a->seed, (uint32_t)(at >> 32), a->probability);
            float *restrict weights = row + (at - start), *restrict part = gradient + (at - start);
            const uint32_t first = (uint32_t)at, count = (uint32_t)(stop - at);
            for (uint32_t i = 0; i < count; i++) {
                part[i] = scale * weights[i] * (part[i] - projected);
                weights[i] *= mask_factor(mask, first + i);
            }
        }
    }
}

static int64_t rows_of_piece(int64_t columns) { return CK_GRAIN > columns ? CK_GRAIN / columns : 1; }

void ck_attention_weights(
    float *scores, int64_t rows, int64_t columns, int64_t first, uint64_t seed, double probability, int threads) {
    const struct arguments a = {scores, NULL, columns, first, seed, probability, 1};
    ck_parallel(rows, rows_of_piece(columns), threads, ck_attention_weights_rows, &a);
}

void ck_attention_weights_backward(
    float *scores, float *gradient, double scale, int64_t rows, int64_t columns, int64_t first, uint64_t seed,
    double probability, int threads) {
    const struct arguments a = {scores, gradient, columns, first, seed, probability, (float)scale};
    ck_parallel(rows, rows_of_piece(columns), threads, ck_attention_weights_backward_rows, &a);
}
