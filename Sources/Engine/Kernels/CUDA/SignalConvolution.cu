// The feature extractor's first layer: convolution of one channel, normalization over each utterance, GELU. The
// output's statistics follow from the moments of the windows (NormalizedSignalConvolution.swift has the algebra), so
// that only the output is written, and only the signal is kept.

/// The maximum number of taps of a window; shorter ones end in zeros. The sums and products of its samples, each pair
/// once.
constexpr int TAPS = 10, PAIRS = TAPS * (TAPS + 1) / 2, MOMENTS = TAPS + PAIRS;
/// The channels of a thread.
constexpr int THREAD_CHANNELS = 4;
/// The rows of a block in the forward and the backward pass.
constexpr int FORWARD_ROWS = 64, BACKWARD_ROWS = 256, SIGNAL_THREADS = 128;

/// The first row of an utterance or a part of one, its rows, those of them that are valid frames, and the utterance
/// whose statistics normalize them.
struct utterance_rows {
    int64 start, rows, valid, owner;
};

__device__ inline int pair_index(int j, int k) { return j * (j + 1) / 2 + k; }

// MARK: Statistics

/// For each utterance (y) and part (x): Σ x[k] and Σ x[j] · x[k] over a fixed number of windows, [utterances, parts, MOMENTS].
extern "C" __global__ void __launch_bounds__(SIGNAL_THREADS) window_moments(
    const float *signal, const utterance_rows *utterances, double *parts, int kernel, int stride) {
    const utterance_rows at = utterances[blockIdx.y];
    float sums[MOMENTS];
#pragma unroll
    for (int i = 0; i < MOMENTS; i++) sums[i] = 0;
    for (int64 row = blockIdx.x * SIGNAL_THREADS + threadIdx.x; row < at.valid; row += gridDim.x * SIGNAL_THREADS) {
        const float *window = signal + (at.start + row) * stride;
        float x[TAPS];
#pragma unroll
        for (int k = 0; k < TAPS; k++) x[k] = k < kernel ? window[k] : 0.0f;
#pragma unroll
        for (int j = 0; j < TAPS; j++) {
            sums[j] += x[j];
#pragma unroll
            for (int k = 0; k <= j; k++) sums[TAPS + pair_index(j, k)] += x[j] * x[k];
        }
    }
    __shared__ double shared[SIGNAL_THREADS / 32][MOMENTS];
#pragma unroll
    for (int i = 0; i < MOMENTS; i++) {
        const double sum = warp_sum((double)sums[i]);
        if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32][i] = sum;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < MOMENTS; i += SIGNAL_THREADS) {
        double sum = 0;
        for (int warp = 0; warp < SIGNAL_THREADS / 32; warp++) sum += shared[warp][i];
        parts[((int64)blockIdx.y * gridDim.x + blockIdx.x) * MOMENTS + i] = sum;
    }
}
KERNEL_DEFINED(window_moments)

/// Folds the normalization of each utterance into weight and shift.
///
/// Writes `moments` [utterances, MOMENTS], `statistics` [utterances, 2, channels] (mean and inverse deviation) and
/// `folded` [utterances, TAPS + 1, channels] (the weights tap by tap, then the shift).
template <class T>
__device__ inline void fold_normalization(
    const double *parts, const utterance_rows *utterances, const T *weight, const T *gain, const T *bias,
    double *moments, double *statistics, float *folded, int part_count, int channels, int kernel, double epsilon) {
    const int64 utterance = blockIdx.x;
    const double frames = (double)utterances[utterance].valid;
    __shared__ double sums[MOMENTS];
    for (int i = threadIdx.x; i < MOMENTS; i += blockDim.x) {
        double sum = 0;
        for (int part = 0; part < part_count; part++) sum += parts[(utterance * part_count + part) * MOMENTS + i];
        sums[i] = sum;
        moments[utterance * MOMENTS + i] = sum;
    }
    __syncthreads();
    for (int channel = threadIdx.x; channel < channels; channel += blockDim.x) {
        double taps[TAPS], mean = 0, variance = 0;
        for (int k = 0; k < TAPS; k++) {
            taps[k] = k < kernel ? (double)widened(weight[channel * kernel + k]) : 0.0;
            mean += taps[k] * sums[k] / frames;
        }
        for (int j = 0; j < TAPS; j++) {
            for (int k = 0; k <= j; k++) {
                const double covariance = sums[TAPS + pair_index(j, k)] / frames - sums[j] / frames * (sums[k] / frames);
                variance += (j == k ? 1.0 : 2.0) * taps[j] * taps[k] * covariance;
            }
        }
        const double inverse = 1.0 / sqrt((variance > 0 ? variance : 0.0) + epsilon);
        const double scale = (double)widened(gain[channel]) * inverse;
        statistics[(utterance * 2) * channels + channel] = mean;
        statistics[(utterance * 2 + 1) * channels + channel] = inverse;
        float *own = folded + utterance * (TAPS + 1) * channels + channel;
        for (int k = 0; k < TAPS; k++) own[(int64)k * channels] = (float)(taps[k] * scale);
        own[(int64)TAPS * channels] = (float)((double)widened(bias[channel]) - mean * scale);
    }
}

