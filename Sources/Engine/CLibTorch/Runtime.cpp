// LibTorch's version and settings, and the number of its threads.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <dlfcn.h>
#include <filesystem>
#include <torch/csrc/api/include/torch/version.h>

#include "Bridge.hpp"

using namespace bridge;

// LibTorch's matrix products are MKL's, which gives non-Intel processors AVX2 kernels only, even if they have AVX-512:
// half their speed. MKL calls this function, which a program may override.
extern "C" int mkl_serv_intel_cpu_true(void) {
#ifdef __x86_64__
    return __builtin_cpu_is("intel") || __builtin_cpu_supports("avx512f");
#else
    return 0;
#endif
}

const char *ct_version(void) { return TORCH_VERSION; }

char *ct_configuration(void) {
    char *text = nullptr;
    ct_error error = guarded([&] { text = copyMessage(at::show_config()); });
    return error == nullptr ? text : error;
}

const char *ct_cpu_capability(void) {
    static const std::string capability = at::get_cpu_capability();
    return capability.c_str();
}

int ct_threads(void) { return at::get_num_threads(); }
void ct_set_threads(int count) { at::set_num_threads(count); }

void ct_allow_tf32(bool allowed) {
    at::globalContext().setAllowTF32CuBLAS(allowed);
    at::globalContext().setAllowTF32CuDNN(allowed);
}

void ct_allow_reduced_sums(bool allowed) {
    at::globalContext().setAllowFP16ReductionCuBLAS(allowed);
    at::globalContext().setAllowBF16ReductionCuBLAS(allowed);
}

bool ct_allows_reduced_sums(void) {
    return at::globalContext().allowFP16ReductionCuBLAS() == at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK
        || at::globalContext().allowBF16ReductionCuBLAS() == at::CuBLASReductionOption::AllowReducedPrecisionWithSplitK;
}

ct_error ct_load_cuda(void) {
    return guarded([&] {
        // LibTorch looks for its CUDA half when it is first asked about it, and never again: load, then ask. It is
        // beside the other half, where the loader may not look: programs may have no run path to it.
        Dl_info half;
        if (dladdr(reinterpret_cast<void *>(&at::show_config), &half) == 0) throw std::runtime_error(dlerror());
        const std::string folder = std::filesystem::path(half.dli_fname).parent_path();
        const std::string library = folder + "/libtorch_cuda.so";
        if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw std::runtime_error(dlerror());
        if (!at::globalContext().hasCUDART()) throw std::runtime_error("libtorch_cuda.so was loaded too late");
    });
}

int ct_cuda_device_count(void) {
    int count = 0;
    ct_error error = guarded([&] {
        if (at::hasCUDA()) count = at::globalContext().getAcceleratorHooksInterface(c10::kCUDA).deviceCount();
    });
    ct_free(error);
    return count;
}

ct_error ct_device_free_memory(int64_t device, int64_t *bytes) {
    return guarded([&] {
        const c10::Device place = deviceFrom(device);
        auto *allocator = c10::getDeviceAllocator(place.type());
        const auto statistics = allocator->getDeviceStats(place.index());
        const auto kept = statistics.reserved_bytes[0].current - statistics.allocated_bytes[0].current;
        *bytes = static_cast<int64_t>(allocator->getMemoryInfo(place.index()).first) + kept;
    });
}

ct_error ct_device_peak_memory(int64_t device, int64_t *bytes) {
    return guarded([&] {
        const c10::Device place = deviceFrom(device);
        const auto statistics = c10::getDeviceAllocator(place.type())->getDeviceStats(place.index());
        *bytes = statistics.allocated_bytes[0].peak;
    });
}
