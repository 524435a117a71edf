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

/// The architecture to compile for: sm_90 (machine code) for a GPU of compute capability 9.0. For a GPU that is newer
/// than the compiler, the newest one before it that the compiler knows, compute_90: its code (PTX) is for all later ones
/// too, whose driver makes machine code of it.
std::string architecture(const LoadedLibrary &nvrtc, int capability);

/// The code of all kernels in a source text for an architecture; throws the first error of the compiler. `report`, if
/// given, gets what the assembler says about each kernel's registers and memory.
std::vector<char> compileKernels(
    const LoadedLibrary &nvrtc, const char *source, const std::string &architecture, std::string *report = nullptr);

/// The version of NVRTC, such as 13.0.
std::string compilerVersion(const LoadedLibrary &nvrtc);
