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
        let dictionary = try dictionary()
        for manifest in [manifest] + validation { try dictionary.validate(manifest) }
        try lookForEmptyTranscripts(dictionary)
        let weights = try weights(dictionary)
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

    /// Where the weights come from; what becomes of a recognizer's output layer is reported.
    private func weights(_ dictionary: LabelDictionary) throws -> FinetuningTask.Weights {
        guard let origin else {
            report("WARNING: no --from: the model starts from random weights, and nothing pre-trained is used")
            return .random
        }
        if isResumed { return .all(origin) }
        let path = origin.url.path
        guard origin.description.task == .ctc else {
            if job.newHead { report("--new-head has no effect: \(path) has no output layer to leave out") }
            return .shared(origin)
        }
        if job.newHead {
            report("the output layer is new, as --new-head asks: the one of \(path) is left out")
            return .shared(origin)
        }
        let labels = origin.description.labels
        guard !labels.isEmpty else {
            report(
                "WARNING: the output layer is new: \(path) has one of \(origin.labelCount) labels, but no dictionary that "
                    + "says which symbols they are; to keep it, give the checkpoint its dictionary first: wav2vec2 "
                    + "checkpoint convert \(path) FOLDER --to native --dictionary FILE")
            return .shared(origin)
        }
        var used = Set<Int>()
        if !Set(labels).isSuperset(of: LabelDictionary.specials) {
            for index in 0..<manifest.count { used.formUnion(try dictionary.encode(manifest, at: index)) }
        }
        let layer = OutputLayer(labels: labels, dictionary: dictionary, used: used)
        guard layer.keepsLetters else {
            report(
                "WARNING: the output layer is new: \(path) does not write any of the dictionary's letters (it writes "
                    + "\(OutputLayer.list(layer.dropped)), and the dictionary has \(OutputLayer.list(layer.new)))")
            return .shared(origin)
        }
        report(layer.summary(of: path) + "; --new-head starts a new one")
        let (own, here) = (origin.description.ctc, recipe.ctc)
        if own.blankWeight != here.blankWeight || (own.blankWeight != 0 && own.blankMode != here.blankMode) {
            report(
                "WARNING: ctc.blank_weight is \(short(here.blankWeight)) (\(here.blankMode.rawValue)), and that of \(path) is "
                    + "\(short(own.blankWeight)) (\(own.blankMode.rawValue)): the model begins with another output than "
                    + "that of \(path)")
        }
        return .recognizer(origin, layer)
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
