// Products of small matrices in cache, the building block of the larger kernels.
#pragma once

#include <stdint.h>

#include "Elementwise.h"

/// The columns of a packed panel: a whole number of vectors, and of tiles, of every instruction set.
enum { PANEL = 48 };
/// The multiple to which arrays are padded where kernels write whole vectors.
enum { VECTOR = 16 };

CK_INLINE int64_t rounded_up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

/// sums[r, c] = Σₖ a[r, k] · b[k, c], added to the old `sums` if `add` is not 0.
///
/// `b` has a row every `b_step` floats, `sums` every `sums_step`. Whole vectors of columns are read and written: both
/// must have room for `columns` rounded up to VECTOR. The terms of a sum are added in the order of k, regardless of the
/// tile's other rows and columns, and their sum is then added to the old value.
typedef void (*ck_sums)(
    const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t depth, float *sums, int64_t sums_step,
    int64_t rows, int64_t columns, int add);

struct tiles {
    /// `a` has a row every `a_step` floats.
    ck_sums rows;
    /// `a` is transposed: k's values for all r are contiguous, every `a_step` floats.
    ck_sums columns;
};

/// The functions for this processor.
///
/// For BF16 each float of a and b holds two numbers, with neighboring k, whose products are summed; `depth` counts the
/// pairs.
struct tiles best_tiles(enum ck_format format);

/// Packs rows [rows, depth], `stride` apart, into panels, the last of which is filled up with zeros. In products with
/// `a` that sum over k, a panel's rows become columns.
void ck_pack_panels(const float *input, int64_t stride, int64_t rows, int64_t depth, float *packed);

/// Finishes the sums [rows, PANEL] of a panel: adds the bias, if any, applies GELU if requested, and stores the valid
/// columns.
///
/// All steps are elementwise: a result depends on its own row only.
void ck_finish(
    float *sums, int64_t rows, int64_t columns, const float *bias, int gelu, float *output, int64_t output_stride);
