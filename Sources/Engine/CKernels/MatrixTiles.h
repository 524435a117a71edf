// Products of small matrices in cache, which the larger kernels are made of.
#pragma once

#include <stdint.h>

#include "Elementwise.h"

/// Columns of a packed panel: a whole number of vectors, and of tiles, of every instruction set.
enum { PANEL = 48 };
/// Columns that arrays are padded to where kernels write whole vectors.
enum { VECTOR = 16 };

CK_INLINE int64_t rounded_up(int64_t count, int64_t step) { return (count + step - 1) / step * step; }

/// sums[r, c] = Σₖ a[r, k] · b[k, c], added to what `sums` has if `add` is not 0.
///
/// b has a row every `b_step` floats, `sums` every `sums_step`. Whole vectors of columns are read and written: both must
/// have room for `columns` rounded up to VECTOR. A sum's terms are added in the order of k, whatever is beside it, and their
/// sum then to what there was.
typedef void (*ck_sums)(
    const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t depth, float *sums, int64_t sums_step,
    int64_t rows, int64_t columns, int add);

struct tiles {
    /// a has a row every `a_step` floats.
    ck_sums rows;
    /// a is transposed: it has k's row of all r every `a_step` floats.
    ck_sums columns;
};

/// The functions for this processor.
///
/// Of BF16 each float of a and b is two numbers, whose products are added together: of neighboring k, of which `depth`
/// counts the pairs.
struct tiles best_tiles(enum ck_format format);

/// Rows [rows, depth], `stride` apart, as packed panels, the last of which zeros fill up: sums over k of products with `a`
/// have a panel's rows as columns.
void ck_pack_panels(const float *input, int64_t stride, int64_t rows, int64_t depth, float *packed);

/// What follows the sums [rows, PANEL] of a panel: bias, or none, and GELU if wanted; then the columns that there are go out.
///
/// Functions of one element: a result depends on its row alone.
void ck_finish(
    float *sums, int64_t rows, int64_t columns, const float *bias, int gelu, float *output, int64_t output_stride);
