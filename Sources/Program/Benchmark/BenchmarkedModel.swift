import ArgumentParser
import Foundation
import W2VBackbone
import W2VInterchange
import W2VObjectives
import W2VTorch

/// The model of a benchmark: an architecture with random weights, or a checkpoint.
///
/// Trained weights can take longer than random ones: their activations spread into the tails of GELU and softmax.
struct BenchmarkedModel {
    /// The architecture, without LayerDrop, so that all steps and other programs' steps do the same work.
    let configuration: ModelConfiguration
    /// The masking of frames and channels in training.
    let masking: MaskingConfiguration
    /// Whether recordings are normalized to zero mean and unit variance.
    let normalizes: Bool
    /// The constant that is then added to the variance.
    let normalizeEpsilon: Double
    /// The source of the weights, for people.
    let weights: String
    /// The contrastive objective's weights and number of distractors.
    let objective: ContrastiveConfiguration
    /// The checkpoint that weights are read from; `nil` for random weights.
    let checkpoint: Checkpoint?
    /// Number of labels of a recognizer's output layer.
    private let labels: Int?

    /// Describes a BASE model with random weights.
    init(_ configuration: ModelConfiguration) {
        self.configuration = Self.withEveryLayer(configuration)
        (masking, objective) = (MaskingConfiguration(), ContrastiveConfiguration())
        (normalizes, normalizeEpsilon) = (false, 1e-5)
        (weights, labels, checkpoint) = ("random", nil, nil)
    }

    /// Describes a checkpoint's model.
    ///
    /// - Parameters:
    ///   - checkpoint: The checkpoint.
    ///   - randomWeights: Whether its weights are replaced by random ones.
    init(_ checkpoint: Checkpoint, randomWeights: Bool) {
        let description = checkpoint.description
        configuration = Self.withEveryLayer(description.model)
        (masking, objective) = (description.masking, description.objective)
        (normalizes, normalizeEpsilon) = (description.normalize, description.normalizeEpsilon)
        labels = description.task.hasLabels ? checkpoint.labelCount : nil
        self.checkpoint = randomWeights ? nil : checkpoint
        weights = randomWeights ? "random, of the architecture of \(checkpoint.url.path)" : checkpoint.url.path
    }

    /// Number of labels of the output layer: the recognizer's, or else the letters, the word boundary, the apostrophe
    /// and four special symbols.
    var labelCount: Int { labels ?? 32 }

    /// The Hourglass as on the command line, or "off".
    var hourglass: String { configuration.hourglass.map { "\($0)" } ?? "off" }

    private static func withEveryLayer(_ configuration: ModelConfiguration) -> ModelConfiguration {
        var configuration = configuration
        configuration.encoderLayerdrop = 0
        return configuration
    }

    /// Makes the recognizer.
    ///
    /// - Throws: `CheckpointError` for a checkpoint without an output layer; `TorchError`.
    func inferenceModel(seed: Int64) throws -> CTCModel {
        if let checkpoint { return try checkpoint.ctcModel() }
        return try CTCModel(configuration, labels: labelCount, initializer: .random(seed: seed))
    }
}

/// The weights that are timed.
struct BenchmarkWeightsOptions: ParsableArguments {
    @Option(
        help: "Checkpoint to time, instead of a BASE model with random weights.",
        completion: .file())
    var checkpoint: String?

    @Flag(help: "Replace the weights of --checkpoint by random ones, for comparison.")
    var randomWeights = false

    func validate() throws {
        if randomWeights, checkpoint == nil {
            throw ValidationError("--random-weights goes with --checkpoint; without it the weights are random.")
        }
    }

    /// Returns the model to time.
    ///
    /// - Parameter shape: The BASE model to use without a checkpoint.
    /// - Throws: The checkpoint's error; `ValidationError` for an Hourglass in addition to a checkpoint.
    func model(_ shape: BenchmarkShapeOptions) throws -> BenchmarkedModel {
        guard let checkpoint else { return BenchmarkedModel(try shape.configuration) }
        guard shape.hourglass == "off" else {
            throw ValidationError("--hourglass goes without --checkpoint, whose model has its own encoder.")
        }
        let saved = try Checkpoint.read(modelURL(checkpoint))
        Console.notes(saved.notes, of: checkpoint)
        return BenchmarkedModel(saved, randomWeights: randomWeights)
    }
}
