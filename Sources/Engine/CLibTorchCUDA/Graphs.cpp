// Work that is recorded once and replayed at the cost of one launch: CUDA graphs, by LibTorch's own class.
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <map>
#include <memory>
#include <mutex>

#include "Exported.hpp"

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// Runs a step of tidying up, whose failure must not keep the next from running.
template <typename Step>
bool attempt(Step &&step) noexcept {
    try {
        step();
        return true;
    } catch (...) {
        return false;
    }
}

/// Makes `later` wait for the work that `earlier` has now.
void wait(const c10::cuda::CUDAStream &later, const c10::cuda::CUDAStream &earlier) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(earlier.unwrap());
    event.block(later.unwrap());
}

/// A graph with its memory, the stream on which it is rehearsed and recorded, and the one that was current before.
class Recorded {
public:
    Recorded(c10::DeviceIndex device, bool isLarge, const Recorded *other)
        : pool(other != nullptr ? other->pool : at::cuda::graph_pool_handle()), isLarge(isLarge),
          before(c10::cuda::getCurrentCUDAStream(device)), own(recordingStream(device)) {
        // Keeps the memory between rehearsal and recording.
        allocator::createOrIncrefPool(own.device_index(), pool);
    }

    ~Recorded() {
        graph.reset();
        attempt([&] { allocator::releasePool(own.device_index(), pool); });
    }

    Recorded(const Recorded &) = delete;
    Recorded &operator=(const Recorded &) = delete;

    void beginRehearsal() {
        const c10::cuda::CUDAGuard guard(own.device_index());
        makeRoom();
        before = c10::cuda::getCurrentCUDAStream(own.device_index());
        wait(own, before);
        allocator::beginAllocateToPool(
            own.device_index(), pool, [stream = own.stream()](cudaStream_t asking) { return asking == stream; });
        c10::cuda::setCurrentCUDAStream(own);
    }

    void endRehearsal() {
        const c10::cuda::CUDAGuard guard(own.device_index());
        c10::cuda::setCurrentCUDAStream(before);
        allocator::endAllocateToPool(own.device_index(), pool);
        allocator::releasePool(own.device_index(), pool);
        wait(before, own);
    }

    void begin() {
        const c10::cuda::CUDAGuard guard(own.device_index());
        // Waits for all earlier work; nothing else can get into the recording.
        c10::cuda::device_synchronize();
        makeRoom();
        before = c10::cuda::getCurrentCUDAStream(own.device_index());
        c10::cuda::setCurrentCUDAStream(own);
        try {
            graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
        } catch (...) {
            giveUp();
            throw;
        }
    }

    void end() {
        const c10::cuda::CUDAGuard guard(own.device_index());
        c10::cuda::setCurrentCUDAStream(own);
        try {
            graph.capture_end();
        } catch (...) {
            giveUp();
            throw;
        }
        c10::cuda::setCurrentCUDAStream(before);
    }

    void replay() { graph.replay(); }

private:
    at::cuda::CUDAGraph graph;
    const c10::MempoolId_t pool;
    const bool isLarge;
    c10::cuda::CUDAStream before;
    const c10::cuda::CUDAStream own;

    /// Releases memory that LibTorch keeps for reuse: while it allocates from a recording's memory, it cannot.
    void makeRoom() const {
        if (!isLarge) return;
        c10::cuda::device_synchronize();
        allocator::emptyCache();
    }

    /// Leaves the stream and both allocators as they were before a recording that failed, however far it came. An
    /// allocator would otherwise keep asking the dead graph which memory is its own, and the stream would stay unusable.
    void giveUp() noexcept {
        cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
        if (cudaStreamIsCapturing(own.stream(), &status) == cudaSuccess && status != cudaStreamCaptureStatusNone) {
            cudaGraph_t unfinished = nullptr;
            cudaStreamEndCapture(own.stream(), &unfinished);
            if (unfinished != nullptr) cudaGraphDestroy(unfinished);
        }
        // Ending an invalid recording is an error, which the next call would report otherwise.
        cudaGetLastError();
        // An allocator that has ended already, or never began, throws; what it counted is released by the graph.
        if (attempt([&] { allocator::endAllocateToPool(own.device_index(), pool); }))
            attempt([&] { allocator::releasePool(own.device_index(), pool); });
        auto *host = at::getHostAllocator(at::kCUDA);
        if (attempt([&] { host->end_allocate_to_pool(pool); })) attempt([&] { host->release_pool(pool); });
        c10::cuda::setCurrentCUDAStream(before);
    }

    /// One per device: libraries keep memory for every stream that they have seen.
    static c10::cuda::CUDAStream recordingStream(c10::DeviceIndex device) {
        static std::mutex mutex;
        static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
        const std::lock_guard<std::mutex> lock(mutex);
        return streams.try_emplace(device, c10::cuda::getStreamFromPool(true, device)).first->second;
    }
};

/// Held from the beginning of a rehearsal or recording to its end: their stream serves only one at a time.
std::mutex recording;

/// Begins, and keeps the lock unless that failed; the thread's call of the matching end, which always follows, unlocks.
template <typename Begin>
void holding(Begin &&begin) {
    std::unique_lock<std::mutex> alone(recording);
    begin();
    alone.release();
}

Recorded *recorded(void *handle) { return static_cast<Recorded *>(handle); }

}  // namespace

EXPORTED char *wav2vec2_cuda_graph_prepare(int device, bool is_large, void *other, void **result) noexcept {
    return exported([&] {
        const auto index = static_cast<c10::DeviceIndex>(device);
        const c10::cuda::CUDAGuard guard(index);
        *result = new Recorded(index, is_large, recorded(other));
    });
}

EXPORTED char *wav2vec2_cuda_graph_begin_rehearsal(void *handle) noexcept {
    return exported([&] { holding([&] { recorded(handle)->beginRehearsal(); }); });
}

EXPORTED char *wav2vec2_cuda_graph_end_rehearsal(void *handle) noexcept {
    return exported([&] {
        const std::lock_guard<std::mutex> alone(recording, std::adopt_lock);
        recorded(handle)->endRehearsal();
    });
}

EXPORTED char *wav2vec2_cuda_graph_begin(void *handle) noexcept {
    return exported([&] { holding([&] { recorded(handle)->begin(); }); });
}

EXPORTED char *wav2vec2_cuda_graph_end(void *handle) noexcept {
    return exported([&] {
        const std::lock_guard<std::mutex> alone(recording, std::adopt_lock);
        recorded(handle)->end();
    });
}

EXPORTED char *wav2vec2_cuda_graph_replay(void *handle) noexcept {
    return exported([&] { recorded(handle)->replay(); });
}

EXPORTED void wav2vec2_cuda_graph_release(void *handle) noexcept { delete recorded(handle); }
