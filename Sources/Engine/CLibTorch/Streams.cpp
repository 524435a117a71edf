// Streams of a device's work, and events that order them. LibTorch's guards serve every device that has streams, so that
// nothing here needs CUDA's headers.
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <memory>

#include "Bridge.hpp"

using namespace bridge;

namespace {

ct_stream packed(c10::Stream stream) { return {stream.id(), packDevice(stream.device())}; }

c10::Stream unpacked(ct_stream stream) {
    return c10::Stream(c10::Stream::UNSAFE, deviceFrom(stream.device), stream.id);
}

/// Asks a device's guard for one of its streams.
template <typename Find>
ct_error findStream(int64_t device, ct_stream *result, Find &&find) {
    return guarded([&] {
        const c10::Device place = deviceFrom(device);
        *result = packed(find(c10::impl::VirtualGuardImpl(place.type()), place));
    });
}

}  // namespace

ct_error ct_stream_take(int64_t device, ct_stream *result) {
    return findStream(
        device, result, [](const auto &guard, c10::Device place) { return guard.getStreamFromGlobalPool(place); });
}

ct_error ct_stream_default(int64_t device, ct_stream *result) {
    return findStream(
        device, result, [](const auto &guard, c10::Device place) { return guard.getDefaultStream(place); });
}

ct_error ct_stream_current(int64_t device, ct_stream *result) {
    return findStream(device, result, [](const auto &guard, c10::Device place) { return guard.getStream(place); });
}

ct_error ct_stream_make_current(ct_stream stream, ct_stream *before) {
    return guarded([&] {
        const c10::Stream wanted = unpacked(stream);
        *before = packed(c10::impl::VirtualGuardImpl(wanted.device_type()).exchangeStream(wanted));
    });
}

ct_error ct_event_record(ct_stream stream, ct_event *result) {
    return guarded([&] {
        const c10::Stream place = unpacked(stream);
        auto event = std::make_unique<c10::Event>(place.device_type());
        event->record(place);
        *result = reinterpret_cast<ct_event>(event.release());
    });
}

ct_error ct_event_block(ct_event handle) {
    return guarded([&] {
        auto *event = reinterpret_cast<c10::Event *>(handle);
        event->block(c10::impl::VirtualGuardImpl(event->device_type()).getStream(event->device()));
    });
}

ct_error ct_event_wait(ct_event handle) {
    return guarded([&] { reinterpret_cast<c10::Event *>(handle)->synchronize(); });
}

void ct_event_release(ct_event handle) {
    ct_free(guarded([&] { delete reinterpret_cast<c10::Event *>(handle); }));
}

ct_error ct_tensor_use_on_current_stream(ct_tensor handle) {
    return guarded([&] {
        const at::Tensor tensor = borrow(handle);
        const c10::impl::VirtualGuardImpl guard(tensor.device().type());
        guard.recordDataPtrOnStream(tensor.storage().data_ptr(), guard.getStream(tensor.device()));
    });
}
