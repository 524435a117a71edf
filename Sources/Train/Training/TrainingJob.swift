import Foundation
import W2VBase
import W2VTorch

/// A requested training run.
public struct TrainingJob: Sendable {
    /// The kind of training.
    public var kind: Kind
    /// The recipe.
    public var recipe: Recipe
    /// The training manifests.
    public var train: [WeightedManifest]
    /// The held-out manifests; the first one selects the best checkpoint.
    public var valid: [WeightedManifest]
    /// The folder for checkpoints and logs.
    public var output: URL
    /// The checkpoint whose weights training starts from; `nil` for random weights.
    public var from: URL?
    /// Whether fine-tuning starts with a new output layer even if ``from`` is a recognizer.
    public var newHead = false
    /// Whether a run in the output folder is continued.
    public var resume = false
    /// The kind of training that the recipe seems to be meant for, if recognizable; another one causes a warning.
    public var intendedKind: Kind?
    /// The recipe's keys that were given a value by an assignment: a warning names each one that a checkpoint
    /// overrides.
    public var assigned: Set<String> = []
    /// The recipe as in its file, without the ``assigned`` values; `nil` without assignments.
    ///
    /// A resumed run keeps its original values, except those that are assigned or that the file has changed.
    public var writtenRecipe: Recipe?
    /// The device that the model runs on.
    public var device = Device.cpu
    /// Number of epochs after which this job pauses; `nil` for all.
    public var epochsThisJob: Int?
    /// Number of sub-batches per update, over all processes: `optimization.update_freq` is chosen for it, and
    /// `batching.num_concat_batches` lowered if needed.
    public var effectiveBatch: Int?
    /// Whether ``recipe`` comes from the run's own record, so that each of its values counts as given.
    public var continuesRecord = false
    /// What the run's record says about the command.
    public var provenance = Provenance()
    /// Whether the run is only tried, by ``Trainer/dryRun()``, without writing into the output folder.
    public var isDryRun = false

    /// The command that a job comes from, for the run's record.
    public struct Provenance: Sendable, Equatable {
        /// The command's words after the program's name.
        public var arguments: [String] = []
        /// The program's version.
        public var version: String?
        /// The recipe's name or file, if it was given.
        public var recipe: String?
        /// The path or name of the starting checkpoint, if it was given.
        public var origin: String?
        /// Number of CPU threads, if it was given.
        public var requestedThreads: Int?

        /// Makes an unknown command.
        public init() {}
    }

    /// The values that all processes of a run must agree on, by name.
    public var handshake: [String: String] {
        let manifests = { (list: [WeightedManifest]) in list.map { "\($0)" }.joined(separator: " ") }
        let values = recipe.values
        var handshake = values
        // A resumed run takes the values that are given now, and keeps the others.
        let written = (writtenRecipe ?? recipe).values.filter { values[$0.key] != $0.value }
        handshake["given keys"] = assigned.sorted().joined(separator: " ")
        handshake["the recipe's file"] = written.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        handshake["task"] = kind.rawValue
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

    /// Makes a job.
    public init(kind: Kind, recipe: Recipe, train: [WeightedManifest], valid: [WeightedManifest], output: URL) {
        self.kind = kind
        self.recipe = recipe
        self.train = train
        self.valid = valid
        self.output = output
    }
}
