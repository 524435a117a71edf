// Operators by name, called boxed with tagged values.
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/jit_type.h>

#include <cstdlib>
#include <cstring>
#include <sstream>

#include "Bridge.hpp"

using namespace bridge;

namespace {

const c10::OperatorHandle &handle(ct_operator op) { return *reinterpret_cast<const c10::OperatorHandle *>(op); }

bool wantsFloat(const c10::TypePtr &type) {
    if (type->kind() == c10::TypeKind::FloatType) return true;
    if (auto optional = type->cast<c10::OptionalType>()) return wantsFloat(optional->getElementType());
    return false;
}

c10::IValue toIValue(const ct_value &value, const c10::TypePtr &type) {
    const auto count = static_cast<size_t>(value.count);
    switch (static_cast<ct_tag>(value.tag)) {
        case CT_NONE: return c10::IValue();
        case CT_TENSOR: return c10::IValue(borrow(value.payload.tensor));
        case CT_INT:
            if (wantsFloat(type)) return c10::IValue(static_cast<double>(value.payload.integer));
            return c10::IValue(value.payload.integer);
        case CT_DOUBLE: return c10::IValue(value.payload.real);
        case CT_BOOL: return c10::IValue(value.payload.boolean);
        case CT_STRING: return c10::IValue(std::string(static_cast<const char *>(value.payload.pointer), count));
        case CT_INT_LIST: {
            const auto *items = static_cast<const int64_t *>(value.payload.pointer);
            return c10::IValue(std::vector<int64_t>(items, items + count));
        }
        case CT_DOUBLE_LIST: {
            const auto *items = static_cast<const double *>(value.payload.pointer);
            return c10::IValue(std::vector<double>(items, items + count));
        }
        case CT_BOOL_LIST: {
            const auto *items = static_cast<const uint8_t *>(value.payload.pointer);
            c10::List<bool> list;
            for (size_t i = 0; i < count; i++) list.push_back(items[i] != 0);
            return c10::IValue(std::move(list));
        }
        case CT_TENSOR_LIST: {
            const auto *items = static_cast<const ct_tensor *>(value.payload.pointer);
            std::vector<at::Tensor> list;
            list.reserve(count);
            for (size_t i = 0; i < count; i++) list.push_back(borrow(items[i]));
            return c10::IValue(std::move(list));
        }
        case CT_OPTIONAL_TENSOR_LIST: {
            const auto *items = static_cast<const ct_tensor *>(value.payload.pointer);
            c10::List<std::optional<at::Tensor>> list;
            for (size_t i = 0; i < count; i++) {
                if (items[i] == nullptr) list.push_back(std::nullopt);
                else list.push_back(borrow(items[i]));
            }
            return c10::IValue(std::move(list));
        }
        case CT_DTYPE:
        case CT_MEMORY_FORMAT: return c10::IValue(value.payload.integer);
        case CT_DEVICE: return c10::IValue(deviceFrom(value.payload.integer));
        case CT_GENERATOR: return c10::IValue(*generator(value.payload.generator));
        case CT_OBJECT: return *object(value.payload.object);
    }
    throw std::runtime_error("unknown value tag " + std::to_string(value.tag));
}

template <typename Element>
void setList(ct_value *result, ct_tag tag, const std::vector<Element> &items) {
    auto *copy = static_cast<Element *>(std::malloc(std::max<size_t>(1, items.size()) * sizeof(Element)));
    if (copy == nullptr) throw std::bad_alloc();
    if (!items.empty()) std::memcpy(copy, items.data(), items.size() * sizeof(Element));
    result->tag = tag;
    result->count = static_cast<int64_t>(items.size());
    result->payload.pointer = copy;
}

void fromIValue(const c10::IValue &value, ct_value *result) {
    *result = ct_value{};
    if (value.isNone()) {
        result->tag = CT_NONE;
    } else if (value.isTensor()) {
        result->payload.tensor = handOut(value.toTensor());
        result->tag = result->payload.tensor == nullptr ? CT_NONE : CT_TENSOR;
    } else if (value.isBool()) {
        result->tag = CT_BOOL;
        result->payload.boolean = value.toBool();
    } else if (value.isInt()) {
        result->tag = CT_INT;
        result->payload.integer = value.toInt();
    } else if (value.isDouble()) {
        result->tag = CT_DOUBLE;
        result->payload.real = value.toDouble();
    } else if (value.isSymInt()) {
        result->tag = CT_INT;
        result->payload.integer = value.toSymInt().guard_int(__FILE__, __LINE__);
    } else if (value.isString()) {
        const auto &text = value.toStringRef();
        setList(result, CT_STRING, std::vector<char>(text.begin(), text.end()));
    } else if (value.isDevice()) {
        result->tag = CT_DEVICE;
        result->payload.integer = packDevice(value.toDevice());
    } else if (value.isIntList()) {
        setList(result, CT_INT_LIST, value.toIntVector());
    } else if (value.isDoubleList()) {
        setList(result, CT_DOUBLE_LIST, value.toDoubleVector());
    } else if (value.isBoolList()) {
        std::vector<uint8_t> items;
        for (bool item : value.toBoolList()) items.push_back(item ? 1 : 0);
        setList(result, CT_BOOL_LIST, items);
    } else if (value.isTensorList()) {
        std::vector<ct_tensor> items;
        for (const auto &item : value.toTensorVector()) items.push_back(handOut(item));
        setList(result, CT_TENSOR_LIST, items);
    } else if (value.isGenerator()) {
        result->tag = CT_GENERATOR;
        result->payload.generator = reinterpret_cast<ct_generator>(new at::Generator(value.toGenerator()));
    } else {
        result->tag = CT_OBJECT;
        result->payload.object = reinterpret_cast<ct_object>(new c10::IValue(value));
    }
}

void describe(std::ostringstream &text, const at::TensorImpl *tensor) {
    if (tensor == nullptr) {
        text << "none";
        return;
    }
    text << c10::toString(c10::typeMetaToScalarType(tensor->dtype())) << "[";
    for (int64_t i = 0; i < tensor->dim(); i++) text << (i ? ", " : "") << tensor->sizes()[i];
    text << "]";
}

/// The operator with its arguments' shapes, for error messages.
std::string describeCall(const c10::OperatorHandle &op, const ct_value *arguments, size_t count) {
    std::ostringstream text;
    text << op.schema().name();
    if (!op.schema().overload_name().empty()) text << "." << op.schema().overload_name();
    text << "(";
    for (size_t i = 0; i < count; i++) {
        const auto &value = arguments[i];
        if (i > 0) text << ", ";
        switch (static_cast<ct_tag>(value.tag)) {
            case CT_TENSOR: describe(text, implementation(value.payload.tensor)); break;
            case CT_INT:
            case CT_DTYPE:
            case CT_MEMORY_FORMAT: text << value.payload.integer; break;
            case CT_DOUBLE: text << value.payload.real; break;
            case CT_BOOL: text << (value.payload.boolean ? "true" : "false"); break;
            case CT_INT_LIST: {
                text << "[";
                for (int64_t j = 0; j < value.count; j++)
                    text << (j ? ", " : "") << static_cast<const int64_t *>(value.payload.pointer)[j];
                text << "]";
                break;
            }
            case CT_TENSOR_LIST:
            case CT_OPTIONAL_TENSOR_LIST: {
                text << "[";
                for (int64_t j = 0; j < value.count && j < 4; j++) {
                    if (j > 0) text << ", ";
                    describe(text, implementation(static_cast<const ct_tensor *>(value.payload.pointer)[j]));
                }
                text << (value.count > 4 ? ", …]" : "]");
                break;
            }
            case CT_NONE: text << "none"; break;
            default: text << "…"; break;
        }
    }
    text << ")";
    return text.str();
}

}  // namespace

