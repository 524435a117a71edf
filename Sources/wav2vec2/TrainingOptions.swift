import ArgumentParser
import Foundation
import Torch
import Training
import Wav2Vec2

/// What `pretrain` and `finetune` take alike.
struct TrainingOptions: ParsableArguments {
    @Option(help: "How to train: a built-in recipe's name, or a YAML file.", completion: .file(extensions: ["yaml"]))
    var recipe: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Manifests or folders to learn from; with weight 2 an epoch has each recording twice.",
            valueName: "file[:weight]"), completion: .file())
    var train: [String]

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Held-out manifests; the first decides the best checkpoint.", valueName: "file"),
        completion: .file())
    var valid: [String]

    @Option(help: "The folder for checkpoints, the resolved recipe and metrics.jsonl.", completion: .directory)
    var output: String

    @Option(help: "A checkpoint whose weights training begins with.", completion: .directory)
    var from: String?

    @Flag(help: "Go on with the run in the output folder; an empty folder starts a new one.")
    var resume = false

    @Option(help: ArgumentHelp("Another value for one of the recipe's keys; repeats.", valueName: "key=value"))
    var set: [String] = []

    @OptionGroup var compute: ComputeOptions

    func validate() throws {
        if train.isEmpty || valid.isEmpty { throw ValidationError("--train and --valid need a manifest each.") }
    }

    /// Trains, reporting on standard error; a signal saves and leaves with its exit code.
    ///
    /// - Parameters:
    ///   - task: What is learned.
    ///   - labels: The extension of label files, where it is given.
    /// - Throws: What stopped the run; `ExitCode` after a signal.
    func run(_ task: TrainingJob.Task, labels: String? = nil) throws {
        try compute.apply()
        // Every update asks for the same blocks; new pages from the system each time cost a seventh of a BASE update.
        LibTorch.reuseHostMemory()
        var recipe: Recipe
        do {
            recipe = try Recipe.load(self.recipe)
            if let labels { recipe.data.labels = labels }
            try recipe.apply(set)
        } catch let error as ConfigurationError {
            throw TrainingError.usage("\(error)")
        }
        var job = TrainingJob(
            task: task, recipe: recipe, train: train.map { WeightedManifest(parsing: $0) },
            valid: valid.map { WeightedManifest(parsing: $0) }, output: fileURL(output))
        job.from = from.map(fileURL)
        job.resume = resume
        job.device = compute.device
        let signals = StopSignal()
        let outcome = try Trainer(job, report: Console.error).run { signals.received }
        if case .stopped(let signal) = outcome { throw ExitCode(128 + signal) }
    }
}
