// Checks each access of a kernel to memory.
#include "Memory.hpp"

#include "../EmulatedKernels/Device.hpp"

#include <sys/mman.h>

#include <algorithm>

__thread Moment moment;

namespace {

enum class Kind { read, write, add };

/// The last accesses to a few bytes. Intervals count from 1, so zeros mean that there were none.
struct Cell {
    uint32_t written, writer;
    uint32_t read, reader;
};
/// In place of a reader: several threads have read in this interval.
constexpr uint32_t many = 0x7FFFFFFF;
/// Beside a reader: threads of an earlier block have read.
constexpr uint32_t elsewhere = 0x80000000;
/// Beside a writer: it added atomically.
constexpr uint32_t added = 0x80000000;

/// Cells for a stretch of memory; the system provides those that are used, filled with zeros.
class Cells {
public:
    explicit Cells(size_t count) : bytes(count * sizeof(Cell)) {
        void *found =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (found != MAP_FAILED) cells = static_cast<Cell *>(found);
    }
    Cells(Cells &&other) noexcept : cells(other.cells), bytes(other.bytes) { other.cells = nullptr; }
    Cells &operator=(Cells &&other) noexcept {
        std::swap(cells, other.cells);
        std::swap(bytes, other.bytes);
        return *this;
    }
    ~Cells() {
        if (cells != nullptr) munmap(cells, bytes);
    }
    Cell *data() const { return cells; }

private:
    Cell *cells = nullptr;
    size_t bytes;
};

/// A stretch of memory that a kernel may access: a tensor, several that overlap, or shared memory.
struct Region {
    const char *begin, *end;
    std::string name;
    bool isWritten;
    /// The bytes of a cell.
    size_t unit;
    /// Whether each block has memory of its own here.
    bool isShared = false;
    /// Empty where nothing is written, so that accesses cannot meet.
    std::vector<Cells> cells = {};

    bool holds(const char *address) const { return address >= begin && address < end; }

    void watch() {
        cells.clear();
        if (isWritten && end > begin) cells.emplace_back(static_cast<size_t>(end - begin) / unit + 1);
    }
};

/// The launch's tensors by address.
std::vector<Region> tensors;
/// The region of the last access: the next one is mostly to the same.
size_t lastTensor = 0;
Region fixedShared, dynamicShared;

std::string text(size_t number) { return std::to_string(number); }

std::string described(Kind kind, size_t bytes) {
    return (kind == Kind::read ? "reads " : kind == Kind::write ? "writes " : "adds to ") + text(bytes) + " bytes";
}

/// Says where an address is that no tensor holds.
std::string place(const char *address) {
    if (address == nullptr) return "at address 0";
    const Region *nearest = nullptr;
    size_t least = SIZE_MAX;
    std::string result = "where no tensor is";
    for (const Region &region : tensors) {
        const bool isAfter = address >= region.end;
        const size_t distance = static_cast<size_t>(isAfter ? address - region.end : region.begin - address);
        if (distance >= least || distance > 1 << 20) continue;
        least = distance;
        nearest = &region;
        result = text(distance) + (isAfter ? " bytes after the end of " : " bytes before ") + nearest->name;
    }
    return result;
}

/// Notes an access to one cell; fails if nothing orders it and an earlier one.
void meet(Cell &cell, Kind kind, const Region &region, size_t offset) {
    const uint32_t me = moment.thread, now = moment.interval;
    if (region.isShared && std::max(cell.written, cell.read) < moment.firstOfBlock) cell = {};
    const auto collide = [&](const char *earlier, uint32_t interval, uint32_t thread) {
        const std::string other = interval < moment.firstOfBlock ? " an earlier block "
            : thread == many                                     ? " other threads "
                                                                 : " thread " + text(thread) + " ";
        fail(
            std::string(kind == Kind::read ? "reads" : kind == Kind::write ? "writes" : "adds to") + " byte "
            + text(offset) + " of " + region.name + ", which" + other + earlier
            + (interval < moment.firstOfBlock ? "" : " since the last barrier"));
    };
    if (cell.written != 0) {
        const bool isOurs = cell.written >= moment.firstOfBlock && (cell.written != now || (cell.writer & ~added) == me);
        const bool bothAdd = kind == Kind::add && (cell.writer & added) != 0;
        if (!isOurs && !bothAdd) collide("wrote", cell.written, cell.writer & ~added);
    }
    if (kind == Kind::read) {
        const uint32_t others = cell.read != 0 && cell.read < moment.firstOfBlock ? elsewhere : cell.reader & elsewhere;
        const uint32_t reader = cell.read == now && (cell.reader & ~elsewhere) != me ? many : me;
        cell.read = now;
        cell.reader = reader | others;
        return;
    }
    if (cell.read != 0) {
        if (cell.read < moment.firstOfBlock || (cell.reader & elsewhere) != 0) collide("read", 0, many);
        if (cell.read == now && cell.reader != me) collide("read", cell.read, cell.reader);
    }
    const bool othersAdded = cell.written == now && (cell.writer & ~added) != me;
    cell.written = now;
    cell.writer = (othersAdded ? many : me) | (kind == Kind::add ? added : 0);
}

void note(Region &region, const char *address, size_t bytes, Kind kind) {
    if (address + bytes > region.end)
        fail(
            described(kind, bytes) + " at byte " + text(static_cast<size_t>(address - region.begin)) + " of "
            + region.name + ", which has " + text(static_cast<size_t>(region.end - region.begin)));
    if (kind != Kind::read && !region.isWritten) fail(described(kind, bytes) + " of " + region.name + ", which is const");
    if (region.cells.empty()) return;
    Cell *cells = region.cells[0].data();
    if (cells == nullptr) fail("cannot be checked: there is no memory for it");
    const size_t start = static_cast<size_t>(address - region.begin);
    for (size_t unit = start / region.unit; unit <= (start + bytes - 1) / region.unit; unit++)
        meet(cells[unit], kind, region, unit * region.unit);
}

void access(const void *pointer, size_t bytes, Kind kind) {
    const char *address = static_cast<const char *>(pointer);
    if (!moment.isInKernel || bytes == 0 || (address >= moment.stack && address < moment.stackEnd)) return;
    if (lastTensor < tensors.size() && tensors[lastTensor].holds(address))
        return note(tensors[lastTensor], address, bytes, kind);
    if (fixedShared.holds(address)) return note(fixedShared, address, bytes, kind);
    if (dynamicShared.holds(address)) return note(dynamicShared, address, bytes, kind);
    for (size_t i = 0; i < tensors.size(); i++) {
        if (!tensors[i].holds(address)) continue;
        lastTensor = i;
        return note(tensors[i], address, bytes, kind);
    }
    const char *own = reinterpret_cast<const char *>(&places);
    if (kind == Kind::read && address >= own && address < own + sizeof places) return;
    fail(described(kind, bytes) + " " + place(address));
}

void checkAlignment(const void *address, size_t alignment, const char *what) {
    if (moment.isInKernel && reinterpret_cast<uintptr_t>(address) % alignment != 0)
        fail(
            std::string(what) + " at an address that is not a multiple of " + text(alignment) + " (it is "
            + text(reinterpret_cast<uintptr_t>(address) % alignment) + " above one)");
}

}  // namespace

