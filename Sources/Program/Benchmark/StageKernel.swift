import W2VBackbone
import W2VObjectives
import W2VTorch
import W2VTraining

/// A kernel of the model in isolation, for a benchmark.
struct StageKernel {
    /// The work of a pass, by its definition.
    enum Work: Sendable {
        /// Floating-point operations; a multiply-add counts as two.
        case operations(Double)
        /// Bytes read and written.
        case bytes(Double)
        /// Unknown: neither number is meaningful.
        case uncounted
    }

    /// The name in tables.
    let name: String
    /// The work of the forward pass.
    let forwardWork: Work
    /// The work of the backward pass.
    let backwardWork: Work
    /// The tensors whose gradients the backward pass computes; empty without a backward pass.
    let leaves: [Tensor]
    /// Runs the forward pass.
    let forward: () throws -> Tensor

    /// Makes the kernels of a model of this architecture on a batch.
    ///
    /// The encoder's kernels are those of one layer; the optimizer comes last, over all parameters.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - samples: Number of samples of each utterance.
    ///   - initializer: The initializer of the parameters.
    ///   - precision: The number formats of the computation.
    ///   - isReproducible: Whether random draws that differ between devices are left out, so that results can be
    ///     compared: attention dropout and Gumbel noise.
    ///   - device: The kernels' device.
    /// - Returns: The kernels, in the order of a pre-training step.
    /// - Throws: `ConfigurationError` for an impossible architecture or batch; `TorchError`.
    static func all(
        _ configuration: ModelConfiguration, samples: [Int], initializer: Initializer,
        precision: ModelPrecision = ModelPrecision(), isReproducible: Bool = false, device: Device
    ) throws -> [StageKernel] {
        var configuration = configuration
        if isReproducible { configuration.attentionDropout = 0 }
        let model = try PretrainingModel(configuration, initializer: initializer)
        try model.move(to: device)
        let kernels = try StageKernelMaker(
            configuration, model, samples: samples, precision: precision, isReproducible: isReproducible, device: device
        )
        return try kernels.extractor() + kernels.encoder() + kernels.objectives() + [kernels.optimizer()]
    }
}
