// The contrastive loss from all similarities of an utterance: one warp per masked frame reads those to its true vector
// and its distractors.
//
//     loss = −log(e^(s₀/κ) / Σⱼ e^(sⱼ/κ)), with s₀ the similarity to the true vector and κ the temperature

/// A masked frame's logits.
template <class T>
struct contrast_row {
    const T *similarities;
    const int *choices;
    const int64 *identities;
    float temperature;

    /// The utterance has `own` frames and `pool` candidates; identities may be missing.
    __device__ contrast_row(
        const T *similarities, const int *choices, const int64 *identities, int64 row, int own, int pool, int width,
        float temperature)
        : similarities(similarities + row * pool), choices(choices + row * width),
          identities(identities ? identities + row / own * pool : nullptr), temperature(temperature) {}

    /// −∞ where a distractor is the true vector.
    __device__ float operator()(int j) const {
        if (identities && j > 0 && identities[choices[j]] == identities[choices[0]]) return minus_infinity();
        return widened(similarities[choices[j]]) / temperature;
    }
};

constexpr int CONTRAST_WARPS = 4;

/// Writes each frame's loss, the log-sum-exp of its logits, and whether its largest logit is the true vector's.
template <class T>
__device__ inline void contrast(
    const T *similarities, const int *choices, const int64 *identities, float *losses, float *normalizers,
    float *correct, int64 rows, int own, int pool, int width, float temperature) {
    const int64 row = (int64)blockIdx.x * CONTRAST_WARPS + threadIdx.x / 32;
    if (row >= rows) return;
    const contrast_row<T> logit(similarities, choices, identities, row, own, pool, width, temperature);
    const int lane = threadIdx.x % 32;
    float largest = minus_infinity(), negated = minus_infinity(), total = 0;
    for (int j = lane; j < width; j += 32) {
        const float x = logit(j);
        largest = fmaxf(largest, x);
        negated = fmaxf(negated, -x);
    }
    largest = warp_max(largest);
    negated = warp_max(negated);
    for (int j = lane; j < width; j += 32) total += expf(logit(j) - largest);
    total = warp_sum(total);
    if (lane != 0) return;
    const float normalizer = logf(total) + largest, truth = logit(0);
    normalizers[row] = normalizer;
    losses[row] = normalizer - truth;
    // A frame whose logits are all equal has not chosen anything.
    correct[row] = truth >= largest && !(truth <= -negated) ? 1.0f : 0.0f;
}

/// The similarities' gradient, from that of each frame's loss; each warp has `pool` numbers of shared memory.
template <class T>
__device__ inline void contrast_backward(
    const T *similarities, const int *choices, const int64 *identities, const float *normalizers,
    const float *gradients, T *result, int64 rows, int own, int pool, int width, float temperature) {
    DYNAMIC_SHARED_MEMORY(float, shared);
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int64 row = (int64)blockIdx.x * (blockDim.x / 32) + warp;
    float *sums = shared + warp * pool;
    for (int i = lane; i < pool; i += 32) sums[i] = 0;
    __syncthreads();
    if (row < rows) {
        const contrast_row<T> logit(similarities, choices, identities, row, own, pool, width, temperature);
        for (int j = lane; j < width; j += 32) {
            const float share = expf(logit(j) - normalizers[row]) - (j == 0 ? 1.0f : 0.0f);
            // A distractor that was drawn twice adds the same number twice, so the order does not matter.
            atomicAdd(sums + choices[row * width + j], share * gradients[row] / temperature);
        }
    }
    __syncthreads();
    if (row >= rows) return;
    for (int i = lane; i < pool; i += 32) assign(result[row * pool + i], sums[i]);
}

#define PARAMETERS(T)                                                                                                 \
    (const T *similarities, const int *choices, const int64 *identities, float *losses, float *normalizers,           \
     float *correct, int64 rows, int own, int pool, int width, float temperature)
KERNEL_OF_EACH_FORMAT(
    contrast, 32 * CONTRAST_WARPS, PARAMETERS,
    (similarities, choices, identities, losses, normalizers, correct, rows, own, pool, width, temperature))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const T *similarities, const int *choices, const int64 *identities, const float *normalizers,                    \
     const float *gradients, T *result, int64 rows, int own, int pool, int width, float temperature)
KERNEL_OF_EACH_FORMAT(
    contrast_backward, 32 * CONTRAST_WARPS, PARAMETERS,
    (similarities, choices, identities, normalizers, gradients, result, rows, own, pool, width, temperature))
#undef PARAMETERS
