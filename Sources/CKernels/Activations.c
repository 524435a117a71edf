// Dropout, GELU, and one after the other. An output may lie where an input does: an element depends on its own alone, which
// is what the pragmas promise the compiler (it would take numbers one by one where it finds memory that overlaps).
#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    const float *input;
    const float *gradient;
    float *output;
    uint64_t seed;
    double probability;
};

CK_EVERY_CPU void ck_gelu_range(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    const float *input = a->input;
    float *output = a->output;
#pragma clang loop vectorize(assume_safety)
    for (int64_t i = begin; i < end; i++) output[i] = gelu(input[i]);
}

CK_EVERY_CPU void ck_gelu_backward_range(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    const float *input = a->input, *gradient = a->gradient;
    float *output = a->output;
#pragma clang loop vectorize(assume_safety)
    for (int64_t i = begin; i < end; i++) output[i] = gradient[i] * gelu_derivative(input[i]);
}

CK_EVERY_CPU void ck_dropout_range(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    while (begin < end) {
        const int64_t stop = mask_run_end(begin, end);
        const struct mask mask = make_mask(a->seed, (uint32_t)(begin >> 32), a->probability);
        const float *input = a->input + begin;
        float *output = a->output + begin;
        const uint32_t first = (uint32_t)begin, count = (uint32_t)(stop - begin);
#pragma clang loop vectorize(assume_safety)
        for (uint32_t i = 0; i < count; i++) output[i] = input[i] * mask_factor(mask, first + i);
        begin = stop;
    }
}

CK_EVERY_CPU void ck_gelu_dropout_range(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    while (begin < end) {
        const int64_t stop = mask_run_end(begin, end);
        const struct mask mask = make_mask(a->seed, (uint32_t)(begin >> 32), a->probability);
        const float *input = a->input + begin;
        float *output = a->output + begin;
        const uint32_t first = (uint32_t)begin, count = (uint32_t)(stop - begin);
#pragma clang loop vectorize(assume_safety)
        for (uint32_t i = 0; i < count; i++) output[i] = gelu(input[i]) * mask_factor(mask, first + i);
        begin = stop;
    }
}

CK_EVERY_CPU void ck_gelu_dropout_backward_range(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    while (begin < end) {
        const int64_t stop = mask_run_end(begin, end);
        const struct mask mask = make_mask(a->seed, (uint32_t)(begin >> 32), a->probability);
        const float *input = a->input + begin, *gradient = a->gradient + begin;
        float *output = a->output + begin;
        const uint32_t first = (uint32_t)begin, count = (uint32_t)(stop - begin);
#pragma clang loop vectorize(assume_safety)
        for (uint32_t i = 0; i < count; i++)
            output[i] = gradient[i] * mask_factor(mask, first + i) * gelu_derivative(input[i]);
        begin = stop;
    }
}

void ck_dropout(
    const float *input, float *output, int64_t count, uint64_t seed, double probability, int threads) {
    const struct arguments a = {input, 0, output, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_dropout_range, &a);
}

void ck_gelu(const float *input, float *output, int64_t count, int threads) {
    const struct arguments a = {input, 0, output, 0, 0};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_range, &a);
}

void ck_gelu_backward(const float *input, const float *gradient, float *result, int64_t count, int threads) {
    const struct arguments a = {input, gradient, result, 0, 0};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_backward_range, &a);
}

void ck_gelu_dropout(
    const float *input, float *output, int64_t count, uint64_t seed, double probability, int threads) {
    const struct arguments a = {input, 0, output, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_dropout_range, &a);
}

void ck_gelu_dropout_backward(
    const float *input, const float *gradient, float *result, int64_t count, uint64_t seed, double probability,
    int threads) {
    const struct arguments a = {input, gradient, result, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_dropout_backward_range, &a);
}
