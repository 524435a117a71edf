// The feature extractor's first layer: with one input channel there are so few operations per element that memory
// bandwidth is the limit.
#include <string.h>

#include "CKernels.h"
#include "Elementwise.h"
#include "Parallel.h"

struct arguments {
    const float *signal, *weight, *shift;
    const void *gradient;
    void *output;
    enum ck_format format;
    float *scratch;
    int64_t rows, usable, channels, kernel, stride, rows_per_piece;
};

/// The channels handled at a time: their weights and sums stay in the first-level cache.
enum { BLOCK = 64, ROWS = 128 };

/// `sum` = shift + Σₖ weight[k] · window[k] for `width` channels.
CK_INLINE void convolve(const struct arguments *a, const float *window, int64_t channel, int width, float *sum) {
    for (int i = 0; i < width; i++) sum[i] = a->shift[channel + i];
    for (int64_t k = 0; k < a->kernel; k++) {
        const float x = window[k];
        const float *weight = a->weight + k * a->channels + channel;
        for (int i = 0; i < width; i++) sum[i] += x * weight[i];
    }
}

CK_INLINE void forward_block(
    const struct arguments *a, int64_t begin, int64_t end, int64_t channel, int width, enum ck_format format) {
    for (int64_t row = begin; row < end; row++) {
        float sum[BLOCK];
        convolve(a, a->signal + row * a->stride, channel, width, sum);
        void *output = to(a->output, format, row * a->channels + channel);
        for (int i = 0; i < width; i++) put(output, format, i, gelu(sum[i]));
    }
}

CK_INLINE void forward_rows(const struct arguments *a, int64_t begin, int64_t end, enum ck_format format) {
    const int64_t last = end < a->usable ? end : a->usable;
    for (int64_t channel = 0; channel < a->channels; channel += BLOCK) {
        if (a->channels - channel >= BLOCK) forward_block(a, begin, last, channel, BLOCK, format);
        else forward_block(a, begin, last, channel, (int)(a->channels - channel), format);
    }
    const int64_t first = begin > a->usable ? begin : a->usable;
    if (first < end)
        memset(to(a->output, format, first * a->channels), 0, (size_t)((end - first) * a->channels * size_of(format)));
}

CK_EVERY_CPU void ck_signal_convolution_rows(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    if (a->format == CK_BFLOAT16) forward_rows(a, begin, end, CK_BFLOAT16);
    else forward_rows(a, begin, end, CK_FLOAT32);
}

void ck_signal_convolution(
    const float *signal, int64_t samples, const float *weight, const float *shift, void *output, enum ck_format format,
    int64_t rows, int64_t channels, int64_t kernel, int64_t stride, int threads) {
    const int64_t fitting = samples < kernel ? 0 : (samples - kernel) / stride + 1;
    const struct arguments a = {
        .signal = signal, .weight = weight, .shift = shift, .output = output, .format = format, .rows = rows,
        .usable = fitting < rows ? fitting : rows, .channels = channels, .kernel = kernel, .stride = stride};
    ck_parallel(rows, ROWS, threads, ck_signal_convolution_rows, &a);
}

void ck_window_moments(
    const float *signal, int64_t rows, int64_t kernel, int64_t stride, double *first, double *second) {
    memset(first, 0, (size_t)kernel * sizeof(double));
    memset(second, 0, (size_t)(kernel * kernel) * sizeof(double));
    for (int64_t row = 0; row < rows; row++) {
        const float *window = signal + row * stride;
        for (int64_t j = 0; j < kernel; j++) {
            const double x = window[j];
            first[j] += x;
            for (int64_t k = 0; k <= j; k++) second[j * kernel + k] += x * window[k];
        }
    }
    for (int64_t j = 0; j < kernel; j++)
        for (int64_t k = 0; k < j; k++) second[k * kernel + j] = second[j * kernel + k];
}

/// The pieces whose sums are added up at the end; it depends on the shape only, so that the order of the additions does
/// too.
static int64_t piece_count(int64_t rows) { return rows < 32 * ROWS ? (rows + ROWS - 1) / ROWS : 32; }

