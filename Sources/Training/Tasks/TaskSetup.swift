import Corpus
import Foundation
import Interchange
import Torch
import Wav2Vec2

/// Builds what a job trains: the model with its weights, and for fine-tuning its dictionary.
struct TaskSetup {
    /// The run.
    let job: TrainingJob
    /// Its recipe, with the architecture of the checkpoint that it begins with.
    let recipe: Recipe
    /// The checkpoint that it begins or goes on with; `nil` for random weights.
    let origin: Checkpoint?
    /// Whether that is the run's own.
    let isResumed: Bool
    /// What is learned from.
    let manifest: Manifest
    /// What is held out.
    let validation: [Manifest]
    /// The processes that the optimizer's state is sharded over, where it is.
    let shards: ProcessGroup?
    /// Gets lines for people.
    let report: (String) -> Void

    /// Builds the task.
    ///
    /// - Returns: The task, on the job's device.
    /// - Throws: ``TrainingError``, `CorpusError`, `CheckpointError`.
    func make() throws -> any TrainingTask {
        try recipe.masking.validate(channels: recipe.model.encoderEmbedDim)
        let task: any TrainingTask = try job.task == .finetuning ? finetuning() : pretraining()
        for manifest in validation {
            do {
                if let sentence = try task.validationPlan(manifest).exclusionSummary(manifest) {
                    let meaning = job.task == .finetuning ? "; they count as if nothing were recognised in them." : "."
                    report("WARNING: \(sentence.dropLast())\(meaning)")
                }
            } catch CorpusError.nothingLeft(let reason) {
                throw TrainingError.badData("\(manifest.name): there is nothing to validate on: \(reason)")
            }
        }
        return task
    }

    private func pretraining() throws -> PretrainingTask {
        guard recipe.masking.time.probability > 0 else {
            throw ConfigurationError("masking.mask_prob is 0, and pre-training predicts masked frames: raise it")
        }
        if origin == nil { report("the model starts from random weights (seed \(recipe.seed))") }
        let task = try PretrainingTask(recipe, weights: origin, device: job.device, shardedOver: shards)
        for (index, manifest) in ([manifest] + validation).enumerated() {
            if let sentence = try task.tooShortForMasks(manifest, isLearnedFrom: index == 0) {
                report("WARNING: \(sentence)")
            }
        }
        return task
    }

    private func finetuning() throws -> FinetuningTask {
        let weights: FinetuningTask.Weights
        switch origin {
        case nil:
            report("WARNING: no --from: the model starts from random weights, and nothing pre-trained is used")
            weights = .random
        case let checkpoint? where isResumed: weights = .all(checkpoint)
        case let checkpoint?: weights = .shared(checkpoint)
        }
        let dictionary = try dictionary()
        for manifest in [manifest] + validation { try dictionary.validate(manifest) }
        try lookForEmptyTranscripts(dictionary)
        let task = try FinetuningTask(
            recipe, dictionary: dictionary, weights: weights, device: job.device, shardedOver: shards)
        if let sentence = task.tooShortForMasks(manifest) { report("WARNING: \(sentence)") }
        if let sentence = try task.labelsThatDoNotFit(manifest) {
            guard recipe.ctc.zeroInfinity else {
                throw TrainingError.badData(sentence + "; leave them out, or set ctc.zero_infinity=true")
            }
            report("WARNING: \(sentence); they cost nothing and teach nothing")
        }
        return task
    }

    /// Tells how many training utterances have nothing to learn from, and refuses lists of nothing else.
    private func lookForEmptyTranscripts(_ dictionary: LabelDictionary) throws {
        let boundary = dictionary.index(of: LabelDictionary.wordBoundary)
        let empty = try (0..<manifest.count).filter {
            try dictionary.encode(manifest, at: $0).allSatisfy { $0 == boundary }
        }
        guard let first = empty.first else { return }
        guard empty.count < manifest.count else {
            throw TrainingError.badData(
                "\(manifest.name): all \(manifest.count) transcripts are empty, so that there is nothing to learn: make "
                    + "the labels anew, with wav2vec2 data labels")
        }
        report(
            "WARNING: \(manifest.name): \(empty.count) of \(manifest.count) transcripts are empty, the first that of "
                + "\(manifest.identifier(first)); they teach that nothing is said")
    }

    /// The labels that are learned: a resumed run's own, else those of the file beside the first training manifest.
    private func dictionary() throws -> LabelDictionary {
        let file = LabelDictionary.file(for: job.train[0].url, labels: recipe.data.labels)
        let exists = FileManager.default.fileExists(atPath: file.path)
        guard isResumed, let origin else {
            guard exists else {
                throw TrainingError.badData(
                    "\(file.path): the dictionary beside the training manifest is missing; make it with wav2vec2 data "
                        + "dictionary")
            }
            return try LabelDictionary(contentsOf: file)
        }
        let saved = try LabelDictionary(symbols: origin.description.labels)
        if exists, try LabelDictionary(contentsOf: file).symbols != saved.symbols {
            report(
                "WARNING: \(file.path) is not the dictionary that this run began with; the run goes on with its own, "
                    + "which \(origin.url.path) holds")
        }
        return saved
    }
}
