import Foundation
import W2VBase
import W2VTorch

/// A training run as it is asked for.
public struct TrainingJob: Sendable {
    /// The task.
    public var task: Task
    /// The recipe.
    public var recipe: Recipe
    /// The manifests to learn from.
    public var train: [WeightedManifest]
    /// The held-out manifests; the first one decides the best checkpoint.
    public var valid: [WeightedManifest]
    /// The folder for checkpoints and logs.
    public var output: URL
    /// The checkpoint whose weights training starts from; without it they are random.
    public var from: URL?
    /// Whether fine-tuning begins with a new output layer even where ``from`` is a recognizer.
    public var newHead = false
    /// Whether a run in the output folder is continued.
    public var resume = false
    /// The task that the recipe seems to be meant for, where that can be seen: another one causes a warning.
    public var intendedTask: Task?
    /// The recipe's keys that were given a value of their own, by an assignment: a warning names each that a checkpoint
    /// overrides.
    public var assigned: Set<String> = []
    /// The recipe as its file has it, without what was ``assigned``; `nil` if nothing was.
    ///
    /// A resumed run keeps the values that it began with, except for those that are assigned or that the file has changed.
    public var writtenRecipe: Recipe?
    /// The device that the model runs on.
    public var device = Device.cpu
    /// The number of epochs after which this job pauses; `nil` for all.
    public var epochsThisJob: Int?
    /// The sub-batches of an update, over all processes: `optimization.update_freq` is chosen for it, and
    /// `batching.num_concat_batches` lowered if need be.
    public var effectiveBatch: Int?
    /// Whether the run is only tried, by ``Trainer/dryRun()``: nothing is written into the output folder.
    public var isDryRun = false

    /// The values that all processes of a run must agree on, by name.
    public var handshake: [String: String] {
        let manifests = { (list: [WeightedManifest]) in list.map { "\($0)" }.joined(separator: " ") }
        let values = recipe.values
        var handshake = values
        // A resumed run takes what is given now, and keeps what is not.
        let written = (writtenRecipe ?? recipe).values.filter { values[$0.key] != $0.value }
        handshake["given keys"] = assigned.sorted().joined(separator: " ")
        handshake["the recipe's file"] = written.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        handshake["task"] = task.rawValue
        handshake["\(Phrase.trainingList)"] = manifests(train)
        handshake["\(Phrase.validationList)"] = manifests(valid)
        handshake["\(Phrase.outputFolder)"] = output.path
        handshake["\(Phrase.startingCheckpoint)"] = from?.path ?? "none"
        handshake["\(Phrase.newHead)"] = newHead ? "yes" : "no"
        handshake["\(Phrase.resuming)"] = resume ? "yes" : "no"
        handshake["\(Phrase.device)"] = device == .cpu ? "cpu" : "cuda"
        handshake["\(Phrase.effectiveBatch)"] = effectiveBatch.map(String.init) ?? "none"
        handshake["\(Phrase.epochsThisJob)"] = epochsThisJob.map(String.init) ?? "all"
        return handshake
    }

    /// Describes a run.
    public init(task: Task, recipe: Recipe, train: [WeightedManifest], valid: [WeightedManifest], output: URL) {
        self.task = task
        self.recipe = recipe
        self.train = train
        self.valid = valid
        self.output = output
    }
}
