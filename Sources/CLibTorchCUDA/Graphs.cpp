// Work that was recorded once and is replayed at the price of one launch: CUDA graphs, by LibTorch's own class.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>
#include <mutex>

#include "Exported.hpp"

namespace {

/// A graph with the stream on which it was recorded and the one that was current before.
struct Recorded {
    at::cuda::CUDAGraph graph;
    c10::cuda::CUDAStream before;
    c10::cuda::CUDAStream own;

    explicit Recorded(c10::DeviceIndex device)
        : before(c10::cuda::getCurrentCUDAStream(device)), own(recordingStream(device)) {}

private:
    /// One a device: libraries keep memory for every stream that they have seen.
    static c10::cuda::CUDAStream recordingStream(c10::DeviceIndex device) {
        static std::mutex mutex;
        static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
        const std::lock_guard<std::mutex> lock(mutex);
        return streams.try_emplace(device, c10::cuda::getStreamFromPool(true, device)).first->second;
    }
};

}  // namespace

EXPORTED char *wav2vec2_cuda_graph_begin(int device, bool is_large, void *other, void **result) noexcept {
    return exported([&] {
        auto recorded = std::make_unique<Recorded>(static_cast<c10::DeviceIndex>(device));
        // All that was asked for before is done, and nothing else can get into the recording.
        c10::cuda::device_synchronize();
        if (is_large) c10::cuda::CUDACachingAllocator::emptyCache();
        c10::MempoolId_t pool{0, 0};
        if (other != nullptr) pool = static_cast<Recorded *>(other)->graph.pool();
        c10::cuda::setCurrentCUDAStream(recorded->own);
        try {
            recorded->graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
        } catch (...) {
            c10::cuda::setCurrentCUDAStream(recorded->before);
            throw;
        }
        *result = recorded.release();
    });
}

EXPORTED char *wav2vec2_cuda_graph_end(void *handle) noexcept {
    return exported([&] {
        auto *recorded = static_cast<Recorded *>(handle);
        c10::cuda::setCurrentCUDAStream(recorded->own);
        try {
            recorded->graph.capture_end();
        } catch (...) {
            c10::cuda::setCurrentCUDAStream(recorded->before);
            throw;
        }
        c10::cuda::setCurrentCUDAStream(recorded->before);
    });
}

EXPORTED char *wav2vec2_cuda_graph_replay(void *handle) noexcept {
    return exported([&] { static_cast<Recorded *>(handle)->graph.replay(); });
}

EXPORTED void wav2vec2_cuda_graph_release(void *handle) noexcept { delete static_cast<Recorded *>(handle); }
