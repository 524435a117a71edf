// A grouped convolution along the rows of each segment by products of spectra, and its gradients.
//
// With a long kernel this saves most of the products of the direct form. A block of rows is transformed by a discrete
// Fourier transform, where the convolution is one product of small matrices per frequency, Y(f) = conj(W(f)) · X(f),
// and back (overlap-save). Blocks start with their segment, so that a segment's results do not depend on others. The
// transforms run on vectors of channels, two groups of channels at a time: one as the real part of a complex signal,
// one as the imaginary part.
#include <stddef.h>
#include <string.h>

#include "CKernels.h"
#include "MatrixTiles.h"
#include "Parallel.h"

enum { LANES = VECTOR };
typedef float lanes __attribute__((vector_size(LANES * 4), aligned(4)));

/// The segment has the rows `begin` to before `end`; the block has results from `first` on.
struct block {
    int64_t begin, end, first;
};

struct spectral {
    const float *input, *bias, *twiddles;
    const struct block *blocks;
    /// Spectra of signals, [groups, frequencies, 2, blocks, padded], and of weights, [groups, frequencies, inputs, 2,
    /// padded].
    float *spectra, *others, *weights;
    float *output;
    int64_t count, groups, width, padded, kernel, size, frequencies;
    /// The rows from a block's first result to the first row that it sees, and the number of invalid results at its
    /// start.
    int64_t shift, skip;
    /// Whether a block sees only the rows that it has results for, whether this computes the input's gradient, whether
    /// GELU follows.
    int sees_own_rows, is_gradient, gelu;
    struct tiles tiles;
};

// MARK: Sizes

int64_t ck_spectral_size(int64_t kernel) {
    int64_t size = 16;
    while (size < 2 * kernel) size *= 2;
    return size;
}

static int64_t pairs_of(int64_t count) { return (count + 1) / 2; }

int64_t ck_spectral_weight_count(int64_t groups, int64_t width, int64_t kernel) {
    return groups * (ck_spectral_size(kernel) / 2 + 1) * width * 2 * rounded_up(width, VECTOR);
}

int64_t ck_spectra_count(int64_t blocks, int64_t groups, int64_t width, int64_t kernel) {
    return groups * (ck_spectral_size(kernel) / 2 + 1) * 2 * blocks * rounded_up(width, VECTOR);
}

/// The floats of one thread: a complex signal of vectors, or the sums and one matrix of a product.
static int64_t thread_floats(int64_t blocks, int64_t width, int64_t kernel) {
    const int64_t padded = rounded_up(width, VECTOR), signal = 2 * ck_spectral_size(kernel) * LANES;
    const int64_t product = 4 * blocks * padded + 2 * width * padded;
    return signal > product ? signal : product;
}

int64_t ck_spectral_scratch(int64_t blocks, int64_t width, int64_t kernel, int threads) {
    return ck_spectral_size(kernel) + threads * thread_floats(blocks, width, kernel);
}

static struct spectral spectral_of(int64_t blocks, int64_t groups, int64_t width, int64_t kernel, float *scratch) {
    const int64_t size = ck_spectral_size(kernel);
    for (int64_t i = 0; i < size / 2; i++) {
        const double angle = 2 * 3.14159265358979323846 * (double)i / (double)size;
        scratch[i] = (float)__builtin_cos(angle);
        scratch[size / 2 + i] = (float)__builtin_sin(angle);
    }
    return (struct spectral){
        .twiddles = scratch, .count = blocks, .groups = groups, .width = width, .padded = rounded_up(width, VECTOR),
        .kernel = kernel, .size = size, .frequencies = size / 2 + 1, .tiles = best_tiles(CK_FLOAT32)};
}

static void share(const struct spectral *s, int64_t count, int threads, ck_scratch_body body) {
    float *scratch = (float *)s->twiddles + s->size;
    ck_parallel_with_scratch(count, threads, scratch, thread_floats(s->count, s->width, s->kernel), body, s);
}

// MARK: Transforms

