// The operators of a training step that LibTorch has for CPUs and GPUs, but not for its meta device, where they need
// nothing but the shapes of their results. They are registered on request: without them such a call is an error.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/result_type.h>
#include <ATen/ExpandUtils.h>
#include <torch/library.h>

#include <mutex>

#include "Bridge.hpp"

using namespace bridge;

namespace {

using c10::IValue;
using torch::jit::Stack;

/// The arguments of one call, by their place in the schema.
class Call {
public:
    Call(const c10::OperatorHandle &op, Stack &stack) : stack(stack), count(op.schema().arguments().size()) {}
    const IValue &operator[](size_t place) const { return torch::jit::peek(stack, place, count); }
    const at::Tensor &tensor(size_t place) const { return (*this)[place].toTensor(); }

    /// Replaces the arguments by the results.
    template <typename... Results>
    void give(Results &&...results) {
        torch::jit::drop(stack, count);
        torch::jit::push(stack, std::forward<Results>(results)...);
    }

private:
    Stack &stack;
    size_t count;
};

using Shapes = void (*)(Call &);

template <Shapes shapes>
void boxed(const c10::OperatorHandle &op, Stack *stack) {
    Call call(op, *stack);
    shapes(call);
}

at::Tensor meta(at::IntArrayRef sizes, const at::Tensor &like, std::optional<at::ScalarType> type = std::nullopt) {
    return at::empty(sizes, like.options().dtype(type.value_or(like.scalar_type())));
}

at::Tensor resized(const at::Tensor &tensor, int64_t dimension, int64_t size, std::optional<at::ScalarType> type = std::nullopt) {
    auto sizes = tensor.sizes().vec();
    sizes[at::maybe_wrap_dim(dimension, tensor.dim())] = size;
    return meta(sizes, tensor, type);
}

void indexSelect(Call &call) { call.give(resized(call.tensor(0), call[1].toInt(), call.tensor(2).numel())); }

void where(Call &call) {
    const auto &first = call.tensor(1), &second = call.tensor(2);
    const auto sizes = at::infer_size(call.tensor(0).sizes(), at::infer_size(first.sizes(), second.sizes()));
    call.give(meta(sizes, first, at::result_type(first, second)));
}

void varianceAndMean(Call &call) {
    const auto &input = call.tensor(0);
    const bool keeps = call[3].toBool();
    std::vector<bool> reduced(input.dim(), call[1].isNone());
    if (!call[1].isNone())
        for (int64_t dimension : call[1].toIntVector()) reduced[at::maybe_wrap_dim(dimension, input.dim())] = true;
    std::vector<int64_t> sizes;
    for (int64_t i = 0; i < input.dim(); i++) {
        if (!reduced[i]) sizes.push_back(input.size(i));
        else if (keeps) sizes.push_back(1);
    }
    call.give(meta(sizes, input), meta(sizes, input));
}

void spectrumOfReal(Call &call) {
    const auto &input = call.tensor(0);
    const int64_t last = call[1].toIntVector().back(), size = input.size(last);
    call.give(resized(input, last, call[3].toBool() ? size / 2 + 1 : size, at::toComplexType(input.scalar_type())));
}

void realOfSpectrum(Call &call) {
    const auto &input = call.tensor(0);
    call.give(resized(
        input, call[1].toIntVector().back(), call[3].toInt(), at::toRealValueType(input.scalar_type())));
}

void sameShape(Call &call) { call.give(at::empty_like(call.tensor(0))); }

void secondsShape(Call &call) { call.give(at::empty_like(call.tensor(1))); }

void truths(Call &call) { call.give(at::empty_like(call.tensor(0), call.tensor(0).options().dtype(at::kBool))); }

void layerNorm(Call &call) {
    const auto &input = call.tensor(0);
    auto sizes = input.sizes().vec();
    const size_t normalized = call[1].toIntVector().size();
    for (size_t i = sizes.size() - normalized; i < sizes.size(); i++) sizes[i] = 1;
    call.give(at::empty_like(input), meta(sizes, input, at::kFloat), meta(sizes, input, at::kFloat));
}

void layerNormBackward(Call &call) {
    const auto wanted = call[7].toBoolList();
    auto gradient = [&](size_t place, bool isWanted) -> IValue {
        return isWanted && call[place].isTensor() && call.tensor(place).defined() ? IValue(at::empty_like(call.tensor(place)))
                                                                                : IValue(at::Tensor());
    };
    IValue input = gradient(1, wanted[0]), weight = gradient(5, wanted[1]), bias = gradient(6, wanted[2]);
    call.give(std::move(input), std::move(weight), std::move(bias));
}

void nothing(Call &call) { call.give(); }

void unfoldBackward(Call &call) { call.give(meta(call[1].toIntVector(), call.tensor(0))); }

/// A result that the caller has made already.
void given(Call &call) {
    at::Tensor result = call.tensor(1);
    call.give(result);
}

// Attention within segments: queries are [rows, heads, width], and in the memory-efficient kernel [1, rows, heads, width].

void flashAttention(Call &call) {
    const auto &queries = call.tensor(0);
    const auto word = queries.options().dtype(at::kUInt64);
    at::Tensor output = at::empty_like(queries, at::MemoryFormat::Contiguous);
    at::Tensor sums = meta({queries.size(1), queries.size(0)}, queries, at::kFloat);
    call.give(output, sums, at::empty({2}, word), at::empty({}, word), meta({0}, queries));
}

void flashAttentionBackward(Call &call) {
    const auto contiguous = at::MemoryFormat::Contiguous;
    at::Tensor queries = at::empty_like(call.tensor(1), contiguous), keys = at::empty_like(call.tensor(2), contiguous);
    at::Tensor values = at::empty_like(call.tensor(3), contiguous);
    call.give(queries, keys, values);
}

void efficientAttention(Call &call) {
    const auto &queries = call.tensor(0);
    const int64_t segments = call.tensor(4).numel() - 1, longest = call[6].toInt();
    const auto word = queries.options().dtype(at::kLong);
    at::Tensor output = at::empty_like(queries, at::MemoryFormat::Contiguous);
    at::Tensor sums = meta({segments, queries.size(2), (longest + 31) / 32 * 32}, queries, at::kFloat);
    call.give(output, sums, at::empty({}, word), at::empty({}, word), longest, longest);
}

void efficientAttentionBackward(Call &call) {
    const auto contiguous = at::MemoryFormat::Contiguous;
    at::Tensor queries = at::empty_like(call.tensor(1), contiguous), keys = at::empty_like(call.tensor(2), contiguous);
    at::Tensor values = at::empty_like(call.tensor(3), contiguous);
    call.give(queries, keys, values, at::Tensor());
}

template <Shapes shapes>
void add(torch::Library &library, const char *name) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&boxed<shapes>>());
}

}  // namespace

