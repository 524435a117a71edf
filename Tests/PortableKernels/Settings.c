// The instruction set in use, and numbers below the normal range.
#include <float.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "CSubnormals.h"
#include "Checks.h"

/// Half of the least normal number, computed now.
static float half_of_least(void) {
    volatile float least = FLT_MIN, half = 0.5f;
    volatile float product = least * half;
    return product;
}

/// A subnormal number as an operand.
static float times_million(void) {
    volatile float small = FLT_MIN / 1024, factor = 1e6f;
    volatile float product = small * factor;
    return product;
}

static void *in_thread(void *result) {
    *(float *)result = half_of_least();
    return NULL;
}

static void check_subnormals(void) {
    expect(half_of_least() != 0, "subnormal numbers exist before they are flushed");
    const subnormals_settings before = subnormals_flush();
    expect(half_of_least() == 0, "subnormal results are zero");
    expect(times_million() == 0, "subnormal operands are zero");
    // Again, as nested kernels do.
    const subnormals_settings again = subnormals_flush();
    subnormals_restore(again);
    expect(half_of_least() == 0, "restoring the inner settings keeps the outer ones");
    pthread_t thread;
    float inherited = 1;
    if (pthread_create(&thread, NULL, in_thread, &inherited) != 0) abort();
    pthread_join(thread, NULL);
    expect(inherited == 0, "a thread inherits the settings of the one that starts it");
    subnormals_restore(before);
    expect(half_of_least() != 0, "subnormal numbers exist again after the settings are restored");
    expect(times_million() != 0, "subnormal operands count again after the settings are restored");

    enum { COUNT = 50000 };
    float *points = floats(COUNT), *output = floats(COUNT), *slope = floats(COUNT), *small = floats(COUNT);
    for (int i = 0; i < COUNT; i++) {
        points[i] = -60.0f * (float)i / COUNT;
        small[i] = 1e-30f;
    }
    ck_gelu(points, output, CK_FLOAT32, COUNT, THREADS);
    ck_gelu_backward(points, small, slope, CK_FLOAT32, COUNT, THREADS);
    int subnormal = 0;
    for (int i = 0; i < COUNT; i++) {
        subnormal += output[i] != 0 && __builtin_fabsf(output[i]) < FLT_MIN;
        subnormal += slope[i] != 0 && __builtin_fabsf(slope[i]) < FLT_MIN;
    }
    expect(subnormal == 0, "kernels store no subnormal numbers (%d)", subnormal);
    expect(half_of_least() != 0, "kernels leave the caller's settings alone");
}

void check_settings(const char *instructions) {
    expect(
        instructions == NULL || strcmp(ck_instructions_name(), instructions) == 0, "the instructions are %s, not %s",
        ck_instructions_name(), instructions != NULL ? instructions : "");
    check_subnormals();
}
