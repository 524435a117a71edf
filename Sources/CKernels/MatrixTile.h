// Sums of products of rows and a packed panel, for one instruction set; included once for each.
//
// CK_WIDTH: floats of a vector. CK_VECTORS and CK_ROWS: the tile whose sums stay in registers. CK_TARGET: the
// instruction set. CK_NAME: the function.

#define CK_JOIN(a, b) a##b
#define CK_EXPAND(a, b) CK_JOIN(a, b)
#define CK_VECTOR CK_EXPAND(CK_NAME, _vector)
#define CK_TILE CK_EXPAND(CK_NAME, _tile)
#define CK_SLICE CK_EXPAND(CK_NAME, _slice)

typedef float CK_VECTOR __attribute__((vector_size(CK_WIDTH * 4), aligned(4)));

CK_INLINE CK_TARGET void CK_TILE(
    const float *input, int64_t stride, const float *panel, int64_t depth, float *sums, const int rows,
    const int vectors) {
    CK_VECTOR total[CK_ROWS][CK_VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) total[r][v] = *(const CK_VECTOR *)(sums + r * PANEL + v * CK_WIDTH);
    for (int64_t k = 0; k < depth; k++) {
        CK_VECTOR weight[CK_VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) weight[v] = *(const CK_VECTOR *)(panel + k * PANEL + v * CK_WIDTH);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const float x = input[r * stride + k];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[r][v] += x * weight[v];
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) *(CK_VECTOR *)(sums + r * PANEL + v * CK_WIDTH) = total[r][v];
}

CK_INLINE CK_TARGET void CK_SLICE(
    const float *input, int64_t stride, const float *panel, int64_t depth, float *sums, int64_t rows,
    const int vectors) {
    int64_t row = 0;
    for (; row + CK_ROWS <= rows; row += CK_ROWS)
        CK_TILE(input + row * stride, stride, panel, depth, sums + row * PANEL, CK_ROWS, vectors);
    for (; row < rows; row++) CK_TILE(input + row * stride, stride, panel, depth, sums + row * PANEL, 1, vectors);
}

static CK_TARGET void CK_NAME(
    const float *input, int64_t stride, const float *panel, int64_t depth, float *sums, int64_t rows,
    int64_t columns) {
    for (int64_t column = 0; column < columns; column += CK_VECTORS * CK_WIDTH) {
        const int64_t vectors = (columns - column + CK_WIDTH - 1) / CK_WIDTH;
        if (vectors >= CK_VECTORS) CK_SLICE(input, stride, panel + column, depth, sums + column, rows, CK_VECTORS);
        else if (vectors == 2) CK_SLICE(input, stride, panel + column, depth, sums + column, rows, 2);
        else CK_SLICE(input, stride, panel + column, depth, sums + column, rows, 1);
    }
}

#undef CK_JOIN
#undef CK_EXPAND
#undef CK_VECTOR
#undef CK_TILE
#undef CK_SLICE
#undef CK_WIDTH
#undef CK_VECTORS
#undef CK_ROWS
#undef CK_TARGET
#undef CK_NAME
