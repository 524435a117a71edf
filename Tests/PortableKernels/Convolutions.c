// The three convolutions and their gradients.
#include <math.h>
#include <string.h>

#include "Checks.h"

// MARK: Of one signal

void check_signal_convolution(void) {
    enum { KERNEL = 10, STRIDE = 5, CHANNELS = 70, SAMPLES = 4003, FITTING = (SAMPLES - KERNEL) / STRIDE + 1, ROWS = FITTING + 3 };
    const float *signal = normals(SAMPLES, 14), *weight = normals(KERNEL * CHANNELS, 15), *shift = normals(CHANNELS, 16);
    float *output = floats(ROWS * CHANNELS);
    uint16_t *halves = bytes(ROWS * CHANNELS * 2), *expected_halves = bytes(ROWS * CHANNELS * 2), *gradient_halves;
    const float *gradient = bfloats(FITTING * CHANNELS, 17, &gradient_halves);
    double *expected = doubles(ROWS * CHANNELS), *sums = doubles(CHANNELS), *products = doubles(KERNEL * CHANNELS);
    double *own_sums = doubles(CHANNELS), *own_products = doubles(KERNEL * CHANNELS);
    memset(expected, 0, ROWS * CHANNELS * sizeof(double));
    memset(sums, 0, CHANNELS * sizeof(double));
    memset(products, 0, KERNEL * CHANNELS * sizeof(double));
    for (int t = 0; t < FITTING; t++)
        for (int c = 0; c < CHANNELS; c++) {
            double sum = shift[c];
            for (int k = 0; k < KERNEL; k++) sum += (double)signal[t * STRIDE + k] * weight[k * CHANNELS + c];
            expected[t * CHANNELS + c] = gelu_of(sum);
            const double slope = gradient[t * CHANNELS + c] * gelu_slope_of(sum);
            sums[c] += slope;
            for (int k = 0; k < KERNEL; k++) products[k * CHANNELS + c] += slope * signal[t * STRIDE + k];
        }
    ck_signal_convolution(
        signal, SAMPLES, weight, shift, output, CK_FLOAT32, ROWS, CHANNELS, KERNEL, STRIDE, THREADS);
    ck_signal_convolution(
        signal, SAMPLES, weight, shift, halves, CK_BFLOAT16, ROWS, CHANNELS, KERNEL, STRIDE, THREADS);
    expect_near(output, expected, ROWS * CHANNELS, 1e-6, "the signal's convolution");
    for (int i = 0; i < ROWS * CHANNELS; i++) expected_halves[i] = narrow(output[i]);
    expect_same(halves, expected_halves, ROWS * CHANNELS * 2, "the signal's convolution in BF16");
    for (int format = CK_FLOAT32; format <= CK_BFLOAT16; format++) {
        ck_signal_convolution_backward(
            signal, weight, shift, format == CK_FLOAT32 ? (const void *)gradient : gradient_halves,
            (enum ck_format)format, own_sums, own_products,
            floats(ck_signal_convolution_scratch(FITTING, CHANNELS, KERNEL)), FITTING, CHANNELS, KERNEL, STRIDE,
            THREADS);
        float *found = floats(CHANNELS * (KERNEL + 1));
        for (int i = 0; i < CHANNELS; i++) found[i] = (float)own_sums[i];
        for (int i = 0; i < CHANNELS * KERNEL; i++) found[CHANNELS + i] = (float)own_products[i];
        expect_near(found, sums, CHANNELS, 2e-6, "the signal's convolution: sums of the gradient, format %d", format);
        expect_near(
            found + CHANNELS, products, CHANNELS * KERNEL, 2e-6, "the signal's convolution: products, format %d", format);
    }
    double *first = doubles(KERNEL), *second = doubles(KERNEL * KERNEL), worst = 0;
    ck_window_moments(signal, FITTING, KERNEL, STRIDE, first, second);
    for (int j = 0; j < KERNEL; j++) {
        double sum = 0;
        for (int t = 0; t < FITTING; t++) sum += signal[t * STRIDE + j];
        worst = fmax(worst, fabs(sum - first[j]));
        for (int k = 0; k < KERNEL; k++) {
            sum = 0;
            for (int t = 0; t < FITTING; t++) sum += (double)signal[t * STRIDE + j] * signal[t * STRIDE + k];
            worst = fmax(worst, fabs(sum - second[j * KERNEL + k]));
        }
    }
    expect(worst < 1e-9, "moments of windows (%g)", worst);
}

