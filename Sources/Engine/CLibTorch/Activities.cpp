// What a device does, by LibTorch's Kineto, which reads GPUs by CUPTI.
#include <torch/csrc/autograd/profiler_kineto.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "Bridge.hpp"

using namespace bridge;
namespace kineto = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

namespace {

std::set<ActivityType> activities(c10::Device device) {
    return {device.is_cpu() ? ActivityType::CPU : ActivityType::CUDA};
}

struct Sum {
    int64_t count = 0;
    uint64_t nanoseconds = 0;
};

}  // namespace

ct_error ct_activities_begin(int64_t device) {
    return guarded([&] {
        const auto kinds = activities(deviceFrom(device));
        const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
        kineto::prepareProfiler(config, kinds);
        kineto::enableProfiler(config, kinds);
    });
}

ct_error ct_activities_end(int64_t device, ct_activity **result, size_t *count) {
    return guarded([&] {
        const c10::Device place = deviceFrom(device);
        const auto recorded = kineto::disableProfiler();
        std::map<std::string, Sum> sums;
        for (const auto &event : recorded->events()) {
            // A GPU's recording also has the calls of CUDA's library, which run on the host.
            if (event.deviceType() != place.type() || (place.has_index() && event.deviceIndex() != place.index()))
                continue;
            auto &sum = sums[event.name()];
            sum.count += 1;
            sum.nanoseconds += event.durationNs();
        }
        auto *rows = static_cast<ct_activity *>(std::calloc(std::max<size_t>(1, sums.size()), sizeof(ct_activity)));
        if (rows == nullptr) throw std::bad_alloc();
        *result = rows;
        *count = sums.size();
        for (const auto &[name, sum] : sums) {
            rows->name = copyMessage(name);
            rows->count = sum.count;
            rows->seconds = static_cast<double>(sum.nanoseconds) * 1e-9;
            rows++;
        }
    });
}

void ct_activities_free(ct_activity *rows, size_t count) {
    for (size_t i = 0; i < count; i++) std::free(rows[i].name);
    std::free(rows);
}
