import ArgumentParser
import Foundation
import W2VBackbone
import W2VBase
import W2VCluster
import W2VInterchange
import W2VTorch
import W2VTraining

/// The options that `pretrain` and `finetune` share.
struct TrainingOptions: ParsableArguments {
    @Option(
        name: [.customShort("r"), .long],
        help: "Recipe: the name of a built-in one ('wav2vec2 recipe list' shows them), or a YAML file.",
        completion: recipeCompletion)
    var recipe: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Manifests or folders to train on; with weight 2, an epoch has each utterance twice.",
            valueName: "file[:weight]"), completion: .file())
    var train: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Held-out manifests; the first one determines the best checkpoint.", valueName: "file"),
        completion: .file())
    var valid: [String] = []

    @Option(
        name: [.customShort("o"), .long], help: "Folder for checkpoints, the resolved recipe and metrics.jsonl.",
        completion: .directory)
    var output: String

    @Option(
        help: """
            Checkpoint to start from: a folder, also a run's, a .pt file from fairseq or NVIDIA, or a name on the hub, \
            such as facebook/wav2vec2-base; fine-tuning also keeps a recognizer's output layer.
            """,
        completion: .file())
    var from: String?

    @Flag(
        help: """
            Continue the run in the output folder: its recipe, manifests, device and threads are recorded there. What \
            is given beside --resume changes them. In an empty folder, start a new run.
            """)
    var resume = false

    @Option(help: ArgumentHelp("Change one of the recipe's values; repeatable.", valueName: "key=value"))
    var set: [String] = []

    @Option(help: "Random seed. (default: the recipe's)")
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Number of sub-batches per update, over all processes: sets optimization.update_freq, and lowers "
                + "batching.num_concat_batches if necessary.", valueName: "n"))
    var effectiveBatch: Int?

    @Option(help: ArgumentHelp("Pause after this many epochs; --resume continues.", valueName: "n"))
    var epochsThisJob: Int?

    @Flag(help: "Read all data, make one update, report the time, memory and disk space needed, and write nothing.")
    var dryRun = false

    @Flag(help: "With --dry-run, print one JSON object.")
    var json = false

    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        if !resume { try requireWhole() }
        if json && !dryRun { throw ValidationError("--json goes with --dry-run; metrics.jsonl is a run's JSON.") }
        for (name, value) in [("--effective-batch", effectiveBatch), ("--epochs-this-job", epochsThisJob)] {
            if let value, value < 1 { throw ValidationError("\(name) is \(value); it must be at least 1.") }
        }
        if effectiveBatch != nil, set.contains(where: { $0.hasPrefix("optimization.update_freq=") }) {
            throw ValidationError("--effective-batch chooses optimization.update_freq, which --set gives as well.")
        }
    }

    /// Refuses a command that does not say what to train by and on.
    private func requireWhole() throws {
        guard recipe != nil else {
            throw ValidationError(
                "--recipe is missing: a name of 'wav2vec2 recipe list', or a YAML file. To continue a run, give "
                    + "--resume and its --output.")
        }
        if train.isEmpty || valid.isEmpty { throw ValidationError("--train and --valid need a manifest each.") }
    }

    /// Trains, and logs the progress; a signal saves and exits with its exit code.
    ///
    /// - Parameters:
    ///   - kind: The kind of training.
    ///   - labels: The extension of label files, if given.
    ///   - newHead: Whether fine-tuning starts with a new output layer even from a recognizer.
    /// - Throws: The error that stopped the run; `ExitCode` after a signal.
    func run(_ kind: TrainingJob.Kind, labels: String? = nil, newHead: Bool = false) throws {
        // The reader of this process's output may be gone: that must not end a run before it has saved.
        signal(SIGPIPE, SIG_IGN)
        let isWhole = self.recipe != nil && !train.isEmpty && !valid.isEmpty
        var record: RunRecord?
        do {
            if resume { record = try RunRecord.read(from: fileURL(output)) }
        } catch {
            // To a whole command the trainer says more about a damaged state.
            guard isWhole else { throw error }
        }
        if resume, record == nil, !isWhole {
            throw CommandError(
                .usage, "\(output) holds no run to continue", "give --recipe, --train and --valid to start one")
        }
        let last = record?.jobs.last
        var compute = self.compute
        compute.givenDevice = compute.givenDevice ?? last.flatMap { Device($0.device) }
        compute.threads = compute.threads ?? last?.requestedThreads
        try compute.apply()
        var recipe: Recipe
        let written: Recipe
        let intendedKind: TrainingJob.Kind?
        do {
            if let name = self.recipe {
                recipe = try Recipe.load(name)
                written = recipe
                intendedKind = recipe.intendedKind(name)
            } else {
                // Without a recipe there is a record.
                recipe = try record?.requestedRecipe() ?? Recipe()
                written = try record?.writtenRecipe() ?? Recipe()
                intendedKind = nil
            }
            if let labels { recipe.data.labels = labels }
            if let seed { recipe.seed = seed }
            try recipe.apply(set)
        } catch let error as ConfigurationError {
            throw CommandError(error, at: "", as: .usage)
        }
        var job = TrainingJob(
            kind: kind, recipe: recipe,
            train: train.isEmpty ? record?.train.map(\.manifest) ?? [] : train.map { WeightedManifest(parsing: $0) },
            valid: valid.isEmpty ? record?.valid.map(\.manifest) ?? [] : valid.map { WeightedManifest(parsing: $0) },
            output: fileURL(output))
        job.continuesRecord = self.recipe == nil
        job.provenance.arguments = Array(CommandLine.arguments.dropFirst())
        (job.provenance.version, job.provenance.recipe, job.provenance.origin) = (Program.version, self.recipe, from)
        job.provenance.requestedThreads = compute.threads
        job.from = try from.map { Checkpoint.place(of: try modelURL($0)) }
        job.newHead = newHead
        job.resume = resume
        job.intendedKind = intendedKind
        job.writtenRecipe = written
        job.assigned = Set(set.compactMap { $0.split(separator: "=").first.map(String.init) })
        if seed != nil { job.assigned.insert("seed") }
        if labels != nil { job.assigned.insert("data.labels") }
        job.device = compute.device
        job.epochsThisJob = epochsThisJob
        job.effectiveBatch = effectiveBatch
        job.isDryRun = dryRun
        guard let layout = try ProcessLayout.current(environment: ProcessInfo.processInfo.environment) else {
            return try leave(run(job, among: nil))
        }
        // Each process of a machine uses the GPU of its local rank.
        if case .cuda = job.device { job.device = .cuda(layout.localRank) }
        var options = Cluster.Options()
        (options.timeout, options.joinTimeout) = (recipe.distributed.timeout, recipe.distributed.joinTimeout)
        let handshake = job.handshake.merging(["program version": Program.version]) { $1 }
        let cluster = try Cluster.join(
            layout, handshake: handshake, options: options, logger: Console.logger("cluster"))
        defer { cluster.leave() }
        // A signal is not a process's failure, and is not reported to the others as one.
        try leave(cluster.reportingFailure { try run(job, among: cluster) })
    }

    private func leave(_ outcome: TrainingOutcome) throws {
        if case .stopped(let signal) = outcome { throw ExitCode(signal: signal) }
    }

    private func run(_ job: TrainingJob, among cluster: Cluster?) throws -> TrainingOutcome {
        let trainer = try Trainer(
            job, among: cluster, logger: Console.logger("training"), progress: { Console.live($0, share: $1) })
        if dryRun {
            let found = try trainer.dryRun()
            if cluster?.isLeader ?? true { try Console.output(json ? try jsonLine(found) : found.text) }
            return .finished
        }
        let signals = StopSignal()
        return try trainer.run { signals.received }
    }
}
