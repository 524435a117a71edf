#include "Checks.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int checks, failures;
static uint64_t print;

// MARK: Arrays

static const unsigned char guard[64] = "behind an array that a kernel must not leave";
static struct array {
    unsigned char *end;
    struct array *next;
} *arrays;

static void *reserve(int64_t size) {
    struct array *array = malloc(sizeof(*array));
    // Aligned for no vector: the kernels promise to need no alignment.
    unsigned char *start = malloc((size_t)size + sizeof(guard) + 4);
    if (array == NULL || start == NULL) abort();
    start += 4;
    memset(start, 0xA5, (size_t)size);
    memcpy(start + size, guard, sizeof(guard));
    *array = (struct array){start + size, arrays};
    arrays = array;
    return start;
}

float *floats(int64_t count) { return reserve(count * 4); }
double *doubles(int64_t count) { return (double *)((char *)reserve(count * 8 + 4) + 4); }
void *bytes(int64_t count) { return reserve(count); }

// MARK: Numbers

static uint64_t next(uint64_t *state) {
    uint64_t x = *state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

float *normals(int64_t count, uint64_t seed) {
    float *numbers = floats(count);
    for (int64_t i = 0; i < count; i++) {
        // The sum of twelve uniform numbers, in integers, so that it rounds in the same way everywhere.
        int64_t sum = 0;
        for (int j = 0; j < 12; j++) sum += (int64_t)(next(&seed) >> 40);
        numbers[i] = (float)(sum - (12ll << 23)) / 16777216.0f;
    }
    return numbers;
}

float wide(uint16_t number) {
    const uint32_t bits = (uint32_t)number << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

uint32_t bits_of(float number) {
    uint32_t bits;
    memcpy(&bits, &number, 4);
    return bits;
}

uint16_t narrow(float number) {
    const uint32_t bits = bits_of(number);
    if (isnan(number)) return (uint16_t)(bits >> 16 | 0x40);
    // By cases rather than by the kernels' arithmetic.
    const uint32_t rest = bits & 0xFFFF, half = 0x8000;
    const bool up = rest > half || (rest == half && (bits >> 16 & 1) == 1);
    return (uint16_t)((bits >> 16) + (up ? 1 : 0));
}

float *bfloats(int64_t count, uint64_t seed, uint16_t **narrowed) {
    float *numbers = normals(count, seed);
    *narrowed = bytes(count * 2);
    for (int64_t i = 0; i < count; i++) {
        (*narrowed)[i] = narrow(numbers[i]);
        numbers[i] = wide((*narrowed)[i]);
    }
    return numbers;
}

double *widened(const float *numbers, int64_t count) {
    double *result = doubles(count);
    for (int64_t i = 0; i < count; i++) result[i] = numbers[i];
    return result;
}

double gelu_of(double x) { return x * 0.5 * erfc(-x / sqrt(2)); }

double gelu_slope_of(double x) { return 0.5 * erfc(-x / sqrt(2)) + x * exp(-x * x / 2) / sqrt(8 * atan(1)); }

// MARK: Expectations

static void report(bool holds, const char *format, va_list arguments, const char *detail) {
    checks++;
    if (holds) return;
    failures++;
    printf("FAIL ");
    vprintf(format, arguments);
    printf("%s\n", detail);
}

void expect(bool holds, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    report(holds, format, arguments, "");
    va_end(arguments);
}

void expect_near(const float *found, const double *expected, int64_t count, double bound, const char *format, ...) {
    double difference = 0, magnitude = 0;
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(expected[i])) magnitude = fmax(magnitude, fabs(expected[i]));
        if ((double)found[i] == expected[i]) continue;
        const bool finite = isfinite(found[i]) && isfinite(expected[i]);
        difference = fmax(difference, finite ? fabs((double)found[i] - expected[i]) : INFINITY);
    }
    const double error = magnitude == 0 ? difference : difference / magnitude;
    char detail[80];
    snprintf(detail, sizeof detail, ": the error is %.3g, above %.3g", error, bound);
    va_list arguments;
    va_start(arguments, format);
    report(error <= bound, format, arguments, detail);
    va_end(arguments);
}

void expect_same(const void *found, const void *expected, int64_t size, const char *format, ...) {
    const unsigned char *one = found, *other = expected;
    int64_t at = 0;
    while (at < size && one[at] == other[at]) at++;
    char detail[80];
    snprintf(detail, sizeof detail, ": byte %lld of %lld differs", (long long)at, (long long)size);
    va_list arguments;
    va_start(arguments, format);
    report(at == size, format, arguments, detail);
    va_end(arguments);
}

void fingerprint(const void *results, int64_t size) {
    // FNV-1a.
    for (int64_t i = 0; i < size; i++) print = (print ^ ((const unsigned char *)results)[i]) * 0x100000001B3u;
}

int main(int count, char **arguments) {
    check_settings(count > 1 ? arguments[1] : NULL);
    static const struct part {
        const char *name;
        void (*check)(void);
    } parts[] = {
        {"activations", check_activations}, {"norms", check_norms}, {"products", check_products}, {"bytes", check_bytes},
        {"signal convolution", check_signal_convolution}, {"paired convolution", check_paired_convolution},
        {"spectral convolution", check_spectral_convolution}, {"attention", check_attention}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const uint64_t none = print = 0xCBF29CE484222325u;
        parts[i].check();
        if (print != none) printf("fingerprint of %s: %016llx\n", parts[i].name, (unsigned long long)print);
        fflush(stdout);
    }
    for (const struct array *array = arrays; array != NULL; array = array->next)
        expect_same(array->end, guard, sizeof(guard), "memory behind an array");
    printf(
        "%d checks, %d failed (%s, BF16 products %s)\n", checks, failures, ck_instructions_name(),
        ck_multiplies_bfloat16() ? "yes" : "no");
    return failures > 0;
}
