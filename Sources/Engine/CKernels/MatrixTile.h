// Tile kernels of small matrix products for one instruction set; this file is included once for each.
//
// CK_WIDTH: floats of a vector. CK_VECTORS and CK_ROWS: the tile whose sums stay in registers, CK_ROWS rows by
// CK_VECTORS vectors of columns. CK_TARGET: the instruction set. CK_NAME: the prefix of the two functions, CK_NAME_rows
// and CK_NAME_columns. CK_ADD_PRODUCT: adds the product of a number and a vector to a vector; a * b if undefined.

#define CK_JOIN(a, b) a##b
#define CK_EXPAND(a, b) CK_JOIN(a, b)
#define CK_VECTOR CK_EXPAND(CK_NAME, _vector)
#define CK_TILE CK_EXPAND(CK_NAME, _tile)
#define CK_SLICE CK_EXPAND(CK_NAME, _slice)
#define CK_SUMS CK_EXPAND(CK_NAME, _sums)
#ifndef CK_ADD_PRODUCT
#define CK_ADD_PRODUCT(total, x, weight) ((total) + (x) * (weight))
#endif

typedef float CK_VECTOR __attribute__((vector_size(CK_WIDTH * 4), aligned(4)));

/// sums[r, c] = Σₖ a[r, k] · b[k, c] for one tile: an outer product of a column of `a` and a row of `b` per step of k.
///
/// `rows` and `vectors` are constants once this is inlined, so that `total` stays in registers.
CK_INLINE CK_TARGET void CK_TILE(
    const float *a, int64_t row_step, int64_t depth_step, const float *b, int64_t b_step, int64_t depth, float *sums,
    int64_t sums_step, const int add, const int rows, const int vectors) {
    CK_VECTOR total[CK_ROWS][CK_VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++)
            total[r][v] = (CK_VECTOR){0};
    for (int64_t k = 0; k < depth; k++) {
        CK_VECTOR weight[CK_VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) weight[v] = *(const CK_VECTOR *)(b + k * b_step + v * CK_WIDTH);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const float x = a[r * row_step + k * depth_step];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[r][v] = CK_ADD_PRODUCT(total[r][v], x, weight[v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            CK_VECTOR *place = (CK_VECTOR *)(sums + r * sums_step + v * CK_WIDTH);
            // This call's terms are summed first: added one by one to a large sum they would lose accuracy.
            *place = add ? *place + total[r][v] : total[r][v];
        }
}

/// All rows of up to CK_VECTORS vectors of columns, in tiles of CK_ROWS, CK_ROWS / 2 and 1 rows.
CK_INLINE CK_TARGET void CK_SLICE(
    const float *a, int64_t row_step, int64_t depth_step, const float *b, int64_t b_step, int64_t depth, float *sums,
    int64_t sums_step, int64_t rows, const int add, const int vectors) {
    int64_t row = 0;
    for (; row + CK_ROWS <= rows; row += CK_ROWS)
        CK_TILE(
            a + row * row_step, row_step, depth_step, b, b_step, depth, sums + row * sums_step, sums_step, add, CK_ROWS,
            vectors);
    for (; row + CK_ROWS / 2 <= rows; row += CK_ROWS / 2)
        CK_TILE(
            a + row * row_step, row_step, depth_step, b, b_step, depth, sums + row * sums_step, sums_step, add,
            CK_ROWS / 2, vectors);
    for (; row < rows; row++)
        CK_TILE(
            a + row * row_step, row_step, depth_step, b, b_step, depth, sums + row * sums_step, sums_step, add, 1,
            vectors);
}

/// All rows and columns, one slice after the other.
CK_INLINE CK_TARGET void CK_SUMS(
    const float *a, int64_t row_step, int64_t depth_step, const float *b, int64_t b_step, int64_t depth, float *sums,
    int64_t sums_step, int64_t rows, int64_t columns, const int add) {
    int64_t vectors = (columns + CK_WIDTH - 1) / CK_WIDTH;
    for (int64_t column = 0; vectors > 0;) {
        // Four vectors split better into two and two than into three and one.
        const int64_t some = vectors == CK_VECTORS + 1 && CK_VECTORS == 3 ? 2 : vectors < CK_VECTORS ? vectors : CK_VECTORS;
        if (some == CK_VECTORS)
            CK_SLICE(
                a, row_step, depth_step, b + column, b_step, depth, sums + column, sums_step, rows, add, CK_VECTORS);
        else if (some == 2)
            CK_SLICE(a, row_step, depth_step, b + column, b_step, depth, sums + column, sums_step, rows, add, 2);
        else CK_SLICE(a, row_step, depth_step, b + column, b_step, depth, sums + column, sums_step, rows, add, 1);
        vectors -= some;
        column += some * CK_WIDTH;
    }
}

static CK_TARGET void CK_EXPAND(CK_NAME, _rows)(
    const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t depth, float *sums, int64_t sums_step,
    int64_t rows, int64_t columns, int add) {
    if (add) CK_SUMS(a, a_step, 1, b, b_step, depth, sums, sums_step, rows, columns, 1);
    else CK_SUMS(a, a_step, 1, b, b_step, depth, sums, sums_step, rows, columns, 0);
}

static CK_TARGET void CK_EXPAND(CK_NAME, _columns)(
    const float *a, int64_t a_step, const float *b, int64_t b_step, int64_t depth, float *sums, int64_t sums_step,
    int64_t rows, int64_t columns, int add) {
    if (add) CK_SUMS(a, 1, a_step, b, b_step, depth, sums, sums_step, rows, columns, 1);
    else CK_SUMS(a, 1, a_step, b, b_step, depth, sums, sums_step, rows, columns, 0);
}

#undef CK_JOIN
#undef CK_EXPAND
#undef CK_VECTOR
#undef CK_TILE
#undef CK_SLICE
#undef CK_SUMS
#undef CK_ADD_PRODUCT
#undef CK_WIDTH
#undef CK_VECTORS
#undef CK_ROWS
#undef CK_TARGET
#undef CK_NAME
