// An allocator for large tensors in host memory: freed blocks are kept for reuse, apart from small allocations.
//
// The C library returns large blocks to the system at once and gets them back page by page, cleared. Configured to keep
// them, it puts them into one heap with all small allocations; those that live longer than their neighbors, or wait in
// a thread's cache, sit between freed blocks, so that a tensor takes fresh memory while a third of the heap is free.
// Here blocks have an address range of their own: free neighbors are merged, and a tensor takes the smallest block that
// fits.
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "Bridge.hpp"

namespace {

class LargeBlocks {
public:
    /// Smaller blocks are left to the C library.
    static constexpr size_t least = 128 << 10;

    LargeBlocks() {
        // Address space is free: twice the machine's memory leaves room for gaps. A limit on it may allow less.
        const size_t memory = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
        for (size_t size = 2 * memory; size >= growth && base == nullptr; size /= 4) {
            void *start = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (start == MAP_FAILED) continue;
            base = end = static_cast<char *>(start);
            limit = base + size;
#ifdef MADV_HUGEPAGE
            madvise(start, size, MADV_HUGEPAGE);
#endif
        }
    }

    bool owns(const void *block) const { return block >= base && block < limit; }

    /// Returns a block of at least `size` bytes, aligned to 64; null when memory is exhausted.
    void *allocate(size_t size) {
        // 64 bytes more than needed: otherwise equal arrays would all begin at the same offset of a page, where they
        // evict one another from the cache.
        size = rounded(size, alignment) + alignment;
        const std::lock_guard lock(mutex);
        auto found = bySize.lower_bound({size, nullptr});
        if (found == bySize.end()) {
            if (!grow(size)) return nullptr;
            found = bySize.lower_bound({size, nullptr});
        }
        const auto [length, block] = *found;
        remove(block, length);
        if (length > size) insert(block + size, length - size);
        used[block] = size;
        return block;
    }

    void free(void *pointer) {
        const std::lock_guard lock(mutex);
        char *block = static_cast<char *>(pointer);
        const auto entry = used.find(block);
        if (entry == used.end()) return;
        size_t size = entry->second;
        used.erase(entry);
        auto next = byAddress.lower_bound(block);
        if (next != byAddress.begin()) {
            const auto previous = std::prev(next);
            if (previous->first + previous->second == block) {
                block = previous->first;
                size += previous->second;
                remove(previous->first, previous->second);
            }
        }
        next = byAddress.lower_bound(block);
        if (next != byAddress.end() && block + size == next->first) {
            size += next->second;
            remove(next->first, next->second);
        }
        insert(block, size);
    }

private:
    static constexpr size_t alignment = 64, growth = 16 << 20;

    static size_t rounded(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

    void insert(char *block, size_t size) {
        byAddress[block] = size;
        bySize.insert({size, block});
    }

    void remove(char *block, size_t size) {
        byAddress.erase(block);
        bySize.erase({size, block});
    }

    /// Extends the last free block, or a new one after the last used one, to at least `size` bytes.
    bool grow(size_t size) {
        char *start = end;
        if (!byAddress.empty()) {
            const auto last = std::prev(byAddress.end());
            if (last->first + last->second == end) start = last->first;
        }
        const size_t more = rounded(size - static_cast<size_t>(end - start), growth);
        if (base == nullptr || static_cast<size_t>(limit - end) < more) return false;
        if (mprotect(end, more, PROT_READ | PROT_WRITE) != 0) return false;
        if (start != end) remove(start, static_cast<size_t>(end - start));
        end += more;
        insert(start, static_cast<size_t>(end - start));
        return true;
    }

    std::mutex mutex;
    char *base = nullptr, *end = nullptr, *limit = nullptr;
    std::map<char *, size_t> byAddress;
    std::set<std::pair<size_t, char *>> bySize;
    std::unordered_map<char *, size_t> used;
};

/// Never destroyed: tensors may outlive every other object of the program.
LargeBlocks &largeBlocks() {
    static auto &blocks = *new LargeBlocks;
    return blocks;
}

class HostAllocator final : public c10::Allocator {
public:
    c10::DataPtr allocate(size_t size) override {
        void *block = size < LargeBlocks::least ? nullptr : largeBlocks().allocate(size);
        if (block == nullptr) return c10::GetDefaultCPUAllocator()->allocate(size);
        return {block, block, release, c10::Device(c10::DeviceType::CPU)};
    }

    c10::DeleterFnPtr raw_deleter() const override { return release; }

    void copy_data(void *destination, const void *source, size_t count) const override {
        default_copy_data(destination, source, count);
    }

private:
    static void release(void *block) {
        if (largeBlocks().owns(block)) largeBlocks().free(block);
        else c10::GetDefaultCPUAllocator()->raw_deleter()(block);
    }
};

}  // namespace

void ct_reuse_host_memory(void) {
    static std::once_flag once;
    std::call_once(once, [] { c10::SetCPUAllocator(new HostAllocator); });
}