// MARK: Convolution

/// The folded weights of four channels.
struct channel_weights {
    float taps[TAPS][THREAD_CHANNELS];
    float shift[THREAD_CHANNELS];

    __device__ channel_weights(const float *folded, int channels) {
#pragma unroll
        for (int k = 0; k < TAPS; k++) read(folded + (int64)k * channels, taps[k]);
        read(folded + (int64)TAPS * channels, shift);
    }

    __device__ void convolve(const float *window, float (&sum)[THREAD_CHANNELS]) const {
#pragma unroll
        for (int i = 0; i < THREAD_CHANNELS; i++) sum[i] = shift[i];
#pragma unroll
        for (int k = 0; k < TAPS; k++) {
#pragma unroll
            for (int i = 0; i < THREAD_CHANNELS; i++) sum[i] += window[k] * taps[k][i];
        }
    }
};

/// Loads the samples of some rows' windows into shared memory, with zeros after the signal's end.
__device__ inline void load_samples(float *samples, const float *signal, int64 first, int count, int64 available) {
    for (int i = threadIdx.x; i < count; i += blockDim.x) samples[i] = first + i < available ? signal[first + i] : 0.0f;
    __syncthreads();
}

/// GELU of the folded convolution for FORWARD_ROWS rows (x) of an utterance or a part of one (y); rows whose window
/// leaves the signal, possible at the end of a batch, become zero.
template <class T>
__device__ inline void signal_convolution(
    const float *signal, const utterance_rows *utterances, const float *folded, T *output, int64 samples_available,
    int channels, int kernel, int stride) {
    DYNAMIC_SHARED_MEMORY(float, samples);
    const utterance_rows at = utterances[blockIdx.y];
    const int64 first = (int64)blockIdx.x * FORWARD_ROWS;
    if (first >= at.rows) return;
    const int rows = at.rows - first < FORWARD_ROWS ? (int)(at.rows - first) : FORWARD_ROWS;
    const int64 start = (at.start + first) * stride;
    load_samples(samples, signal, start, (rows - 1) * stride + TAPS, samples_available);
    for (int channel = threadIdx.x * THREAD_CHANNELS; channel < channels; channel += SIGNAL_THREADS * THREAD_CHANNELS) {
        const channel_weights weights(folded + at.owner * (TAPS + 1) * channels + channel, channels);
        for (int row = 0; row < rows; row++) {
            float sum[THREAD_CHANNELS];
            weights.convolve(samples + row * stride, sum);
            const bool is_whole = start + row * stride + kernel <= samples_available;
#pragma unroll
            for (int i = 0; i < THREAD_CHANNELS; i++) sum[i] = is_whole ? gelu(sum[i]) : 0.0f;
            write(output + (at.start + first + row) * channels + channel, sum);
        }
    }
}

/// For BACKWARD_ROWS frames (x) of an utterance (y): Σ g · x[k] and, last, Σ g, with g the gradient times GELU's
/// derivative; [utterances, blocks, TAPS + 1, channels].
template <class T>
__device__ inline void signal_convolution_backward(
    const float *signal, const utterance_rows *utterances, const float *folded, const T *gradient, float *parts,
    int64 samples_available, int channels, int stride) {
    DYNAMIC_SHARED_MEMORY(float, samples);
    const utterance_rows at = utterances[blockIdx.y];
    const int64 first = (int64)blockIdx.x * BACKWARD_ROWS;
    const int rows = first >= at.valid ? 0
        : at.valid - first < BACKWARD_ROWS ? (int)(at.valid - first) : BACKWARD_ROWS;
    if (rows > 0)
        load_samples(samples, signal, (at.start + first) * stride, (rows - 1) * stride + TAPS, samples_available);
    float *own = parts + ((int64)blockIdx.y * gridDim.x + blockIdx.x) * (TAPS + 1) * channels;
    for (int channel = threadIdx.x * THREAD_CHANNELS; channel < channels; channel += SIGNAL_THREADS * THREAD_CHANNELS) {
        const channel_weights weights(folded + (int64)blockIdx.y * (TAPS + 1) * channels + channel, channels);
        float sums[TAPS + 1][THREAD_CHANNELS] = {};
        for (int row = 0; row < rows; row++) {
            const float *window = samples + row * stride;
            float x[THREAD_CHANNELS], g[THREAD_CHANNELS];
            weights.convolve(window, x);
            read(gradient + (at.start + first + row) * channels + channel, g);
#pragma unroll
            for (int i = 0; i < THREAD_CHANNELS; i++) {
                g[i] *= gelu_slope(x[i]);
                sums[TAPS][i] += g[i];
            }
#pragma unroll
            for (int k = 0; k < TAPS; k++) {
#pragma unroll
                for (int i = 0; i < THREAD_CHANNELS; i++) sums[k][i] += g[i] * window[k];
            }
        }
#pragma unroll
        for (int k = 0; k <= TAPS; k++) write(own + (int64)k * channels + channel, sums[k]);
    }
}

