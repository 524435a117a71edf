// The choice of code book entries by a Gumbel softmax (paper, equation 1), and the statistics of the diversity loss:
// one warp per row and code book, whose softmaxes stay in its registers.
//
//     p = softmax((logits + noise) / τ)    choice = one-hot(argmax p), with the gradient of p (straight through)

/// The maximum number of entries of a code book, those of a lane, and the rows that a block processes at a time.
constexpr int MOST_ENTRIES = 512, ENTRY_STEPS = MOST_ENTRIES / 32, CHOICE_WARPS = 4;

/// Calls `body(step, entry)` for the entries of this lane.
template <class Body>
__device__ inline void for_each_entry(int entries, Body body) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int step = 0; step < ENTRY_STEPS; step++) {
        const int entry = step * 32 + lane;
        if (entry < entries) body(step, entry);
    }
}

/// Turns this lane's logits into their part of a warp's softmax.
__device__ inline void softmax(float (&x)[ENTRY_STEPS], int entries) {
    float largest = minus_infinity(), total = 0;
    for_each_entry(entries, [&](int step, int) { largest = fmaxf(largest, x[step]); });
    largest = warp_max(largest);
    for_each_entry(entries, [&](int step, int) {
        x[step] = expf(x[step] - largest);
        total += x[step];
    });
    total = warp_sum(total);
    for_each_entry(entries, [&](int step, int) { x[step] /= total; });
}

/// The first position of a warp's largest number; 0 if all are NaN.
__device__ inline int argmax(const float (&x)[ENTRY_STEPS], int entries) {
    float largest = minus_infinity();
    int place = 0;
    for_each_entry(entries, [&](int step, int entry) {
        if (x[step] > largest) {
            largest = x[step];
            place = entry;
        }
    });
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
        const float other = __shfl_xor_sync(0xFFFFFFFFu, largest, distance);
        const int there = __shfl_xor_sync(0xFFFFFFFFu, place, distance);
        if (other > largest || (other == largest && there < place)) {
            largest = other;
            place = there;
        }
    }
    return place;
}

/// Writes the choice of each row (x) in each code book (y) as codes and one-hot, and each block's sums of the
/// probabilities and the choices without noise, [blocks, 2, groups, entries].
///
/// Neighboring blocks process rows of the same segment, and then the next; the segments begin at the offsets, which may
/// be missing if all rows are one segment.
template <class T>
__device__ inline void choose_entries(
    const T *logits, const float *noise, T *choice, int64 *codes, float *sums, const int64 *offsets, int segments,
    int64 rows, int groups, int entries) {
    const int group = blockIdx.y, warp = threadIdx.x / 32;
    const int segment = blockIdx.x % segments, part = blockIdx.x / segments, parts = gridDim.x / segments;
    const int64 first = offsets ? offsets[segment] : 0, end = offsets ? offsets[segment + 1] : rows;
    float probabilities[ENTRY_STEPS] = {}, choices[ENTRY_STEPS] = {};
    for (int64 row = first + (int64)part * CHOICE_WARPS + warp; row < end; row += (int64)parts * CHOICE_WARPS) {
        const int64 start = (row * groups + group) * entries;
        float x[ENTRY_STEPS];
        for_each_entry(entries, [&](int step, int entry) {
            x[step] = widened(logits[start + entry]) + (noise ? noise[start + entry] : 0.0f);
        });
        const int chosen = argmax(x, entries);
        if (noise) for_each_entry(entries, [&](int step, int entry) { x[step] = widened(logits[start + entry]); });
        const int likeliest = noise ? argmax(x, entries) : chosen;
        softmax(x, entries);
        for_each_entry(entries, [&](int step, int entry) {
            probabilities[step] += x[step];
            choices[step] += entry == likeliest ? 1.0f : 0.0f;
            assign(choice[start + entry], entry == chosen ? 1.0f : 0.0f);
        });
        if (threadIdx.x % 32 == 0) codes[row * groups + group] = chosen;
    }
    // The block's warps add their sums one after the other, in a fixed order.
    __shared__ float shared[2][MOST_ENTRIES];
    for (int turn = 0; turn < CHOICE_WARPS; turn++) {
        if (turn == warp) {
            for_each_entry(entries, [&](int step, int entry) {
                shared[0][entry] = (turn == 0 ? 0.0f : shared[0][entry]) + probabilities[step];
                shared[1][entry] = (turn == 0 ? 0.0f : shared[1][entry]) + choices[step];
            });
        }
        __syncthreads();
    }
    for (int i = threadIdx.x; i < 2 * entries; i += blockDim.x)
        sums[(((int64)blockIdx.x * 2 + i / entries) * groups + group) * entries + i % entries] =
            shared[i / entries][i % entries];
}

