// LayerNorm of a residual plus the dropout of a branch: the end of each half of a post-norm transformer layer. One warp
// per row, whose elements stay in its registers; statistics are FP32.

/// The elements that a lane reads at once, and its maximum number of steps: rows of up to 32 · 4 · 8 = 1024 elements.
constexpr int LANE_WIDTH = 4, LANE_STEPS = 8, NORM_WARPS = 4;
/// The steps of BASE's rows of 768 elements, which need fewer registers.
constexpr int NARROW_STEPS = 6;

/// Calls `body(step, column)` for the columns of this lane.
template <int STEPS, class Body>
__device__ inline void for_each_step(int columns, Body body) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        const int column = (step * 32 + lane) * LANE_WIDTH;
        if (column < columns) body(step, column);
    }
}

/// The dropout factors of a row's elements, which multiply the branch.
struct row_factors {
    dropout_mask mask;
    uint64 seed;
    int64 start;
    bool drops;

    __device__ row_factors(uint64 seed, uint32 bound, float scale, int64 start)
        : mask(make_mask(seed, (uint32)(start >> 32), bound, scale)), seed(seed), start(start), drops(bound != 0) {}
    __device__ float operator()(int column) { return drops ? mask_factor(mask, seed, start + column) : 1.0f; }
};

template <class T>
__device__ inline void residual_norm(
    const T *residual, const T *branch, const T *weight, const T *bias, T *output, float *means, float *inverses,
    int64 rows, int columns, const uint64 *base, uint64 offset, uint32 bound, float scale, float epsilon) {
    const int64 row = (int64)blockIdx.x * NORM_WARPS + threadIdx.x / 32;
    if (row >= rows) return;
    row_factors factors(dropout_seed(base, offset), bound, scale, row * columns);
    float x[LANE_STEPS][LANE_WIDTH];
    float total = 0;
    for_each_step<LANE_STEPS>(columns, [&](int step, int column) {
        float b[LANE_WIDTH];
        read(residual + row * columns + column, x[step]);
        read(branch + row * columns + column, b);
#pragma unroll
        for (int i = 0; i < LANE_WIDTH; i++) {
            x[step][i] += b[i] * factors(column + i);
            total += x[step][i];
        }
    });
    const float mean = warp_sum(total) / columns;
    float squares = 0;
    for_each_step<LANE_STEPS>(columns, [&](int step, int) {
#pragma unroll
        for (int i = 0; i < LANE_WIDTH; i++) squares += (x[step][i] - mean) * (x[step][i] - mean);
    });
    // If the squares overflow, the row becomes NaN, as on the CPU.
    const float variance = warp_sum(squares) / columns;
    const float inverse = 1.0f / sqrtf(variance + epsilon) + 0.0f * variance;
    for_each_step<LANE_STEPS>(columns, [&](int step, int column) {
        float w[LANE_WIDTH], b[LANE_WIDTH];
        read(weight + column, w);
        read(bias + column, b);
#pragma unroll
        for (int i = 0; i < LANE_WIDTH; i++) x[step][i] = (x[step][i] - mean) * inverse * w[i] + b[i];
        write(output + row * columns + column, x[step]);
    });
    if (threadIdx.x % 32 == 0) {
        means[row] = mean;
        inverses[row] = inverse;
    }
}

/// Adds a lane's four numbers to its own four sums in shared memory.
__device__ inline void add_to(float *sums, const float (&x)[LANE_WIDTH]) {
    float total[LANE_WIDTH];
    read(sums, total);
#pragma unroll
    for (int i = 0; i < LANE_WIDTH; i++) total[i] += x[i];
    write(sums, total);
}

