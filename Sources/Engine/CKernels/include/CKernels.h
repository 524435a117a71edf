// Kernels for host memory, in place of operators that LibTorch runs on one thread, or in several passes over memory.
//
// All arrays are contiguous; an output may be the same memory as an input. Numbers are FP32 unless a format is given:
// BF16 is widened when read, and rounded once when written. `threads` is the number of threads that share the work;
// results never depend on it. Nothing here can fail.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The format of an array's numbers.
enum ck_format { CK_FLOAT32, CK_BFLOAT16 };

/// Zeroes elements with a probability in [0, 1) and scales the others by 1 / (1 − probability).
///
/// The mask is a pure function of the seed and an element's index; the backward pass is the same function.
void ck_dropout(
    const void *input, void *output, enum ck_format format, int64_t count, uint64_t seed, double probability,
    int threads);

/// Gaussian error linear unit x · Φ(x) (Hendrycks and Gimpel 2016), in its exact form.
void ck_gelu(const void *input, void *output, enum ck_format format, int64_t count, int threads);
/// `result` = `gradient` · (Φ(x) + x · φ(x)).
void ck_gelu_backward(
    const void *input, const void *gradient, void *result, enum ck_format format, int64_t count, int threads);

/// ck_dropout of ck_gelu, in one pass.
void ck_gelu_dropout(
    const void *input, void *output, enum ck_format format, int64_t count, uint64_t seed, double probability,
    int threads);
/// The gradient of ck_gelu_dropout.
void ck_gelu_dropout_backward(
    const void *input, const void *gradient, void *result, enum ck_format format, int64_t count, uint64_t seed,
    double probability, int threads);

/// The floats of scratch memory that ck_attention needs; `longest` is the frames of the longest utterance.
int64_t ck_attention_scratch(int64_t longest, int64_t width, int threads);
/// Multi-head self-attention within each utterance (Vaswani et al. 2017): ck_dropout of softmax(scale · q kᵀ), times v.
///
/// `projected` has queries, keys and values side by side, [frames, 3, heads, width]; utterance u has the frames from
/// offsets[u] to before offsets[u + 1]. `seeds` has one dropout seed per utterance, whose weights are numbered [heads,
/// frames, frames]; it is not read at probability 0. `output` is [frames, heads, width]. An utterance's results do not
/// depend on the others. `projected` and `output` have the format; for BF16 the width must be even, and the weights are
/// rounded before they are multiplied.
void ck_attention(
    const void *projected, enum ck_format format, const int64_t *offsets, int64_t utterances, int64_t longest,
    int64_t heads, int64_t width, double scale, const uint64_t *seeds, double probability, void *output,
    float *scratch, int threads);
/// The floats of scratch memory that ck_attention_backward needs.
int64_t ck_attention_backward_scratch(int64_t longest, int64_t width, int threads);
/// The gradient of ck_attention's `projected`; the weights are recomputed.
void ck_attention_backward(
    const void *projected, const void *gradient, enum ck_format format, const int64_t *offsets, int64_t utterances,
    int64_t longest, int64_t heads, int64_t width, double scale, const uint64_t *seeds, double probability, void *output,
    float *scratch, int threads);

/// LayerNorm of `residual` + ck_dropout(`branch`) over rows of `columns` elements, then `weight` and `bias`.
///
/// `mean` and `inverse_deviation` receive one number per row. `residual`, `branch` and `output` have the format;
/// `branch` may be NULL if the format is FP32 and the probability 0.
void ck_residual_norm(
    const void *residual, const void *branch, const float *weight, const float *bias, void *output,
    enum ck_format format, float *mean, float *inverse_deviation, int64_t rows, int64_t columns, uint64_t seed,
    double probability, double epsilon, float *scratch, int threads);
/// The floats of scratch memory that ck_residual_norm needs.
int64_t ck_residual_norm_scratch(int64_t columns, int threads);
/// The floats of scratch memory that ck_residual_norm_backward needs.
int64_t ck_residual_norm_backward_scratch(int64_t rows, int64_t columns);
/// The gradients of ck_residual_norm: of both inputs, the weight and the bias.
///
/// At probability 0 both inputs have the same gradient, and `branch_gradient` is neither read nor written. The inputs,
/// their gradients and `gradient`, the output's, have the format.
void ck_residual_norm_backward(
    const void *residual, const void *branch, const float *weight, const float *mean, const float *inverse_deviation,
    const void *gradient, void *residual_gradient, void *branch_gradient, enum ck_format format,
    float *weight_gradient, float *bias_gradient, float *scratch, int64_t rows, int64_t columns, uint64_t seed,
    double probability, int threads);

