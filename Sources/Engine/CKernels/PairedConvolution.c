// A convolution of three taps and stride 2 that computes two outputs from five products instead of six, and its gradients.
//
// Outputs 2u and 2u + 1 see the rows x₀ … x₄ from 4u on: y₀ = x₀ w₀ + x₁ w₁ + x₂ w₂ and y₁ = x₂ w₀ + x₃ w₁ + x₄ w₂.
// With the shared term x₂ (w₀ + w₂),
//
//     y₀ = (x₀ − x₂) w₀ + x₁ w₁ + x₂ (w₀ + w₂)        y₁ = (x₄ − x₂) w₂ + x₃ w₁ + x₂ (w₀ + w₂).
//
// These are the minimal filters of Winograd (1980), F(2, 2), for the two outer taps, which Lavin and Gray (2016)
// introduced to networks. The transforms are differences and one sum, which cost little accuracy.
#include <stddef.h>
#include <string.h>

#include "CKernels.h"
#include "MatrixTiles.h"
#include "Parallel.h"

/// The transformed rows of a pair: x₀ − x₂, x₁, x₂, x₃, x₄ − x₂; and the transformed weights: w₀, w₁, w₂, w₀ + w₂.
enum { PARTS = 5, WEIGHTS = 4 };
/// The pairs whose transformed rows stay in the second-level cache.
enum { PAIRS = 32 };

struct paired {
    const float *input, *gradient, *packed, *bias;
    float *output;
    int64_t rows, pairs, channels, outputs, together;
    int gelu_of_input, gelu;
    struct tiles tiles;
};

/// The pairs of one unit of work: fewer where threads would be idle. Results do not depend on it.
static int64_t pairs_together(int64_t pairs, int threads) {
    const int64_t share = rounded_up((pairs + 4 * threads - 1) / (4 * threads), 8);
    return share < PAIRS ? share : PAIRS;
}

/// The number of pairs of this many input rows.
static int64_t pair_count(int64_t rows) { return (rows + 3) / 4; }

// MARK: Weights

int64_t ck_paired_weight_count(int64_t columns, int64_t depth) { return WEIGHTS * ck_packed_count(columns, depth); }

struct packing {
    const float *weight;
    float *packed;
    int64_t columns, column_step, depth, depth_step;
};

static void pack_panels(const void *data, int64_t begin, int64_t end) {
    const struct packing *p = data;
    for (int64_t panel = begin; panel < end; panel++) {
        float *packed = p->packed + panel * WEIGHTS * p->depth * PANEL;
        const int64_t size = p->depth * PANEL;
        for (int64_t k = 0; k < p->depth; k++)
            for (int64_t i = 0; i < PANEL; i++) {
                const int64_t column = panel * PANEL + i;
                float *place = packed + k * PANEL + i;
                const float *taps = p->weight + column * p->column_step + k * p->depth_step;
                const int inside = column < p->columns;
                for (int tap = 0; tap < 3; tap++) place[tap * size] = inside ? taps[tap] : 0;
                place[3 * size] = inside ? taps[0] + taps[2] : 0;
            }
    }
}

void ck_pack_paired(const float *weight, int64_t outputs, int64_t channels, int turned, float *packed, int threads) {
    const struct packing p = {
        weight, packed, turned ? channels : outputs, turned ? 3 : 3 * channels, turned ? outputs : channels,
        turned ? 3 * channels : 3};
    ck_parallel((p.columns + PANEL - 1) / PANEL, 1, threads, pack_panels, &p);
}

// MARK: Rows

/// The destination of pairs' transformed rows: element `channel` of a part at place + channel / width · slice + channel
/// % width.
struct places {
    float *place;
    int64_t part, pair, slice, width;
};

CK_INLINE void transform_row(
    const float *restrict left, const float *restrict right, int64_t channels, const struct places *to, int64_t offset) {
    for (int64_t first = 0; first < channels; first += to->width) {
        float *restrict place = to->place + offset + first / to->width * to->slice;
        const int64_t count = channels - first < to->width ? channels - first : to->width;
        if (right != NULL) for (int64_t i = 0; i < count; i++) place[i] = left[first + i] - right[first + i];
        else memcpy(place, left + first, (size_t)count * sizeof(float));
    }
}