// MARK: Of pairs

static void check_pairs(int64_t rows, int64_t channels, int64_t outputs, int of_gelu) {
    const int64_t last = rows / 2;
    const float *input = normals(rows * channels, 1), *weight = normals(outputs * channels * 3, 2);
    const float *bias = of_gelu ? NULL : normals(outputs, 3), *gradient = normals(last * outputs, 4);
    double *expected = doubles(last * outputs), *slopes = doubles(rows * channels), *taps = doubles(outputs * channels * 3);
    memset(slopes, 0, (size_t)(rows * channels) * sizeof(double));
    memset(taps, 0, (size_t)(outputs * channels * 3) * sizeof(double));
    double *values = doubles(rows * channels);
    for (int64_t i = 0; i < rows * channels; i++) values[i] = of_gelu ? gelu_of(input[i]) : input[i];
    for (int64_t t = 0; t < last; t++)
        for (int64_t o = 0; o < outputs; o++) {
            double sum = bias != NULL ? bias[o] : 0;
            const double slope = gradient[t * outputs + o];
            for (int64_t k = 0; k < 3 && 2 * t + k < rows; k++)
                for (int64_t c = 0; c < channels; c++) {
                    const int64_t at = (2 * t + k) * channels + c, tap = (o * channels + c) * 3 + k;
                    sum += values[at] * weight[tap];
                    slopes[at] += slope * weight[tap];
                    taps[tap] += slope * values[at];
                }
            expected[t * outputs + o] = sum;
        }
    if (of_gelu) for (int64_t i = 0; i < rows * channels; i++) slopes[i] *= gelu_slope_of(input[i]);

    float *packed = floats(ck_paired_weight_count(outputs, channels)), *output = floats(last * outputs);
    float *turned = floats(ck_paired_weight_count(channels, outputs)), *own = floats(rows * channels);
    float *own_taps = floats(outputs * channels * 3);
    ck_pack_paired(weight, outputs, channels, 0, packed, THREADS);
    ck_pack_paired(weight, outputs, channels, 1, turned, THREADS);
    ck_paired_convolution(
        input, rows, of_gelu, packed, bias, 0, output, channels, outputs,
        floats(ck_paired_convolution_scratch(channels, THREADS)), THREADS);
    ck_paired_input_gradient(
        gradient, turned, of_gelu ? input : NULL, own, rows, channels, outputs,
        floats(ck_paired_input_gradient_scratch(outputs, THREADS)), THREADS);
    ck_paired_weight_gradient(
        input, rows, of_gelu, gradient, own_taps, channels, outputs,
        floats(ck_paired_weight_gradient_scratch(channels, outputs, THREADS)), THREADS);
    fingerprint(output, last * outputs * 4);
    fingerprint(own_taps, outputs * channels * 3 * 4);
    const int r = (int)rows, c = (int)channels, o = (int)outputs;
    expect_near(output, expected, last * outputs, 3e-6, "pairs of %d rows, %d channels, %d outputs", r, c, o);
    expect_near(own, slopes, rows * channels, 3e-6, "the input's gradient of pairs of %d rows, %d, %d", r, c, o);
    expect_near(own_taps, taps, outputs * channels * 3, 3e-6, "the weight's gradient of pairs of %d rows, %d, %d", r, c, o);
}

void check_paired_convolution(void) {
    static const int64_t sizes[][3] = {{2, 3, 5}, {10, 16, 48}, {66, 33, 50}, {400, 96, 100}, {4474, 20, 35}};
    for (int i = 0; i < 5; i++)
        for (int of_gelu = 0; of_gelu < 2; of_gelu++) check_pairs(sizes[i][0], sizes[i][1], sizes[i][2], of_gelu);
}

// MARK: Of segments

