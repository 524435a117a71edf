// Masked rows are replaced by one vector, the learned input of the context network for masked frames.

template <class T>
__device__ inline void mask_rows(
    const T *input, const unsigned char *masked, const T *vector, T *output, int64 count, int columns) {
    for_each_eight(count, [&](int64 index) {
        const int64 row = index / columns;
        float x[8];
        read(masked[row] ? vector + (index - row * columns) : input + index, x);
        write(output + index, x);
    });
}

/// The input's gradient, and each block's sums [columns] of the vector's gradient.
template <class T>
__device__ inline void mask_rows_backward(
    const T *gradient, const unsigned char *masked, T *result, float *sums, int64 rows, int columns) {
    const int column = (blockIdx.y * COLUMN_THREADS + threadIdx.x) * COLUMN_WIDTH;
    if (column >= columns) return;
    float total[COLUMN_WIDTH] = {};
    for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const bool is_masked = masked[row];
        float g[COLUMN_WIDTH];
        read(gradient + row * columns + column, g);
#pragma unroll
        for (int i = 0; i < COLUMN_WIDTH; i++) {
            total[i] += is_masked ? g[i] : 0.0f;
            g[i] = is_masked ? 0.0f : g[i];
        }
        write(result + row * columns + column, g);
    }
    write(sums + (int64)blockIdx.x * columns + column, total);
}

#define PARAMETERS(T)                                                                                                 \
    (const T *input, const unsigned char *masked, const T *vector, T *output, int64 count, int columns)
KERNEL_OF_EACH_FORMAT(mask_rows, 256, PARAMETERS, (input, masked, vector, output, count, columns))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *gradient, const unsigned char *masked, T *result, float *sums, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(mask_rows_backward, COLUMN_THREADS, PARAMETERS, (gradient, masked, result, sums, rows, columns))
#undef PARAMETERS