/// A row of the convolution's input, in place or copied to `own`. Rows beyond the input are zero.
CK_INLINE const float *row_of(const struct paired *p, int64_t row, float *restrict own) {
    const float *source = p->input + row * p->channels;
    if (row < p->rows && !p->gelu_of_input) return source;
    if (row < p->rows) for (int64_t i = 0; i < p->channels; i++) own[i] = gelu(source[i]);
    else memset(own, 0, (size_t)p->channels * sizeof(float));
    return own;
}

/// Transforms the rows of `count` pairs from `first` on; `kept` has room for 5 rows.
CK_EVERY_CPU void ck_transform_pairs(
    const struct paired *p, int64_t first, int64_t count, const struct places *to, float *restrict kept) {
    const int64_t channels = p->channels;
    const float *rows[PARTS];
    for (int64_t u = 0; u < count; u++) {
        const int64_t row = 4 * (first + u);
        // A pair's first row is the last of the previous pair, so these two use two buffers in turn.
        rows[0] = u > 0 ? rows[4] : row_of(p, row, kept);
        for (int part = 1; part < 4; part++) rows[part] = row_of(p, row + part, kept + part * channels);
        rows[4] = row_of(p, row + 4, kept + (u % 2 == 0 ? 4 : 0) * channels);
        for (int part = 0; part < PARTS; part++)
            transform_row(
                rows[part], part == 0 || part == 4 ? rows[2] : NULL, channels, to, u * to->pair + part * to->part);
    }
}

// MARK: Forward

static int64_t forward_floats(int64_t channels) { return PAIRS * PARTS * channels + PARTS * channels; }

static void forward(const void *data, float *scratch, int64_t unit) {
    const struct paired *p = data;
    const int64_t channels = p->channels, size = channels * PANEL, outputs = p->outputs, step = PARTS * channels;
    const int64_t first = unit * p->together;
    const int64_t count = p->pairs - first < p->together ? p->pairs - first : p->together;
    // The last pair may lack its second output.
    const int64_t seconds = 2 * (first + count) <= p->rows / 2 ? count : count - 1;
    const struct places to = {scratch, channels, step, channels, channels};
    ck_transform_pairs(p, first, count, &to, scratch + PAIRS * step);
    for (int64_t column = 0; column < outputs; column += PANEL) {
        const int64_t columns = outputs - column < PANEL ? outputs - column : PANEL;
        const float *weight = p->packed + column / PANEL * WEIGHTS * size;
        const float *bias = p->bias != NULL ? p->bias + column : NULL;
        float *output = p->output + 2 * first * outputs + column;
        float even[PAIRS * PANEL] __attribute__((aligned(64))), odd[PAIRS * PANEL] __attribute__((aligned(64)));
        p->tiles.rows(scratch + 2 * channels, step, weight + 3 * size, PANEL, channels, even, PANEL, count, columns, 0);
        memcpy(odd, even, (size_t)(count * PANEL) * sizeof(float));
        p->tiles.rows(scratch, step, weight, PANEL, 2 * channels, even, PANEL, count, columns, 1);
        p->tiles.rows(scratch + 3 * channels, step, weight + size, PANEL, 2 * channels, odd, PANEL, seconds, columns, 1);
        ck_finish(even, count, columns, bias, p->gelu, output, 2 * outputs);
        ck_finish(odd, seconds, columns, bias, p->gelu, output + outputs, 2 * outputs);
    }
}

int64_t ck_paired_convolution_scratch(int64_t channels, int threads) { return threads * forward_floats(channels); }

void ck_paired_convolution(
    const float *input, int64_t rows, int gelu_of_input, const float *packed, const float *bias, int gelu, float *output,
    int64_t channels, int64_t outputs, float *scratch, int threads) {
    const int64_t pairs = pair_count(rows);
    const struct paired p = {
        .input = input, .packed = packed, .bias = bias, .output = output, .rows = rows, .pairs = pairs,
        .channels = channels, .outputs = outputs, .together = pairs_together(pairs, threads),
        .gelu_of_input = gelu_of_input, .gelu = gelu, .tiles = best_tiles(CK_FLOAT32)};
    ck_parallel_with_scratch(
        (pairs + p.together - 1) / p.together, threads, scratch, forward_floats(channels), forward, &p);
}

// MARK: Gradient of the input

