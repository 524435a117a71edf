// Dropout, GELU, and GELU followed by dropout. An output may be the same memory as an input: each element depends on
// its own input only, which is what the pragma promises the compiler (otherwise it would not vectorize loops over
// memory that may overlap).
#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    const void *input, *gradient;
    void *output;
    enum ck_format format;
    uint64_t seed;
    double probability;
};

enum step { GELU, GELU_BACKWARD, DROPOUT, GELU_DROPOUT, GELU_DROPOUT_BACKWARD };

CK_INLINE void run(
    const struct arguments *a, int64_t begin, int64_t end, const enum step step, const enum ck_format format) {
    const int drops = step == DROPOUT || step == GELU_DROPOUT || step == GELU_DROPOUT_BACKWARD;
    const int is_backward = step == GELU_BACKWARD || step == GELU_DROPOUT_BACKWARD;
    while (begin < end) {
        const int64_t stop = mask_run_end(begin, end);
        const struct mask mask = make_mask(a->seed, (uint32_t)(begin >> 32), a->probability);
        const void *input = from(a->input, format, begin);
        const void *gradient = is_backward ? from(a->gradient, format, begin) : 0;
        void *output = to(a->output, format, begin);
        const uint32_t first = (uint32_t)begin, count = (uint32_t)(stop - begin);
#pragma clang loop vectorize(assume_safety)
        for (uint32_t i = 0; i < count; i++) {
            const float x = element(input, format, i);
            float value = is_backward ? element(gradient, format, i) : step == DROPOUT ? x : gelu(x);
            if (drops) value *= mask_factor(mask, first + i);
            if (is_backward) value *= gelu_derivative(x);
            put(output, format, i, value);
        }
        begin = stop;
    }
}

#define RANGE(name, step)                                                        \
    CK_EVERY_CPU void name(const void *data, int64_t begin, int64_t end) {       \
        const struct arguments *a = data;                                        \
        if (a->format == CK_BFLOAT16) run(a, begin, end, step, CK_BFLOAT16);     \
        else run(a, begin, end, step, CK_FLOAT32);                               \
    }

RANGE(ck_gelu_range, GELU)
RANGE(ck_gelu_backward_range, GELU_BACKWARD)
RANGE(ck_dropout_range, DROPOUT)
RANGE(ck_gelu_dropout_range, GELU_DROPOUT)
RANGE(ck_gelu_dropout_backward_range, GELU_DROPOUT_BACKWARD)

void ck_dropout(
    const void *input, void *output, enum ck_format format, int64_t count, uint64_t seed, double probability,
    int threads) {
    const struct arguments a = {input, 0, output, format, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_dropout_range, &a);
}

void ck_gelu(const void *input, void *output, enum ck_format format, int64_t count, int threads) {
    const struct arguments a = {input, 0, output, format, 0, 0};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_range, &a);
}

void ck_gelu_backward(
    const void *input, const void *gradient, void *result, enum ck_format format, int64_t count, int threads) {
    const struct arguments a = {input, gradient, result, format, 0, 0};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_backward_range, &a);
}

void ck_gelu_dropout(
    const void *input, void *output, enum ck_format format, int64_t count, uint64_t seed, double probability,
    int threads) {
    const struct arguments a = {input, 0, output, format, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_dropout_range, &a);
}

void ck_gelu_dropout_backward(
    const void *input, const void *gradient, void *result, enum ck_format format, int64_t count, uint64_t seed,
    double probability, int threads) {
    const struct arguments a = {input, gradient, result, format, seed, probability};
    ck_parallel(count, CK_GRAIN, threads, ck_gelu_dropout_backward_range, &a);
}
