// Compiles kernels as the program does on a GPU, and compares what they need of it with a table:
//
//     main LIBRARY (compare TABLE | update TABLE | only) ARCHITECTURE... <SOURCE
//
// Scripts/check-kernels runs it.
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "../../Sources/Engine/CLibTorchCUDA/Compiler.hpp"

namespace {

/// What a kernel needs of a GPU: registers of a thread, bytes that did not fit in them (written and read), and the
/// shared memory of a block besides the dynamic.
struct Resources {
    int registers = 0, spilled = 0, shared = 0;
};

/// By kernel, then by architecture.
using Table = std::map<std::string, std::map<std::string, Resources>>;

/// Reads the assembler's report.
void read(const std::string &report, const std::string &architecture, Table &table) {
    const std::regex entry("Compiling entry function '(\\w+)'");
    const std::regex spills("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
    const std::regex use("Used (\\d+) registers(?:.*?(\\d+) bytes smem)?");
    std::istringstream lines(report);
    std::string kernel;
    std::smatch found;
    for (std::string line; std::getline(lines, line);) {
        if (std::regex_search(line, found, entry)) kernel = found[1];
        Resources &resources = table[kernel][architecture];
        if (std::regex_search(line, found, spills)) resources.spilled = std::stoi(found[1]) + std::stoi(found[2]);
        if (std::regex_search(line, found, use)) {
            resources.registers = std::stoi(found[1]);
            resources.shared = found[2].matched ? std::stoi(found[2]) : 0;
        }
    }
    table.erase("");
}

std::ostream &operator<<(std::ostream &out, const Table &table) {
    out << std::left << std::setw(42) << "# kernel" << "architecture  registers  spilled  shared\n";
    for (const auto &[kernel, architectures] : table)
        for (const auto &[architecture, needs] : architectures)
            out << std::left << std::setw(42) << kernel << std::setw(14) << architecture << std::setw(11)
                << needs.registers << std::setw(9) << needs.spilled << needs.shared << "\n";
    return out;
}

Table stored(const std::string &path) {
    Table table;
    std::ifstream file(path);
    if (!file) throw std::runtime_error(path + " cannot be read");
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        std::string kernel, architecture;
        Resources needs;
        if (!(words >> kernel >> architecture >> needs.registers >> needs.spilled >> needs.shared))
            throw std::runtime_error(path + " has a line that cannot be read: " + line);
        table[kernel][architecture] = needs;
    }
    return table;
}

/// Prints where the kernels need more than the table says, or the table and they do not match; returns whether so.
bool exceeds(const Table &found, const Table &allowed) {
    bool any = false;
    const auto say = [&](const std::string &kernel, const std::string &architecture, const std::string &what) {
        std::cerr << kernel << " for " << architecture << " " << what << "\n";
        any = true;
    };
    for (const auto &[kernel, architectures] : found) {
        for (const auto &[architecture, needs] : architectures) {
            const auto row = allowed.find(kernel);
            if (row == allowed.end() || row->second.count(architecture) == 0) {
                say(kernel, architecture, "is not in the table");
                continue;
            }
            const Resources &most = row->second.at(architecture);
            const auto compare = [&](const char *what, int now, int before) {
                if (now > before)
                    say(kernel, architecture,
                        "needs " + std::to_string(now) + " " + what + "; the table allows " + std::to_string(before));
            };
            compare("registers", needs.registers, most.registers);
            compare("bytes for what does not fit in registers", needs.spilled, most.spilled);
            compare("bytes of shared memory", needs.shared, most.shared);
        }
    }
    for (const auto &[kernel, architectures] : allowed)
        for (const auto &[architecture, needs] : architectures)
            if (found.count(kernel) == 0) say(kernel, architecture, "is in the table and no longer exists");
    return any;
}

}  // namespace

int main(int count, char **arguments) {
    const std::string source((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
    const LoadedLibrary nvrtc(arguments[1]);
    const std::string purpose = arguments[2];
    const std::string path = purpose == "only" ? "" : arguments[3];
    try {
        Table table;
        for (int i = purpose == "only" ? 3 : 4; i < count; i++) {
            std::string report;
            const size_t bytes = compileKernels(nvrtc, source.c_str(), arguments[i], &report).size();
            std::cout << "NVRTC " << compilerVersion(nvrtc) << ", " << arguments[i] << ": " << bytes << " bytes\n";
            read(report, arguments[i], table);
        }
        // What a GPU gets that this compiler does not know.
        const std::string newest = architecture(nvrtc, 9999);
        if (newest.compare(0, 8, "compute_") != 0) throw std::runtime_error(newest + " is not for later GPUs");
        const size_t bytes = compileKernels(nvrtc, source.c_str(), newest).size();
        std::cout << "NVRTC " << compilerVersion(nvrtc) << ", later GPUs by " << newest << ": " << bytes << " bytes\n";
        if (purpose == "update") std::ofstream(path) << table;
        if (purpose == "compare") {
            std::cout << table;
            if (exceeds(table, stored(path))) return 2;
        }
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return 1;
    }
}