/// The gradients of a pair's two outputs, and their sum.
enum { GRADIENTS = 3 };

/// Writes the gradients of `count` pairs from `first` on, in rows of `width` floats; zero where there is no output.
CK_EVERY_CPU void ck_transform_gradients(
    const struct paired *p, int64_t first, int64_t count, const struct places *to) {
    const int64_t outputs = p->outputs, last = p->rows / 2;
    for (int64_t u = 0; u < count; u++)
        for (int64_t column = 0; column < outputs; column += to->width) {
            const int64_t width = outputs - column < to->width ? outputs - column : to->width, pair = first + u;
            float *restrict even = to->place + u * to->pair + column / to->width * to->slice;
            float *restrict odd = even + to->part, *restrict sum = odd + to->part;
            const float *source = p->gradient + 2 * pair * outputs + column;
            if (pair < 0 || 2 * pair >= last) memset(even, 0, (size_t)width * sizeof(float));
            else memcpy(even, source, (size_t)width * sizeof(float));
            if (pair < 0 || 2 * pair + 1 >= last) memset(odd, 0, (size_t)width * sizeof(float));
            else memcpy(odd, source + outputs, (size_t)width * sizeof(float));
            for (int64_t i = 0; i < width; i++) sum[i] = even[i] + odd[i];
        }
}

/// Combines the products of a panel of channels into the gradients of the pairs' rows, times GELU's derivative if
/// requested. With g₀ and g₁ the gradients of a pair's outputs:
///
///     dx₀ = g₀ w₀ (+ g₁ w₂ of the pair before, whose x₄ this is)        dx₁ = g₀ w₁        dx₃ = g₁ w₁
///     dx₂ = (g₀ + g₁) (w₀ + w₂) − g₀ w₀ − g₁ w₂
CK_EVERY_CPU void ck_store_input_gradient(
    const struct paired *p, int64_t first, int64_t count, int64_t channel, int64_t columns, const float *evens,
    const float *odds, const float *shared, const float *after_even, const float *after_odd) {
    for (int64_t u = 0; u < count; u++) {
        const int64_t at = u * PANEL;
        for (int part = 0; part < 4 && 4 * (first + u) + part < p->rows; part++) {
            const int64_t place = (4 * (first + u) + part) * p->channels + channel;
            float values[PANEL];
            // `odds` starts one pair earlier: that pair's x₄ is this pair's x₀.
            if (part == 0) for (int i = 0; i < PANEL; i++) values[i] = evens[at + i] + odds[at + i];
            if (part == 1) memcpy(values, after_even + at, sizeof(values));
            if (part == 2)
                for (int i = 0; i < PANEL; i++) values[i] = shared[at + i] - evens[at + i] - odds[at + PANEL + i];
            if (part == 3) memcpy(values, after_odd + at, sizeof(values));
            if (p->gelu_of_input) {
                float input[PANEL] = {0};
                memcpy(input, p->input + place, (size_t)columns * sizeof(float));
                for (int i = 0; i < PANEL; i++) values[i] *= gelu_derivative(input[i]);
            }
            memcpy(p->output + place, values, (size_t)columns * sizeof(float));
        }
    }
}

static int64_t input_gradient_floats(int64_t outputs) { return (PAIRS + 1) * GRADIENTS * outputs; }

static void input_gradient(const void *data, float *scratch, int64_t unit) {
    const struct paired *p = data;
    const int64_t outputs = p->outputs, size = outputs * PANEL, step = GRADIENTS * outputs;
    const int64_t first = unit * p->together;
    const int64_t count = p->pairs - first < p->together ? p->pairs - first : p->together;
    const struct places to = {scratch, outputs, step, outputs, outputs};
    ck_transform_gradients(p, first - 1, count + 1, &to);
    const float *even = scratch + step, *odd = even + outputs, *sum = odd + outputs;
    for (int64_t channel = 0; channel < p->channels; channel += PANEL) {
        const int64_t columns = p->channels - channel < PANEL ? p->channels - channel : PANEL;
        const float *weight = p->packed + channel / PANEL * WEIGHTS * size;
        float sums[5][(PAIRS + 1) * PANEL] __attribute__((aligned(64)));
        p->tiles.rows(even, step, weight, PANEL, outputs, sums[0], PANEL, count, columns, 0);
        p->tiles.rows(odd - step, step, weight + 2 * size, PANEL, outputs, sums[1], PANEL, count + 1, columns, 0);
        p->tiles.rows(sum, step, weight + 3 * size, PANEL, outputs, sums[2], PANEL, count, columns, 0);
        p->tiles.rows(even, step, weight + size, PANEL, outputs, sums[3], PANEL, count, columns, 0);
        p->tiles.rows(odd, step, weight + size, PANEL, outputs, sums[4], PANEL, count, columns, 0);
        ck_store_input_gradient(
            p, first, count, channel, columns, sums[0], sums[1], sums[2], sums[3], sums[4]);
    }
}

