// Adam (Sources/Engine/Torch/Optimization/Adam.swift has the formulas) in one pass over memory: it also scales the
// gradients, rounds the parameters for a half-precision module, and clears the gradients for the next pass.

constexpr int ADAM_THREADS = 256, ADAM_WIDTH = 4;

/// One update of `count` parameters, a multiple of ADAM_WIDTH.
///
/// The gradients are the FP32 ones plus `rounded_gradients`, those of a half-precision pass that have not been added to
/// them yet; these may be missing. `rate` is the learning rate with both bias corrections, and `kept` what weight decay
/// leaves of a parameter. Where `skipped` is not 0 the gradients are cleared and nothing else changes.
template <class T>
__device__ inline void adam(
    float *values, float *first, float *second, float *gradients, T *rounded, T *rounded_gradients,
    const double *gradient_scale, const float *skipped, int64 count, float rate, float kept, double beta1, double beta2,
    float epsilon) {
    // Differences that are small against their operands.
    const float fresh1 = (float)(1.0 - beta1), kept2 = (float)beta2, fresh2 = (float)(1.0 - beta2);
    const float scale = gradient_scale ? (float)*gradient_scale : 1.0f;
    const bool skips = skipped && *skipped != 0.0f;
    const float zeros[ADAM_WIDTH] = {};
    const int64 step = (int64)gridDim.x * ADAM_THREADS * ADAM_WIDTH;
    for (int64 i = ((int64)blockIdx.x * ADAM_THREADS + threadIdx.x) * ADAM_WIDTH; i < count; i += step) {
        if (!skips) {
            float x[ADAM_WIDTH], m[ADAM_WIDTH], v[ADAM_WIDTH], g[ADAM_WIDTH], fresh[ADAM_WIDTH] = {};
            read(values + i, x);
            read(first + i, m);
            read(second + i, v);
            read(gradients + i, g);
            if (rounded_gradients) read(rounded_gradients + i, fresh);
#pragma unroll
            for (int k = 0; k < ADAM_WIDTH; k++) {
                g[k] = (g[k] + fresh[k]) * scale;
                m[k] += fresh1 * (g[k] - m[k]);
                v[k] = kept2 * v[k] + fresh2 * g[k] * g[k];
                x[k] = kept * x[k] - rate * m[k] / (sqrtf(v[k]) + epsilon);
            }
            write(values + i, x);
            write(first + i, m);
            write(second + i, v);
            if (rounded) write(rounded + i, x);
        }
        write(gradients + i, zeros);
        if (rounded_gradients) write(rounded_gradients + i, zeros);
    }
}

#define PARAMETERS(T)                                                                                                 \
    (float *values, float *first, float *second, float *gradients, T *rounded, T *rounded_gradients,                  \
     const double *gradient_scale, const float *skipped, int64 count, float rate, float kept, double beta1,           \
     double beta2, float epsilon)
KERNEL_OF_EACH_FORMAT(
    adam, ADAM_THREADS, PARAMETERS,
    (values, first, second, gradients, rounded, rounded_gradients, gradient_scale, skipped, count, rate, kept, beta1,
     beta2, epsilon))
#undef PARAMETERS
