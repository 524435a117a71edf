// Self-attention within each utterance of a ragged batch, and its gradient (Vaswani et al. 2017), one head at a time:
//
//     scores = scale · Q Kᵀ    weights = dropout(softmax(scores))    output = weights V
//
// A block of queries' scores with all keys of their utterance stays in the second-level cache from the first product to
// the last; the matrix of weights is never in memory. The backward pass recomputes the weights, as Dao et al. (2022)
// do.
#include <stddef.h>
#include <string.h>

#include "CKernels.h"
#include "MatrixTiles.h"
#include "Parallel.h"

struct attention {
    const void *projected, *gradient;
    void *output;
    enum ck_format format;
    /// Numbers per float of the products' operands: two for BF16, which is stored in pairs.
    int64_t together;
    const int64_t *offsets;
    const uint64_t *seeds;
    int64_t heads, width, slices;
    float scale;
    double probability;
    struct tiles tiles;
};

/// One head of an utterance.
struct head {
    int64_t first, frames, index;
    uint64_t seed;
};

static struct head head_of(const struct attention *a, int64_t number) {
    const int64_t utterance = number / a->heads;
    return (struct head){
        a->offsets[utterance], a->offsets[utterance + 1] - a->offsets[utterance], number % a->heads,
        a->probability > 0 ? a->seeds[utterance] : 0};
}

/// The most and the fewest queries in a block, and the number of scores that leaves room in the cache.
enum { MOST_QUERIES = 96, FEWEST_QUERIES = 8, SCORES = 64 * 1024 };

/// The number of queries in a block: it depends on the utterance's length only, so that the results do too.
static int64_t queries_together(int64_t frames) {
    const int64_t room = SCORES / rounded_up(frames, PANEL) / FEWEST_QUERIES * FEWEST_QUERIES;
    return room > MOST_QUERIES ? MOST_QUERIES : room > FEWEST_QUERIES ? room : FEWEST_QUERIES;
}

/// At least as many floats as the scores of any utterance up to this length take.
static int64_t score_floats(int64_t frames) {
    const int64_t fewest = FEWEST_QUERIES * rounded_up(frames, PANEL);
    return fewest > SCORES ? fewest : SCORES;
}

// MARK: Operands

/// The number of floats that hold this many numbers.
static int64_t floats_of(const struct attention *a, int64_t numbers) {
    return (numbers + a->together - 1) / a->together;
}

/// Rows of `stride` numbers as the left operand `a` of products, whose strides count floats.
static const float *rows_of(const struct attention *a, const void *array, int64_t index) {
    return from(array, a->format, index);
}

/// A pair of BF16, the first in the lower half.
CK_INLINE uint32_t pair_of(uint16_t first, uint16_t second) { return first | (uint32_t)second << 16; }

CK_INLINE uint16_t narrowed(float value) {
    uint16_t result;
    put(&result, CK_BFLOAT16, 0, value);
    return result;
}

/// Rows [rows, width] as the right operand `b` of products that sum over rows: each is padded with zeros to whole
/// vectors, and two rows of BF16 become one row of pairs.
CK_EVERY_CPU void ck_attention_terms(
    const struct attention *a, const void *array, int64_t index, int64_t stride, int64_t rows, float *terms) {
    const int64_t width = a->width, padded = rounded_up(width, VECTOR);
    if (a->format == CK_FLOAT32) {
        for (int64_t r = 0; r < rows; r++) {
            memcpy(terms + r * padded, (const float *)array + index + r * stride, (size_t)width * sizeof(float));
            memset(terms + r * padded + width, 0, (size_t)(padded - width) * sizeof(float));
        }
        return;
    }
    for (int64_t r = 0; r < rows; r += 2) {
        const uint16_t *first = (const uint16_t *)array + index + r * stride, *second = first + stride;
        uint32_t *pairs = (uint32_t *)terms + r / 2 * padded;
        if (r + 1 < rows) for (int64_t i = 0; i < width; i++) pairs[i] = pair_of(first[i], second[i]);
        else for (int64_t i = 0; i < width; i++) pairs[i] = first[i];
        memset(pairs + width, 0, (size_t)(padded - width) * sizeof(float));
    }
}

/// Scores [rows, columns] as the operand `a` of products that sum over columns; `own` is scratch memory for BF16.
CK_EVERY_CPU const float *ck_attention_rows(
    const struct attention *a, const float *sums, int64_t rows, int64_t columns, float *own) {
    if (a->format == CK_FLOAT32) return sums;
    const int64_t step = rounded_up(columns, PANEL);
    for (int64_t r = 0; r < rows; r++) {
        const float *restrict row = sums + r * step;
        uint16_t *restrict numbers = (uint16_t *)own + r * step;
        for (int64_t i = 0; i < columns; i++) numbers[i] = narrowed(row[i]);
        if (columns % 2 != 0) numbers[columns] = 0;
    }
    return own;
}

