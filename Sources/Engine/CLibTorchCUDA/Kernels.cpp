// Our own kernels: compiled on first use, cached on disk, launched on LibTorch's current stream. NVRTC
// and the driver are found where LibTorch has them.
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "Compiler.hpp"
#include "Exported.hpp"

namespace {

/// NVRTC and the driver, through LibTorch's own library that is linked with both.
const LoadedLibrary &library() {
    static const LoadedLibrary loaded("libcaffe2_nvrtc.so");
    return loaded;
}

#define FOUND(name) library().find<decltype(name)>(#name)

void check(CUresult result, const char *what) {
    if (result == CUDA_SUCCESS) return;
    const char *text = nullptr;
    FOUND(cuGetErrorString)(result, &text);
    throw std::runtime_error(std::string(what) + ": " + (text != nullptr ? text : "unknown error"));
}

/// The context that LibTorch uses on a device, through CUDA's runtime.
CUcontext primaryContext(int device) {
    static std::mutex mutex;
    static std::map<int, CUcontext> known;
    const std::lock_guard<std::mutex> lock(mutex);
    CUcontext &context = known[device];
    if (context == nullptr) {
        CUdevice found = 0;
        check(FOUND(cuInit)(0), "the driver cannot start");
        check(FOUND(cuDeviceGet)(&found, device), "the driver");
        check(FOUND(cuDevicePrimaryCtxRetain)(&context, found), "the driver");
    }
    return context;
}

/// Makes a device current for this thread's driver calls; a thread without earlier calls has none.
class OnDevice {
public:
    explicit OnDevice(int device) {
        static auto *const current = FOUND(cuCtxGetCurrent);
        static auto *const push = library().find<decltype(cuCtxPushCurrent)>("cuCtxPushCurrent_v2");
        CUcontext before = nullptr, wanted = primaryContext(device);
        check(current(&before), "the driver");
        isPushed = before != wanted;
        if (isPushed) check(push(wanted), "the driver");
    }
    ~OnDevice() {
        CUcontext popped = nullptr;
        if (isPushed) library().find<decltype(cuCtxPopCurrent)>("cuCtxPopCurrent_v2")(&popped);
    }
    OnDevice(const OnDevice &) = delete;
    OnDevice &operator=(const OnDevice &) = delete;

private:
    bool isPushed;
};

/// Returns the folder's content under a name, or else the result of `make`, which is then stored if possible.
template <typename Make>
std::vector<char> kept(const std::string &folder, const std::string &name, Make make) {
    const std::string path = folder + "/" + name;
    if (!folder.empty()) {
        std::ifstream file(path, std::ios::binary);
        std::vector<char> found((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        if (!found.empty()) return found;
    }
    std::vector<char> made = make();
    if (!folder.empty()) {
        // Atomically, even if two processes start together; a cache that cannot be written is not an error.
        const std::string partial = path + "." + std::to_string(getpid());
        std::ofstream file(partial, std::ios::binary);
        file.write(made.data(), static_cast<std::streamsize>(made.size()));
        file.close();
        if (!file || std::rename(partial.c_str(), path.c_str()) != 0) std::remove(partial.c_str());
    }
    return made;
}

/// The compute capability of a GPU, ten times its major plus its minor number.
int capability(int device) {
    const auto *properties = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(device));
    return properties->major * 10 + properties->minor;
}

}  // namespace

EXPORTED char *wav2vec2_cuda_capability(int device, int *result) noexcept {
    return exported([&] { *result = capability(device); });
}

EXPORTED char *wav2vec2_cuda_load_kernels(
    int device, const char *source, const char *folder, const char *name, void **result) noexcept {
    return exported([&] {
        const OnDevice guard(device);
        const std::string target = architecture(library(), capability(device));
        const std::string file = std::string(name) + "-" + target + "-nvrtc" + compilerVersion(library()) + ".bin";
        const std::vector<char> code = kept(folder, file, [&] { return compileKernels(library(), source, target); });
        CUmodule module = nullptr;
        check(FOUND(cuModuleLoadData)(&module, code.data()), "the kernels cannot be loaded");
        *result = module;
    });
}

EXPORTED char *wav2vec2_cuda_find_kernel(void *module, const char *name, void **result) noexcept {
    return exported([&] {
        CUfunction function = nullptr;
        check(FOUND(cuModuleGetFunction)(&function, static_cast<CUmodule>(module), name), name);
        *result = function;
    });
}

EXPORTED char *wav2vec2_cuda_launch(
    int device, void *kernel, const int64_t *grid, int threads, int shared_bytes, void **arguments) noexcept {
    return exported([&] {
        static auto *const launch = FOUND(cuLaunchKernel);
        const OnDevice guard(device);
        // A kernel must ask for more, and not every GPU grants it.
        if (shared_bytes > 48 << 10)
            check(
                FOUND(cuFuncSetAttribute)(
                    static_cast<CUfunction>(kernel), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, shared_bytes),
                "the GPU has too little shared memory for a kernel");
        const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
        check(
            launch(
                static_cast<CUfunction>(kernel), static_cast<unsigned>(grid[0]), static_cast<unsigned>(grid[1]), 1,
                static_cast<unsigned>(threads), 1, 1, static_cast<unsigned>(shared_bytes), stream.stream(), arguments,
                nullptr),
            "a kernel cannot be launched");
    });
}
