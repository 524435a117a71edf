// The kernels for GPUs, compiled as C++ and run on the CPU, thread by thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A tensor that a launch is given.
struct ke_memory {
    /// The parameter's name.
    const char *name;
    const void *address;
    int64_t bytes;
    /// The bytes of an element.
    int64_t unit;
    /// Whether the kernel may write it.
    bool is_written;
};

/// Runs a kernel like a GPU, one block after another.
///
/// Returns null, or what is wrong with the kernel, for the caller to free: an access to other memory than the tensors
/// and the block's shared memory, one that is not aligned, one that another thread's may come before or after (a
/// race), or a barrier that some threads never reach.
char *ke_launch(
    const char *name, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments,
    const struct ke_memory *memory, int memory_count);

#ifdef __cplusplus
}
#endif
