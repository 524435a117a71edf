// Shared by all kernels: number formats, vectors of elements, reductions, dropout masks and GELU. NVRTC compiles this
// text without any header; the tests compile it as C++ (Tests/EmulatedKernels) and run it on the CPU.

typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long long uint64;
typedef long long int64;

// MARK: Number formats

/// FP16 and BF16 as bits.
struct half_number { uint16 bits; };
struct bfloat_number { uint16 bits; };

#ifdef __CUDACC__
/// Shared memory whose size the launch decides.
#define DYNAMIC_SHARED_MEMORY(TYPE, NAME) extern __shared__ TYPE NAME[]

__device__ inline float widened(half_number x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
__device__ inline void assign(half_number &x, float y) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(x.bits) : "f"(y)); }
__device__ inline void assign(bfloat_number &x, float y) {
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(x.bits) : "f"(y));
#else
    // Turing has no instruction for it: round to nearest even.
    const uint32 bits = __float_as_uint(y);
    x.bits = y != y ? 0x7FFF : (uint16)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
#endif
}
#endif
__device__ inline float widened(float x) { return x; }
__device__ inline float widened(bfloat_number x) { return __uint_as_float((uint32)x.bits << 16); }
__device__ inline void assign(float &x, float y) { x = y; }

/// Checks in the tests that an access to several elements is aligned, which GPUs demand.
#ifndef CHECK_VECTOR
#define CHECK_VECTOR(ADDRESS, TYPE)
#endif

/// COUNT elements that are read and written together.
template <class T, int COUNT>
struct alignas(sizeof(T) * COUNT < 16 ? sizeof(T) * COUNT : 16) vector_of {
    T values[COUNT];
};

template <int COUNT, class T>
__device__ inline void read(const T *address, float (&result)[COUNT]) {
    typedef vector_of<T, COUNT> vector;
    CHECK_VECTOR(address, vector);
    const vector found = *(const vector *)address;
#pragma unroll
    for (int i = 0; i < COUNT; i++) result[i] = widened(found.values[i]);
}

template <int COUNT, class T>
__device__ inline void write(T *address, const float (&numbers)[COUNT]) {
    typedef vector_of<T, COUNT> vector;
    CHECK_VECTOR(address, vector);
    vector made;
#pragma unroll
    for (int i = 0; i < COUNT; i++) assign(made.values[i], numbers[i]);
    *(vector *)address = made;
}

__device__ inline float minus_infinity() { return __uint_as_float(0xFF800000u); }

// MARK: Reductions

/// The sum over a warp, in every lane.
template <class T>
__device__ inline T warp_sum(T x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, distance);
    return x;
}

/// The largest number of a warp, in every lane.
__device__ inline float warp_max(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, distance));
    return x;
}

// MARK: Dropout masks, the same as in Sources/Engine/CKernels/Elementwise.h, which cites the sources

struct dropout_mask {
    uint32 first, second, bound, upper;
    float scale;
};

__device__ inline uint64 mix_seed(uint64 x) {
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

/// The seed of a dropout: a number, or an offset to one in memory, which replayed work finds changed.
__device__ inline uint64 dropout_seed(const uint64 *base, uint64 offset) { return base ? *base + offset : offset; }

/// The mask of the 2³² elements whose index has this upper half.
__device__ inline dropout_mask make_mask(uint64 seed, uint32 upper, uint32 bound, float scale) {
    const uint64 key = mix_seed(mix_seed(seed) + upper);
    return {(uint32)key, (uint32)(key >> 32), bound, upper, scale};
}

/// 0 or the scale, for the element of this index; makes a new mask where the index leaves the old one's range.
__device__ inline float mask_factor(dropout_mask &mask, uint64 seed, int64 index) {
    if ((uint32)(index >> 32) != mask.upper) mask = make_mask(seed, (uint32)(index >> 32), mask.bound, mask.scale);
    uint32 x = (uint32)index + mask.first;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    x = (x ^ (x >> 16)) + mask.second;
    x = (x ^ (x >> 16)) * 0x21F0AAADu;
    x = (x ^ (x >> 15)) * 0x735A2D97u;
    x = x ^ (x >> 15);
    return x >= mask.bound ? mask.scale : 0.0f;
}

// MARK: GELU, exact (erf) form

/// The normal distribution at x, and e^(−x²/2): Abramowitz and Stegun (1964), formula 7.1.26, erf to 1.5e-7.
__device__ inline float normal_cumulative(float x, float &exponential) {
    const float t = __fdividef(1.0f, 1.0f + (0.3275911f * 0.70710678f) * fabsf(x));
    exponential = __expf(-0.5f * x * x);
    float y = 1.061405429f;
    y = y * t - 1.453152027f;
    y = y * t + 1.421413741f;
    y = y * t - 0.284496736f;
    y = y * t + 0.254829592f;
    // Zero where 1 − erf is zero in FP32, as on the CPU and in PyTorch.
    const float half = 0.5f * (y * t) * exponential;
    const float tail = half < 1.4901161e-8f ? 0.0f : half;
    return x < 0.0f ? tail : 1.0f - tail;
}

__device__ inline float gelu(float x) {
    float exponential;
    return x * normal_cumulative(x, exponential);
}

__device__ inline float gelu_slope(float x) {
    float exponential;
    const float cumulative = normal_cumulative(x, exponential);
    return cumulative + x * 0.39894228f * exponential;
}

// MARK: Elements and columns

/// Calls `body(index)` for the elements of this thread, eight at a time.
template <class Body>
__device__ inline void for_each_eight(int64 count, Body body) {
    const int64 start = ((int64)blockIdx.x * blockDim.x + threadIdx.x) * 8;
    const int64 step = (int64)gridDim.x * blockDim.x * 8;
    for (int64 index = start; index < count; index += step) body(index);
}

/// One number of each of eight elements, from as many as exist.
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

/// The columns of a thread and the threads of a block, in kernels that process row after row.
constexpr int COLUMN_WIDTH = 8, COLUMN_THREADS = 128;

// MARK: Kernels

/// Marks the definition of a kernel: the tests record its name.
#ifndef KERNEL_DEFINED
#define KERNEL_DEFINED(NAME)
#endif

/// Defines a kernel for FP32, FP16 and BF16 elements, named with the format at the end.
#define KERNEL_OF_EACH_FORMAT(NAME, THREADS, PARAMETERS, ARGUMENTS)                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS) NAME##_float32 PARAMETERS(float) { NAME<float> ARGUMENTS; }  \
    extern "C" __global__ void __launch_bounds__(THREADS) NAME##_float16 PARAMETERS(half_number) {                     \
        NAME<half_number> ARGUMENTS;                                                                                 \
    }                                                                                                                \
    extern "C" __global__ void __launch_bounds__(THREADS) NAME##_bfloat16 PARAMETERS(bfloat_number) {                  \
        NAME<bfloat_number> ARGUMENTS;                                                                               \
    }                                                                                                                \
    KERNEL_DEFINED(NAME##_float32) KERNEL_DEFINED(NAME##_float16) KERNEL_DEFINED(NAME##_bfloat16)
