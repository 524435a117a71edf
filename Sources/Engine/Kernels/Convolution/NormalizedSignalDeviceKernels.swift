import W2VTorch

extension KernelSource {
    fileprivate static let signalConvolution = KernelSource(
        "SignalConvolution.cu", PackageResources.SignalConvolution_cu)
}

extension KernelElement {
    /// Four integers for each utterance or part of one: its first row, its rows, its valid frames, and the utterance
    /// whose statistics normalize them.
    fileprivate static let utteranceRows = KernelElement(text: "utterance_rows", dtype: .int64)
}

/// The sizes that the first layer's kernels are compiled for.
enum SignalBlocks {
    /// The maximum number of taps of a window.
    static let taps = 10
    /// The number of sums and products of a window's samples.
    static let moments = taps + taps * (taps + 1) / 2
    /// The channels of a thread; the number of channels must be a multiple of it.
    static let threadChannels = 4
    /// The rows of a block in the forward and the backward pass.
    static let (forwardRows, backwardRows) = (64, 256)
    fileprivate static let threads = 128

    /// Returns the launch shape: blocks of a fixed number of rows of each utterance, with their windows' samples in
    /// shared memory.
    static func shape(_ rows: Int, of counts: [Int], stride: Int) -> KernelShape {
        KernelShape(
            grid: (((counts.max() ?? 0) + rows - 1) / rows, counts.count), threads: threads,
            sharedBytes: sharedBytes(rows, stride: stride))
    }

    /// Returns the bytes of the samples under some rows' windows.
    static func sharedBytes(_ rows: Int, stride: Int) -> Int { 4 * ((rows - 1) * stride + taps) }
}

/// For each utterance and part of it: Σ x[k] and Σ x[j] · x[k] over a fixed number of windows, FP64 [utterances, parts, moments].
struct WindowMomentsKernel: DeviceKernel {
    let signal: Tensor
    let utterances: Tensor
    let parts: Tensor
    let kernel: Int
    let stride: Int

    static let name = "window_moments"
    static let source = KernelSource.signalConvolution
    static let threads = SignalBlocks.threads
    static let constants = [
        "TAPS": SignalBlocks.taps, "MOMENTS": SignalBlocks.moments, "SIGNAL_THREADS": SignalBlocks.threads,
    ]
    static let parameters: [KernelParameter<Self>] = [
        .reads("signal", as: .float, \.signal), .reads("utterances", as: .utteranceRows, \.utterances),
        .writes("parts", as: .double, \.parts), .int32("kernel", \.kernel), .int32("stride", \.stride),
    ]
    var shape: KernelShape { KernelShape(grid: (parts.size(1), parts.size(0)), threads: Self.threads) }
}

/// The normalization of each utterance, folded into weight and shift.
struct FoldNormalizationKernel: DeviceKernel {
    /// FP64 [utterances, parts, moments].
    let parts: Tensor
    let utterances: Tensor
    /// [channels, 1, kernel].
    let weight: Tensor
    let gain: Tensor
    let bias: Tensor
    let folded: FoldedNormalization
    let epsilon: Double

    static let name = "fold_normalization"
    static let source = KernelSource.signalConvolution
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("parts", as: .double, \.parts), .reads("utterances", as: .utteranceRows, \.utterances),
        .reads("weight", \.weight), .reads("gain", \.gain), .reads("bias", \.bias),
        .writes("moments", as: .double, \.folded.moments), .writes("statistics", as: .double, \.folded.statistics),
        .writes("folded", as: .float, \.folded.weights), .int32("part_count") { $0.parts.size(1) },
        .int32("channels") { $0.weight.size(0) }, .int32("kernel") { $0.weight.size(2) },
        .double("epsilon", \.epsilon),
    ]
    var shape: KernelShape { KernelShape(grid: (parts.size(0), 1), threads: Self.threads) }
}

/// The normalization of each utterance, and the convolution's weight combined with it.
struct FoldedNormalization {
    /// FP64 [utterances, moments].
    let moments: Tensor
    /// FP64 [utterances, 2, channels]: mean and inverse deviation.
    let statistics: Tensor
    /// FP32 [utterances, taps + 1, channels]: weights that include the normalization, and the shift.
    let weights: Tensor
}

