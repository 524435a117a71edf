// Processes that train together: a shared store to meet at, and collectives (c10d).
#include <c10/util/Logging.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <dlfcn.h>
#include <sched.h>
#include <sys/prctl.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "Bridge.hpp"
#include "CUDALibrary.hpp"
#include "Distributed.hpp"

using namespace bridge;

namespace {

std::chrono::milliseconds milliseconds(int64_t count) { return std::chrono::milliseconds(count); }

// c10d's flight recorder, one for all groups of a process, registers a group at its first collective without taking its
// own lock (FlightRecorder::record, all_pg_status_): concurrent first calls of several groups would corrupt its map.
std::mutex flightRecorder;

// Starts a collective. Gloo's return as soon as they are queued, NCCL's as soon as they are launched (its groups are
// connected when they are created), so that this does not block for long.
template <typename Start>
ct_work started(Start start) {
    std::lock_guard<std::mutex> guard(flightRecorder);
    return handOutWork(start());
}

c10d::ReduceOp reduceOp(ct_reduction reduction) {
    switch (reduction) {
        case CT_REDUCE_MAX: return c10d::ReduceOp::MAX;
        case CT_REDUCE_MIN: return c10d::ReduceOp::MIN;
        default: return c10d::ReduceOp::SUM;
    }
}

}  // namespace

ct_error ct_store_connect(
    const char *host, uint16_t port, bool serves, int64_t timeout_milliseconds, uint16_t *bound_port,
    ct_store *result) {
    return guarded([&] {
        // Errors are thrown and reported with our own messages; the library's stack traces on standard error are for
        // its developers, who can request them with this variable.
        if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = 3;
        c10d::TCPStoreOptions options;
        options.port = port;
        options.isServer = serves;
        options.waitWorkers = false;
        options.timeout = milliseconds(timeout_milliseconds);
        auto made = c10::make_intrusive<c10d::TCPStore>(host, options);
        *bound_port = made->getPort();
        *result = handOutStore(std::move(made));
    });
}

void ct_store_release(ct_store handle) { delete store(handle); }

ct_error ct_store_set(ct_store handle, const char *key, const void *bytes, size_t count) {
    return guarded([&] {
        const auto *first = static_cast<const uint8_t *>(bytes);
        (*store(handle))->set(key, std::vector<uint8_t>(first, first + count));
    });
}

ct_error ct_store_get(
    ct_store handle, const char *key, int64_t timeout_milliseconds, void **bytes, size_t *count) {
    return guarded([&] {
        (*store(handle))->wait({key}, milliseconds(timeout_milliseconds));
        auto value = (*store(handle))->get(key);
        *bytes = std::malloc(std::max<size_t>(value.size(), 1));
        if (*bytes == nullptr) throw std::bad_alloc();
        std::memcpy(*bytes, value.data(), value.size());
        *count = value.size();
    });
}

ct_error ct_store_add(ct_store handle, const char *key, int64_t amount, int64_t *result) {
    return guarded([&] { *result = (*store(handle))->add(key, amount); });
}

ct_error ct_store_has(ct_store handle, const char *key, bool *result) {
    return guarded([&] { *result = (*store(handle))->check({key}); });
}

ct_error ct_process_group_gloo(
    ct_store handle, const char *prefix, const char *interface, const char *address, int rank, int size,
    int64_t timeout_milliseconds, ct_process_group *result) {
    return guarded([&] {
        auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout_milliseconds));
        options->devices.push_back(
            interface != nullptr ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
            : address != nullptr ? c10d::ProcessGroupGloo::createDeviceForHostname(address)
                                 : c10d::ProcessGroupGloo::createDefaultDevice());
        auto prefixed = c10::make_intrusive<c10d::PrefixStore>(prefix, *store(handle));
        *result = handOutGroup(c10::make_intrusive<c10d::ProcessGroupGloo>(prefixed, rank, size, options));
    });
}