/// The position of a frequency after the forward and before the inverse transform: its bits in reverse order.
CK_INLINE int64_t place_of(int64_t frequency, int64_t size) {
    return __builtin_bitreverse32((uint32_t)frequency) >> (32 - __builtin_ctz((uint32_t)size));
}

/// The fast Fourier transform of Cooley and Tukey (1965), decimating in frequency.
CK_INLINE void transform(lanes *real, lanes *imaginary, int64_t size, const float *twiddles) {
    for (int64_t half = size / 2, step = 1; half > 0; half /= 2, step *= 2)
        for (int64_t start = 0; start < size; start += 2 * half)
            for (int64_t i = 0; i < half; i++) {
                const float cosine = twiddles[i * step], sine = twiddles[size / 2 + i * step];
                lanes *a = real + start + i, *b = imaginary + start + i;
                const lanes x = a[0] - a[half], y = b[0] - b[half];
                a[0] += a[half];
                b[0] += b[half];
                a[half] = x * cosine + y * sine;
                b[half] = y * cosine - x * sine;
            }
}

/// Its inverse, times the size, decimating in time.
CK_INLINE void inverse_transform(lanes *real, lanes *imaginary, int64_t size, const float *twiddles) {
    for (int64_t half = 1, step = size / 2; half < size; half *= 2, step /= 2)
        for (int64_t start = 0; start < size; start += 2 * half)
            for (int64_t i = 0; i < half; i++) {
                const float cosine = twiddles[i * step], sine = twiddles[size / 2 + i * step];
                lanes *a = real + start + i, *b = imaginary + start + i;
                const lanes x = a[half] * cosine - b[half] * sine, y = b[half] * cosine + a[half] * sine;
                a[half] = a[0] - x;
                b[half] = b[0] - y;
                a[0] += x;
                b[0] += y;
            }
}

/// Splits the spectrum Z of a + i b into those of the real signals a and b: A(f) = (Z(f) + conj Z(−f)) / 2, B(f) =
/// (Z(f) − conj Z(−f)) / 2i. `second` may be NULL.
CK_INLINE void separate(
    const lanes *real, const lanes *imaginary, int64_t frequency, int64_t size, float *first, float *second,
    int64_t to_imaginary) {
    const int64_t i = place_of(frequency, size), j = place_of((size - frequency) % size, size);
    *(lanes *)first = 0.5f * (real[i] + real[j]);
    *(lanes *)(first + to_imaginary) = 0.5f * (imaginary[i] - imaginary[j]);
    if (second == NULL) return;
    *(lanes *)second = 0.5f * (imaginary[i] + imaginary[j]);
    *(lanes *)(second + to_imaginary) = 0.5f * (real[j] - real[i]);
}

/// The inverse of separate, Z = A + i B; `second` may be NULL.
CK_INLINE void join(
    lanes *real, lanes *imaginary, int64_t frequency, int64_t size, const float *first, const float *second,
    int64_t to_imaginary) {
    const int64_t i = place_of(frequency, size), j = place_of((size - frequency) % size, size);
    const lanes zero = {0}, ar = *(const lanes *)first, ai = *(const lanes *)(first + to_imaginary);
    const lanes br = second == NULL ? zero : *(const lanes *)second;
    const lanes bi = second == NULL ? zero : *(const lanes *)(second + to_imaginary);
    real[j] = ar + bi;
    imaginary[j] = br - ai;
    // Stored last, for the frequencies that are their own mirror image.
    real[i] = ar - bi;
    imaginary[i] = ai + br;
}

/// Loads some numbers into a vector, with zeros beyond them.
CK_INLINE void load(lanes *vector, const float *numbers, int64_t count) {
    const lanes zero = {0};
    if (count >= LANES) {
        *vector = *(const lanes *)numbers;
        return;
    }
    *vector = zero;
    memcpy(vector, numbers, (size_t)count * sizeof(float));
}

