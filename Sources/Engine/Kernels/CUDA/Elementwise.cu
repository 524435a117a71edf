// GELU and dropout in one pass over memory each way.

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

/// The gradient of GELU and dropout, from the input and the output's gradient, which it may overwrite.
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

/// The same for [rows, columns], with each block's sums of the result's columns: the gradient of a bias that was added
/// to the input.
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
