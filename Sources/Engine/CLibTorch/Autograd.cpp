// Gradients, and differentiable functions whose backward pass is a Swift closure.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/variable.h>

#include <memory>
#include <mutex>

#include "Bridge.hpp"

using namespace bridge;
using torch::autograd::variable_list;

namespace {

/// Throws the message that a callback returned, after the Swift frame has returned.
void throwIfFailed(ct_error error, const std::string &where) {
    if (error == nullptr) return;
    std::string message = where + ": " + error;
    ct_free(error);
    throw std::runtime_error(message);
}

class SwiftFunction : public torch::autograd::Node {
  public:
    SwiftFunction(
        std::string label, torch::autograd::edge_list edges, std::shared_ptr<Context> context,
        ct_backward_callback backward)
        : Node(std::move(edges)), label(std::move(label)), context(std::move(context)), backward(backward) {}

    std::string name() const override { return label; }

    variable_list apply(variable_list &&gradients) override {
        // Another thread's pass over the same graph may release the closure while this one runs it.
        std::shared_ptr<Context> held;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            held = context;
        }
        if (held == nullptr)
            throw std::runtime_error(label + ": backward was run a second time without keeping the graph");
        std::vector<ct_tensor> borrowed;
        borrowed.reserve(gradients.size());
        for (const auto &gradient : gradients)
            borrowed.push_back(
                gradient.defined() ? reinterpret_cast<ct_tensor>(gradient.unsafeGetTensorImpl()) : nullptr);
        const size_t count = num_outputs();
        auto needed = std::make_unique<bool[]>(count);
        for (size_t i = 0; i < count; i++) needed[i] = task_should_compute_output(i);
        std::vector<ct_tensor> results(count, nullptr);
        const bool recording = at::GradMode::is_enabled();
        ct_error error = nullptr;
        {
            at::AutoGradMode off(false);
            error = backward(held->pointer, borrowed.data(), borrowed.size(), needed.get(), results.data(), count);
        }
        variable_list output;
        output.reserve(count);
        for (ct_tensor result : results) {
            output.push_back(borrow(result));
            ct_tensor_release(result);
        }
        throwIfFailed(error, label);
        if (recording) refuseSecondDerivative(gradients, output);
        return output;
    }

    void release_variables() override {
        std::shared_ptr<Context> released;
        std::lock_guard<std::mutex> lock(mutex_);
        released.swap(context);
    }

  private:
    /// The closure's results carry no history of their own: without this error, second derivatives would silently be
    /// zero.
    void refuseSecondDerivative(const variable_list &gradients, variable_list &output) {
        auto edges = next_edges();
        for (auto &edge : torch::autograd::collect_next_edges(gradients)) edges.push_back(std::move(edge));
        std::shared_ptr<torch::autograd::Error> node(
            new torch::autograd::Error(
                label + ": its backward pass is a closure, which cannot be differentiated a second time",
                std::move(edges)),
            torch::autograd::deleteNode);
        for (auto &gradient : output) {
            if (!gradient.defined()) continue;
            gradient = gradient.detach();
            torch::autograd::set_history(gradient, node);
        }
    }

    std::string label;
    std::shared_ptr<Context> context;
    ct_backward_callback backward;
};

class SwiftAccumulationHook : public torch::autograd::PostAccumulateGradHook {
  public:
    SwiftAccumulationHook(std::shared_ptr<Context> context, ct_accumulated_callback hook)
        : context(std::move(context)), hook(hook) {}

    void operator()(const torch::autograd::Variable &) override {
        throwIfFailed(hook(context->pointer), "gradient accumulation hook");
    }

  private:
    std::shared_ptr<Context> context;
    ct_accumulated_callback hook;
};

variable_list toList(const ct_tensor *tensors, size_t count) {
    variable_list list;
    list.reserve(count);
    for (size_t i = 0; i < count; i++) list.push_back(borrow(tensors[i]));
    return list;
}

}  // namespace

bool ct_tensor_requires_gradient(ct_tensor tensor) { return borrow(tensor).requires_grad(); }
bool ct_tensor_is_leaf(ct_tensor tensor) { return borrow(tensor).is_leaf(); }

