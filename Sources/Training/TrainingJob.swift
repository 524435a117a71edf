import Cluster
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
    /// Whether fine-tuning begins with a new output layer even where ``from`` is a recognizer.
    public var newHead = false
    /// Whether a run in the output folder is gone on with.
    public var resume = false
    /// What the recipe seems to be meant for, where that can be told: another task is told.
    public var intendedTask: Task?
    /// The recipe's keys that were given a value of their own, as by `--set`: where a checkpoint's counts, that is told.
    public var assigned: Set<String> = []
    /// The recipe as its file has it, without what was ``assigned``; `nil` where that is nothing.
    ///
    /// A resumed run keeps the values that it was begun with, unless they are assigned or the file has others by then.
    public var writtenRecipe: Recipe?
    /// Where the model runs.
    public var device = Device.cpu
    /// Training pauses after so many epochs of this job; `nil` for all.
    public var epochsThisJob: Int?
    /// How many sub-batches an update is to have, over all processes: `optimization.update_freq` is chosen for it, and
    /// `batching.num_concat_batches` lowered if need be.
    public var effectiveBatch: Int?
    /// Whether the run is only tried, by ``Trainer/dryRun()``: nothing is written into the output folder.
    public var isDryRun = false

    /// What every process that takes part must agree on, by name.
    public var handshake: [String: String] {
        let manifests = { (list: [WeightedManifest]) in list.map { "\($0)" }.joined(separator: " ") }
        let values = recipe.values
        var handshake = values
        // A resumed run takes what is given now, and keeps what is not.
        let written = (writtenRecipe ?? recipe).values.filter { values[$0.key] != $0.value }
        handshake["given keys"] = assigned.sorted().joined(separator: " ")
        handshake["the recipe's file"] = written.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: " ")
        handshake["task"] = task.rawValue
        handshake["--train"] = manifests(train)
        handshake["--valid"] = manifests(valid)
        handshake["--output"] = output.path
        handshake["--from"] = from?.path ?? "none"
        handshake["--new-head"] = newHead ? "yes" : "no"
        handshake["--resume"] = resume ? "yes" : "no"
        handshake["--device"] = device == .cpu ? "cpu" : "cuda"
        handshake["--effective-batch"] = effectiveBatch.map(String.init) ?? "none"
        handshake["--epochs-this-job"] = epochsThisJob.map(String.init) ?? "all"
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

extension TrainingJob {
    /// Prepares the run's folder, which only the leader of several processes does.
    ///
    /// - Parameters:
    ///   - folder: The folder; a dry run leaves it as it is.
    ///   - cluster: The processes, if there are others.
    /// - Returns: The state to go on from; `nil` for a new run.
    /// - Throws: ``TrainingError``.
    func place(in folder: RunFolder, among cluster: Cluster?) throws -> URL? {
        guard let cluster, !isDryRun else { return try place(in: folder) }
        var found: URL?
        if cluster.isLeader { found = try place(in: folder) }
        // What the others see is what the leader has put right.
        try cluster.group.barrier()
        return cluster.isLeader ? found : resume ? folder.newestState : nil
    }

    private func place(in folder: RunFolder) throws -> URL? {
        guard isDryRun else { return try folder.prepare(resumes: resume) ? folder.last : nil }
        if !resume { try folder.requireEmpty() }
        let found = folder.newestState
        if found == nil { try folder.requireNothingSaved() }
        return found
    }
}

extension TrainingJob {
    /// The checkpoint whose weights training begins with.
    ///
    /// - Returns: The checkpoint; `nil` for random weights.
    /// - Throws: ``TrainingError/usage(_:)`` for a run's folder, which holds several; `CheckpointError`.
    func origin() throws -> Checkpoint? {
        guard let from else { return nil }
        let run = RunFolder(url: from)
        let manager = FileManager.default
        let isCheckpoint = manager.fileExists(atPath: from.appendingPathComponent(Checkpoint.configurationName).path)
        let choices = [run.best, run.last].filter { manager.fileExists(atPath: $0.path) }.map(\.path)
        guard isCheckpoint || choices.isEmpty else {
            throw TrainingError.usage(
                "--from \(from.path) is the folder of a whole run: name a checkpoint in it, "
                    + choices.joined(separator: " or "))
        }
        return try Checkpoint.read(from)
    }

    /// Refuses to go on with a run of the other kind.
    ///
    /// - Parameter description: What the run's checkpoint is.
    /// - Throws: ``TrainingError/usage(_:)``.
    func requireSameTask(as description: ModelDescription) throws {
        let found: Task = description.task == .pretraining ? .pretraining : .finetuning
        guard found != task else { return }
        let (name, command) = found == .pretraining ? ("pre-training", "pretrain") : ("fine-tuning", "finetune")
        throw TrainingError.usage(
            "\(output.path) holds a \(name) run: go on with it by wav2vec2 \(command), or choose another --output")
    }

