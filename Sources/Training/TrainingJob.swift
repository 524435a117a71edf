import Corpus
import Foundation
import Interchange
import Torch
import Wav2Vec2

/// A training run as the command line describes it.
public struct TrainingJob: Sendable {
    /// What is learned.
    public enum Task: String, Sendable {
        /// Representations from recordings alone.
        case pretraining
        /// Recognition from recordings and transcripts.
        case finetuning
    }

    /// What is learned.
    public var task: Task
    /// How it is learned.
    public var recipe: Recipe
    /// What is learned from.
    public var train: [WeightedManifest]
    /// What is held out; the first one decides the best checkpoint.
    public var valid: [WeightedManifest]
    /// Where checkpoints and logs go.
    public var output: URL
    /// The checkpoint whose weights training begins with; without it they are random.
    public var from: URL?
    /// Whether a run in the output folder is gone on with.
    public var resume = false
    /// Where the model runs.
    public var device = Device.cpu

    /// Describes a run.
    public init(task: Task, recipe: Recipe, train: [WeightedManifest], valid: [WeightedManifest], output: URL) {
        self.task = task
        self.recipe = recipe
        self.train = train
        self.valid = valid
        self.output = output
    }
}

extension Recipe {
    /// Takes a checkpoint's architecture; dropouts, LayerDrop and the extractor's gradient factor stay the recipe's.
    mutating func adoptArchitecture(of description: ModelDescription) {
        var adopted = description.model
        adopted.dropout = model.dropout
        adopted.attentionDropout = model.attentionDropout
        adopted.activationDropout = model.activationDropout
        adopted.dropoutInput = model.dropoutInput
        adopted.dropoutFeatures = model.dropoutFeatures
        adopted.finalDropout = model.finalDropout
        adopted.encoderLayerdrop = model.encoderLayerdrop
        adopted.featureGradMult = model.featureGradMult
        adopted.checkpointActivations = model.checkpointActivations
        model = adopted
        data.normalize = description.normalize
    }
}
