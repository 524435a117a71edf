// LayerNorm of a residual sum, and its gradients.
#include <math.h>
#include <string.h>

#include "Checks.h"

struct results {
    double *output, *residual_gradient, *branch_gradient, *weight_gradient, *bias_gradient;
};

static struct results reference(
    const float *residual, const float *branch, const float *factors, const float *weight, const float *bias,
    const float *gradient, int64_t rows, int64_t columns) {
    struct results r = {
        doubles(rows * columns), doubles(rows * columns), doubles(rows * columns), doubles(columns), doubles(columns)};
    double *x = doubles(columns);
    for (int64_t i = 0; i < columns; i++) r.weight_gradient[i] = r.bias_gradient[i] = 0;
    for (int64_t row = 0; row < rows; row++) {
        double mean = 0, variance = 0, direct = 0, projected = 0;
        for (int64_t i = 0; i < columns; i++) {
            const int64_t at = row * columns + i;
            x[i] = residual[at] + (double)branch[at] * factors[at];
            mean += x[i] / (double)columns;
        }
        for (int64_t i = 0; i < columns; i++) variance += (x[i] - mean) * (x[i] - mean) / (double)columns;
        const double inverse = 1 / sqrt(variance + 1e-5);
        for (int64_t i = 0; i < columns; i++) {
            const int64_t at = row * columns + i;
            x[i] = (x[i] - mean) * inverse;
            r.output[at] = x[i] * weight[i] + bias[i];
            r.weight_gradient[i] += gradient[at] * x[i];
            r.bias_gradient[i] += gradient[at];
            direct += (double)gradient[at] * weight[i] / (double)columns;
            projected += (double)gradient[at] * weight[i] * x[i] / (double)columns;
        }
        for (int64_t i = 0; i < columns; i++) {
            const int64_t at = row * columns + i;
            r.residual_gradient[at] = inverse * ((double)gradient[at] * weight[i] - direct - x[i] * projected);
            r.branch_gradient[at] = r.residual_gradient[at] * factors[at];
        }
    }
    return r;
}

static void check_size(int64_t rows, int64_t columns, double rate, enum ck_format format) {
    const int64_t count = rows * columns, size = format == CK_FLOAT32 ? 4 : 2;
    uint16_t *halves[3];
    float *whole[3];
    const void *inputs[3];
    for (int i = 0; i < 3; i++) {
        whole[i] = bfloats(count, 9 + (uint64_t)i, &halves[i]);
        if (format == CK_FLOAT32) whole[i] = normals(count, 9 + (uint64_t)i);
        inputs[i] = format == CK_FLOAT32 ? (const void *)whole[i] : halves[i];
    }
    float *weight = normals(columns, 12), *bias = normals(columns, 13), *factors = floats(count);
    for (int64_t i = 0; i < columns; i++) weight[i] = 1 + 0.3f * weight[i];
    for (int64_t i = 0; i < count; i++) factors[i] = 1;
    if (rate > 0) ck_dropout(factors, factors, CK_FLOAT32, count, 4, rate, 1);
    const struct results wanted = reference(whole[0], whole[1], factors, weight, bias, whole[2], rows, columns);

    void *outputs[3];
    for (int i = 0; i < 3; i++) outputs[i] = bytes(count * size);
    float *mean = floats(rows), *inverse = floats(rows), *weight_gradient = floats(columns), *bias_gradient = floats(columns);
    ck_residual_norm(
        inputs[0], inputs[1], weight, bias, outputs[0], format, mean, inverse, rows, columns, 4, rate, 1e-5,
        floats(ck_residual_norm_scratch(columns, THREADS)), THREADS);
    ck_residual_norm_backward(
        inputs[0], inputs[1], weight, mean, inverse, inputs[2], outputs[1], outputs[2], format, weight_gradient,
        bias_gradient, floats(ck_residual_norm_backward_scratch(rows, columns)), rows, columns, 4, rate, THREADS);
    const double *exact[3] = {wanted.output, wanted.residual_gradient, wanted.branch_gradient};
    for (int i = 0; i < 3; i++) {
        // Without dropout, the branch has the residual's gradient, and none of its own is stored.
        if (i == 2 && rate == 0) continue;
        float *found = floats(count);
        for (int64_t j = 0; j < count; j++)
            found[j] = format == CK_FLOAT32 ? ((float *)outputs[i])[j] : wide(((uint16_t *)outputs[i])[j]);
        const double bound = format == CK_BFLOAT16 ? 1.0 / 256 : i == 0 ? 1e-6 : 3e-6;
        expect_near(
            found, exact[i], count, bound, "residual norm [%d, %d], rate %g, format %d, result %d", (int)rows,
            (int)columns, rate, format, i);
    }
    expect_near(weight_gradient, wanted.weight_gradient, columns, 3e-6, "residual norm's weight");
    expect_near(bias_gradient, wanted.bias_gradient, columns, 3e-6, "residual norm's bias");
}

void check_norms(void) {
    static const int64_t sizes[][2] = {{70, 96}, {33, 33}, {1, 7}, {1000, 16}, {3, 768}};
    for (int i = 0; i < 5; i++)
        for (int dropping = 0; dropping < 2; dropping++)
            for (int format = CK_FLOAT32; format <= CK_BFLOAT16; format++)
                check_size(sizes[i][0], sizes[i][1], dropping ? 0.1 : 0, (enum ck_format)format);
    // A row whose squares overflow becomes NaN, not zeros.
    float input[10] = {1e30f, 0, 1, -1, 2, 1, 2, 3, 4, 5}, ones[5] = {1, 1, 1, 1, 1}, zeros[5] = {0}, output[10];
    float mean[2], inverse[2];
    ck_residual_norm(
        input, NULL, ones, zeros, output, CK_FLOAT32, mean, inverse, 2, 5, 0, 0, 1e-5,
        floats(ck_residual_norm_scratch(5, 1)), 1);
    bool holds = true;
    for (int i = 0; i < 10; i++) holds = holds && (i < 5 ? isnan(output[i]) : isfinite(output[i]));
    expect(holds, "a row whose squares overflow is NaN, and no other");
}
