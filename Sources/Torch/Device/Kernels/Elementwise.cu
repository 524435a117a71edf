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