/// GELU of a strided convolution of one signal: output[t, c] = gelu(shift[c] + Σₖ weight[k, c] · signal[t · stride + k]).
///
/// The caller folds a normalization of the convolution's result into `weight` and `shift`. Rows whose window would
/// leave the signal's `samples` become zero. `output` has the format.
void ck_signal_convolution(
    const float *signal, int64_t samples, const float *weight, const float *shift, void *output, enum ck_format format,
    int64_t rows, int64_t channels, int64_t kernel, int64_t stride, int threads);
/// Sums over windows: first[k] = Σₜ x[t, k] and second[j, k] = Σₜ x[t, j] · x[t, k], x[t, k] = signal[t · stride + k].
void ck_window_moments(
    const float *signal, int64_t rows, int64_t kernel, int64_t stride, double *first, double *second);
/// The floats of scratch memory that ck_signal_convolution_backward needs.
int64_t ck_signal_convolution_scratch(int64_t rows, int64_t channels, int64_t kernel);
/// With g = gradient · gelu′ at each of `rows` rows: sums[c] = Σₜ g, products[k, c] = Σₜ g · signal[t · stride + k].
///
/// The convolution is recomputed, so that only the signal has to be kept. `gradient` has the format.
void ck_signal_convolution_backward(
    const float *signal, const float *weight, const float *shift, const void *gradient, enum ck_format format,
    double *sums, double *products, float *scratch, int64_t rows, int64_t channels, int64_t kernel, int64_t stride,
    int threads);

/// The number of floats that ck_pack writes.
int64_t ck_packed_count(int64_t columns, int64_t depth);
/// Packs a weight [columns, depth] in the order in which ck_matrix_product reads it.
void ck_pack(const float *weight, int64_t columns, int64_t depth, float *packed, int threads);
/// output[r, c] = f(bias[c] + Σₖ input[r · stride + k] · weight[c, k]) with f the identity, or ck_gelu where `gelu` is set.
///
/// Rows may overlap, like the windows of a convolution; `bias` may be NULL. A row's results do not depend on the
/// others.
void ck_matrix_product(
    const float *input, int64_t stride, const float *packed, const float *bias, int gelu, float *output,
    int64_t output_stride, int64_t rows, int64_t depth, int64_t columns, int threads);

/// The number of floats that ck_pack_paired writes; for a turned weight, with channels and outputs exchanged.
int64_t ck_paired_weight_count(int64_t outputs, int64_t channels);
/// Packs a convolution's weight [outputs, channels, 3] in the order in which ck_paired_convolution reads it, or, if
/// `turned` is set, ck_paired_input_gradient.
void ck_pack_paired(const float *weight, int64_t outputs, int64_t channels, int turned, float *packed, int threads);
/// The floats of scratch memory that ck_paired_convolution needs.
int64_t ck_paired_convolution_scratch(int64_t channels, int threads);
/// A convolution of 3 taps with stride 2: output[t, o] = f(bias[o] + Σ weight[o, c, k] · g(input[2t + k, c])) for the first
/// `rows` / 2 outputs, with f and g the identity or, where `gelu` and `gelu_of_input` are set, ck_gelu.
///
/// Rows beyond the input are zero; `bias` may be NULL. Computing two outputs at a time takes five sixths of the
/// products; outputs are paired by row number, so that a signal's results do not depend on another that starts at a
/// multiple of four rows after it.
void ck_paired_convolution(
    const float *input, int64_t rows, int gelu_of_input, const float *packed, const float *bias, int gelu, float *output,
    int64_t channels, int64_t outputs, float *scratch, int threads);
/// The floats of scratch memory that ck_paired_input_gradient needs.
int64_t ck_paired_input_gradient_scratch(int64_t outputs, int threads);
/// The gradient of ck_paired_convolution's input, [rows, channels]; `input` is needed if its GELU was convolved, else
/// NULL.
void ck_paired_input_gradient(
    const float *gradient, const float *packed, const float *input, float *output, int64_t rows, int64_t channels,
    int64_t outputs, float *scratch, int threads);
/// The floats of scratch memory that ck_paired_weight_gradient needs.
int64_t ck_paired_weight_gradient_scratch(int64_t channels, int64_t outputs, int threads);
/// The gradient of ck_paired_convolution's weight, [outputs, channels, 3].
void ck_paired_weight_gradient(
    const float *input, int64_t rows, int gelu_of_input, const float *gradient, float *output, int64_t channels,
    int64_t outputs, float *scratch, int threads);

