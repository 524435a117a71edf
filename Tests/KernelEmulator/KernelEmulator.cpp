// CUDA's environment for kernels, in C++: the threads of a block are fibers that take turns at each barrier and
// shuffle, in a different order each time. Shared memory is filled with NaNs when a block starts. So errors that a GPU
// would not forgive, such as a missing barrier or a number that was never written, show in the results.
#include "KernelEmulator.h"

#include <setjmp.h>
#include <xmmintrin.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

struct Place {
    int x, y, z;
};
Place threadIdx, blockIdx, blockDim, gridDim;

struct Barrier {
    int arrived = 0, generation = 0;
};

struct Fiber {
    ucontext_t context;
    /// The point where the fiber continues: jumps are faster than contexts, which query the system for blocked signals.
    jmp_buf place;
    std::vector<char> stack;
    bool hasBegun = false;
    bool isDone = false;
    /// The barrier that it waits for, and the barrier's generation.
    const Barrier *barrier = nullptr;
    int generation = 0;

    bool isWaiting() const { return barrier != nullptr && barrier->generation == generation; }
};

constexpr int warpSize = 32;
constexpr size_t stackBytes = 256 << 10;
jmp_buf schedulerPlace;
std::vector<Fiber> fibers;
Barrier blockBarrier;
std::vector<Barrier> warpBarriers;
std::vector<uint64_t> exchanged;
std::vector<uint64_t> dynamicSharedMemory;
std::function<void()> kernelBody;

void wait(Barrier &barrier, int threads) {
    Fiber &fiber = fibers[static_cast<size_t>(threadIdx.x)];
    fiber.barrier = &barrier;
    fiber.generation = barrier.generation;
    if (++barrier.arrived == threads) {
        barrier.arrived = 0;
        barrier.generation++;
        return;
    }
    if (_setjmp(fiber.place) == 0) _longjmp(schedulerPlace, 1);
}

void __syncthreads() { wait(blockBarrier, blockDim.x); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    const size_t me = static_cast<size_t>(threadIdx.x), warp = me / warpSize;
    std::memcpy(&exchanged[me], &value, sizeof value);
    wait(warpBarriers[warp], warpSize);
    T result;
    std::memcpy(&result, &exchanged[me ^ static_cast<size_t>(mask)], sizeof result);
    wait(warpBarriers[warp], warpSize);
    return result;
}

float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, 4);
    return bits;
}
float __fdividef(float x, float y) { return x / y; }
float __expf(float x) { return std::exp(x); }
float atomicAdd(float *address, float x) {
    const float before = *address;
    *address += x;
    return before;
}

}  // namespace

// The linker defines the bounds of a section.
extern "C" char __start_shared_memory[], __stop_shared_memory[];

#define __device__
#define __global__
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("shared_memory")))
#define DYNAMIC_SHARED_MEMORY(TYPE, NAME) TYPE *NAME = reinterpret_cast<TYPE *>(dynamicSharedMemory.data())

