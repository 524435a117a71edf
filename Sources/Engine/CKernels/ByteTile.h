// Sums of products of bytes with NEON for one instruction set; this file is included once for each.
//
// CK_NAME: the prefix of the function, CK_NAME_byte_sums. CK_TARGET: the instruction set. CK_DOT(total, x, weight): adds
// the products of four bytes to each sum. CK_WEIGHT(weight): a vector of weights as CK_DOT needs it, and CK_EXCESS(row,
// groups): what a row's sums become too large by for that.

#define CK_JOIN(a, b) a##b
#define CK_EXPAND(a, b) CK_JOIN(a, b)
#define CK_TILE CK_EXPAND(CK_NAME, _byte_tile)

/// Adds to the sums of some rows and vectors of columns, which stay in registers.
CK_INLINE CK_TARGET void CK_TILE(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, const int rows,
    const int vectors) {
    int32x4_t total[8][12];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) total[r][v] = vld1q_s32(sums + r * PANEL + v * 4);
    for (int64_t k = 0; k < groups; k++) {
        int8x16_t weight[12];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) weight[v] = CK_WEIGHT(vld1q_s8(panel + k * PANEL * GROUP + v * 16));
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            uint32_t four;
            memcpy(&four, input + r * stride + k * GROUP, GROUP);
            const uint8x16_t x = vreinterpretq_u8_u32(vdupq_n_u32(four));
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) total[r][v] = CK_DOT(total[r][v], x, weight[v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) vst1q_s32(sums + r * PANEL + v * 4, total[r][v]);
}

static CK_TARGET void CK_EXPAND(CK_NAME, _byte_sums)(
    const uint8_t *input, int64_t stride, const int8_t *panel, int64_t groups, int32_t *sums, int64_t rows) {
    for (int64_t row = 0; row < rows; row++) {
        const int32_t excess = CK_EXCESS(input + row * stride, groups);
        for (int i = 0; i < PANEL; i++) sums[row * PANEL + i] -= excess;
    }
    int64_t row = 0;
    for (; row + 8 <= rows; row += 8)
        for (int column = 0; column < PANEL; column += 12)
            CK_TILE(
                input + row * stride, stride, panel + column * GROUP, groups, sums + row * PANEL + column, 8, 3);
    for (; row < rows; row++) CK_TILE(input + row * stride, stride, panel, groups, sums + row * PANEL, 1, 12);
}

#undef CK_JOIN
#undef CK_EXPAND
#undef CK_TILE
#undef CK_NAME
#undef CK_TARGET
#undef CK_DOT
#undef CK_WEIGHT
#undef CK_EXCESS