/// The gradients of both inputs, and each block's sums [3, columns]: the gradients of weight and bias, and the sum of
/// the branch's gradient, which is that of a bias at the branch's end. Without the last, [2, columns].
///
/// The output's gradient is the sum of two where two have read the output; `second` may be missing. Each warp's sums lie
/// in shared memory, because they would take half of the registers.
template <int STEPS, class T>
__device__ inline void residual_norm_gradients(
    const T *residual, const T *branch, const T *weight, const float *means, const float *inverses, const T *gradient,
    const T *second, T *residual_gradient, T *branch_gradient, float *sums, int64 rows, int columns, int sum_count,
    const uint64 *base, uint64 offset, uint32 bound, float scale) {
    alignas(16) __shared__ float shared[NORM_WARPS][3][32 * LANE_WIDTH * STEPS];
    const int warp = threadIdx.x / 32;
    float *weight_sums = shared[warp][0], *bias_sums = shared[warp][1], *branch_sums = shared[warp][2];
    for_each_step<STEPS>(columns, [&](int, int column) {
        const float zeros[LANE_WIDTH] = {};
        for (int sum = 0; sum < sum_count; sum++) write(shared[warp][sum] + column, zeros);
    });
    for (int64 row = (int64)blockIdx.x * NORM_WARPS + warp; row < rows; row += (int64)gridDim.x * NORM_WARPS) {
        row_factors factors(dropout_seed(base, offset), bound, scale, row * columns);
        const float mean = means[row], inverse = inverses[row];
        // Normalized elements, and gradients times weights.
        float x[STEPS][LANE_WIDTH], g[STEPS][LANE_WIDTH];
        float direct = 0, projected = 0;
        // One bit for each element of this lane whose branch was not dropped.
        uint32 kept = 0;
        for_each_step<STEPS>(columns, [&](int step, int column) {
            float b[LANE_WIDTH];
            read(residual + row * columns + column, x[step]);
            read(branch + row * columns + column, b);
            read(gradient + row * columns + column, g[step]);
#pragma unroll
            for (int i = 0; i < LANE_WIDTH; i++) {
                const float factor = factors(column + i);
                kept |= (factor != 0.0f ? 1u : 0u) << (step * LANE_WIDTH + i);
                x[step][i] = (x[step][i] + b[i] * factor - mean) * inverse;
            }
            if (!second) return;
            read(second + row * columns + column, b);
#pragma unroll
            for (int i = 0; i < LANE_WIDTH; i++) g[step][i] += b[i];
        });
        // Apart from the reads above, which need not wait for one another.
        for_each_step<STEPS>(columns, [&](int step, int column) {
            float w[LANE_WIDTH], product[LANE_WIDTH];
            read(weight + column, w);
#pragma unroll
            for (int i = 0; i < LANE_WIDTH; i++) product[i] = g[step][i] * x[step][i];
            add_to(weight_sums + column, product);
            add_to(bias_sums + column, g[step]);
#pragma unroll
            for (int i = 0; i < LANE_WIDTH; i++) {
                g[step][i] *= w[i];
                direct += g[step][i];
                projected += g[step][i] * x[step][i];
            }
        });
        // dx = (g − mean(g) − x̂ · mean(g · x̂)) / √(variance + ε).
        direct = warp_sum(direct) / columns;
        projected = warp_sum(projected) / columns;
        for_each_step<STEPS>(columns, [&](int step, int column) {
#pragma unroll
            for (int i = 0; i < LANE_WIDTH; i++) g[step][i] = inverse * (g[step][i] - direct - x[step][i] * projected);
            write(residual_gradient + row * columns + column, g[step]);
            if (factors.drops) {
#pragma unroll
                for (int i = 0; i < LANE_WIDTH; i++)
                    g[step][i] = kept >> (step * LANE_WIDTH + i) & 1 ? g[step][i] * scale : 0.0f;
                write(branch_gradient + row * columns + column, g[step]);
            }
            if (sum_count > 2) add_to(branch_sums + column, g[step]);
        });
    }
    __syncthreads();
    // The warps' sums, in a fixed order.
    for (int i = threadIdx.x; i < sum_count * columns; i += blockDim.x) {
        const int sum = i / columns, column = i % columns;
        float total = 0;
        for (int other = 0; other < NORM_WARPS; other++) total += shared[other][sum][column];
        sums[(int64)blockIdx.x * sum_count * columns + i] = total;
    }
}

template <class T>
__device__ inline void residual_norm_backward(
    const T *residual, const T *branch, const T *weight, const float *means, const float *inverses, const T *gradient,
    const T *second, T *residual_gradient, T *branch_gradient, float *sums, int64 rows, int columns, int sum_count,
    const uint64 *base, uint64 offset, uint32 bound, float scale) {
    residual_norm_gradients<NARROW_STEPS>(
        residual, branch, weight, means, inverses, gradient, second, residual_gradient, branch_gradient, sums, rows,
        columns, sum_count, base, offset, bound, scale);
}

/// The same for rows of more than 768 elements.
template <class T>
__device__ inline void residual_norm_backward_wide(
    const T *residual, const T *branch, const T *weight, const float *means, const float *inverses, const T *gradient,
    const T *second, T *residual_gradient, T *branch_gradient, float *sums, int64 rows, int columns, int sum_count,
    const uint64 *base, uint64 offset, uint32 bound, float scale) {
    residual_norm_gradients<LANE_STEPS>(
        residual, branch, weight, means, inverses, gradient, second, residual_gradient, branch_gradient, sums, rows,
        columns, sum_count, base, offset, bound, scale);
}

#define PARAMETERS(T)                                                                                                 \
    (const T *residual, const T *branch, const T *weight, const T *bias, T *output, float *means, float *inverses,    \
     int64 rows, int columns, const uint64 *base, uint64 offset, uint32 bound, float scale, float epsilon)
KERNEL_OF_EACH_FORMAT(
    residual_norm, 32 * NORM_WARPS, PARAMETERS,
    (residual, branch, weight, bias, output, means, inverses, rows, columns, base, offset, bound, scale, epsilon))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *residual, const T *branch, const T *weight, const float *means, const float *inverses,                  \
     const T *gradient, const T *second, T *residual_gradient, T *branch_gradient, float *sums, int64 rows,           \
     int columns, int sum_count, const uint64 *base, uint64 offset, uint32 bound, float scale)
// Limits on registers that let as many blocks share a multiprocessor.
#define FIVE_BLOCKS 32 * NORM_WARPS, 5
#define FOUR_BLOCKS 32 * NORM_WARPS, 4
KERNEL_OF_EACH_FORMAT(
    residual_norm_backward, FIVE_BLOCKS, PARAMETERS,
    (residual, branch, weight, means, inverses, gradient, second, residual_gradient, branch_gradient, sums, rows,
     columns, sum_count, base, offset, bound, scale))
KERNEL_OF_EACH_FORMAT(
    residual_norm_backward_wide, FOUR_BLOCKS, PARAMETERS,
    (residual, branch, weight, means, inverses, gradient, second, residual_gradient, branch_gradient, sums, rows,
     columns, sum_count, base, offset, bound, scale))
#undef PARAMETERS