namespace {

// MARK: Kernels by name

using Kernel = std::function<void(void **)>;

template <class... Parameters, size_t... Indices>
Kernel caller(void (*kernel)(Parameters...), std::index_sequence<Indices...>) {
    return [kernel](void **arguments) { kernel(*static_cast<Parameters *>(arguments[Indices])...); };
}

std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

/// Registers a kernel when the program starts.
struct Registration {
    template <class... Parameters>
    Registration(const char *name, void (*kernel)(Parameters...)) {
        kernels()[name] = caller(kernel, std::index_sequence_for<Parameters...>());
    }
};

#define KERNEL_DEFINED(NAME) const Registration registration_of_##NAME(#NAME, NAME);

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-pragmas"
#pragma clang diagnostic ignored "-Wpass-failed"
#include "../../Sources/Engine/Kernels/CUDA/Common.cuh"

inline float widened(half_number x) {
    _Float16 value;
    std::memcpy(&value, &x, 2);
    return static_cast<float>(value);
}
inline void assign(half_number &x, float y) {
    const _Float16 value = static_cast<_Float16>(y);
    std::memcpy(&x, &value, 2);
}
/// Rounds to nearest, ties to even.
inline void assign(bfloat_number &x, float y) {
    uint32_t bits;
    std::memcpy(&bits, &y, 4);
    x.bits = std::isnan(y) ? 0x7FC0 : static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

#include "../../Sources/Engine/Kernels/CUDA/Columns.cu"
#include "../../Sources/Engine/Kernels/CUDA/Contrast.cu"
#include "../../Sources/Engine/Kernels/CUDA/Elementwise.cu"
#include "../../Sources/Engine/Kernels/CUDA/Float8.cu"
#include "../../Sources/Engine/Kernels/CUDA/Masking.cu"
#include "../../Sources/Engine/Kernels/CUDA/Quantizer.cu"
#include "../../Sources/Engine/Kernels/CUDA/ResidualNorm.cu"
#include "../../Sources/Engine/Kernels/CUDA/SignalConvolution.cu"
#pragma clang diagnostic pop

void runFiber() {
    kernelBody();
    const size_t me = static_cast<size_t>(threadIdx.x);
    fibers[me].isDone = true;
    _longjmp(schedulerPlace, 1);
}

/// Runs a fiber until it waits or ends.
void resume(Fiber &fiber) {
    if (_setjmp(schedulerPlace) != 0) return;
    if (fiber.hasBegun) _longjmp(fiber.place, 1);
    fiber.hasBegun = true;
    setcontext(&fiber.context);
}

void runBlock(std::minstd_rand &order) {
    std::memset(__start_shared_memory, 0xFF, static_cast<size_t>(__stop_shared_memory - __start_shared_memory));
    std::fill(dynamicSharedMemory.begin(), dynamicSharedMemory.end(), ~0ull);
    blockBarrier = {};
    warpBarriers.assign((fibers.size() + warpSize - 1) / warpSize, {});
    for (Fiber &fiber : fibers) {
        fiber.isDone = false;
        fiber.hasBegun = false;
        fiber.barrier = nullptr;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, runFiber, 0);
    }
    for (bool isRunning = true; isRunning;) {
        isRunning = false;
        const size_t turn = static_cast<size_t>(order());
        for (size_t place = 0; place < fibers.size(); place++) {
            const size_t turned = (turn + place) % fibers.size();
            const size_t index = turn % 2 == 0 ? turned : fibers.size() - 1 - turned;
            if (fibers[index].isDone) continue;
            isRunning = true;
            if (fibers[index].isWaiting()) continue;
            threadIdx = {static_cast<int>(index), 0, 0};
            resume(fibers[index]);
        }
    }
}

}  // namespace

namespace {

/// Makes this process compute with subnormal numbers like GPUs, instead of treating them as zero.
struct Subnormals {
    Subnormals() : settings(_mm_getcsr()) { _mm_setcsr(settings & ~0x8040u); }
    ~Subnormals() { _mm_setcsr(settings); }
    const unsigned settings;
};

}  // namespace

bool ke_has_kernel(const char *name) { return kernels().count(name) > 0; }

bool ke_launch(const char *name, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    const Subnormals subnormals;
    const auto found = kernels().find(name);
    if (found == kernels().end()) return false;
    fibers.resize(static_cast<size_t>(threads));
    for (Fiber &fiber : fibers) fiber.stack.resize(stackBytes);
    exchanged.assign(fibers.size(), 0);
    dynamicSharedMemory.resize(static_cast<size_t>(shared_bytes) / 8 + 1);
    kernelBody = [&] { found->second(arguments); };
    blockDim = {threads, 1, 1};
    gridDim = {static_cast<int>(grid_x), static_cast<int>(grid_y), 1};
    std::minstd_rand order;
    for (int y = 0; y < gridDim.y; y++) {
        for (int x = 0; x < gridDim.x; x++) {
            blockIdx = {x, y, 0};
            runBlock(order);
        }
    }
    return true;
}