int64_t ck_paired_input_gradient_scratch(int64_t outputs, int threads) {
    return threads * input_gradient_floats(outputs);
}

void ck_paired_input_gradient(
    const float *gradient, const float *packed, const float *input, float *output, int64_t rows, int64_t channels,
    int64_t outputs, float *scratch, int threads) {
    const int64_t pairs = pair_count(rows);
    const struct paired p = {
        .input = input, .gradient = gradient, .packed = packed, .output = output, .rows = rows, .pairs = pairs,
        .channels = channels, .outputs = outputs, .together = pairs_together(pairs, threads),
        .gelu_of_input = input != NULL, .tiles = best_tiles(CK_FLOAT32)};
    ck_parallel_with_scratch(
        (pairs + p.together - 1) / p.together, threads, scratch, input_gradient_floats(outputs), input_gradient, &p);
}

// MARK: Gradient of the weight

/// The pairs that are transformed together, and the channels that are stored together. A part has room for one pair
/// more, so that parts do not start at the same offset of the cache's sets.
enum { DEPTH = 512, SLICE = 16, ROOM = DEPTH + 1 };
/// Sums over a recording's frames are computed in three levels, for accuracy in FP32: over this many pairs, over this
/// many DEPTHs, and over all.
enum { PAIRS_OF_SUM = 128, DEPTHS_OF_SUM = 8 };

struct weight_gradient {
    struct paired pairs;
    /// [slices, PARTS, ROOM, SLICE], [panels, GRADIENTS, ROOM, PANEL], and twice [WEIGHTS, slices · SLICE, panels ·
    /// PANEL]: the sums over the latest pairs, and those over all pairs before.
    float *rows, *gradients, *sums, *totals;
    int64_t first, count, slices, panels, groups;
};

/// The size of a matrix of sums.
CK_INLINE int64_t matrix_of(const struct weight_gradient *w) { return w->slices * SLICE * w->panels * PANEL; }

static int64_t kept_floats(int64_t channels) { return PARTS * channels; }

/// The pairs that one thread transforms at a time.
enum { SOME = 16 };

static void transform_some(const void *data, float *scratch, int64_t unit) {
    const struct weight_gradient *w = data;
    const int64_t at = unit * SOME, count = w->count - at < SOME ? w->count - at : SOME;
    const struct places rows = {w->rows + at * SLICE, ROOM * SLICE, SLICE, PARTS * ROOM * SLICE, SLICE};
    const struct places gradients = {
        w->gradients + at * PANEL, ROOM * PANEL, PANEL, GRADIENTS * ROOM * PANEL, PANEL};
    ck_transform_pairs(&w->pairs, w->first + at, count, &rows, scratch);
    ck_transform_gradients(&w->pairs, w->first + at, count, &gradients);
}

/// Multiplies some slices of channels with one panel of outputs.
static void add_products(const void *data, int64_t begin, int64_t end) {
    const struct weight_gradient *w = data;
    const int64_t step = w->panels * PANEL, matrix = matrix_of(w);
    const int continues = w->first % (DEPTH * DEPTHS_OF_SUM) > 0;
    // The gradient and the sum that go with each part x₀ − x₂, x₁, x₂, x₃, x₄ − x₂: dw₀ = (x₀ − x₂)ᵀ g₀ + x₂ᵀ (g₀ +
    // g₁), and so on.
    static const int gradients[PARTS] = {0, 0, 2, 1, 1}, sums[PARTS] = {0, 1, 3, 1, 2};
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t panel = unit / w->groups, group = unit % w->groups;
        const int64_t last = w->slices * (group + 1) / w->groups;
        for (int64_t slice = w->slices * group / w->groups; slice < last; slice++)
            for (int part = 0; part < PARTS; part++) {
                const float *rows = w->rows + (slice * PARTS + part) * ROOM * SLICE;
                const float *incoming = w->gradients + (panel * GRADIENTS + gradients[part]) * ROOM * PANEL;
                float *place = w->sums + sums[part] * matrix + slice * SLICE * step + panel * PANEL;
                for (int64_t at = 0; at < w->count; at += PAIRS_OF_SUM) {
                    const int64_t count = w->count - at < PAIRS_OF_SUM ? w->count - at : PAIRS_OF_SUM;
                    w->pairs.tiles.columns(
                        rows + at * SLICE, SLICE, incoming + at * PANEL, PANEL, count, place, step, SLICE, PANEL,
                        continues || at > 0 || part == 3);
                }
            }
    }
}

