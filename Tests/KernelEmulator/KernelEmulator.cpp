// Runs kernels: the threads of a block are fibers that take turns at each barrier and shuffle, in a different order each
// time. Shared memory is filled with NaNs when a block starts, so that a number that was never written shows in the
// results. Memory.cpp checks every access.

#include "KernelEmulator.h"

#include <setjmp.h>
#include <ucontext.h>
#include <xmmintrin.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "../EmulatedKernels/Device.hpp"
#include "Memory.hpp"

Places places;

// The linker defines the bounds of a section.
extern "C" char __start_shared_memory[], __stop_shared_memory[];

namespace {

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

constexpr size_t stackBytes = 256 << 10;
jmp_buf schedulerPlace;
std::vector<Fiber> fibers;
Barrier blockBarrier;
std::vector<Barrier> warpBarriers;
std::vector<uint64_t> exchange;
std::vector<uint64_t> dynamicShared;
Kernel kernel;
void **kernelArguments;
/// What the kernel did wrong; empty if nothing.
std::string failure;

void wait(Barrier &barrier, int threads) {
    Fiber &fiber = fibers[static_cast<size_t>(threadIdx.x)];
    fiber.barrier = &barrier;
    fiber.generation = barrier.generation;
    if (++barrier.arrived == threads) {
        barrier.arrived = 0;
        barrier.generation++;
        // What comes next is ordered after everything so far: shuffles alone do not order accesses to memory.
        if (&barrier == &blockBarrier) moment.interval++;
        return;
    }
    if (_setjmp(fiber.place) == 0) _longjmp(schedulerPlace, 1);
}

void runFiber() {
    kernel(kernelArguments);
    fibers[static_cast<size_t>(threadIdx.x)].isDone = true;
    _longjmp(schedulerPlace, 1);
}

/// Runs a fiber until it waits, ends or fails.
void resume(Fiber &fiber) {
    if (_setjmp(schedulerPlace) != 0) return;
    if (fiber.hasBegun) _longjmp(fiber.place, 1);
    fiber.hasBegun = true;
    setcontext(&fiber.context);
}

void runBlock(std::minstd_rand &order) {
    std::memset(__start_shared_memory, 0xFF, static_cast<size_t>(__stop_shared_memory - __start_shared_memory));
    std::fill(dynamicShared.begin(), dynamicShared.end(), ~0ull);
    moment.firstOfBlock = ++moment.interval;
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
        bool hasMoved = false;
        const size_t turn = static_cast<size_t>(order());
        for (size_t place = 0; place < fibers.size(); place++) {
            const size_t turned = (turn + place) % fibers.size();
            const size_t index = turn % 2 == 0 ? turned : fibers.size() - 1 - turned;
            Fiber &fiber = fibers[index];
            if (fiber.isDone) continue;
            isRunning = true;
            if (fiber.isWaiting()) continue;
            hasMoved = true;
            threadIdx = {static_cast<int>(index), 0, 0};
            moment.thread = static_cast<uint32_t>(index);
            moment.stack = fiber.stack.data();
            moment.stackEnd = moment.stack + fiber.stack.size();
            moment.isInKernel = true;
            resume(fiber);
            moment.isInKernel = false;
            if (!failure.empty()) return;
        }
        if (isRunning && !hasMoved) {
            failure = "some threads wait at a barrier that others never reach";
            return;
        }
    }
}

/// Makes this process compute with subnormal numbers like GPUs, instead of treating them as zero.
struct Subnormals {
    Subnormals() : settings(_mm_getcsr()) { _mm_setcsr(settings & ~0x8040u); }
    ~Subnormals() { _mm_setcsr(settings); }
    const unsigned settings;
};

}  // namespace

// MARK: What kernels call

void __syncthreads() { wait(blockBarrier, blockDim.x); }

uint64_t exchanged(uint64_t bits, int mask) {
    const size_t me = static_cast<size_t>(threadIdx.x), warp = me / warpSize;
    exchange[me] = bits;
    wait(warpBarriers[warp], warpSize);
    const uint64_t result = exchange[me ^ static_cast<size_t>(mask)];
    wait(warpBarriers[warp], warpSize);
    return result;
}

float atomicAdd(float *address, float x) {
    checkAtomic(address, 4);
    const float before = *address;
    *address += x;
    return before;
}

char *dynamicSharedMemory() { return reinterpret_cast<char *>(dynamicShared.data()); }

void fail(const std::string &what) {
    failure = "thread " + std::to_string(threadIdx.x) + " of block (" + std::to_string(blockIdx.x) + ", "
        + std::to_string(blockIdx.y) + ") " + what;
    _longjmp(schedulerPlace, 1);
}

// MARK: What tests call

char *ke_launch(
    const char *name, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments,
    const ke_memory *memory, int memory_count) {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    const Subnormals subnormals;
    kernel = kernelNamed(name);
    if (kernel == nullptr) return strdup((std::string("there is no kernel ") + name).c_str());
    kernelArguments = arguments;
    failure.clear();
    fibers.resize(static_cast<size_t>(threads));
    for (Fiber &fiber : fibers) fiber.stack.resize(stackBytes);
    exchange.assign(fibers.size(), 0);
    dynamicShared.resize(static_cast<size_t>(shared_bytes) / 8 + 1);
    moment = {};
    allowMemory(memory, memory_count);
    allowSharedMemory(
        __start_shared_memory, static_cast<size_t>(__stop_shared_memory - __start_shared_memory), dynamicSharedMemory(),
        static_cast<size_t>(shared_bytes));
    blockDim = {threads, 1, 1};
    gridDim = {static_cast<int>(grid_x), static_cast<int>(grid_y), 1};
    std::minstd_rand order;
    for (int y = 0; y < gridDim.y && failure.empty(); y++) {
        for (int x = 0; x < gridDim.x && failure.empty(); x++) {
            blockIdx = {x, y, 0};
            runBlock(order);
        }
    }
    return failure.empty() ? nullptr : strdup((std::string("kernel ") + name + ": " + failure).c_str());
}
