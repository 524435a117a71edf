// Sums of columns.

/// The sums of the columns of [rows, columns], FP32, for 32 columns a block of 32 × 8 threads.
template <class T>
__device__ inline void column_sums(const float *parts, T *result, int64 rows, int columns) {
    __shared__ float shared[8][32];
    const int x = threadIdx.x % 32, y = threadIdx.x / 32;
    const int column = blockIdx.x * 32 + x;
    float total = 0;
    if (column < columns) {
#pragma unroll 4
        for (int64 row = y; row < rows; row += 8) total += parts[row * columns + column];
    }
    shared[y][x] = total;
    __syncthreads();
    if (y > 0 || column >= columns) return;
    for (int i = 1; i < 8; i++) total += shared[i][x];
    assign(result[column], total);
}

/// Interleaves three matrices [rows, columns] as [rows, 3, columns], and writes each block's sums of the result's
/// columns.
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

#define PARAMETERS(T) (const float *parts, T *result, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(column_sums, 256, PARAMETERS, (parts, result, rows, columns))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *first, const T *second, const T *third, T *result, float *sums, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(
    join_thirds, COLUMN_THREADS, PARAMETERS, (first, second, third, result, sums, rows, columns))
#undef PARAMETERS
