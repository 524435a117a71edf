// The CUDA library that is loaded at run time: libCLibTorchCUDA.so.
#pragma once

#include <cstdint>

namespace bridge {

/// A function of libCLibTorchCUDA.so; throws where the library or the function is missing.
void *cudaFunction(const char *name);

template <typename Function>
Function *cudaFunction(const char *name) {
    return reinterpret_cast<Function *>(cudaFunction(name));
}

/// Throws the error message of a library function, if there is one, and frees it.
void throwMessage(char *message);

}  // namespace bridge

// The library's exports: errors are messages to be freed with free().
extern "C" {
char *wav2vec2_cuda_capability(int device, int *result) noexcept;
char *wav2vec2_cuda_load_kernels(
    int device, const char *source, const char *folder, const char *name, void **result) noexcept;
char *wav2vec2_cuda_find_kernel(void *module, const char *name, void **result) noexcept;
char *wav2vec2_cuda_launch(
    int device, void *kernel, const int64_t *grid, int threads, int shared_bytes, void **arguments) noexcept;
char *wav2vec2_cuda_graph_prepare(int device, bool is_large, void *other, void **result) noexcept;
char *wav2vec2_cuda_graph_begin_rehearsal(void *handle) noexcept;
char *wav2vec2_cuda_graph_end_rehearsal(void *handle) noexcept;
char *wav2vec2_cuda_graph_begin(void *handle) noexcept;
char *wav2vec2_cuda_graph_end(void *handle) noexcept;
char *wav2vec2_cuda_graph_replay(void *handle) noexcept;
void wav2vec2_cuda_graph_release(void *handle) noexcept;
}