/// Transforms a block's rows of two groups.
CK_EVERY_CPU void ck_window_spectra(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t channels = s->groups * s->width, pairs = pairs_of(s->groups), size = s->size;
    lanes *real = (lanes *)scratch, *imaginary = real + size;
    const struct block block = s->blocks[unit / pairs];
    const int64_t group = unit % pairs * 2, start = block.first + s->shift;
    const int two = group + 1 < s->groups;
    const int64_t lowest = s->sees_own_rows ? block.first : block.begin;
    const int64_t limit = block.first + size / 2 < block.end ? block.first + size / 2 : block.end;
    const int64_t highest = s->sees_own_rows ? limit : block.end;
    for (int64_t chunk = 0; chunk < s->width; chunk += LANES) {
        for (int64_t i = 0; i < size; i++) {
            const lanes zero = {0};
            const int64_t row = start + i;
            const int inside = row >= lowest && row < highest;
            const float *numbers = s->input + row * channels + group * s->width + chunk;
            real[i] = imaginary[i] = zero;
            if (inside) load(real + i, numbers, s->width - chunk);
            if (inside && two) load(imaginary + i, numbers + s->width, s->width - chunk);
        }
        transform(real, imaginary, size, s->twiddles);
        const int64_t part = s->count * s->padded, next = s->frequencies * 2 * part;
        float *place = s->spectra + group * next + unit / pairs * s->padded + chunk;
        for (int64_t k = 0; k < s->frequencies; k++)
            separate(
                real, imaginary, k, size, place + k * 2 * part, two ? place + next + k * 2 * part : NULL, part);
    }
}

/// Transforms two groups of a block back and stores the results: as many rows as a segment has, or half the transform's
/// size.
CK_EVERY_CPU void ck_block_results(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t channels = s->groups * s->width, pairs = pairs_of(s->groups), size = s->size;
    lanes *real = (lanes *)scratch, *imaginary = real + size;
    const float scale = 1.0f / (float)size;
    const struct block block = s->blocks[unit / pairs];
    const int64_t group = unit % pairs * 2;
    const int two = group + 1 < s->groups;
    const int64_t rows = block.end - block.first < size / 2 ? block.end - block.first : size / 2;
    for (int64_t chunk = 0; chunk < s->width; chunk += LANES) {
        const int64_t part = s->count * s->padded, next = s->frequencies * 2 * part;
        const float *place = s->spectra + group * next + unit / pairs * s->padded + chunk;
        for (int64_t k = 0; k < s->frequencies; k++)
            join(real, imaginary, k, size, place + k * 2 * part, two ? place + next + k * 2 * part : NULL, part);
        inverse_transform(real, imaginary, size, s->twiddles);
        const int64_t columns = s->width - chunk < LANES ? s->width - chunk : LANES;
        for (int member = 0; member <= two; member++) {
            const lanes *results = (member ? imaginary : real) + s->skip;
            const int64_t column = (group + member) * s->width + chunk;
            lanes bias = {0};
            if (s->bias != NULL) load(&bias, s->bias + column, columns);
            for (int64_t i = 0; i < rows; i++) {
                lanes result = results[i] * scale + bias;
                float numbers[LANES];
                memcpy(numbers, &result, sizeof(numbers));
                if (s->gelu) for (int l = 0; l < LANES; l++) numbers[l] = gelu(numbers[l]);
                float *output = s->output + (block.first + i) * channels + column;
                if (columns == LANES) memcpy(output, numbers, sizeof(numbers));
                else memcpy(output, numbers, (size_t)columns * sizeof(float));
            }
        }
    }
}

/// Transforms the taps from two inputs of a group to all its outputs.
CK_EVERY_CPU void ck_weight_spectra(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t pairs = pairs_of(s->width), size = s->size, kernel = s->kernel, width = s->width;
    lanes *real = (lanes *)scratch, *imaginary = real + size;
    const int64_t group = unit / pairs, input = unit % pairs * 2;
    const int two = input + 1 < width;
    for (int64_t chunk = 0; chunk < width; chunk += LANES) {
        memset(scratch, 0, (size_t)(2 * size * LANES) * sizeof(float));
        for (int64_t l = 0; l < LANES && chunk + l < width; l++) {
            const float *taps = s->input + ((group * width + chunk + l) * width + input) * kernel;
            for (int64_t k = 0; k < kernel; k++) {
                scratch[k * LANES + l] = taps[k];
                if (two) scratch[(size + k) * LANES + l] = taps[kernel + k];
            }
        }
        transform(real, imaginary, size, s->twiddles);
        const int64_t row = 2 * s->padded, frequency = width * row;
        float *place = s->weights + (group * s->frequencies * width + input) * row + chunk;
        for (int64_t k = 0; k < s->frequencies; k++)
            separate(
                real, imaginary, k, size, place + k * frequency, two ? place + k * frequency + row : NULL,
                s->padded);
    }
}