ct_error ct_complete_meta_device(void) {
    return guarded([&] {
        static std::once_flag once;
        std::call_once(once, [] {
            // Kept for good: the operators stay as long as the library does.
            auto *library = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::Meta, __FILE__, __LINE__);
            add<indexSelect>(*library, "index_select");
            add<where>(*library, "where.self");
            add<varianceAndMean>(*library, "var_mean.correction");
            add<spectrumOfReal>(*library, "_fft_r2c");
            add<realOfSpectrum>(*library, "_fft_c2r");
            add<sameShape>(*library, "_fft_c2c");
            add<truths>(*library, "isfinite");
            add<truths>(*library, "logical_and");
            add<truths>(*library, "logical_not");
            // The second argument is the log-probabilities.
            add<secondsShape>(*library, "_ctc_loss_backward");
            add<unfoldBackward>(*library, "unfold_backward");
            add<given>(*library, "conj_physical.out");
            add<layerNorm>(*library, "native_layer_norm");
            add<layerNormBackward>(*library, "native_layer_norm_backward");
            add<nothing>(*library, "_fused_adamw_");
            add<nothing>(*library, "_fused_adamw_.tensor_lr");
            add<flashAttention>(*library, "_flash_attention_forward");
            add<flashAttentionBackward>(*library, "_flash_attention_backward");
            add<efficientAttention>(*library, "_efficient_attention_forward");
            add<efficientAttentionBackward>(*library, "_efficient_attention_backward");
        });
    });
}
