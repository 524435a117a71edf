// Random generators: creating, seeding, saving.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <mutex>

#include "Bridge.hpp"

using namespace bridge;

ct_error ct_generator_create(int64_t device, uint64_t seed, ct_generator *result) {
    return guarded([&] {
        auto where = deviceFrom(device);
        auto made = where.is_cpu()
            ? at::detail::createCPUGenerator(seed)
            : at::globalContext().getAcceleratorHooksInterface(where.type()).getNewGenerator(where.index());
        if (!where.is_cpu()) made.set_current_seed(seed);
        *result = reinterpret_cast<ct_generator>(new at::Generator(std::move(made)));
    });
}

ct_error ct_generator_default(int64_t device, ct_generator *result) {
    return guarded([&] {
        *result = reinterpret_cast<ct_generator>(
            new at::Generator(at::globalContext().defaultGenerator(deviceFrom(device))));
    });
}

void ct_generator_release(ct_generator handle) { delete generator(handle); }

ct_error ct_generator_seed(ct_generator handle, uint64_t seed) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator(handle)->mutex());
        generator(handle)->set_current_seed(seed);
    });
}

ct_error ct_generator_state(ct_generator handle, ct_tensor *result) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator(handle)->mutex());
        *result = handOut(generator(handle)->get_state());
    });
}

ct_error ct_generator_set_state(ct_generator handle, ct_tensor state) {
    return guarded([&] {
        std::lock_guard<std::mutex> lock(generator(handle)->mutex());
        generator(handle)->set_state(borrow(state));
    });
}
