import ArgumentParser
import Foundation
import W2VBackbone
import W2VInterchange
import W2VObjectives
import W2VTorch

/// The model that a benchmark runs: an architecture with random weights, or a checkpoint's own.
///
/// Weights that have learned can take another time than random ones: their activations spread into the tails of GELU and
/// softmax.
struct BenchmarkedModel {
    /// The architecture, with every layer at work: steps are to be alike, one program's and another's.
    let configuration: ModelConfiguration
    /// How frames and channels are masked in training.
    let masking: MaskingConfiguration
    /// Whether recordings are brought to zero mean and unit variance.
    let normalizes: Bool
    /// The term that is added to the variance then.
    let normalizeEpsilon: Double
    /// The origin of the weights, for people.
    let weights: String
    /// The weights of the contrastive objective's terms, and its distractors.
    let objective: ContrastiveConfiguration
    /// The checkpoint that weights are read from; `nil` for random ones.
    let checkpoint: Checkpoint?
    /// The labels of a recognizer's output layer.
    private let labels: Int?

    /// A BASE model with random weights.
    init(_ configuration: ModelConfiguration) {
        self.configuration = Self.withEveryLayer(configuration)
        (masking, objective) = (MaskingConfiguration(), ContrastiveConfiguration())
        (normalizes, normalizeEpsilon) = (false, 1e-5)
        (weights, labels, checkpoint) = ("random", nil, nil)
    }

    /// A checkpoint's model.
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

    /// The number of labels of the output layer: the letters, the word boundary, the apostrophe and four specials, or those
    /// of the recognizer.
    var labelCount: Int { labels ?? 32 }

    /// The Hourglass as `--hourglass` writes it, or off.
    var hourglass: String { configuration.hourglass.map { "\($0)" } ?? "off" }

    private static func withEveryLayer(_ configuration: ModelConfiguration) -> ModelConfiguration {
        var configuration = configuration
        configuration.encoderLayerdrop = 0
        return configuration
    }

    /// The model that writes labels.
    ///
    /// - Throws: `CheckpointError` for a checkpoint without output layer; `TorchError` if LibTorch refuses.
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

    /// The model.
    ///
    /// - Parameter shape: The BASE model where there is no checkpoint.
    /// - Returns: The model that is timed.
    /// - Throws: What is wrong with the checkpoint; `ValidationError` for an Hourglass beside it.
    func model(_ shape: BenchmarkShapeOptions) throws -> BenchmarkedModel {
        guard let checkpoint else { return BenchmarkedModel(try shape.configuration) }
        guard shape.hourglass == "off" else {
            throw ValidationError("--hourglass goes without --checkpoint, whose model has its own encoder.")
        }
        let saved = try Checkpoint.read(fileURL(checkpoint))
        Console.notes(saved.notes, of: checkpoint)
        return BenchmarkedModel(saved, randomWeights: randomWeights)
    }
}