/// The inverse of ck_weight_spectra, into an array of taps.
CK_EVERY_CPU void ck_weight_taps(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t pairs = pairs_of(s->width), size = s->size, kernel = s->kernel, width = s->width;
    lanes *real = (lanes *)scratch, *imaginary = real + size;
    const float scale = 1.0f / (float)size;
    const int64_t group = unit / pairs, input = unit % pairs * 2;
    const int two = input + 1 < width;
    for (int64_t chunk = 0; chunk < width; chunk += LANES) {
        const int64_t row = 2 * s->padded, frequency = width * row;
        const float *place = s->weights + (group * s->frequencies * width + input) * row + chunk;
        for (int64_t k = 0; k < s->frequencies; k++)
            join(
                real, imaginary, k, size, place + k * frequency, two ? place + k * frequency + row : NULL,
                s->padded);
        inverse_transform(real, imaginary, size, s->twiddles);
        for (int64_t l = 0; l < LANES && chunk + l < width; l++) {
            float *taps = s->output + ((group * width + chunk + l) * width + input) * kernel;
            for (int64_t k = 0; k < kernel; k++) {
                taps[k] = scale * scratch[k * LANES + l];
                if (two) taps[kernel + k] = scale * scratch[(size + k) * LANES + l];
            }
        }
    }
}

// MARK: Products

/// Products of complex numbers from an input's real and imaginary rows times [real, imaginary] weights.
CK_EVERY_CPU void ck_complex_products(
    float *restrict spectra, const float *restrict sums, int64_t count, int64_t padded, int conjugates) {
    for (int64_t m = 0; m < count; m++) {
        const float *of_real = sums + m * 2 * padded, *of_imaginary = sums + (count + m) * 2 * padded;
        float *restrict real = spectra + m * padded, *restrict imaginary = spectra + (count + m) * padded;
        if (conjugates)
            for (int64_t i = 0; i < padded; i++) {
                real[i] = of_real[i] + of_imaginary[padded + i];
                imaginary[i] = of_imaginary[i] - of_real[padded + i];
            }
        else
            for (int64_t i = 0; i < padded; i++) {
                real[i] = of_real[i] - of_imaginary[padded + i];
                imaginary[i] = of_imaginary[i] + of_real[padded + i];
            }
    }
}

CK_EVERY_CPU void ck_turn_weights(const float *restrict weights, float *restrict turned, int64_t width, int64_t padded) {
    memset(turned, 0, (size_t)(2 * width * padded) * sizeof(float));
    for (int64_t i = 0; i < width; i++)
        for (int part = 0; part < 2; part++)
            for (int64_t o = 0; o < width; o++)
                turned[(o * 2 + part) * padded + i] = weights[(i * 2 + part) * padded + o];
}

/// Multiplies the blocks' spectra by a frequency's weights, in place; by their conjugates for the convolution, which is
/// a correlation.
static void multiply(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t count = s->count, width = s->width, padded = s->padded;
    float *sums = scratch, *turned = scratch + 4 * count * padded;
    float *spectra = s->spectra + unit * 2 * count * padded;
    const float *weights = s->weights + unit * width * 2 * padded;
    if (s->is_gradient) ck_turn_weights(weights, turned, width, padded);
    s->tiles.rows(
        spectra, padded, s->is_gradient ? turned : weights, 2 * padded, width, sums, 2 * padded, 2 * count,
        2 * padded, 0);
    ck_complex_products(spectra, sums, count, padded, !s->is_gradient);
}

CK_EVERY_CPU void ck_subtract_rows(float *restrict rows, const float *restrict others, int64_t count, int64_t padded) {
    for (int64_t r = 0; r < count; r++)
        for (int64_t i = 0; i < padded; i++) rows[r * 2 * padded + i] -= others[r * padded + i];
}

