// Self-attention within utterances and its gradient.
#include <math.h>
#include <string.h>

#include "Checks.h"

struct utterances {
    const int64_t *offsets;
    const uint64_t *seeds;
    int64_t count, longest, heads, width;
    double rate;
};

/// The output, and with a gradient of it that of the operands.
static void reference(
    const struct utterances *u, const float *projected, const float *gradient, double *output, double *slopes) {
    const int64_t channels = u->heads * u->width, width = u->width;
    const double scale = 1 / sqrt((double)width);
    for (int64_t n = 0; n < u->count; n++) {
        const int64_t first = u->offsets[n], frames = u->offsets[n + 1] - first, count = u->heads * frames * frames;
        float *factors = floats(count);
        for (int64_t i = 0; i < count; i++) factors[i] = 1;
        if (u->rate > 0) ck_dropout(factors, factors, CK_FLOAT32, count, u->seeds[n], u->rate, 1);
        double *weights = doubles(frames), *incoming = doubles(frames);
        for (int64_t h = 0; h < u->heads; h++)
            for (int64_t q = 0; q < frames; q++) {
                const int64_t query = (first + q) * 3 * channels + h * width, place = (first + q) * channels + h * width;
                double largest = -INFINITY, sum = 0, projection = 0;
                for (int64_t k = 0; k < frames; k++) {
                    const int64_t key = (first + k) * 3 * channels + channels + h * width;
                    double score = 0;
                    for (int64_t i = 0; i < width; i++) score += (double)projected[query + i] * projected[key + i];
                    weights[k] = scale * score;
                    largest = fmax(largest, weights[k]);
                }
                for (int64_t k = 0; k < frames; k++) sum += weights[k] = exp(weights[k] - largest);
                for (int64_t i = 0; i < width; i++) output[place + i] = 0;
                for (int64_t k = 0; k < frames; k++) {
                    const int64_t value = (first + k) * 3 * channels + 2 * channels + h * width;
                    const double factor = factors[(h * frames + q) * frames + k];
                    weights[k] /= sum;
                    incoming[k] = 0;
                    for (int64_t i = 0; i < width; i++) {
                        output[place + i] += weights[k] * factor * projected[value + i];
                        slopes[value + i] += weights[k] * factor * gradient[place + i];
                        incoming[k] += factor * gradient[place + i] * projected[value + i];
                    }
                    projection += weights[k] * incoming[k];
                }
                for (int64_t k = 0; k < frames; k++) {
                    const int64_t key = (first + k) * 3 * channels + channels + h * width;
                    const double slope = scale * weights[k] * (incoming[k] - projection);
                    for (int64_t i = 0; i < width; i++) {
                        slopes[query + i] += slope * projected[key + i];
                        slopes[key + i] += slope * projected[query + i];
                    }
                }
            }
    }
}

static void check_case(const int64_t *lengths, int64_t count, int64_t heads, int64_t width, double rate) {
    int64_t offsets[5] = {0}, longest = 0;
    const uint64_t seeds[4] = {40, 41, 42, 43};
    for (int64_t i = 0; i < count; i++) {
        offsets[i + 1] = offsets[i] + lengths[i];
        longest = lengths[i] > longest ? lengths[i] : longest;
    }
    const struct utterances u = {offsets, seeds, count, longest, heads, width, rate};
    const int64_t numbers = offsets[count] * heads * width;
    uint16_t *halves, *gradient_halves;
    float *projected = bfloats(3 * numbers, 1, &halves), *gradient = bfloats(numbers, 2, &gradient_halves);
    double *output = doubles(numbers), *slopes = doubles(3 * numbers);
    memset(slopes, 0, (size_t)(3 * numbers) * sizeof(double));
    reference(&u, projected, gradient, output, slopes);
    for (int format = CK_FLOAT32; format <= CK_BFLOAT16; format++) {
        const int is_float = format == CK_FLOAT32, size = is_float ? 4 : 2;
        void *own = bytes(numbers * size), *own_slopes = bytes(3 * numbers * size);
        const void *operands = is_float ? (const void *)projected : halves;
        ck_attention(
            operands, (enum ck_format)format, offsets, count, longest, heads, width, 1 / sqrt((double)width), seeds, rate,
            own, floats(ck_attention_scratch(longest, width, THREADS)), THREADS);
        ck_attention_backward(
            operands, is_float ? (const void *)gradient : gradient_halves, (enum ck_format)format, offsets, count, longest,
            heads, width, 1 / sqrt((double)width), seeds, rate, own_slopes,
            floats(ck_attention_backward_scratch(longest, width, THREADS)), THREADS);
        float *found = floats(numbers), *found_slopes = floats(3 * numbers);
        for (int64_t i = 0; i < numbers; i++) found[i] = is_float ? ((float *)own)[i] : wide(((uint16_t *)own)[i]);
        for (int64_t i = 0; i < 3 * numbers; i++)
            found_slopes[i] = is_float ? ((float *)own_slopes)[i] : wide(((uint16_t *)own_slopes)[i]);
        // BF16's weights are rounded before they are multiplied.
        expect_near(
            found, output, numbers, is_float ? 2e-6 : 0.01, "attention, longest %d, width %d, rate %g, format %d",
            (int)longest, (int)width, rate, format);
        expect_near(
            found_slopes, slopes, 3 * numbers, is_float ? 4e-6 : 0.01,
            "attention's gradient, longest %d, width %d, rate %g, format %d", (int)longest, (int)width, rate, format);
    }
}

/// A NaN in one query spreads over that query's results, and over no others.
static void check_nan(void) {
    enum { FRAMES = 70, HEADS = 2, WIDTH = 16, CHANNELS = HEADS * WIDTH };
    const int64_t offsets[2] = {0, FRAMES};
    float *projected = normals(FRAMES * 3 * CHANNELS, 1), *output = floats(FRAMES * CHANNELS);
    projected[5 * 3 * CHANNELS + WIDTH + 3] = NAN;
    ck_attention(
        projected, CK_FLOAT32, offsets, 1, FRAMES, HEADS, WIDTH, 0.25, NULL, 0, output,
        floats(ck_attention_scratch(FRAMES, WIDTH, THREADS)), THREADS);
    bool holds = true;
    for (int i = 0; i < FRAMES * CHANNELS; i++)
        holds = holds && !!isnan(output[i]) == (i / CHANNELS == 5 && i % CHANNELS >= WIDTH);
    expect(holds, "NaN spreads over its query");
}

void check_attention(void) {
    for (int dropping = 0; dropping < 2; dropping++) {
        const double rate = dropping ? 0.1 : 0;
        check_case((const int64_t[]){1}, 1, 2, 8, rate);
        check_case((const int64_t[]){5, 48, 97}, 3, 3, 64, rate);
        check_case((const int64_t[]){130, 1, 201}, 3, 2, 20, rate);
        // Longer than the block of queries whose scores fit the cache.
        check_case((const int64_t[]){723}, 1, 1, 8, rate);
    }
    check_nan();
}
