#include "Compiler.hpp"

#include <dlfcn.h>
#include <nvrtc.h>

#include <algorithm>
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

std::string architecture(const LoadedLibrary &nvrtc, int capability) {
    int count = 0;
    check(nvrtc, FOUND(nvrtcGetNumSupportedArchs)(&count));
    std::vector<int> known(static_cast<size_t>(count));
    check(nvrtc, FOUND(nvrtcGetSupportedArchs)(known.data()));
    std::sort(known.begin(), known.end());
    const auto next = std::upper_bound(known.begin(), known.end(), capability);
    if (next == known.begin())
        throw std::runtime_error(
            "NVRTC " + compilerVersion(nvrtc) + " compiles for GPUs from compute capability "
            + std::to_string(known.front()) + " (times ten) on, and this one has " + std::to_string(capability));
    const int found = *(next - 1);
    return (found == capability ? "sm_" : "compute_") + std::to_string(found);
}

std::vector<char> compileKernels(
    const LoadedLibrary &nvrtc, const char *source, const std::string &architecture, std::string *report) {
    nvrtcProgram program = nullptr;
    check(nvrtc, FOUND(nvrtcCreateProgram)(&program, source, "kernels.cu", 0, nullptr, nullptr));
    const std::string target = "--gpu-architecture=" + architecture;
    std::vector<const char *> options = {target.c_str(), "--std=c++17"};
    if (report != nullptr) options.push_back("--ptxas-options=-v");
    const nvrtcResult result = FOUND(nvrtcCompileProgram)(program, static_cast<int>(options.size()), options.data());
    if (result != NVRTC_SUCCESS || report != nullptr) {
        size_t size = 0;
        FOUND(nvrtcGetProgramLogSize)(program, &size);
        std::string log(size, '\0');
        FOUND(nvrtcGetProgramLog)(program, log.data());
        if (report != nullptr) *report = log.c_str();
        if (result != NVRTC_SUCCESS) {
            FOUND(nvrtcDestroyProgram)(&program);
            throw std::runtime_error("NVRTC " + compilerVersion(nvrtc) + ", " + architecture + ": " + firstError(log));
        }
    }
    const bool isMachineCode = architecture.compare(0, 3, "sm_") == 0;
    size_t size = 0;
    check(nvrtc, isMachineCode ? FOUND(nvrtcGetCUBINSize)(program, &size) : FOUND(nvrtcGetPTXSize)(program, &size));
    std::vector<char> code(size);
    check(nvrtc, isMachineCode ? FOUND(nvrtcGetCUBIN)(program, code.data()) : FOUND(nvrtcGetPTX)(program, code.data()));
    FOUND(nvrtcDestroyProgram)(&program);
    return code;
}

std::string compilerVersion(const LoadedLibrary &nvrtc) {
    int major = 0, minor = 0;
    check(nvrtc, FOUND(nvrtcVersion)(&major, &minor));
    return std::to_string(major) + "." + std::to_string(minor);
}
