// The kernels for GPUs, compiled as C++ and run on the CPU, thread by thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Returns whether a kernel of this name was compiled.
bool ke_has_kernel(const char *name);

/// Runs a kernel like a GPU, one block after another; returns false if no kernel has this name.
bool ke_launch(const char *name, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments);

#ifdef __cplusplus
}
#endif