/// Scores [rows, columns] as the operand `a` of products that sum over rows; `own` is scratch memory for BF16.
CK_EVERY_CPU const float *ck_attention_columns(
    const struct attention *a, const float *sums, int64_t rows, int64_t columns, float *own) {
    if (a->format == CK_FLOAT32) return sums;
    const int64_t step = rounded_up(columns, PANEL);
    for (int64_t r = 0; r < rows; r += 2) {
        const float *restrict first = sums + r * step, *restrict second = first + step;
        uint32_t *restrict pairs = (uint32_t *)own + r / 2 * step;
        if (r + 1 < rows) for (int64_t i = 0; i < columns; i++) pairs[i] = pair_of(narrowed(first[i]), narrowed(second[i]));
        else for (int64_t i = 0; i < columns; i++) pairs[i] = narrowed(first[i]);
    }
    return own;
}

/// Copies the first columns of padded rows.
CK_EVERY_CPU void ck_attention_store(
    const struct attention *a, const float *sums, int64_t rows, void *array, int64_t index, int64_t stride) {
    const int64_t padded = rounded_up(a->width, VECTOR);
    for (int64_t r = 0; r < rows; r++) {
        const float *row = sums + r * padded;
        void *output = to(array, a->format, index + r * stride);
        if (a->format == CK_BFLOAT16) for (int64_t i = 0; i < a->width; i++) put(output, CK_BFLOAT16, i, row[i]);
        else memcpy(output, row, (size_t)a->width * sizeof(float));
    }
}

/// scores[r, j] = Σₖ rows[r, k] · packed[j, k].
static void multiply_with_all(
    const struct attention *a, const float *rows, int64_t stride, int64_t count, const float *packed, int64_t frames,
    float *scores) {
    const int64_t step = rounded_up(frames, PANEL), depth = floats_of(a, a->width);
    for (int64_t j = 0; j < frames; j += PANEL) {
        const int64_t columns = frames - j < PANEL ? frames - j : PANEL;
        a->tiles.rows(
            rows, floats_of(a, stride), packed + j * depth, PANEL, depth, scores + j, step, count, columns, 0);
    }
}

// MARK: Weights

/// Replaces a row by e^(scale · (x − max x)) and returns one over the sum. A NaN spreads over the whole row.
CK_INLINE float exponentials(float *restrict row, int64_t columns, float scale) {
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
        const float difference = scale * (row[i] - largest);
        const float value = exp_negative(difference) + 0.0f * difference;
        row[i] = value;
        sum += value;
    }
    return 1.0f / sum;
}

/// Replaces scores by the exponentials after dropout, and stores the reciprocal of each row's sum.
CK_EVERY_CPU void ck_attention_weights_rows(
    const struct attention *a, const struct head *head, float *scores, float *inverses, int64_t query, int64_t rows) {
    const int64_t columns = head->frames, step = rounded_up(columns, PANEL);
    for (int64_t r = 0; r < rows; r++) {
        float *restrict row = scores + r * step;
        inverses[r] = exponentials(row, columns, a->scale);
        if (a->probability == 0) continue;
        const int64_t start = (head->index * columns + query + r) * columns;
        for (int64_t at = start, stop; at < start + columns; at = stop) {
            stop = mask_run_end(at, start + columns);
            const struct mask mask = make_mask(head->seed, (uint32_t)(at >> 32), a->probability);
            float *restrict part = row + (at - start);
            const uint32_t first = (uint32_t)at, count = (uint32_t)(stop - at);
            for (uint32_t i = 0; i < count; i++) part[i] *= mask_factor(mask, first + i);
        }
    }
}