/// The size of the discrete Fourier transform for a kernel of this many taps; a block has results for half as many
/// rows.
int64_t ck_spectral_size(int64_t kernel);
/// The number of floats that ck_spectral_weight writes; a group has `width` inputs and as many outputs.
int64_t ck_spectral_weight_count(int64_t groups, int64_t width, int64_t kernel);
/// The number of floats of the spectra of `blocks` blocks of a signal.
int64_t ck_spectra_count(int64_t blocks, int64_t groups, int64_t width, int64_t kernel);
/// The floats of scratch memory that the functions below need.
int64_t ck_spectral_scratch(int64_t blocks, int64_t width, int64_t kernel, int threads);
/// The spectra of a convolution's weight [groups · width, width, kernel].
void ck_spectral_weight(
    const float *weight, int64_t groups, int64_t width, int64_t kernel, float *spectra, float *scratch, int threads);
/// A grouped convolution along the rows of segments: output[t, o] = f(bias[o] + Σ weight[o, i, k] · input[t + k − kernel / 2, i])
/// over the inputs of o's group and the rows of t's segment, with f the identity, or ck_gelu where `gelu` is set.
///
/// `blocks` has three numbers for each of `count` blocks: the first row of its segment, the row after the segment's
/// last, and the first row that it has results for. `spectra` has room for the blocks' (ck_spectra_count). A segment's
/// results do not depend on others.
void ck_spectral_convolution(
    const float *input, const int64_t *blocks, int64_t count, int64_t groups, int64_t width, int64_t kernel,
    const float *weight_spectra, const float *bias, int gelu, float *output, float *spectra, float *scratch,
    int threads);
/// The gradient of ck_spectral_convolution's input.
void ck_spectral_input_gradient(
    const float *gradient, const int64_t *blocks, int64_t count, int64_t groups, int64_t width, int64_t kernel,
    const float *weight_spectra, float *output, float *spectra, float *scratch, int threads);
/// The gradient of ck_spectral_convolution's weight; `weight_spectra` is overwritten, `spectra` has room for the
/// blocks' twice.
void ck_spectral_weight_gradient(
    const float *input, const float *gradient, const int64_t *blocks, int64_t count, int64_t groups, int64_t width,
    int64_t kernel, float *output, float *weight_spectra, float *spectra, float *scratch, int threads);

/// An INT8 weight: weight[c, k] ≈ scales[c] · values, packed; `sums` has the sum of each column's values.
typedef struct ck_byte_weight {
    const int8_t *values;
    const float *scales;
    const int32_t *sums;
} ck_byte_weight;
/// INT8 rows: input[r, k] ≈ scales[r] · (values[r · stride + k] − zeros[r]).
typedef struct ck_byte_rows {
    const uint8_t *values;
    const float *scales;
    const int32_t *zeros;
    int64_t stride;
} ck_byte_rows;

/// The instruction set that the kernels use: plain, avx2, avx512 or avx512_vnni, and on ARM plain, neon, neon_dotprod or
/// neon_i8mm. It is the processor's best, or a lesser one that the environment's WAV2VEC2_INSTRUCTIONS names.
const char *ck_instructions_name(void);
/// Whether the processor has instructions that multiply BF16, which LibTorch's products then use.
int ck_multiplies_bfloat16(void);
/// The number of bytes that ck_quantize_weight writes.
int64_t ck_byte_weight_count(int64_t columns, int64_t depth);
/// The bytes of a row that ck_quantize_rows writes.
int64_t ck_byte_stride(int64_t depth);
/// Rounds each of a weight's columns [columns, depth] to multiples, from −127 to 127, of its own scale.
void ck_quantize_weight(
    const float *weight, int64_t columns, int64_t depth, int8_t *values, float *scales, int32_t *sums, int threads);
/// Rounds each row to one of 256 equal steps between its smallest and its largest number, a range that includes zero.
void ck_quantize_rows(
    const float *input, int64_t stride, int64_t rows, int64_t depth, uint8_t *values, float *scales, int32_t *zeros,
    int threads);
/// ck_matrix_product of the numbers that the bytes represent, with exact sums.
///
/// `portable` uses plain C only; the results are the same bit for bit.
void ck_byte_product(
    const ck_byte_rows *input, const ck_byte_weight *weight, const float *bias, int gelu, float *output,
    int64_t output_stride, int64_t rows, int64_t columns, int portable, int threads);

#ifdef __cplusplus
}
#endif