/// Sums a frequency over the blocks: the input's spectra times the conjugates of the gradient's.
static void correlate(const void *data, float *scratch, int64_t unit) {
    const struct spectral *s = data;
    const int64_t count = s->count, width = s->width, padded = s->padded, part = count * padded;
    const float *input = s->spectra + unit * 2 * part, *gradient = s->others + unit * 2 * part;
    float *sums = s->weights + unit * width * 2 * padded;
    const ck_sums add = s->tiles.columns;
    add(input, padded, gradient, padded, count, sums, 2 * padded, width, padded, 0);
    add(input + part, padded, gradient + part, padded, count, sums, 2 * padded, width, padded, 1);
    add(input + part, padded, gradient, padded, count, sums + padded, 2 * padded, width, padded, 0);
    add(input, padded, gradient + part, padded, count, scratch, padded, width, padded, 0);
    ck_subtract_rows(sums + padded, scratch, width, padded);
}

// MARK: Convolution and gradients

void ck_spectral_weight(
    const float *weight, int64_t groups, int64_t width, int64_t kernel, float *spectra, float *scratch, int threads) {
    struct spectral s = spectral_of(0, groups, width, kernel, scratch);
    s.input = weight;
    s.weights = spectra;
    share(&s, groups * pairs_of(width), threads, ck_weight_spectra);
}

/// Transforms the windows, multiplies, and transforms back.
static void run(
    struct spectral *s, const float *input, const int64_t *blocks, const float *weight_spectra, float *output,
    float *spectra, int threads) {
    const int64_t units = s->count * pairs_of(s->groups);
    s->input = input;
    s->blocks = (const struct block *)blocks;
    s->weights = (float *)weight_spectra;
    s->output = output;
    s->spectra = spectra;
    share(s, units, threads, ck_window_spectra);
    share(s, s->groups * s->frequencies, threads, multiply);
    share(s, units, threads, ck_block_results);
}

void ck_spectral_convolution(
    const float *input, const int64_t *blocks, int64_t count, int64_t groups, int64_t width, int64_t kernel,
    const float *weight_spectra, const float *bias, int gelu, float *output, float *spectra, float *scratch,
    int threads) {
    struct spectral s = spectral_of(count, groups, width, kernel, scratch);
    s.bias = bias;
    s.gelu = gelu;
    s.shift = -(kernel / 2);
    run(&s, input, blocks, weight_spectra, output, spectra, threads);
}

void ck_spectral_input_gradient(
    const float *gradient, const int64_t *blocks, int64_t count, int64_t groups, int64_t width, int64_t kernel,
    const float *weight_spectra, float *output, float *spectra, float *scratch, int threads) {
    struct spectral s = spectral_of(count, groups, width, kernel, scratch);
    s.is_gradient = 1;
    s.shift = kernel / 2 - (kernel - 1);
    s.skip = kernel - 1;
    run(&s, gradient, blocks, weight_spectra, output, spectra, threads);
}

void ck_spectral_weight_gradient(
    const float *input, const float *gradient, const int64_t *blocks, int64_t count, int64_t groups, int64_t width,
    int64_t kernel, float *output, float *weight_spectra, float *spectra, float *scratch, int threads) {
    struct spectral s = spectral_of(count, groups, width, kernel, scratch);
    const int64_t units = count * pairs_of(groups);
    s.blocks = (const struct block *)blocks;
    s.weights = weight_spectra;
    s.output = output;
    s.others = spectra + ck_spectra_count(count, groups, width, kernel);
    s.spectra = s.others;
    s.input = gradient;
    s.sees_own_rows = 1;
    share(&s, units, threads, ck_window_spectra);
    s.spectra = spectra;
    s.input = input;
    s.sees_own_rows = 0;
    s.shift = -(kernel / 2);
    share(&s, units, threads, ck_window_spectra);
    share(&s, groups * s.frequencies, threads, correlate);
    share(&s, groups * pairs_of(width), threads, ck_weight_taps);
}
