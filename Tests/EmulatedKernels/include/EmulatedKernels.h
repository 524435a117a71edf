// The kernels for GPUs, compiled as C++; KernelEmulator runs them.
#pragma once

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Returns whether a kernel of this name was compiled.
bool ek_has_kernel(const char *name);

#ifdef __cplusplus
}
#endif
