// NCCL's process groups. This library needs LibTorch's CUDA half and NVIDIA's headers, and is loaded when a GPU is
// requested; `Scripts/build-cuda` builds it.
#include <c10/cuda/CUDAFunctions.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <chrono>
#include <cstdlib>

#include "../CLibTorch/Distributed.hpp"
#include "Exported.hpp"

EXPORTED char *wav2vec2_process_group_nccl(
    ct_store store, const char *prefix, int device, int rank, int size, int64_t timeout_milliseconds,
    ct_process_group *result) noexcept {
    return exported([&] {
        // By default NCCL's watchdog ends the process when a collective is late; here the waiting caller reports the
        // reason.
        setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", 0);
        c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
        auto options = c10d::ProcessGroupNCCL::Options::create();
        options->timeout = std::chrono::milliseconds(timeout_milliseconds);
        auto prefixed = c10::make_intrusive<c10d::PrefixStore>(prefix, *bridge::store(store));
        auto group = c10::make_intrusive<c10d::ProcessGroupNCCL>(prefixed, rank, size, options);
        // Connects now, so that a failure is reported here, and the first collective does not have to wait.
        group->eagerConnectSingleDevice(c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(device)));
        *result = bridge::handOutGroup(std::move(group));
    });
}
