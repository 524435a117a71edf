// GELU and dropout, in FP32 and BF16.
#include <math.h>
#include <string.h>

#include "Checks.h"

static void check_gelu(void) {
    enum { STEPS = 75677, SPECIAL = 6, COUNT = STEPS + SPECIAL };
    static const float special[SPECIAL] = {0, -0.0f, 1e-30f, -1e-30f, 100, -100};
    float *points = floats(COUNT), *output = floats(COUNT), *slope = floats(COUNT), *gradient = normals(COUNT, 77);
    for (int i = 0; i < STEPS; i++) points[i] = -14.0f + 0.00037f * (float)i;
    memcpy(points + STEPS, special, sizeof(special));
    ck_gelu(points, output, CK_FLOAT32, COUNT, THREADS);
    ck_gelu_backward(points, gradient, slope, CK_FLOAT32, COUNT, THREADS);
    double *slopes = doubles(COUNT), worst = 0;
    for (int i = 0; i < COUNT; i++) {
        const double x = points[i];
        worst = fmax(worst, fabs(output[i] - gelu_of(x)) / fmax(1, fabs(x)));
        slopes[i] = gradient[i] * gelu_slope_of(x);
    }
    expect(worst <= 3e-7, "GELU: %.3g", worst);
    expect_near(slope, slopes, COUNT, 3e-7, "GELU's derivative");
    fingerprint(output, COUNT * 4);
    fingerprint(slope, COUNT * 4);
    float limits[3] = {NAN, INFINITY, 0};
    ck_gelu(limits, limits, CK_FLOAT32, 3, 1);
    expect(isnan(limits[0]) && limits[1] == INFINITY && limits[2] == 0, "GELU of NaN, infinity and zero");
}

/// Each element is dropped or scaled, at the rate, and the backward pass draws the same mask.
static void check_dropout(void) {
    enum { COUNT = 60203 };
    const double rate = 0.3;
    const float scale = (float)(1 / (1 - rate));
    float *input = normals(COUNT, 6), *output = floats(COUNT), *product = floats(COUNT), *slope = floats(COUNT);
    float *gradient = normals(COUNT, 7), *gelus = floats(COUNT), *slopes = floats(COUNT);
    ck_dropout(input, output, CK_FLOAT32, COUNT, 42, rate, THREADS);
    ck_gelu(input, gelus, CK_FLOAT32, COUNT, THREADS);
    ck_gelu_dropout(input, product, CK_FLOAT32, COUNT, 42, rate, THREADS);
    ck_gelu_dropout_backward(input, gradient, slope, CK_FLOAT32, COUNT, 42, rate, THREADS);
    ck_gelu_backward(input, gradient, slopes, CK_FLOAT32, COUNT, THREADS);
    int dropped = 0, wrong = 0;
    for (int i = 0; i < COUNT; i++) {
        const bool drops = output[i] == 0 && input[i] != 0;
        dropped += drops;
        wrong += output[i] != (drops ? 0 : input[i] * scale);
        wrong += product[i] != (drops ? 0 : gelus[i] * scale);
        wrong += fabs(slope[i] - (drops ? 0 : (double)slopes[i] * scale)) > 1e-6 * fabs(gradient[i]) * 3;
    }
    expect(wrong == 0, "dropout keeps and scales, or drops, the same elements in each function (%d)", wrong);
    expect(
        fabs(dropped - COUNT * rate) < 4 * sqrt(COUNT * rate * (1 - rate)), "dropout's rate (%d of %d)", dropped, COUNT);
    fingerprint(output, COUNT * 4);
    fingerprint(product, COUNT * 4);
}

/// The FP32 results for the same numbers, rounded once.
static void check_bfloat16(void) {
    enum { COUNT = 12347 };
    uint16_t *input, *gradient, *output = bytes(COUNT * 2), *expected = bytes(COUNT * 2);
    const float *points = bfloats(COUNT, 1, &input), *slopes = bfloats(COUNT, 2, &gradient);
    float *exact = floats(COUNT);
    for (int step = 0; step < 5; step++) {
        if (step == 0) {
            ck_gelu(points, exact, CK_FLOAT32, COUNT, THREADS);
            ck_gelu(input, output, CK_BFLOAT16, COUNT, THREADS);
        } else if (step == 1) {
            ck_gelu_backward(points, slopes, exact, CK_FLOAT32, COUNT, THREADS);
            ck_gelu_backward(input, gradient, output, CK_BFLOAT16, COUNT, THREADS);
        } else if (step == 2) {
            ck_dropout(points, exact, CK_FLOAT32, COUNT, 7, 0.25, THREADS);
            ck_dropout(input, output, CK_BFLOAT16, COUNT, 7, 0.25, THREADS);
        } else if (step == 3) {
            ck_gelu_dropout(points, exact, CK_FLOAT32, COUNT, 7, 0.1, THREADS);
            ck_gelu_dropout(input, output, CK_BFLOAT16, COUNT, 7, 0.1, THREADS);
        } else {
            ck_gelu_dropout_backward(points, slopes, exact, CK_FLOAT32, COUNT, 7, 0.1, THREADS);
            ck_gelu_dropout_backward(input, gradient, output, CK_BFLOAT16, COUNT, 7, 0.1, THREADS);
        }
        for (int i = 0; i < COUNT; i++) expected[i] = narrow(exact[i]);
        expect_same(output, expected, COUNT * 2, "BF16 is FP32 rounded once (function %d)", step);
        fingerprint(output, COUNT * 2);
    }
    const uint16_t limits[4] = {narrow(NAN), narrow(INFINITY), narrow(-INFINITY), 0x8000};
    uint16_t found[4];
    ck_dropout(limits, found, CK_BFLOAT16, 4, 1, 0, 1);
    expect(
        isnan(wide(found[0])) && wide(found[1]) == INFINITY && wide(found[2]) == -INFINITY && found[3] == 0x8000,
        "BF16 keeps NaN, infinities and the sign of zero");
}

void check_activations(void) {
    check_gelu();
    check_dropout();
    check_bfloat16();
}