/// GELU of the folded convolution; rows whose window leaves the signal become zero.
struct SignalConvolutionKernel: DeviceKernel {
    let signal: Tensor
    let utterances: Tensor
    let folded: Tensor
    /// [rows, channels].
    let output: Tensor
    let kernel: Int
    let stride: Int
    let shape: KernelShape

    static let name = "signal_convolution"
    static let source = KernelSource.signalConvolution
    static let threads = SignalBlocks.threads
    static let constants = [
        "FORWARD_ROWS": SignalBlocks.forwardRows, "THREAD_CHANNELS": SignalBlocks.threadChannels,
    ]
    static let parameters: [KernelParameter<Self>] = [
        .reads("signal", as: .float, \.signal), .reads("utterances", as: .utteranceRows, \.utterances),
        .reads("folded", as: .float, \.folded), .writes("output", \.output),
        .int64("samples_available", \.signal.count), .int32("channels") { $0.output.size(1) },
        .int32("kernel", \.kernel), .int32("stride", \.stride),
    ]
}

/// Σ g · x[k] and, last, Σ g over some frames of an utterance, with g the gradient times GELU's derivative; FP32
/// [utterances, blocks, (taps + 1) · channels].
struct SignalConvolutionBackwardKernel: DeviceKernel {
    let signal: Tensor
    let utterances: Tensor
    let folded: Tensor
    let gradient: Tensor
    let parts: Tensor
    let stride: Int
    let shape: KernelShape

    static let name = "signal_convolution_backward"
    static let source = KernelSource.signalConvolution
    static let threads = SignalBlocks.threads
    static let constants = ["BACKWARD_ROWS": SignalBlocks.backwardRows]
    static let parameters: [KernelParameter<Self>] = [
        .reads("signal", as: .float, \.signal), .reads("utterances", as: .utteranceRows, \.utterances),
        .reads("folded", as: .float, \.folded), .reads("gradient", \.gradient), .writes("parts", as: .float, \.parts),
        .int64("samples_available", \.signal.count), .int32("channels") { $0.gradient.size(1) },
        .int32("stride", \.stride),
    ]
}

/// The sums over an utterance's blocks, FP64 [utterances, (taps + 1) · channels].
struct SignalGradientSumsKernel: DeviceKernel {
    let parts: Tensor
    let sums: Tensor

    static let name = "signal_gradient_sums"
    static let source = KernelSource.signalConvolution
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("parts", as: .float, \.parts), .writes("sums", as: .double, \.sums),
        .int32("part_count") { $0.parts.size(1) }, .int32("columns") { $0.sums.size(1) },
    ]
    var shape: KernelShape { KernelShape(grid: ((sums.size(1) + 31) / 32, sums.size(0)), threads: Self.threads) }
}

/// The gradients of weight, gain and bias.
struct SignalGradientsKernel: DeviceKernel {
    let sums: Tensor
    let folded: FoldedNormalization
    let utterances: Tensor
    /// [channels, 1, kernel].
    let weight: Tensor
    let gain: Tensor
    let weightGradient: Tensor
    let gainGradient: Tensor
    let biasGradient: Tensor

    static let name = "signal_gradients"
    static let source = KernelSource.signalConvolution
    static let threads = 64
    static let parameters: [KernelParameter<Self>] = [
        .reads("sums", as: .double, \.sums), .reads("moments", as: .double, \.folded.moments),
        .reads("statistics", as: .double, \.folded.statistics), .reads("utterances", as: .utteranceRows, \.utterances),
        .reads("weight", \.weight), .reads("gain", \.gain), .writes("weight_gradient", \.weightGradient),
        .writes("gain_gradient", \.gainGradient), .writes("bias_gradient", \.biasGradient),
        .int32("utterance_count") { $0.sums.size(0) }, .int32("channels") { $0.weight.size(0) },
        .int32("kernel") { $0.weight.size(2) },
    ]
    var shape: KernelShape {
        KernelShape(grid: ((weight.size(0) + Self.threads - 1) / Self.threads, 1), threads: Self.threads)
    }
}
