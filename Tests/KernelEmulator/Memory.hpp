// The memory that a running kernel may access, and whether its threads get into each other's way there.
//
// The kernels are compiled with the instrumentation of Clang's ThreadSanitizer, which calls a function before each
// access to memory. Memory.cpp defines those functions, in place of the sanitizer's own library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "KernelEmulator.h"

/// Ends the launch: the kernel did what a GPU would not forgive.
[[noreturn]] void fail(const std::string &what);

/// Where the emulator is in a launch.
struct Moment {
    /// Whether a thread of a kernel is running.
    bool isInKernel = false;
    /// The running thread's number in its block.
    uint32_t thread = 0;
    /// The stretch between two barriers, counted over all blocks of a launch from 1.
    uint32_t interval = 0;
    /// The first such stretch of the running block.
    uint32_t firstOfBlock = 0;
    /// The running thread's stack, whose accesses concern no other.
    const char *stack = nullptr, *stackEnd = nullptr;
};
/// Each thread of this process has its own: the linker may give functions that are instrumented, such as those of the
/// standard library, to code that is no kernel, which then accesses memory while a kernel runs elsewhere.
extern __thread Moment moment;

/// Allows a launch's tensors, and no other memory but shared memory.
void allowMemory(const ke_memory *tensors, int count);

/// Allows a launch's shared memory: the arrays of fixed size, and that whose size the launch decides.
void allowSharedMemory(char *fixed, size_t fixedBytes, char *dynamic, size_t dynamicBytes);
