// CUDA's environment for kernels, in C++.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

struct Place {
    int x, y, z;
};
/// What CUDA keeps in special registers.
struct Places {
    Place thread, block, threads, blocks;
};
extern Places places;
#define threadIdx places.thread
#define blockIdx places.block
#define blockDim places.threads
#define gridDim places.blocks

constexpr int warpSize = 32;

void __syncthreads();

/// Exchanges eight bytes with the lane whose number differs by `mask`.
uint64_t exchanged(uint64_t bits, int mask);

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = exchanged(bits, mask);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
inline float __fdividef(float x, float y) { return x / y; }
inline float __expf(float x) { return std::exp(x); }
float atomicAdd(float *address, float x);

/// Checks an access to several elements at once, which GPUs demand aligned.
void checkVector(const void *address, size_t alignment);

/// Checks an access that may meet those of other threads that are like it.
void checkAtomic(const void *address, size_t bytes);

#define __device__
#define __global__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared_memory")))
char *dynamicSharedMemory();
#define DYNAMIC_SHARED_MEMORY(TYPE, NAME) TYPE *NAME = reinterpret_cast<TYPE *>(dynamicSharedMemory())
#define CHECK_VECTOR(ADDRESS, TYPE) checkVector(ADDRESS, alignof(TYPE))

// MARK: Kernels by name

using Kernel = void (*)(void **arguments);

/// Returns the kernel of a name; null if there is none.
Kernel kernelNamed(const char *name);

/// A kernel in a list of all, which is made before the program starts.
struct KnownKernel {
    KnownKernel(const char *name, Kernel kernel) : name(name), kernel(kernel), next(first) { first = this; }

    const char *name;
    Kernel kernel;
    const KnownKernel *next;
    inline static const KnownKernel *first = nullptr;
};

/// Calls a kernel with the arguments at these addresses, as CUDA's driver does: not an access of the kernel's.
template <auto KERNEL, class... Parameters, size_t... Indices>
__attribute__((no_sanitize("thread"))) void call(
    void (*)(Parameters...), std::index_sequence<Indices...>, void **arguments) {
    KERNEL(*static_cast<Parameters *>(arguments[Indices])...);
}
template <auto KERNEL, class... Parameters>
constexpr auto parameters(void (*)(Parameters...)) {
    return std::index_sequence_for<Parameters...>();
}
template <auto KERNEL>
void launch(void **arguments) {
    call<KERNEL>(KERNEL, parameters<KERNEL>(KERNEL), arguments);
}

#define KERNEL_DEFINED(NAME) static const KnownKernel known_##NAME(#NAME, launch<NAME>);