CK_INLINE void backward_block(
    const struct arguments *a, int64_t begin, int64_t end, int64_t channel, int width, float *sums,
    enum ck_format format) {
    for (int64_t row = begin; row < end; row++) {
        const float *window = a->signal + row * a->stride;
        const void *gradient = from(a->gradient, format, row * a->channels + channel);
        float g[BLOCK];
        convolve(a, window, channel, width, g);
        for (int i = 0; i < width; i++) g[i] = element(gradient, format, i) * gelu_derivative(g[i]);
        float *total = sums + a->kernel * a->channels + channel;
        for (int i = 0; i < width; i++) total[i] += g[i];
        for (int64_t k = 0; k < a->kernel; k++) {
            const float x = window[k];
            float *product = sums + k * a->channels + channel;
            for (int i = 0; i < width; i++) product[i] += g[i] * x;
        }
    }
}

CK_INLINE void backward_pieces(const struct arguments *a, int64_t begin, int64_t end, enum ck_format format) {
    for (int64_t piece = begin; piece < end; piece++) {
        const int64_t size = (a->kernel + 1) * a->channels;
        // The sums of the latest rows, and those of all rows before: adding all of them one by one would lose accuracy.
        float *restrict sums = a->scratch + piece * 2 * size, *restrict totals = sums + size;
        memset(totals, 0, (size_t)size * sizeof(float));
        const int64_t first = piece * a->rows_per_piece;
        const int64_t last = first + a->rows_per_piece < a->rows ? first + a->rows_per_piece : a->rows;
        for (int64_t row = first; row < last; row += ROWS) {
            const int64_t stop = row + ROWS < last ? row + ROWS : last;
            memset(sums, 0, (size_t)size * sizeof(float));
            for (int64_t channel = 0; channel < a->channels; channel += BLOCK) {
                if (a->channels - channel >= BLOCK) backward_block(a, row, stop, channel, BLOCK, sums, format);
                else backward_block(a, row, stop, channel, (int)(a->channels - channel), sums, format);
            }
            for (int64_t i = 0; i < size; i++) totals[i] += sums[i];
        }
    }
}

CK_EVERY_CPU void ck_signal_convolution_backward_pieces(const void *data, int64_t begin, int64_t end) {
    const struct arguments *a = data;
    if (a->format == CK_BFLOAT16) backward_pieces(a, begin, end, CK_BFLOAT16);
    else backward_pieces(a, begin, end, CK_FLOAT32);
}

int64_t ck_signal_convolution_scratch(int64_t rows, int64_t channels, int64_t kernel) {
    return piece_count(rows) * 2 * (kernel + 1) * channels;
}

void ck_signal_convolution_backward(
    const float *signal, const float *weight, const float *shift, const void *gradient, enum ck_format format,
    double *sums, double *products, float *scratch, int64_t rows, int64_t channels, int64_t kernel, int64_t stride,
    int threads) {
    const int64_t pieces = piece_count(rows);
    const struct arguments a = {
        .signal = signal, .weight = weight, .shift = shift, .gradient = gradient, .format = format,
        .scratch = scratch, .rows = rows, .usable = rows, .channels = channels, .kernel = kernel, .stride = stride,
        .rows_per_piece = pieces > 0 ? (rows + pieces - 1) / pieces : 0};
    ck_parallel(pieces, 1, threads, ck_signal_convolution_backward_pieces, &a);
    memset(products, 0, (size_t)(kernel * channels) * sizeof(double));
    memset(sums, 0, (size_t)channels * sizeof(double));
    for (int64_t piece = 0; piece < pieces; piece++) {
        const float *part = scratch + (2 * piece + 1) * (kernel + 1) * channels;
        for (int64_t i = 0; i < kernel * channels; i++) products[i] += part[i];
        for (int64_t i = 0; i < channels; i++) sums[i] += part[kernel * channels + i];
    }
}