/// Adds the gradient g that comes through a softmax p of x to a result: p · (g − Σ p · g). x becomes p.
template <class Incoming>
__device__ inline void add_through_softmax(
    float (&x)[ENTRY_STEPS], float (&gradient)[ENTRY_STEPS], int entries, float scale, Incoming incoming) {
    softmax(x, entries);
    float projected = 0;
    for_each_entry(entries, [&](int step, int entry) { projected += x[step] * incoming(entry); });
    projected = warp_sum(projected);
    for_each_entry(entries, [&](int step, int entry) {
        gradient[step] += scale * x[step] * (incoming(entry) - projected);
    });
}

/// The gradient of the logits: that of the choice goes straight through to the Gumbel softmax, that of the segments'
/// summed probabilities, [segments, groups, entries], through the plain softmax.
template <class T>
__device__ inline void choose_entries_backward(
    const T *logits, const float *noise, const float *temperature, const T *choice_gradient, const float *sum_gradient,
    T *result, const int64 *offsets, int segments, int64 rows, int groups, int entries) {
    const int group = blockIdx.y;
    const int64 row = (int64)blockIdx.x * CHOICE_WARPS + threadIdx.x / 32;
    if (row >= rows) return;
    const int64 start = (row * groups + group) * entries;
    float x[ENTRY_STEPS], gradient[ENTRY_STEPS] = {};
    if (sum_gradient) {
        for_each_entry(entries, [&](int step, int entry) { x[step] = widened(logits[start + entry]); });
        int segment = 0;
        while (segment + 1 < segments && row >= offsets[segment + 1]) segment++;
        const float *incoming = sum_gradient + (segment * groups + group) * entries;
        add_through_softmax(x, gradient, entries, 1.0f, [&](int entry) { return incoming[entry]; });
    }
    if (noise && choice_gradient) {
        for_each_entry(entries, [&](int step, int entry) {
            x[step] = (widened(logits[start + entry]) + noise[start + entry]) / *temperature;
        });
        add_through_softmax(
            x, gradient, entries, 1.0f / *temperature,
            [&](int entry) { return widened(choice_gradient[start + entry]); });
    }
    for_each_entry(entries, [&](int step, int entry) { assign(result[start + entry], gradient[step]); });
}

#define PARAMETERS(T)                                                                                                 \
    (const T *logits, const float *noise, T *choice, int64 *codes, float *sums, const int64 *offsets, int segments,   \
     int64 rows, int groups, int entries)
KERNEL_OF_EACH_FORMAT(
    choose_entries, 32 * CHOICE_WARPS, PARAMETERS,
    (logits, noise, choice, codes, sums, offsets, segments, rows, groups, entries))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *logits, const float *noise, const float *temperature, const T *choice_gradient,                         \
     const float *sum_gradient, T *result, const int64 *offsets, int segments, int64 rows, int groups, int entries)
KERNEL_OF_EACH_FORMAT(
    choose_entries_backward, 32 * CHOICE_WARPS, PARAMETERS,
    (logits, noise, temperature, choice_gradient, sum_gradient, result, offsets, segments, rows, groups, entries))
#undef PARAMETERS