    /// Sentences about values that were given and do not count, since the checkpoint's do.
    ///
    /// - Parameters:
    ///   - adopted: The recipe with the checkpoint's architecture.
    ///   - origin: The checkpoint.
    /// - Returns: A sentence for each.
    func ignored(by adopted: Recipe, of origin: Checkpoint) -> [String] {
        let (asked, used) = (recipe.values, adopted.values)
        return assigned.sorted().compactMap { key in
            guard let wanted = asked[key], let value = used[key], wanted != value else { return nil }
            return "\(key)=\(wanted) has no effect: the model is that of \(origin.url.path), where it is \(value)"
        }
    }
}

extension Checkpoint {
    /// Refuses weights that are no numbers: whatever is computed with them is none either.
    ///
    /// - Parameter isResumed: Whether a run was to be gone on with.
    /// - Throws: ``TrainingError``.
    func requireFinite(isResumed: Bool) throws {
        for (name, tensor) in state.sorted(by: { $0.key < $1.key }) where try !tensor.isFinite() {
            throw isResumed
                ? TrainingError.damagedState(
                    path: url.path,
                    reason:
                        "its \(name) has values that are infinite or not numbers, since the run had diverged: rename "
                        + "an earlier state to last to go on from there, or begin again")
                : TrainingError.badData(
                    "\(url.path): its \(name) has values that are infinite or not numbers, since it is damaged or "
                        + "had diverged: begin with another checkpoint")
        }
    }
}

extension Device {
    /// Operations a second of matrix products in a number format, measured in a moment.
    func sustainedSpeed(_ dtype: DType) throws -> Double {
        // Large enough to be near the peak, small enough not to delay the start of a run; CPUs are slow in half precision.
        try matrixProductSpeed(
            size: self == .cpu ? (dtype == .float32 ? 1024 : 512) : nil, repetitions: 4, dtype: dtype)
    }
}

extension Recipe {
    /// Takes a checkpoint's architecture.
    ///
    /// What belongs to training stays the recipe's: dropouts, LayerDrop, the extractor's gradient factor, the Gumbel
    /// temperature, and whether layers are recomputed.
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
        adopted.latentTemp = model.latentTemp
        adopted.checkpointActivations = model.checkpointActivations
        model = adopted
        data.normalize = description.normalize
        data.normalizeEpsilon = description.normalizeEpsilon
    }
}

// What a run's state says of how it was begun.
extension TrainingJob {
    /// Writes down what is asked for, so that a resumed run can be held against it.
    ///
    /// - Parameters:
    ///   - state: The run's state.
    ///   - resolved: The recipe that the run goes by, with its checkpoint's architecture.
    ///   - isNew: Whether the run begins.
    func note(in state: inout TrainingState, resolved: Recipe, isNew: Bool) {
        let (asked, written) = (recipe.values, (writtenRecipe ?? recipe).values)
        state.recipe = resolved.values
        state.overridden = asked.filter { state.recipe[$0.key] != $0.value }
        state.replaced = written.filter { asked[$0.key] != $0.value }
        (state.train, state.valid) = (train.map(\.description), valid.map(\.description))
        guard isNew else { return }
        state.from = from?.path
        state.newHead = task == .finetuning ? newHead : nil
    }

    /// Lines about what is given beside `--resume` and counts at a run's beginning only.
    ///
    /// - Parameter state: The run's state.
    /// - Returns: A line for each.
    func unheeded(by state: TrainingState) -> [String] {
        var lines: [String] = []
        if let from, state.train != nil, from.path != state.from {
            lines.append(
                "WARNING: --from \(from.path) has no effect: this run has begun, "
                    + (state.from.map { "with the weights of \($0)" } ?? "with random weights"))
        }
        if newHead, state.newHead == false {
            lines.append(
                "WARNING: --new-head has no effect: this run began without it, and continues with its own output layer; "
                    + "start in another --output")
        }
        return lines
    }
}

extension TrainingJob {
    /// Divides updates so that they have as many sub-batches as is wanted, or as a resumed run has had.
    ///
    /// - Parameters:
    ///   - recipe: Gets what comes of it.
    ///   - processes: How many train together.
    ///   - state: The state of a resumed run; `nil` for a new one.
    ///   - divides: Whether a resumed run is given another division.
    ///   - report: Gets lines for people.
    /// - Throws: ``TrainingError/usage(_:)`` if the processes cannot share what is wanted.
    mutating func divideUpdates(
        of recipe: inout Recipe, among processes: Int, resumed state: TrainingState?, divides: Bool?,
        _ report: (String) -> Void
    ) throws {
        let own = EffectiveBatch(recipe, processes: processes)
        if let state, divides == false, effectiveBatch == nil, let kept = own.keeping(state.effectiveBatch) {
            effectiveBatch = kept
            report("an update keeps its \(kept) sub-batches; --effective-batch gives it another number")
        }
        guard let effectiveBatch else { return }
        let batch = try own.making(effectiveBatch)
        if batch.concatenated != recipe.batching.numConcatBatches {
            report(
                "batching.num_concat_batches is \(batch.concatenated) in place of \(recipe.batching.numConcatBatches), so that "
                    + "\(processes) \(processes == 1 ? "process makes" : "processes make") an update of \(effectiveBatch) "
                    + "sub-batches")
        }
        recipe.batching.numConcatBatches = batch.concatenated
        recipe.optimization.updateFreq = batch.accumulated
    }
}
