// Helpers of the bridge: conversion between handles and tensors, and from exceptions to messages.
#pragma once

#if !__has_include(<ATen/core/Tensor.h>)
#error "LibTorch's headers are not found: run Scripts/setup of the package wav2vec2, then build again."
#endif

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <atomic>
#include <exception>
#include <string>

#include "CLibTorch.h"
#include "CSubnormals.h"

namespace bridge {

extern std::atomic<int64_t> liveHandles;

/// A copy of the message, to be freed with ct_free.
char *copyMessage(const std::string &message);

inline at::TensorImpl *implementation(ct_tensor handle) { return reinterpret_cast<at::TensorImpl *>(handle); }

/// A second reference to the handle's tensor.
inline at::Tensor borrow(ct_tensor handle) {
    if (handle == nullptr) return at::Tensor();
    return at::Tensor(
        c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(implementation(handle)));
}

/// Passes a reference out as a handle; an undefined tensor becomes NULL.
inline ct_tensor handOut(at::Tensor tensor) {
    if (!tensor.defined()) return nullptr;
    liveHandles.fetch_add(1, std::memory_order_relaxed);
    return reinterpret_cast<ct_tensor>(tensor.unsafeReleaseTensorImpl());
}

c10::Device deviceFrom(int64_t packed);
int64_t packDevice(c10::Device device);

inline at::Generator *generator(ct_generator handle) { return reinterpret_cast<at::Generator *>(handle); }
inline c10::IValue *object(ct_object handle) { return reinterpret_cast<c10::IValue *>(handle); }

/// Owns a Swift context and releases it exactly once, even if the object that should have kept it was never created.
struct Context {
    Context(void *pointer, void (*release)(void *)) : pointer(pointer), release(release) {}
    ~Context() {
        if (release != nullptr) release(pointer);
    }
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;
    void *pointer;
    void (*release)(void *);
};

/// Makes the calling thread, and the workers that LibTorch starts meanwhile and keeps, treat subnormal numbers as zero.
struct FlushedSubnormals {
    FlushedSubnormals() : settings(subnormals_flush()) {}
    ~FlushedSubnormals() { subnormals_restore(settings); }
    FlushedSubnormals(const FlushedSubnormals &) = delete;
    FlushedSubnormals &operator=(const FlushedSubnormals &) = delete;
    const subnormals_settings settings;
};

/// Runs `body` and turns exceptions into a message.
template <typename Body>
ct_error guarded(Body &&body) noexcept {
    const FlushedSubnormals flushed;
    try {
        body();
        return nullptr;
    } catch (const c10::Error &error) {
        return copyMessage(error.what_without_backtrace());
    } catch (const std::exception &error) {
        return copyMessage(error.what());
    } catch (...) {
        return copyMessage("an unknown C++ exception");
    }
}

}  // namespace bridge
