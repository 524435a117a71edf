// Masked rows become one vector: what the context network sees of masked frames.

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

/// Columns of a thread of the backward pass at most, and its threads.
constexpr int MASK_STEPS = 4, MASK_THREADS = 256;

/// The input's gradient, and for each block the sums [columns] of what the vector gets.
template <class T>
__device__ inline void mask_rows_backward(
    const T *gradient, const unsigned char *masked, T *result, float *sums, int64 rows, int columns) {
    float total[MASK_STEPS] = {};
    for (int64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const bool is_masked = masked[row];
#pragma unroll
        for (int step = 0; step < MASK_STEPS; step++) {
            const int column = step * MASK_THREADS + threadIdx.x;
            if (column >= columns) break;
            const T number = gradient[row * columns + column];
            if (is_masked) total[step] += widened(number);
            if (is_masked) assign(result[row * columns + column], 0.0f);
            else result[row * columns + column] = number;
        }
    }
#pragma unroll
    for (int step = 0; step < MASK_STEPS; step++) {
        const int column = step * MASK_THREADS + threadIdx.x;
        if (column < columns) sums[(int64)blockIdx.x * columns + column] = total[step];
    }
}

#define PARAMETERS(T)                                                                                                 \
    (const T *input, const unsigned char *masked, const T *vector, T *output, int64 count, int columns)
KERNEL_OF_EACH_FORMAT(mask_rows, 256, PARAMETERS, (input, masked, vector, output, count, columns))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *gradient, const unsigned char *masked, T *result, float *sums, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(mask_rows_backward, MASK_THREADS, PARAMETERS, (gradient, masked, result, sums, rows, columns))
#undef PARAMETERS