/// Replaces scores by the weights after dropout, and the gradient of the weights by that of the scores.
CK_EVERY_CPU void ck_attention_weights_backward_rows(
    const struct attention *a, const struct head *head, float *scores, float *gradients, int64_t query, int64_t rows) {
#pragma clang fp reassociate(on)
    const int64_t columns = head->frames, step = rounded_up(columns, PANEL);
    const float scale = a->scale;
    for (int64_t r = 0; r < rows; r++) {
        float *restrict row = scores + r * step, *restrict gradient = gradients + r * step;
        const float inverse = exponentials(row, columns, scale);
        float projected = 0;
        if (a->probability == 0) {
            for (int64_t i = 0; i < columns; i++) {
                row[i] *= inverse;
                projected += row[i] * gradient[i];
            }
            for (int64_t i = 0; i < columns; i++) gradient[i] = scale * row[i] * (gradient[i] - projected);
            continue;
        }
        const int64_t start = (head->index * columns + query + r) * columns;
        for (int64_t at = start, stop; at < start + columns; at = stop) {
            stop = mask_run_end(at, start + columns);
            const struct mask mask = make_mask(head->seed, (uint32_t)(at >> 32), a->probability);
            float *restrict weights = row + (at - start), *restrict part = gradient + (at - start);
            const uint32_t first = (uint32_t)at, count = (uint32_t)(stop - at);
            // With w the weight, m its dropout factor and g the gradient of w · m, the softmax gives the scores'
            // gradient dx = scale · w · (g · m − Σ w · g · m). The product w · g · m is all that is needed of the mask.
            for (uint32_t i = 0; i < count; i++) {
                const float factor = mask_factor(mask, first + i), weight = weights[i] * inverse;
                const float term = weight * factor * part[i];
                projected += term;
                part[i] = term;
                // The sign marks dropped weights, since weights are not negative.
                weights[i] = factor > 0 ? weight : -weight;
            }
        }
        const float kept = (float)(1.0 / (1.0 - a->probability));
        for (int64_t i = 0; i < columns; i++) {
            const float weight = __builtin_fabsf(row[i]);
            gradient[i] = scale * (gradient[i] - weight * projected);
            row[i] = row[i] > 0 ? weight * kept : row[i] - row[i];
        }
    }
}

// MARK: Forward

static int64_t forward_floats(int64_t frames, int64_t width) {
    const int64_t padded = rounded_up(width, VECTOR);
    return rounded_up(frames, PANEL) * width + frames * padded + 2 * score_floats(frames) +
           MOST_QUERIES * (padded + 1);
}

CK_EVERY_CPU void ck_scale_rows(float *rows, const float *factors, int64_t count, int64_t width) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t i = 0; i < width; i++) rows[r * width + i] *= factors[r];
}

/// The keys or values of an utterance as packed panels.
static void pack_rows(const struct attention *a, int64_t index, int64_t frames, float *packed) {
    const int64_t stride = 3 * a->heads * a->width;
    ck_pack_panels(
        rows_of(a, a->projected, index), floats_of(a, stride), frames, floats_of(a, a->width), packed);
}

static void forward(const void *data, float *scratch, int64_t unit) {
    const struct attention *a = data;
    const int64_t channels = a->heads * a->width, width = a->width, padded = rounded_up(width, VECTOR);
    const struct head head = head_of(a, unit / a->slices);
    const int64_t frames = head.frames, together = queries_together(frames);
    const int64_t blocks = (frames + together - 1) / together, slice = unit % a->slices;
    const int64_t first = blocks * slice / a->slices * together, last = blocks * (slice + 1) / a->slices * together;
    if (first == last) return;
    const int64_t query = head.first * 3 * channels + head.index * width, step = rounded_up(frames, PANEL);
    float *keys = scratch, *values = keys + step * width;
    float *scores = values + frames * padded, *own = scores + together * step, *sums = own + together * step;
    float *inverses = sums + together * padded;
    pack_rows(a, query + channels, frames, keys);
    ck_attention_terms(a, a->projected, query + 2 * channels, 3 * channels, frames, values);
    for (int64_t at = first; at < last && at < frames; at += together) {
        const int64_t rows = frames - at < together ? frames - at : together;
        multiply_with_all(
            a, rows_of(a, a->projected, query + at * 3 * channels), 3 * channels, rows, keys, frames, scores);
        ck_attention_weights_rows(a, &head, scores, inverses, at, rows);
        a->tiles.rows(
            ck_attention_rows(a, scores, rows, frames, own), floats_of(a, step), values, padded, floats_of(a, frames),
            sums, padded, rows, padded, 0);
        ck_scale_rows(sums, inverses, rows, padded);
        ck_attention_store(a, sums, rows, a->output, (head.first + at) * channels + head.index * width, channels);
    }
}

/// The number of parts that a head's queries are split into, so that every thread gets some.
static int64_t slices_of_head(int64_t heads, int threads) { return heads < threads ? (2 * threads + heads - 1) / heads : 1; }

int64_t ck_attention_scratch(int64_t longest, int64_t width, int threads) {
    return threads * forward_floats(longest, width);
}

