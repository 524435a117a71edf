// Handles, metadata and host memory.
#include <ATen/ops/from_blob.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "Bridge.hpp"

namespace bridge {

std::atomic<int64_t> liveHandles{0};

char *copyMessage(const std::string &message) {
    auto *copy = static_cast<char *>(std::malloc(message.size() + 1));
    if (copy != nullptr) std::memcpy(copy, message.c_str(), message.size() + 1);
    return copy;
}

c10::Device deviceFrom(int64_t packed) {
    return c10::Device(
        static_cast<c10::DeviceType>(packed & 0xFFFFFFFF), static_cast<c10::DeviceIndex>(packed >> 32));
}

int64_t packDevice(c10::Device device) {
    return static_cast<int64_t>(device.type()) | static_cast<int64_t>(device.index()) << 32;
}

}  // namespace bridge

using namespace bridge;

void ct_free(void *memory) { std::free(memory); }

void ct_tensor_release(ct_tensor tensor) {
    if (tensor == nullptr) return;
    liveHandles.fetch_sub(1, std::memory_order_relaxed);
    c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim(implementation(tensor));
}

ct_tensor ct_tensor_retain(ct_tensor tensor) { return handOut(borrow(tensor)); }
int64_t ct_live_handles(void) { return liveHandles.load(std::memory_order_relaxed); }
int64_t ct_tensor_dimensions(ct_tensor tensor) { return implementation(tensor)->dim(); }
int64_t ct_tensor_size(ct_tensor tensor, int64_t dimension) { return implementation(tensor)->sizes()[dimension]; }
int64_t ct_tensor_stride(ct_tensor tensor, int64_t dimension) { return implementation(tensor)->strides()[dimension]; }
int64_t ct_tensor_element_count(ct_tensor tensor) { return implementation(tensor)->numel(); }
int32_t ct_tensor_dtype(ct_tensor tensor) {
    return static_cast<int32_t>(c10::typeMetaToScalarType(implementation(tensor)->dtype()));
}
int64_t ct_tensor_device(ct_tensor tensor) { return packDevice(implementation(tensor)->device()); }
bool ct_tensor_is_contiguous(ct_tensor tensor) { return implementation(tensor)->is_contiguous(); }

ct_error ct_tensor_data(ct_tensor tensor, void **result) {
    return guarded([&] { *result = borrow(tensor).mutable_data_ptr(); });
}

ct_error ct_tensor_from_memory(
    void *data, const int64_t *sizes, size_t dimensions, int32_t dtype, void *context, void (*release)(void *),
    ct_tensor *result) {
    auto owned = std::make_shared<Context>(context, release);
    return guarded([&] {
        *result = handOut(at::from_blob(
            data, at::IntArrayRef(sizes, dimensions), [owned](void *) mutable { owned.reset(); },
            at::TensorOptions().dtype(static_cast<at::ScalarType>(dtype))));
    });
}
