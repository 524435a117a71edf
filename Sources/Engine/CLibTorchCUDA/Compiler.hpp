// Compiles kernel source to machine code with NVRTC. Nothing here needs LibTorch, a GPU or a driver:
// Scripts/check-kernels compiles the kernels with it on any machine.
#pragma once

#include <string>
#include <vector>

/// A library that is looked up at run time, and its functions.
class LoadedLibrary {
public:
    /// A library that cannot be loaded is reported when its first function is needed.
    explicit LoadedLibrary(const char *name);

    template <typename Function>
    Function *find(const char *name) const {
        return reinterpret_cast<Function *>(address(name));
    }

private:
    void *address(const char *name) const;

    void *handle;
    std::string failure;
};

/// Machine code of all kernels in a source text for an architecture such as sm_90; throws the first error of the
/// compiler.
std::vector<char> compileKernels(const LoadedLibrary &nvrtc, const char *source, const std::string &architecture);

/// The version of NVRTC, such as 13.0.
std::string compilerVersion(const LoadedLibrary &nvrtc);
