// Compiles kernels as the program does on a GPU: main LIBRARY ARCHITECTURE... <SOURCE. Scripts/check-kernels runs it.
#include <exception>
#include <iostream>
#include <iterator>
#include <string>

#include "../../Sources/Engine/CLibTorchCUDA/Compiler.hpp"

int main(int count, char **arguments) {
    const std::string source((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    const LoadedLibrary nvrtc(arguments[1]);
    try {
        for (int i = 2; i < count; i++) {
            const size_t bytes = compileKernels(nvrtc, source.c_str(), arguments[i]).size();
            std::cout << "NVRTC " << compilerVersion(nvrtc) << ", " << arguments[i] << ": " << bytes << " bytes\n";
        }
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
