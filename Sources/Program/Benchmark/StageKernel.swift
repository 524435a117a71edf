import W2VBackbone
import W2VObjectives
import W2VTorch
import W2VTraining

/// A kernel of the model by itself, as a benchmark runs it.
struct StageKernel {
    /// The work that the definition of a pass needs.
    enum Work: Sendable {
        /// Floating-point operations, a multiplication with its addition as two.
        case operations(Double)
        /// Bytes read and written.
        case bytes(Double)
        /// Neither says much.
        case uncounted
    }

    /// The name in tables.
    let name: String
    /// The work of the forward pass.
    let forwardWork: Work
    /// The work of the backward pass.
    let backwardWork: Work
    /// The tensors that the backward pass gives gradients of; empty if there is none.
    let leaves: [Tensor]
    /// Runs it.
    let forward: () throws -> Tensor

    /// The kernels of a model of this architecture on a batch.
    ///
    /// Those of the encoder's layers are those of one layer; the optimizer comes last, over all parameters.
    ///
    /// - Parameters:
    ///   - configuration: The architecture.
    ///   - samples: The samples of each utterance.
    ///   - initializer: The source of the parameters.
    ///   - precision: The number formats that they compute in.
    ///   - isReproducible: Whether nothing is drawn that devices draw differently, so that their results can be compared:
    ///     attention drops nothing, and there is no Gumbel noise.
    ///   - device: The device that they run on.
    /// - Returns: The kernels, in the order of a pre-training step.
    /// - Throws: `ConfigurationError` for an impossible architecture or batch; `TorchError` if LibTorch refuses.
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
