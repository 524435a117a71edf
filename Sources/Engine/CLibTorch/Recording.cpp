// A mark on work that will be recorded, or is being recorded, which LibTorch carries to the threads of backward passes.
#include <c10/util/ThreadLocalDebugInfo.h>

#include <memory>

#include "Bridge.hpp"

using namespace bridge;

namespace {

/// LibTorch hands such objects from a forward pass to the threads of its backward pass. It has no kind for its users;
/// nothing else sets this one.
constexpr auto kind = c10::DebugInfoKind::INFERENCE_CONTEXT;

struct Mark : c10::DebugInfoBase {
    explicit Mark(void *context) : context(context) {}
    void *const context;
};

}  // namespace

ct_error ct_scope_begin(void *context) {
    return guarded([&] { c10::ThreadLocalDebugInfo::_push(kind, std::make_shared<Mark>(context)); });
}

void ct_scope_end(void) {
    ct_free(guarded([] { c10::ThreadLocalDebugInfo::_pop(kind); }));
}

void *ct_scope_context(void) {
    const auto *mark = static_cast<const Mark *>(c10::ThreadLocalDebugInfo::get(kind));
    return mark == nullptr ? nullptr : mark->context;
}
