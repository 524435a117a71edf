// c10d's own gradient reducer, the baseline of benchmarks for ours.
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/logger.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>

#include <algorithm>

#include "Bridge.hpp"
#include "Distributed.hpp"

using namespace bridge;

namespace {

// The reducer keeps only a weak reference to its logger and uses it without a check: the two must live equally long. The
// logger is destroyed first.
struct LoggedReducer {
    std::shared_ptr<c10d::Reducer> reducer;
    std::shared_ptr<c10d::Logger> logger;
};

LoggedReducer *reducer(ct_reducer handle) { return reinterpret_cast<LoggedReducer *>(handle); }

}  // namespace

ct_error ct_reducer_make(
    ct_process_group handle, const ct_tensor *parameters, size_t count, int64_t bucket_bytes, ct_reducer *result) {
    return guarded([&] {
        std::vector<at::Tensor> leaves;
        for (size_t i = 0; i < count; i++) leaves.push_back(borrow(parameters[i]));
        auto backend = *group(handle);
        auto processes = c10::make_intrusive<c10d::ProcessGroup>(backend->getRank(), backend->getSize());
        auto type = c10d::ProcessGroup::strToBackendType(backend->getBackendName());
        processes->setDefaultBackend(type);
        processes->setBackend(leaves.at(0).device().type(), type, backend);
        // The settings that DistributedDataParallel uses where layers may be dropped.
        const auto first = static_cast<size_t>(c10d::kDefaultFirstBucketBytes);
        auto [buckets, limits] =
            c10d::compute_bucket_assignment_by_size(leaves, {first, static_cast<size_t>(bucket_bytes)});
        std::reverse(buckets.begin(), buckets.end());
        std::reverse(limits.begin(), limits.end());
        auto made = std::make_unique<LoggedReducer>();
        made->reducer = std::make_shared<c10d::Reducer>(
            leaves, buckets, processes, std::vector<bool>(count, false), bucket_bytes,
            /*find_unused_parameters=*/true, /*gradient_as_bucket_view=*/false,
            std::unordered_map<size_t, std::string>(), c10d::kDefaultFirstBucketBytes,
            /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false,
            std::vector<int64_t>(limits.begin(), limits.end()));
        made->logger = std::make_shared<c10d::Logger>(made->reducer);
        made->reducer->set_logger(made->logger);
        *result = reinterpret_cast<ct_reducer>(made.release());
    });
}

ct_error ct_reducer_prepare(ct_reducer handle, ct_tensor output) {
    return guarded([&] { reducer(handle)->reducer->prepare_for_backward({borrow(output)}); });
}

void ct_reducer_release(ct_reducer handle) { delete reducer(handle); }
