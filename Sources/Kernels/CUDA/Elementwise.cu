// GELU and dropout in one pass over memory each way. Eight elements a thread.

/// Calls `body(index, count)` for the elements of this thread, eight at a time and one by one at the end.
template <class Body>
__device__ inline void for_each_eight(int64 count, Body body) {
    const int64 start = ((int64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    const int64 step = (int64)gridDim.x * blockDim.x * 8;
    for (int64 index = start; index < count; index += step) body(index);
}

/// One number of each of eight elements, from as many as there are.
template <class T>
__device__ inline void read_some(const T *source, int64 index, int64 count, float (&result)[8]) {
    if (index + 8 <= count) return read(source + index, result);
    for (int i = 0; i < 8; i++) result[i] = index + i < count ? widened(source[index + i]) : 0.0f;
}

template <class T>
__device__ inline void write_some(T *target, int64 index, int64 count, const float (&numbers)[8]) {
    if (index + 8 <= count) return write(target + index, numbers);
    for (int i = 0; i < 8; i++)
        if (index + i < count) assign(target[index + i], numbers[i]);
}

/// Dropout of the elements, or of their GELU.
template <class T>
__device__ inline void gelu_dropout(
    const T *input, T *output, int64 count, const uint64 *base, uint64 offset, uint32 bound, float scale,
    int applies_gelu) {
    const uint64 seed = dropout_seed(base, offset);
    dropout_mask mask = make_mask(seed, 0, bound, scale);
    for_each_eight(count, [&](int64 index) {
        float x[8];
        read_some(input, index, count, x);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            if (applies_gelu) x[i] = gelu(x[i]);
            if (bound != 0) x[i] *= mask_factor(mask, seed, index + i);
        }
        write_some(output, index, count, x);
    });
}

/// The gradient of GELU and dropout, from the input and the output's gradient; it may be written over the latter.
template <class T>
__device__ inline void gelu_dropout_backward(
    const T *input, const T *gradient, T *result, int64 count, const uint64 *base, uint64 offset, uint32 bound,
    float scale) {
    const uint64 seed = dropout_seed(base, offset);
    dropout_mask mask = make_mask(seed, 0, bound, scale);
    for_each_eight(count, [&](int64 index) {
        float x[8], g[8];
        read_some(input, index, count, x);
        read_some(gradient, index, count, g);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            g[i] *= gelu_slope(x[i]);
            if (bound != 0) g[i] *= mask_factor(mask, seed, index + i);
        }
        write_some(result, index, count, g);
    });
}

/// Columns of a thread and of a block of the kernels below, which have a row after the other.
constexpr int COLUMN_WIDTH = 8, COLUMN_THREADS = 128;

/// The same for [rows, columns], with the sums of the result's columns for each block: what a bias gets that was added to the
/// input.
template <class T>
__device__ inline void gelu_dropout_backward_sums(
    const T *input, const T *gradient, T *result, float *sums, int64 rows, int columns, const uint64 *base,
    uint64 offset, uint32 bound, float scale) {
    const int column = (blockIdx.y * COLUMN_THREADS + threadIdx.x) * COLUMN_WIDTH;
    if (column >= columns) return;
    const uint64 seed = dropout_seed(base, offset);
    dropout_mask mask = make_mask(seed, 0, bound, scale);
    float total[COLUMN_WIDTH] = {};
    for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const int64 index = row * columns + column;
        float x[COLUMN_WIDTH], g[COLUMN_WIDTH];
        read(input + index, x);
        read(gradient + index, g);
#pragma unroll
        for (int i = 0; i < COLUMN_WIDTH; i++) {
            g[i] *= gelu_slope(x[i]);
            if (bound != 0) g[i] *= mask_factor(mask, seed, index + i);
            total[i] += g[i];
        }
        write(result + index, g);
    }
    write(sums + (int64)blockIdx.x * columns + column, total);
}

/// Three matrices [rows, columns] side by side, [rows, 3, columns], with the sums of the result's columns for each block.
template <class T>
__device__ inline void join_thirds(
    const T *first, const T *second, const T *third, T *result, float *sums, int64 rows, int columns) {
    const int column = (blockIdx.y / 3 * COLUMN_THREADS + threadIdx.x) * COLUMN_WIDTH, part = blockIdx.y % 3;
    if (column >= columns) return;
    const T *source = part == 0 ? first : part == 1 ? second : third;
    float total[COLUMN_WIDTH] = {};
    for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
        float x[COLUMN_WIDTH];
        read(source + row * columns + column, x);
#pragma unroll
        for (int i = 0; i < COLUMN_WIDTH; i++) total[i] += x[i];
        write(result + (row * 3 + part) * columns + column, x);
    }
    write(sums + ((int64)blockIdx.x * 3 + part) * columns + column, total);
}

#define PARAMETERS(T)                                                                                                 \
    (const T *input, T *output, int64 count, const uint64 *base, uint64 offset, uint32 bound, float scale,            \
     int applies_gelu)
KERNEL_OF_EACH_FORMAT(gelu_dropout, 256, PARAMETERS, (input, output, count, base, offset, bound, scale, applies_gelu))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *input, const T *gradient, T *result, int64 count, const uint64 *base, uint64 offset, uint32 bound,      \
     float scale)
KERNEL_OF_EACH_FORMAT(
    gelu_dropout_backward, 256, PARAMETERS, (input, gradient, result, count, base, offset, bound, scale))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *input, const T *gradient, T *result, float *sums, int64 rows, int columns, const uint64 *base,          \
     uint64 offset, uint32 bound, float scale)
KERNEL_OF_EACH_FORMAT(
    gelu_dropout_backward_sums, COLUMN_THREADS, PARAMETERS,
    (input, gradient, result, sums, rows, columns, base, offset, bound, scale))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *first, const T *second, const T *third, T *result, float *sums, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(
    join_thirds, COLUMN_THREADS, PARAMETERS, (first, second, third, result, sums, rows, columns))
#undef PARAMETERS
