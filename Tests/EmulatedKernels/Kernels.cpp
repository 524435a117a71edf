// The kernels, compiled as C++ with a call before every access to memory (Memory.cpp).
#include "Device.hpp"
#include "EmulatedKernels.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-pragmas"
#pragma clang diagnostic ignored "-Wpass-failed"
#pragma clang diagnostic ignored "-Wunused-const-variable"
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

#include "../../Sources/Engine/Kernels/CUDA/Adam.cu"
#include "../../Sources/Engine/Kernels/CUDA/Columns.cu"
#include "../../Sources/Engine/Kernels/CUDA/Contrast.cu"
#include "../../Sources/Engine/Kernels/CUDA/Elementwise.cu"
#include "../../Sources/Engine/Kernels/CUDA/Float8.cu"
#include "../../Sources/Engine/Kernels/CUDA/Masking.cu"
#include "../../Sources/Engine/Kernels/CUDA/Quantizer.cu"
#include "../../Sources/Engine/Kernels/CUDA/ResidualNorm.cu"
#include "../../Sources/Engine/Kernels/CUDA/SignalConvolution.cu"

// Kernels that err, which the tests expect the emulator to notice.
#include "Faults.cu"
#pragma clang diagnostic pop

Kernel kernelNamed(const char *name) {
    for (const KnownKernel *known = KnownKernel::first; known != nullptr; known = known->next)
        if (std::strcmp(known->name, name) == 0) return known->kernel;
    return nullptr;
}

bool ek_has_kernel(const char *name) { return kernelNamed(name) != nullptr; }
