// Observation of LibTorch: operators and backward functions, as they begin and end.
#include <ATen/SequenceNumber.h>
#include <ATen/record_function.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <atomic>
#include <mutex>

#include "Bridge.hpp"

using namespace bridge;

namespace {

std::atomic<ct_observer> observer{nullptr};
std::mutex registration;
at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;

void tell(const at::RecordFunction &function, ct_observed backward, ct_observed other) {
    ct_observer told = observer.load(std::memory_order_acquire);
    if (told == nullptr) return;
    const bool isBackward = function.scope() == at::RecordScope::BACKWARD_FUNCTION;
    told(isBackward ? backward : other, function.name(), function.forwardThreadId(), function.seqNr());
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction &function) {
    tell(function, CT_BACKWARD_BEGINS, CT_OPERATOR_BEGINS);
    return nullptr;
}

void end(const at::RecordFunction &function, at::ObserverContext *) {
    tell(function, CT_BACKWARD_ENDS, CT_OPERATOR_ENDS);
}

}  // namespace

ct_error ct_observe(ct_observer told) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(registration);
        observer.store(told, std::memory_order_release);
        if (told == nullptr && handle != at::INVALID_CALLBACK_HANDLE) {
            at::removeCallback(handle);
            handle = at::INVALID_CALLBACK_HANDLE;
        } else if (told != nullptr && handle == at::INVALID_CALLBACK_HANDLE) {
            handle = at::addGlobalCallback(at::RecordFunctionCallback(begin, end).scopes(
                {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
        }
    });
}

void ct_graph_position(uint64_t *thread, int64_t *sequence) {
    *thread = at::RecordFunction::currentThreadId();
    *sequence = static_cast<int64_t>(at::sequence_number::peek());
}

ct_error ct_device_synchronize(int64_t device) {
    return guarded([&] {
        const c10::Device place = deviceFrom(device);
        if (place.type() != c10::kCPU)
            c10::impl::getDeviceGuardImpl(place.type())->synchronizeDevice(place.index());
    });
}