ct_error ct_tensor_set_requires_gradient(ct_tensor tensor, bool value) {
    return guarded([&] { borrow(tensor).set_requires_grad(value); });
}

ct_error ct_tensor_gradient(ct_tensor tensor, ct_tensor *result) {
    return guarded([&] { *result = handOut(borrow(tensor).grad()); });
}

ct_error ct_tensor_set_gradient(ct_tensor tensor, ct_tensor gradient) {
    return guarded([&] { borrow(tensor).mutable_grad() = borrow(gradient); });
}

ct_error ct_backward(const ct_tensor *roots, const ct_tensor *gradients, size_t count, bool retain_graph) {
    return guarded([&] { torch::autograd::backward(toList(roots, count), toList(gradients, count), retain_graph); });
}

ct_error ct_gradients(
    const ct_tensor *outputs, const ct_tensor *output_gradients, size_t output_count, const ct_tensor *inputs,
    size_t input_count, bool retain_graph, bool create_graph, ct_tensor *results) {
    return guarded([&] {
        auto gradients = torch::autograd::grad(
            toList(outputs, output_count), toList(inputs, input_count), toList(output_gradients, output_count),
            retain_graph, create_graph, /*allow_unused=*/true);
        for (size_t i = 0; i < input_count; i++) results[i] = handOut(gradients[i]);
    });
}

bool ct_set_gradient_enabled(bool enabled) {
    bool before = at::GradMode::is_enabled();
    at::GradMode::set_enabled(enabled);
    return before;
}

bool ct_gradient_enabled(void) { return at::GradMode::is_enabled(); }

ct_error ct_function_record(
    const char *name, const ct_tensor *inputs, size_t input_count, const ct_tensor *outputs, size_t output_count,
    void *context, ct_backward_callback backward, void (*release)(void *), ct_tensor *results) {
    auto owned = std::make_shared<Context>(context, release);
    return guarded([&] {
        auto variables = toList(inputs, input_count);
        bool recorded = false;
        if (at::GradMode::is_enabled())
            for (const auto &variable : variables) recorded |= variable.defined() && variable.requires_grad();
        // The closure may hold the computed outputs; the history goes to an alias, or the graph would own itself.
        variable_list aliases;
        for (size_t i = 0; i < output_count; i++) aliases.push_back(borrow(outputs[i]).detach());
        if (recorded) {
            std::shared_ptr<SwiftFunction> node(
                new SwiftFunction(
                    name, torch::autograd::collect_next_edges(variables), std::move(owned), backward),
                torch::autograd::deleteNode);
            for (auto &alias : aliases) torch::autograd::set_history(alias, node);
        }
        for (size_t i = 0; i < output_count; i++) results[i] = handOut(aliases[i]);
    });
}

ct_error ct_tensor_add_hook(
    ct_tensor tensor, void *context, ct_hook_callback hook, void (*release)(void *), int64_t *identifier) {
    auto owned = std::make_shared<Context>(context, release);
    return guarded([&] {
        *identifier = borrow(tensor).register_hook([owned, hook](const at::Tensor &gradient) -> at::Tensor {
            ct_tensor replacement = nullptr;
            ct_error error = hook(
                owned->pointer,
                gradient.defined() ? reinterpret_cast<ct_tensor>(gradient.unsafeGetTensorImpl()) : nullptr,
                &replacement);
            at::Tensor result = borrow(replacement);
            ct_tensor_release(replacement);
            throwIfFailed(error, "gradient hook");
            return result;
        });
    });
}

ct_error ct_tensor_remove_hook(ct_tensor tensor, int64_t identifier) {
    return guarded([&] { borrow(tensor).remove_hook(static_cast<unsigned>(identifier)); });
}

ct_error ct_tensor_on_gradient_accumulated(
    ct_tensor tensor, void *context, ct_accumulated_callback hook, void (*release)(void *)) {
    auto owned = std::make_shared<Context>(context, release);
    return guarded([&] {
        std::unique_ptr<torch::autograd::PostAccumulateGradHook> made;
        if (hook != nullptr) made = std::make_unique<SwiftAccumulationHook>(std::move(owned), hook);
        torch::autograd::impl::set_post_acc_grad_hooks(borrow(tensor), std::move(made));
    });
}