static void check_segments(const int64_t *lengths, int64_t segments, int64_t groups, int64_t width, int64_t kernel) {
    const int64_t channels = groups * width, step = ck_spectral_size(kernel) / 2;
    int64_t rows = 0, count = 0, begin = 0;
    for (int64_t s = 0; s < segments; s++) rows += lengths[s], count += (lengths[s] + step - 1) / step;
    int64_t *blocks = (int64_t *)doubles(3 * count), *place = blocks;
    const float *input = normals(rows * channels, 1), *weight = normals(channels * width * kernel, 2);
    const float *bias = normals(channels, 3), *gradient = normals(rows * channels, 4);
    double *expected = doubles(rows * channels), *slopes = doubles(rows * channels), *taps = doubles(channels * width * kernel);
    memset(slopes, 0, (size_t)(rows * channels) * sizeof(double));
    memset(taps, 0, (size_t)(channels * width * kernel) * sizeof(double));
    for (int64_t s = 0; s < segments; begin += lengths[s++]) {
        const int64_t end = begin + lengths[s];
        for (int64_t first = begin; first < end; first += step) {
            *place++ = begin;
            *place++ = end;
            *place++ = first;
        }
        for (int64_t t = begin; t < end; t++)
            for (int64_t o = 0; o < channels; o++) {
                double sum = bias[o];
                const double slope = gradient[t * channels + o];
                for (int64_t k = 0; k < kernel; k++) {
                    const int64_t row = t + k - kernel / 2;
                    if (row < begin || row >= end) continue;
                    for (int64_t i = 0; i < width; i++) {
                        const int64_t at = row * channels + o / width * width + i, tap = (o * width + i) * kernel + k;
                        sum += (double)input[at] * weight[tap];
                        slopes[at] += slope * weight[tap];
                        taps[tap] += slope * input[at];
                    }
                }
                expected[t * channels + o] = sum;
            }
    }
    float *spectra = floats(ck_spectral_weight_count(groups, width, kernel));
    float *scratch = floats(ck_spectral_scratch(count, width, kernel, THREADS));
    float *of_blocks = floats(2 * ck_spectra_count(count, groups, width, kernel));
    float *output = floats(rows * channels), *own = floats(rows * channels), *own_taps = floats(channels * width * kernel);
    float *activated = floats(rows * channels);
    ck_spectral_weight(weight, groups, width, kernel, spectra, floats(ck_spectral_scratch(0, width, kernel, THREADS)), THREADS);
    ck_spectral_convolution(
        input, blocks, count, groups, width, kernel, spectra, bias, 0, output, of_blocks, scratch, THREADS);
    ck_spectral_convolution(
        input, blocks, count, groups, width, kernel, spectra, bias, 1, activated, of_blocks, scratch, THREADS);
    ck_spectral_input_gradient(
        gradient, blocks, count, groups, width, kernel, spectra, own, of_blocks, scratch, THREADS);
    ck_spectral_weight_gradient(
        input, gradient, blocks, count, groups, width, kernel, own_taps, spectra, of_blocks, scratch, THREADS);
    const int r = (int)rows, w = (int)width, k = (int)kernel;
    expect_near(output, expected, rows * channels, 1e-6, "segments of %d rows, groups of %d, %d taps", r, w, k);
    expect_near(own, slopes, rows * channels, 1e-6, "the input's gradient of segments of %d rows, %d, %d", r, w, k);
    expect_near(own_taps, taps, channels * width * kernel, 1e-6, "the weight's gradient of segments of %d rows, %d, %d", r, w, k);
    ck_gelu(output, output, CK_FLOAT32, rows * channels, 1);
    double *gelus = widened(output, rows * channels);
    expect_near(activated, gelus, rows * channels, 1e-7, "GELU after a convolution of segments");
}

void check_spectral_convolution(void) {
    check_segments((const int64_t[]){9}, 1, 2, 3, 4);
    check_segments((const int64_t[]){7, 1, 30, 2}, 4, 3, 5, 8);
    check_segments((const int64_t[]){40, 3}, 2, 1, 50, 7);
    check_segments((const int64_t[]){5, 5}, 2, 2, 2, 1);
    check_segments((const int64_t[]){140, 129}, 2, 1, 20, 128);
    check_segments((const int64_t[]){90}, 1, 3, 17, 16);
}
