// Work that is recorded once and replayed at the cost of one launch: CUDA graphs, by LibTorch's own class.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>
#include <mutex>

#include "Exported.hpp"

namespace {

/// A graph with its memory, the stream on which it was recorded and the one that was current before.
struct Recorded {
    at::cuda::CUDAGraph graph;
    c10::MempoolId_t pool;
    c10::cuda::CUDAStream before;
    c10::cuda::CUDAStream own;

    Recorded(c10::DeviceIndex device, const Recorded *other)
        : pool(other != nullptr ? other->pool : at::cuda::graph_pool_handle()),
          before(c10::cuda::getCurrentCUDAStream(device)), own(recordingStream(device)) {}

    /// Ends a failed recording: otherwise LibTorch's allocator would keep asking this graph which memory is its own.
    void giveUp() noexcept {
        c10::cuda::setCurrentCUDAStream(before);
        try {
            c10::cuda::CUDACachingAllocator::endAllocateToPool(own.device_index(), pool);
        } catch (...) {
            // The recording had already ended.
        }
    }

private:
    /// One per device: libraries keep memory for every stream that they have seen.
    static c10::cuda::CUDAStream recordingStream(c10::DeviceIndex device) {
        static std::mutex mutex;
        static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
        const std::lock_guard<std::mutex> lock(mutex);
        return streams.try_emplace(device, c10::cuda::getStreamFromPool(true, device)).first->second;
    }
};

/// Held from the beginning of a recording to its end: a stream can record only one at a time.
std::mutex recording;

}  // namespace

EXPORTED char *wav2vec2_cuda_graph_begin(int device, bool is_large, void *other, void **result) noexcept {
    return exported([&] {
        std::unique_lock<std::mutex> alone(recording);
        const auto index = static_cast<c10::DeviceIndex>(device);
        const c10::cuda::CUDAGuard guard(index);
        auto recorded = std::make_unique<Recorded>(index, static_cast<Recorded *>(other));
        // Waits for all earlier work; nothing else can get into the recording.
        c10::cuda::device_synchronize();
        if (is_large) c10::cuda::CUDACachingAllocator::emptyCache();
        c10::cuda::setCurrentCUDAStream(recorded->own);
        try {
            recorded->graph.capture_begin(recorded->pool, cudaStreamCaptureModeThreadLocal);
        } catch (...) {
            recorded->giveUp();
            throw;
        }
        *result = recorded.release();
        // wav2vec2_cuda_graph_end, which this thread always calls, unlocks it.
        alone.release();
    });
}

EXPORTED char *wav2vec2_cuda_graph_end(void *handle) noexcept {
    return exported([&] {
        const std::lock_guard<std::mutex> alone(recording, std::adopt_lock);
        auto *recorded = static_cast<Recorded *>(handle);
        const c10::cuda::CUDAGuard guard(recorded->own.device_index());
        c10::cuda::setCurrentCUDAStream(recorded->own);
        try {
            recorded->graph.capture_end();
        } catch (...) {
            recorded->giveUp();
            throw;
        }
        c10::cuda::setCurrentCUDAStream(recorded->before);
    });
}

EXPORTED char *wav2vec2_cuda_graph_replay(void *handle) noexcept {
    return exported([&] { static_cast<Recorded *>(handle)->graph.replay(); });
}

EXPORTED void wav2vec2_cuda_graph_release(void *handle) noexcept { delete static_cast<Recorded *>(handle); }
