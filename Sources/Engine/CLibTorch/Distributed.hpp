// Handles of c10d's objects, shared with the CUDA library, which creates its own process groups.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "CLibTorch.h"

namespace bridge {

using StoreReference = c10::intrusive_ptr<c10d::Store>;
using GroupReference = c10::intrusive_ptr<c10d::Backend>;
using WorkReference = c10::intrusive_ptr<c10d::Work>;

inline StoreReference *store(ct_store handle) { return reinterpret_cast<StoreReference *>(handle); }
inline GroupReference *group(ct_process_group handle) { return reinterpret_cast<GroupReference *>(handle); }
inline WorkReference *work(ct_work handle) { return reinterpret_cast<WorkReference *>(handle); }

inline ct_store handOutStore(StoreReference made) {
    return reinterpret_cast<ct_store>(new StoreReference(std::move(made)));
}
inline ct_process_group handOutGroup(GroupReference made) {
    return reinterpret_cast<ct_process_group>(new GroupReference(std::move(made)));
}
inline ct_work handOutWork(WorkReference made) {
    return reinterpret_cast<ct_work>(new WorkReference(std::move(made)));
}

}  // namespace bridge

/// Exported by the CUDA library: creates a group for the tensors of one GPU; errors are messages to be freed with
/// free().
extern "C" char *wav2vec2_process_group_nccl(
    ct_store store, const char *prefix, int device, int rank, int size, int64_t timeout_milliseconds,
    ct_process_group *result) noexcept;