/// Adds up the blocks' sums: [utterances, (TAPS + 1) · channels] in FP64, 32 columns (x) of an utterance (y) per block.
extern "C" __global__ void __launch_bounds__(256) signal_gradient_sums(
    const float *parts, double *sums, int part_count, int columns) {
    __shared__ double shared[8][32];
    const int x = threadIdx.x % 32, y = threadIdx.x / 32;
    const int column = blockIdx.x * 32 + x;
    double total = 0;
    if (column < columns) {
        const float *own = parts + (int64)blockIdx.y * part_count * columns + column;
#pragma unroll 4
        for (int part = y; part < part_count; part += 8) total += own[(int64)part * columns];
    }
    shared[y][x] = total;
    __syncthreads();
    if (y > 0 || column >= columns) return;
    for (int i = 1; i < 8; i++) total += shared[i][x];
    sums[(int64)blockIdx.y * columns + column] = total;
}
KERNEL_DEFINED(signal_gradient_sums)

/// The gradients of weight, gain and bias, one thread per channel.
template <class T>
__device__ inline void signal_gradients(
    const double *sums, const double *moments, const double *statistics, const utterance_rows *utterances,
    const T *weight, const T *gain, T *weight_gradient, T *gain_gradient, T *bias_gradient, int utterance_count,
    int channels, int kernel) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    double taps[TAPS], weights[TAPS], gains = 0, biases = 0;
#pragma unroll
    for (int k = 0; k < TAPS; k++) {
        taps[k] = k < kernel ? (double)widened(weight[channel * kernel + k]) : 0.0;
        weights[k] = 0;
    }
    const double scale = (double)widened(gain[channel]);
    for (int64 utterance = 0; utterance < utterance_count; utterance++) {
        const double *own = sums + utterance * (TAPS + 1) * channels + channel;
        const double *moment = moments + utterance * MOMENTS;
        const double mean = statistics[utterance * 2 * channels + channel];
        const double inverse = statistics[(utterance * 2 + 1) * channels + channel];
        const double frames = (double)utterances[utterance].valid;
        const double sum = own[(int64)TAPS * channels];
        // Σ g · x̂, with x̂ = (w · window − mean) / deviation.
        double normalized = -mean * sum;
#pragma unroll
        for (int k = 0; k < TAPS; k++) normalized += taps[k] * own[(int64)k * channels];
        normalized *= inverse;
        biases += sum;
        gains += normalized;
#pragma unroll
        for (int k = 0; k < TAPS; k++) {
            double product = -mean * moment[k];
#pragma unroll
            for (int j = 0; j < TAPS; j++)
                product += taps[j] * moment[TAPS + (j >= k ? pair_index(j, k) : pair_index(k, j))];
            // ∂L/∂w[k] = γ / σ · (Σ g x[k] − Σ g / N · Σ x[k] − Σ g x̂ / N · Σ x̂ x[k]), the derivative of a
            // normalization, with Σ x̂ x[k] = (Σⱼ w[j] Σ x[j] x[k] − mean · Σ x[k]) / σ from the windows' moments.
            weights[k] += inverse * scale
                * (own[(int64)k * channels] - sum / frames * moment[k] - normalized / frames * inverse * product);
        }
    }
#pragma unroll
    for (int k = 0; k < TAPS; k++)
        if (k < kernel) assign(weight_gradient[channel * kernel + k], (float)weights[k]);
    assign(gain_gradient[channel], (float)gains);
    assign(bias_gradient[channel], (float)biases);
}

#define PARAMETERS(T)                                                                                                 \
    (const double *parts, const utterance_rows *utterances, const T *weight, const T *gain, const T *bias,            \
     double *moments, double *statistics, float *folded, int part_count, int channels, int kernel, double epsilon)
KERNEL_OF_EACH_FORMAT(
    fold_normalization, 256, PARAMETERS,
    (parts, utterances, weight, gain, bias, moments, statistics, folded, part_count, channels, kernel, epsilon))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const float *signal, const utterance_rows *utterances, const float *folded, T *output, int64 samples_available,  \
     int channels, int kernel, int stride)
KERNEL_OF_EACH_FORMAT(
    signal_convolution, SIGNAL_THREADS, PARAMETERS,
    (signal, utterances, folded, output, samples_available, channels, kernel, stride))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const float *signal, const utterance_rows *utterances, const float *folded, const T *gradient, float *parts,     \
     int64 samples_available, int channels, int stride)
KERNEL_OF_EACH_FORMAT(
    signal_convolution_backward, SIGNAL_THREADS, PARAMETERS,
    (signal, utterances, folded, gradient, parts, samples_available, channels, stride))
#undef PARAMETERS

#define PARAMETERS(T)                                                                                                 \
    (const double *sums, const double *moments, const double *statistics, const utterance_rows *utterances,           \
     const T *weight, const T *gain, T *weight_gradient, T *gain_gradient, T *bias_gradient, int utterance_count,     \
     int channels, int kernel)
KERNEL_OF_EACH_FORMAT(
    signal_gradients, 64, PARAMETERS,
    (sums, moments, statistics, utterances, weight, gain, weight_gradient, gain_gradient, bias_gradient,
     utterance_count, channels, kernel))
#undef PARAMETERS