/// Adds some of the sums to the totals.
CK_EVERY_CPU void ck_add_to_totals(const void *data, int64_t begin, int64_t end) {
    const struct weight_gradient *w = data;
    const float *restrict sums = w->sums;
    float *restrict totals = w->totals;
    for (int64_t i = begin; i < end; i++) totals[i] += sums[i];
}

static void store_weight_gradient(const void *data, int64_t begin, int64_t end) {
    const struct weight_gradient *w = data;
    const int64_t step = w->panels * PANEL, matrix = matrix_of(w), channels = w->pairs.channels;
    for (int64_t output = begin; output < end; output++)
        for (int64_t channel = 0; channel < channels; channel++) {
            const float *sums = w->totals + channel * step + output;
            float *taps = w->pairs.output + (output * channels + channel) * 3;
            taps[0] = sums[0] + sums[3 * matrix];
            taps[1] = sums[matrix];
            taps[2] = sums[2 * matrix] + sums[3 * matrix];
        }
}

int64_t ck_paired_weight_gradient_scratch(int64_t channels, int64_t outputs, int threads) {
    const int64_t width = rounded_up(channels, SLICE), columns = rounded_up(outputs, PANEL);
    return PARTS * ROOM * width + GRADIENTS * ROOM * columns + 2 * WEIGHTS * width * columns +
           threads * kept_floats(channels);
}

void ck_paired_weight_gradient(
    const float *input, int64_t rows, int gelu_of_input, const float *gradient, float *output, int64_t channels,
    int64_t outputs, float *scratch, int threads) {
    const int64_t width = rounded_up(channels, SLICE), columns = rounded_up(outputs, PANEL);
    struct weight_gradient w = {
        .pairs = {
            .input = input, .gradient = gradient, .output = output, .rows = rows, .pairs = pair_count(rows),
            .channels = channels, .outputs = outputs, .gelu_of_input = gelu_of_input, .tiles = best_tiles(CK_FLOAT32)},
        .rows = scratch, .gradients = scratch + PARTS * ROOM * width, .slices = width / SLICE,
        .panels = columns / PANEL};
    w.sums = w.gradients + GRADIENTS * ROOM * columns;
    w.totals = w.sums + WEIGHTS * width * columns;
    w.groups = w.slices < 4 ? 1 : 4;
    float *kept = w.totals + WEIGHTS * width * columns;
    memset(w.totals, 0, (size_t)(WEIGHTS * width * columns) * sizeof(float));
    // Clears the padding channels and outputs.
    if (width > channels || columns > outputs) memset(scratch, 0, (size_t)(w.sums - scratch) * sizeof(float));
    for (w.first = 0; w.first < w.pairs.pairs; w.first += DEPTH) {
        w.count = w.pairs.pairs - w.first < DEPTH ? w.pairs.pairs - w.first : DEPTH;
        ck_parallel_with_scratch((w.count + SOME - 1) / SOME, threads, kept, kept_floats(channels), transform_some, &w);
        ck_parallel(w.panels * w.groups, 1, threads, add_products, &w);
        const int64_t next = w.first + DEPTH;
        if (next % (DEPTH * DEPTHS_OF_SUM) == 0 || next >= w.pairs.pairs)
            ck_parallel(WEIGHTS * matrix_of(&w), CK_GRAIN, threads, ck_add_to_totals, &w);
    }
    ck_parallel(outputs, 16, threads, store_weight_gradient, &w);
}