void ck_attention(
    const void *projected, enum ck_format format, const int64_t *offsets, int64_t utterances, int64_t longest,
    int64_t heads, int64_t width, double scale, const uint64_t *seeds, double probability, void *output,
    float *scratch, int threads) {
    const int64_t slices = slices_of_head(heads * utterances, threads);
    const struct attention a = {
        .projected = projected, .output = output, .format = format, .together = format == CK_BFLOAT16 ? 2 : 1,
        .offsets = offsets, .seeds = seeds, .heads = heads, .width = width, .slices = slices, .scale = (float)scale,
        .probability = probability, .tiles = best_tiles(format)};
    ck_parallel_with_scratch(
        utterances * heads * slices, threads, scratch, forward_floats(longest, width), forward, &a);
}

// MARK: Backward

static int64_t backward_floats(int64_t frames, int64_t width) {
    const int64_t padded = rounded_up(width, VECTOR);
    return 2 * rounded_up(frames, PANEL) * width + 3 * frames * padded + 3 * score_floats(frames) +
           3 * MOST_QUERIES * padded;
}

static void backward(const void *data, float *scratch, int64_t unit) {
    const struct attention *a = data;
    const int64_t channels = a->heads * a->width, width = a->width, padded = rounded_up(width, VECTOR);
    const struct head head = head_of(a, unit);
    const int64_t frames = head.frames, together = queries_together(frames), step = rounded_up(frames, PANEL);
    const int64_t query = head.first * 3 * channels + head.index * width;
    const int64_t gradient = head.first * channels + head.index * width;
    float *keys = scratch, *values = keys + step * width, *key_rows = values + step * width;
    float *key_sums = key_rows + frames * padded, *value_sums = key_sums + frames * padded;
    float *scores = value_sums + frames * padded, *products = scores + together * step;
    float *own = products + together * step, *sums = own + together * step, *query_rows = sums + together * padded;
    float *gradient_rows = query_rows + together * padded;
    pack_rows(a, query + channels, frames, keys);
    pack_rows(a, query + 2 * channels, frames, values);
    ck_attention_terms(a, a->projected, query + channels, 3 * channels, frames, key_rows);
    for (int64_t at = 0; at < frames; at += together) {
        const int64_t rows = frames - at < together ? frames - at : together, depth = floats_of(a, rows);
        const int64_t queries = query + at * 3 * channels, incoming = gradient + at * channels;
        ck_attention_terms(a, a->projected, queries, 3 * channels, rows, query_rows);
        ck_attention_terms(a, a->gradient, incoming, channels, rows, gradient_rows);
        multiply_with_all(a, rows_of(a, a->projected, queries), 3 * channels, rows, keys, frames, scores);
        multiply_with_all(a, rows_of(a, a->gradient, incoming), channels, rows, values, frames, products);
        ck_attention_weights_backward_rows(a, &head, scores, products, at, rows);
        a->tiles.rows(
            ck_attention_rows(a, products, rows, frames, own), floats_of(a, step), key_rows, padded,
            floats_of(a, frames), sums, padded, rows, padded, 0);
        ck_attention_store(a, sums, rows, a->output, queries, 3 * channels);
        a->tiles.columns(
            ck_attention_columns(a, products, rows, frames, own), step, query_rows, padded, depth, key_sums, padded,
            frames, padded, at > 0);
        a->tiles.columns(
            ck_attention_columns(a, scores, rows, frames, own), step, gradient_rows, padded, depth, value_sums, padded,
            frames, padded, at > 0);
    }
    ck_attention_store(a, key_sums, frames, a->output, query + channels, 3 * channels);
    ck_attention_store(a, value_sums, frames, a->output, query + 2 * channels, 3 * channels);
}

int64_t ck_attention_backward_scratch(int64_t longest, int64_t width, int threads) {
    return threads * backward_floats(longest, width);
}

void ck_attention_backward(
    const void *projected, const void *gradient, enum ck_format format, const int64_t *offsets, int64_t utterances,
    int64_t longest, int64_t heads, int64_t width, double scale, const uint64_t *seeds, double probability, void *output,
    float *scratch, int threads) {
    const struct attention a = {
        .projected = projected, .gradient = gradient, .output = output, .format = format,
        .together = format == CK_BFLOAT16 ? 2 : 1, .offsets = offsets, .seeds = seeds, .heads = heads, .width = width,
        .slices = 1, .scale = (float)scale, .probability = probability, .tiles = best_tiles(format)};
    ck_parallel_with_scratch(utterances * heads, threads, scratch, backward_floats(longest, width), backward, &a);
}
