// The kernels for GPUs, compiled as C++ and run on the CPU, thread by thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Whether a kernel of this name was compiled.
bool ke_has_kernel(const char *name);

/// Runs a kernel as a GPU would, its blocks one after the other; false where there is none of this name.
bool ke_launch(const char *name, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments);

#ifdef __cplusplus
}
#endif
