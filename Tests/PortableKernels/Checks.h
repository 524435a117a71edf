// What the checks of the C kernels share: numbers, arrays with guards, comparisons in FP64, and a fingerprint of results
// that must have the same bits on every processor.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "CKernels.h"

// The inputs must have the same bits on every processor, whether or not it has instructions for a product and a sum.
#pragma STDC FP_CONTRACT OFF

/// The threads that share each kernel's work.
enum { THREADS = 3 };

/// Arrays that live as long as the program. What is behind them is checked at the end: a kernel must not write there.
float *floats(int64_t count);
double *doubles(int64_t count);
void *bytes(int64_t count);
/// Numbers of about the normal distribution, the same on every processor.
float *normals(int64_t count, uint64_t seed);
/// The same, as BF16 (in `*narrow`) and the floats that these are.
float *bfloats(int64_t count, uint64_t seed, uint16_t **narrow);
/// An array as FP64.
double *widened(const float *numbers, int64_t count);

/// BF16 to float, and back, rounded to nearest even.
float wide(uint16_t number);
uint16_t narrow(float number);
uint32_t bits_of(float number);

/// Reports a failure unless `holds`; `format` names what was checked.
__attribute__((format(printf, 2, 3))) void expect(bool holds, const char *format, ...);
/// Expects the largest difference to be at most `bound` times the largest number that is expected.
__attribute__((format(printf, 5, 6))) void expect_near(
    const float *found, const double *expected, int64_t count, double bound, const char *format, ...);
/// Expects the same bits.
__attribute__((format(printf, 4, 5))) void expect_same(
    const void *found, const void *expected, int64_t size, const char *format, ...);

/// Adds results to the fingerprint, which the processors' programs print and Scripts/check-arm compares.
void fingerprint(const void *results, int64_t size);

double gelu_of(double x);
double gelu_slope_of(double x);

void check_settings(const char *instructions);
void check_activations(void);
void check_norms(void);
void check_products(void);
void check_bytes(void);
void check_signal_convolution(void);
void check_paired_convolution(void);
void check_spectral_convolution(void);
void check_attention(void);