ct_error ct_process_group_nccl(
    ct_store handle, const char *prefix, int device, int rank, int size, int64_t timeout_milliseconds,
    ct_process_group *result) {
    return guarded([&] {
        auto *make = cudaFunction<decltype(wav2vec2_process_group_nccl)>("wav2vec2_process_group_nccl");
        throwMessage(make(handle, prefix, device, rank, size, timeout_milliseconds, result));
    });
}

void ct_process_group_release(ct_process_group handle) { delete group(handle); }

ct_error ct_all_reduce(ct_process_group handle, ct_tensor tensor, ct_reduction reduction, ct_work *result) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        c10d::AllreduceOptions options;
        options.reduceOp = reduceOp(reduction);
        *result = started([&] { return (*group(handle))->allreduce(tensors, options); });
    });
}

ct_error ct_reduce(ct_process_group handle, ct_tensor tensor, int root, ct_work *result) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        c10d::ReduceOptions options;
        options.rootRank = root;
        *result = started([&] { return (*group(handle))->reduce(tensors, options); });
    });
}

ct_error ct_broadcast(ct_process_group handle, ct_tensor tensor, int root, ct_work *result) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        c10d::BroadcastOptions options;
        options.rootRank = root;
        *result = started([&] { return (*group(handle))->broadcast(tensors, options); });
    });
}

ct_error ct_all_gather(ct_process_group handle, ct_tensor output, ct_tensor input, ct_work *result) {
    return guarded([&] {
        at::Tensor all = borrow(output), own = borrow(input);
        *result = started([&] { return (*group(handle))->_allgather_base(all, own); });
    });
}

ct_error ct_reduce_scatter(ct_process_group handle, ct_tensor output, ct_tensor input, ct_work *result) {
    return guarded([&] {
        at::Tensor own = borrow(output), all = borrow(input);
        *result = started([&] { return (*group(handle))->_reduce_scatter_base(own, all); });
    });
}

ct_error ct_send(ct_process_group handle, ct_tensor tensor, int target, int tag, ct_work *result) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        *result = started([&] { return (*group(handle))->send(tensors, target, tag); });
    });
}

ct_error ct_receive(ct_process_group handle, ct_tensor tensor, int source, int tag, ct_work *result) {
    return guarded([&] {
        std::vector<at::Tensor> tensors{borrow(tensor)};
        *result = started([&] { return (*group(handle))->recv(tensors, source, tag); });
    });
}

ct_error ct_barrier(ct_process_group handle, ct_work *result) {
    return guarded([&] { *result = started([&] { return (*group(handle))->barrier(); }); });
}

ct_error ct_work_wait(ct_work handle, int64_t timeout_milliseconds) {
    return guarded([&] {
        if (!(*work(handle))->wait(milliseconds(timeout_milliseconds)))
            throw std::runtime_error("the collective was aborted");
    });
}

ct_error ct_work_on_end(ct_work handle, void *context, void (*ended)(void *), void (*release)(void *)) {
    auto owned = std::make_shared<Context>(context, release);
    return guarded([&] {
        (*work(handle))->getFuture()->addCallback([owned, ended](c10::ivalue::Future &) { ended(owned->pointer); });
    });
}

int ct_work_is_completed(ct_work handle) {
    int completed = 0;
    // A collective that failed has ended, too; waiting for it returns the error.
    ct_error error = guarded([&] { completed = (*work(handle))->isCompleted() ? 1 : 0; });
    if (error == nullptr) return completed;
    ct_free(error);
    return 1;
}

void ct_work_release(ct_work handle) { delete work(handle); }

int ct_processors(uint8_t *bits, size_t bytes) { return sched_getaffinity(0, bytes, reinterpret_cast<cpu_set_t *>(bits)); }
int ct_use_processors(const uint8_t *bits, size_t bytes) {
    return sched_setaffinity(0, bytes, reinterpret_cast<const cpu_set_t *>(bits));
}

void ct_end_with_parent(int signal) { prctl(PR_SET_PDEATHSIG, signal); }