ct_error ct_operator_find(const char *name, const char *overload, ct_operator *result) {
    return guarded([&] {
        auto found = c10::Dispatcher::singleton().findSchema({name, overload});
        if (!found.has_value())
            throw std::runtime_error(
                std::string("LibTorch has no operator ") + name + (*overload ? std::string(".") + overload : "") +
                "; is it the version that this program was built for?");
        *result = reinterpret_cast<ct_operator>(new c10::OperatorHandle(*found));
    });
}

ct_error ct_operator_call(
    ct_operator op, const ct_value *arguments, size_t argument_count, ct_value *results, size_t result_capacity,
    size_t *result_count) {
    const auto &operation = handle(op);
    ct_error error = guarded([&] {
        const auto &formal = operation.schema().arguments();
        if (argument_count > formal.size())
            throw std::runtime_error(
                "it takes " + std::to_string(formal.size()) + " arguments, not " + std::to_string(argument_count));
        torch::jit::Stack stack;
        stack.reserve(formal.size());
        for (size_t i = 0; i < argument_count; i++) stack.push_back(toIValue(arguments[i], formal[i].real_type()));
        for (size_t i = argument_count; i < formal.size(); i++) {
            const auto &value = formal[i].default_value();
            if (!value.has_value()) throw std::runtime_error("argument '" + formal[i].name() + "' is missing");
            stack.push_back(*value);
        }
        operation.callBoxed(&stack);
        if (stack.size() > result_capacity) throw std::runtime_error("more results than there is room for");
        for (size_t i = 0; i < stack.size(); i++) fromIValue(stack[i], &results[i]);
        *result_count = stack.size();
    });
    if (error == nullptr) return nullptr;
    ct_error located = nullptr;
    try {
        located = copyMessage(describeCall(operation, arguments, argument_count) + ": " + error);
    } catch (...) {
        return error;
    }
    ct_free(error);
    return located;
}

void ct_object_release(ct_object handle) { delete object(handle); }
