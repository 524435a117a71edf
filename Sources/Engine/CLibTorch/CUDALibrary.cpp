// Kernels and recorded work on GPUs, through libCLibTorchCUDA.so.
#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "Bridge.hpp"
#include "CUDALibrary.hpp"

namespace bridge {

void *cudaFunction(const char *name) {
    // Loaded once; later calls return the same library.
    void *library = dlopen("libCLibTorchCUDA.so", RTLD_NOW);
    if (library == nullptr) throw std::runtime_error(dlerror());
    void *found = dlsym(library, name);
    if (found == nullptr) throw std::runtime_error(dlerror());
    return found;
}

void throwMessage(char *message) {
    if (message == nullptr) return;
    const std::string copy(message);
    std::free(message);
    throw std::runtime_error(copy);
}

}  // namespace bridge

using namespace bridge;

ct_error ct_cuda_capability(int device, int *result) {
    return guarded([&] {
        throwMessage(cudaFunction<decltype(wav2vec2_cuda_capability)>("wav2vec2_cuda_capability")(device, result));
    });
}

ct_error ct_cuda_load_kernels(int device, const char *source, const char *folder, const char *name, ct_kernels *result) {
    return guarded([&] {
        void *module = nullptr;
        auto *load = cudaFunction<decltype(wav2vec2_cuda_load_kernels)>("wav2vec2_cuda_load_kernels");
        throwMessage(load(device, source, folder, name, &module));
        *result = reinterpret_cast<ct_kernels>(module);
    });
}

ct_error ct_cuda_find_kernel(ct_kernels kernels, const char *name, ct_kernel *result) {
    return guarded([&] {
        void *function = nullptr;
        auto *find = cudaFunction<decltype(wav2vec2_cuda_find_kernel)>("wav2vec2_cuda_find_kernel");
        throwMessage(find(kernels, name, &function));
        *result = reinterpret_cast<ct_kernel>(function);
    });
}

ct_error ct_cuda_launch(
    int device, ct_kernel kernel, int64_t grid_x, int64_t grid_y, int threads, int shared_bytes, void **arguments) {
    return guarded([&] {
        static auto *const launch = cudaFunction<decltype(wav2vec2_cuda_launch)>("wav2vec2_cuda_launch");
        const int64_t grid[] = {grid_x, grid_y};
        throwMessage(launch(device, kernel, grid, threads, shared_bytes, arguments));
    });
}

ct_error ct_cuda_graph_prepare(int device, bool is_large, ct_graph other, ct_graph *result) {
    return guarded([&] {
        void *graph = nullptr;
        auto *prepare = cudaFunction<decltype(wav2vec2_cuda_graph_prepare)>("wav2vec2_cuda_graph_prepare");
        throwMessage(prepare(device, is_large, other, &graph));
        *result = reinterpret_cast<ct_graph>(graph);
    });
}

ct_error ct_cuda_graph_begin_rehearsal(ct_graph graph) {
    using Begin = decltype(wav2vec2_cuda_graph_begin_rehearsal);
    return guarded([&] { throwMessage(cudaFunction<Begin>("wav2vec2_cuda_graph_begin_rehearsal")(graph)); });
}

ct_error ct_cuda_graph_end_rehearsal(ct_graph graph) {
    using End = decltype(wav2vec2_cuda_graph_end_rehearsal);
    return guarded([&] { throwMessage(cudaFunction<End>("wav2vec2_cuda_graph_end_rehearsal")(graph)); });
}

ct_error ct_cuda_graph_begin(ct_graph graph) {
    return guarded([&] {
        throwMessage(cudaFunction<decltype(wav2vec2_cuda_graph_begin)>("wav2vec2_cuda_graph_begin")(graph));
    });
}

ct_error ct_cuda_graph_end(ct_graph graph) {
    return guarded([&] {
        throwMessage(cudaFunction<decltype(wav2vec2_cuda_graph_end)>("wav2vec2_cuda_graph_end")(graph));
    });
}

ct_error ct_cuda_graph_replay(ct_graph graph) {
    return guarded([&] {
        static auto *const replay = cudaFunction<decltype(wav2vec2_cuda_graph_replay)>("wav2vec2_cuda_graph_replay");
        throwMessage(replay(graph));
    });
}

void ct_cuda_graph_release(ct_graph graph) {
    ct_free(guarded([&] { cudaFunction<decltype(wav2vec2_cuda_graph_release)>("wav2vec2_cuda_graph_release")(graph); }));
}
