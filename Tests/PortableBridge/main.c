// Whether the C boundary between Swift and LibTorch works on a processor: operators, gradients, and a hook in C.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CLibTorch.h"

static void check(ct_error error, const char *what) {
    if (error == NULL) return;
    printf("FAIL %s: %s\n", what, error);
    exit(1);
}

static void expect(int holds, const char *what) {
    if (holds) return;
    printf("FAIL %s\n", what);
    exit(1);
}

static ct_value tensor(ct_tensor tensor) { return (ct_value){.tag = CT_TENSOR, .payload.tensor = tensor}; }

static void keep(void *context) { (void)context; }

/// The matrix [2, 2] of these numbers.
static ct_tensor matrix(float *numbers) {
    const int64_t sizes[2] = {2, 2};
    ct_tensor result;
    // 6 is c10's number for FP32.
    check(ct_tensor_from_memory(numbers, sizes, 2, 6, NULL, keep, &result), "a tensor of memory");
    return result;
}

static ct_tensor call(const char *name, const char *overload, const ct_value *arguments, size_t count) {
    ct_operator op;
    ct_value result;
    size_t results;
    check(ct_operator_find(name, overload, &op), name);
    check(ct_operator_call(op, arguments, count, &result, 1, &results), name);
    expect(results == 1 && result.tag == CT_TENSOR, name);
    return result.payload.tensor;
}

static void expect_numbers(ct_tensor tensor, const float *expected, int64_t count, const char *what) {
    void *numbers;
    check(ct_tensor_data(tensor, &numbers), what);
    expect(ct_tensor_element_count(tensor) == count && memcmp(numbers, expected, (size_t)count * 4) == 0, what);
}

static ct_error twice(void *context, ct_tensor gradient, ct_tensor *result) {
    (void)context;
    const ct_value arguments[] = {tensor(gradient), tensor(gradient)};
    *result = call("aten::add", "Tensor", arguments, 2);
    return NULL;
}

int main(void) {
    expect(strncmp(ct_version(), "2.11.", 5) == 0, "LibTorch's version");
    ct_set_threads(2);
    expect(ct_threads() == 2, "the number of threads");

    float numbers[4] = {1, 2, 3, 4};
    ct_tensor input = matrix(numbers), gradient;
    check(ct_tensor_set_requires_gradient(input, true), "a leaf");
    int64_t hook;
    const ct_value squared[] = {tensor(input), tensor(input)};
    ct_tensor product = call("aten::matmul", "", squared, 2);
    expect_numbers(product, (float[]){7, 10, 15, 22}, 4, "a product");
    const ct_value summed[] = {tensor(product)};
    ct_tensor total = call("aten::sum", "", summed, 1);
    check(ct_tensor_add_hook(input, NULL, twice, keep, &hook), "a hook");
    const ct_tensor one[] = {NULL};
    check(ct_backward(&total, one, 1, false), "the backward pass");
    check(ct_tensor_gradient(input, &gradient), "the gradient");
    // [7, 11, 9, 13], which the hook doubles.
    expect(gradient != NULL, "a gradient");
    expect_numbers(gradient, (float[]){14, 22, 18, 26}, 4, "the gradient and its hook");

    // An exception of C++ becomes a message.
    ct_operator missing;
    ct_error error = ct_operator_find("aten::none", "", &missing);
    expect(error != NULL && strlen(error) > 0, "the message for an operator that does not exist");
    ct_free(error);

    char *configuration = ct_configuration();
    printf("LibTorch %s, %s\n%s\n", ct_version(), ct_cpu_capability(), configuration);
    ct_free(configuration);
    return 0;
}
