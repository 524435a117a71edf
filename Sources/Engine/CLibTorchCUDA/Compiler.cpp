#include "Compiler.hpp"

#include <dlfcn.h>
#include <nvrtc.h>

#include <stdexcept>

LoadedLibrary::LoadedLibrary(const char *name) : handle(dlopen(name, RTLD_NOW)) {
    if (handle == nullptr) failure = dlerror();
}

void *LoadedLibrary::address(const char *name) const {
    if (handle == nullptr) throw std::runtime_error(failure);
    void *found = dlsym(handle, name);
    if (found == nullptr) throw std::runtime_error(std::string(name) + " is missing in NVRTC or the driver");
    return found;
}

namespace {

#define FOUND(name) nvrtc.find<decltype(name)>(#name)

void check(const LoadedLibrary &nvrtc, nvrtcResult result) {
    if (result != NVRTC_SUCCESS) throw std::runtime_error(std::string("NVRTC: ") + FOUND(nvrtcGetErrorString)(result));
}

/// The first error of the compiler's log, or the log's beginning.
std::string firstError(const std::string &log) {
    const size_t error = log.find("error");
    const size_t begin = error == std::string::npos ? 0 : log.rfind('\n', error) + 1;
    return log.substr(begin, log.find('\n', begin) - begin);
}

}  // namespace

std::vector<char> compileKernels(const LoadedLibrary &nvrtc, const char *source, const std::string &architecture) {
    nvrtcProgram program = nullptr;
    check(nvrtc, FOUND(nvrtcCreateProgram)(&program, source, "kernels.cu", 0, nullptr, nullptr));
    const std::string target = "--gpu-architecture=" + architecture;
    const char *options[] = {target.c_str(), "--std=c++17"};
    const nvrtcResult result = FOUND(nvrtcCompileProgram)(program, 2, options);
    if (result != NVRTC_SUCCESS) {
        size_t size = 0;
        FOUND(nvrtcGetProgramLogSize)(program, &size);
        std::string log(size, '\0');
        FOUND(nvrtcGetProgramLog)(program, log.data());
        FOUND(nvrtcDestroyProgram)(&program);
        throw std::runtime_error("NVRTC " + compilerVersion(nvrtc) + ", " + architecture + ": " + firstError(log));
    }
    size_t size = 0;
    check(nvrtc, FOUND(nvrtcGetCUBINSize)(program, &size));
    std::vector<char> binary(size);
    check(nvrtc, FOUND(nvrtcGetCUBIN)(program, binary.data()));
    FOUND(nvrtcDestroyProgram)(&program);
    return binary;
}

std::string compilerVersion(const LoadedLibrary &nvrtc) {
    int major = 0, minor = 0;
    check(nvrtc, FOUND(nvrtcVersion)(&major, &minor));
    return std::to_string(major) + "." + std::to_string(minor);
}
