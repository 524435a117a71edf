// Rows rounded to 8-bit floating point (E4M3: 4 bits of exponent, 3 of mantissa, no infinity), each by a scale of its own.

/// The nearest E4M3 number, ties to even, of a number of magnitude up to 448; 0x7F for NaN.
__device__ inline uint32 e4m3(float x) {
    const uint32 bits = __float_as_uint(x), sign = bits >> 24 & 0x80;
    uint32 magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return 0x7F;
    // Rounding of the scale may leave a row's largest number slightly above 448.
    if (magnitude > 0x43E00000) magnitude = 0x43E00000;
    // Below 2⁻⁶ E4M3 numbers are multiples of 2⁻⁹, to which adding 2¹⁴ rounds.
    if (magnitude < 0x3C800000) return sign | (__float_as_uint(__uint_as_float(magnitude) + 16384.0f) & 0xF);
    magnitude += 0x7FFFF + (magnitude >> 20 & 1);
    return sign | ((magnitude >> 20) - (120 << 3));
}

constexpr int ROUND_WARPS = 4;

/// One warp per row, which it reads twice: the second time from a cache. `columns` is a multiple of 4.
template <class T>
__device__ inline void round_rows(const T *input, uint32 *bytes, float *scales, int64 rows, int columns) {
    const int64 row = (int64)blockIdx.x * ROUND_WARPS + threadIdx.x / 32;
    if (row >= rows) return;
    const int lane = threadIdx.x % 32;
    const T *numbers = input + row * columns;
    float largest = 0;
    for (int column = 4 * lane; column < columns; column += 128) {
        float x[4];
        read(numbers + column, x);
#pragma unroll
        for (int i = 0; i < 4; i++) largest = fmaxf(largest, fabsf(x[i]));
    }
    largest = warp_max(largest);
    const float factor = 448.0f / fmaxf(largest, 1e-30f);
    for (int column = 4 * lane; column < columns; column += 128) {
        float x[4];
        read(numbers + column, x);
        uint32 four = 0;
#pragma unroll
        for (int i = 0; i < 4; i++) four |= e4m3(x[i] * factor) << 8 * i;
        bytes[(row * columns + column) / 4] = four;
    }
    if (lane == 0) scales[row] = largest / 448.0f;
}

#define PARAMETERS(T) (const T *input, uint32 *bytes, float *scales, int64 rows, int columns)
KERNEL_OF_EACH_FORMAT(round_rows, 32 * ROUND_WARPS, PARAMETERS, (input, bytes, scales, rows, columns))
#undef PARAMETERS
