// Kernels of our own: compiled by NVRTC when they are first wanted, kept as machine code on disk, launched on LibTorch's
// current stream. NVRTC and the driver are looked up where LibTorch has them.
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda.h>
#include <dlfcn.h>
#include <nvrtc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "Exported.hpp"

namespace {

/// The functions of NVRTC and of the driver, by LibTorch's own library that is linked with both.
struct Library {
    void *handle = dlopen("libcaffe2_nvrtc.so", RTLD_NOW);

    template <typename Function>
    Function *find(const char *name) const {
        if (handle == nullptr) throw std::runtime_error("libcaffe2_nvrtc.so cannot be loaded");
        auto *found = reinterpret_cast<Function *>(dlsym(handle, name));
        if (found == nullptr) throw std::runtime_error(std::string(name) + " is missing in NVRTC or the driver");
        return found;
    }
};

const Library &library() {
    static const Library loaded;
    return loaded;
}

#define FOUND(name) library().find<decltype(name)>(#name)

void check(nvrtcResult result, const char *what) {
    if (result == NVRTC_SUCCESS) return;
    throw std::runtime_error(std::string(what) + ": " + FOUND(nvrtcGetErrorString)(result));
}

void check(CUresult result, const char *what) {
    if (result == CUDA_SUCCESS) return;
    const char *text = nullptr;
    FOUND(cuGetErrorString)(result, &text);
    throw std::runtime_error(std::string(what) + ": " + (text != nullptr ? text : "unknown error"));
}

/// The context that LibTorch, by CUDA's run time, has on a device.
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

/// Makes a device the one that this thread's calls of the driver are for; a thread that has called nothing has none.
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

std::vector<char> compile(const char *source, const std::string &architecture) {
    nvrtcProgram program = nullptr;
    check(FOUND(nvrtcCreateProgram)(&program, source, "kernels.cu", 0, nullptr, nullptr), "NVRTC");
    const std::string target = "--gpu-architecture=" + architecture;
    const char *options[] = {target.c_str(), "--std=c++17"};
    const nvrtcResult result = FOUND(nvrtcCompileProgram)(program, 2, options);
    if (result != NVRTC_SUCCESS) {
        size_t size = 0;
        FOUND(nvrtcGetProgramLogSize)(program, &size);
        std::string log(size, '\0');
        FOUND(nvrtcGetProgramLog)(program, log.data());
        FOUND(nvrtcDestroyProgram)(&program);
        throw std::runtime_error("NVRTC: " + log);
    }
    size_t size = 0;
    check(FOUND(nvrtcGetCUBINSize)(program, &size), "NVRTC");
    std::vector<char> binary(size);
    check(FOUND(nvrtcGetCUBIN)(program, binary.data()), "NVRTC");
    FOUND(nvrtcDestroyProgram)(&program);
    return binary;
}

/// What the folder keeps under a name, or what `make` makes, which is kept if it can be.
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
        // Whole or not at all, also where two processes begin together; a cache that cannot be written is no error.
        const std::string partial = path + "." + std::to_string(getpid());
        std::ofstream file(partial, std::ios::binary);
        file.write(made.data(), static_cast<std::streamsize>(made.size()));
        file.close();
        if (!file || std::rename(partial.c_str(), path.c_str()) != 0) std::remove(partial.c_str());
    }
    return made;
}

}  // namespace

EXPORTED char *wav2vec2_cuda_load_kernels(
    int device, const char *source, const char *folder, const char *name, void **result) noexcept {
    return exported([&] {
        const OnDevice guard(device);
        const auto *properties = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(device));
        const std::string architecture =
            "sm_" + std::to_string(properties->major) + std::to_string(properties->minor);
        int major = 0, minor = 0;
        check(FOUND(nvrtcVersion)(&major, &minor), "NVRTC");
        const std::string file = std::string(name) + "-" + architecture + "-nvrtc" + std::to_string(major) + "."
            + std::to_string(minor) + ".cubin";
        const std::vector<char> binary = kept(folder, file, [&] { return compile(source, architecture); });
        CUmodule module = nullptr;
        check(FOUND(cuModuleLoadData)(&module, binary.data()), "the kernels cannot be loaded");
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
        const auto stream = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
        check(
            launch(
                static_cast<CUfunction>(kernel), static_cast<unsigned>(grid[0]), static_cast<unsigned>(grid[1]), 1,
                static_cast<unsigned>(threads), 1, 1, static_cast<unsigned>(shared_bytes), stream.stream(), arguments,
                nullptr),
            "a kernel cannot be launched");
    });
}
