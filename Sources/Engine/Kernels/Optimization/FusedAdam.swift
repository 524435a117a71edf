import Foundation
import W2VTorch

/// Adam in one pass over memory on a GPU.
///
/// The kernel also scales the gradients, rounds the parameters for a half-precision module and clears the gradients,
/// which would be four passes more.
public final class FusedAdam: QueuedOptimizer {
    private let parameters: FlatParameters
    private let options: Moments.Options
    /// The running moments.
    public let moments: Moments

    /// Returns whether the kernel updates parameters where they are.
    public static func supports(_ parameters: FlatParameters) -> Bool { parameters.masters.fitsDeviceKernels }

    /// Makes an optimizer with zero moments, for parameters that ``supports(_:)`` accepts.
    public init(_ parameters: FlatParameters, _ options: Moments.Options) throws {
        self.parameters = parameters
        self.options = options
        moments = try Moments(parameters)
    }

    /// Makes one update from the gradients in the flat buffer, and clears them.
    ///
    /// - Parameter gradientScale: A factor on the gradients: normalization and clipping in one.
    /// - Throws: `TorchError.operation` if the kernel cannot be started.
    public func step(learningRate: Double, gradientScale: Double = 1) throws {
        let device = parameters.masters.device
        let scale = try gradientScale == 1 ? nil : Tensor.scalar(gradientScale, dtype: .float64, device: device)
        try update(learningRate: learningRate, scale, nil)
    }

    /// Queues one update from the gradients in the flat buffer, and counts it; the gradients are cleared in any case.
    ///
    /// - Parameters:
    ///   - gradientScale: A factor on the gradients, which the device still computes: an FP64 scalar.
    ///   - isSkipped: 1 where nothing must change but the gradients, else 0: an FP32 scalar.
    /// - Throws: `TorchError.operation` if the kernel cannot be started.
    public func step(learningRate: Double, gradientScale: Tensor, unless isSkipped: Tensor) throws {
        try update(learningRate: learningRate, gradientScale, isSkipped)
    }

    /// Takes the last update, which was skipped, from the count.
    public func uncountLast() { moments.updates -= 1 }

    private func update(learningRate: Double, _ gradientScale: Tensor?, _ isSkipped: Tensor?) throws {
        let own = parameters.own
        let lowered = try parameters.lowered.map { (try $0.values.rows(own), try $0.gradients.rows(own)) }
        let count = Double(moments.updates + 1)
        // lr · m̂ / (√v̂ + ε / √(1 − β₂ᵗ)), with m̂ and v̂ the moments over 1 − β₁ᵗ and 1 − β₂ᵗ.
        let correction = (1 - pow(options.beta2, count)).squareRoot() / (1 - pow(options.beta1, count))
        try AdamKernel(
            values: parameters.masters, first: moments.first, second: moments.second,
            gradients: parameters.gradients.rows(own), rounded: lowered?.0 ?? parameters.masters,
            roundedGradients: lowered?.1, gradientScale: gradientScale, isSkipped: isSkipped,
            rate: learningRate * correction, kept: 1 - learningRate * options.weightDecay, options: options
        ).launch()
        moments.updates += 1
        parameters.isRounded = true
        // Other processes' shards keep theirs.
        parameters.isCleared = own.count == parameters.gradients.count
    }
}

extension KernelSource {
    fileprivate static let adam = KernelSource("Adam.cu", PackageResources.Adam_cu)
}

/// One update of all parameters.
struct AdamKernel: DeviceKernel {
    /// FP32 [elements], as the next three.
    let values: Tensor
    let first: Tensor
    let second: Tensor
    let gradients: Tensor
    /// The parameters in the module's format; in FP32 the values themselves.
    let rounded: Tensor
    /// Gradients of the module's format, to be added to the others.
    let roundedGradients: Tensor?
    /// An FP64 scalar.
    let gradientScale: Tensor?
    /// An FP32 scalar.
    let isSkipped: Tensor?
    let rate: Double
    let kept: Double
    let options: Moments.Options

    /// The elements that a thread processes at a time.
    private static let width = 4

    static let name = "adam"
    static let source = KernelSource.adam
    static let threads = 256
    static let constants = ["ADAM_THREADS": threads, "ADAM_WIDTH": width]
    static let parameters: [KernelParameter<Self>] = [
        .writes("values", as: .float, \.values), .writes("first", as: .float, \.first),
        .writes("second", as: .float, \.second), .writes("gradients", as: .float, \.gradients),
        .writes("rounded", \.rounded), .writes("rounded_gradients", \.roundedGradients),
        .reads("gradient_scale", as: .double, \.gradientScale), .reads("skipped", as: .float, \.isSkipped),
        .int64("count", \.values.count), .float("rate", \.rate), .float("kept", \.kept),
        .double("beta1", \.options.beta1), .double("beta2", \.options.beta2), .float("epsilon", \.options.epsilon),
    ]
    /// About eight blocks for each multiprocessor of a large GPU.
    var shape: KernelShape {
        let elements = Self.width * Self.threads
        return KernelShape(grid: (min((values.count + elements - 1) / elements, 1056), 1), threads: Self.threads)
    }
}