void allowMemory(const ke_memory *memory, int count) {
    std::vector<Region> sorted;
    for (int i = 0; i < count; i++) {
        const char *begin = static_cast<const char *>(memory[i].address);
        sorted.push_back(
            {begin, begin + memory[i].bytes, memory[i].name, memory[i].is_written,
             static_cast<size_t>(memory[i].unit)});
    }
    std::sort(sorted.begin(), sorted.end(), [](const Region &a, const Region &b) { return a.begin < b.begin; });
    tensors.clear();
    for (Region &region : sorted) {
        if (tensors.empty() || region.begin >= tensors.back().end) {
            tensors.push_back(std::move(region));
            continue;
        }
        Region &last = tensors.back();
        last.end = std::max(last.end, region.end);
        last.unit = std::min(last.unit, region.unit);
        last.isWritten = last.isWritten || region.isWritten;
        if (last.name != region.name) last.name += " = " + region.name;
    }
    for (Region &region : tensors) region.watch();
    lastTensor = 0;
}

void allowSharedMemory(char *fixed, size_t fixedBytes, char *dynamic, size_t dynamicBytes) {
    fixedShared = {fixed, fixed + fixedBytes, "shared memory", true, 4, true};
    dynamicShared = {dynamic, dynamic + dynamicBytes, "dynamic shared memory", true, 4, true};
    fixedShared.watch();
    dynamicShared.watch();
}

void checkVector(const void *address, size_t alignment) { checkAlignment(address, alignment, "accesses a vector"); }

void checkAtomic(const void *address, size_t bytes) {
    checkAlignment(address, bytes, "adds");
    access(address, bytes, Kind::add);
}

// MARK: What instrumented code calls

#define ACCESSES(BYTES)                                                                                              \
    void __tsan_read##BYTES(void *address) {                                                                         \
        checkAlignment(address, BYTES < 8 ? BYTES : 8, "reads " #BYTES " bytes");                                    \
        access(address, BYTES, Kind::read);                                                                          \
    }                                                                                                                \
    void __tsan_write##BYTES(void *address) {                                                                        \
        checkAlignment(address, BYTES < 8 ? BYTES : 8, "writes " #BYTES " bytes");                                   \
        access(address, BYTES, Kind::write);                                                                         \
    }                                                                                                                \
    void __tsan_unaligned_read##BYTES(void *address) { access(address, BYTES, Kind::read); }                         \
    void __tsan_unaligned_write##BYTES(void *address) { access(address, BYTES, Kind::write); }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void *__tsan_memcpy(void *target, const void *source, size_t bytes) {
    access(source, bytes, Kind::read);
    access(target, bytes, Kind::write);
    return __builtin_memcpy(target, source, bytes);
}
void *__tsan_memmove(void *target, const void *source, size_t bytes) {
    access(source, bytes, Kind::read);
    access(target, bytes, Kind::write);
    return __builtin_memmove(target, source, bytes);
}
void *__tsan_memset(void *target, int value, size_t bytes) {
    access(target, bytes, Kind::write);
    return __builtin_memset(target, value, bytes);
}
}
