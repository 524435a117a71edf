import Foundation
import Logging
import W2VBackbone
import W2VBase
import W2VCorpus
import W2VInterchange
import W2VObjectives
import W2VTorch

extension TrainingJob.Kind {
    /// Speech recognition from recordings and transcripts, with the CTC loss.
    public static let finetuning = TrainingJob.Kind(
        rawValue: "finetuning", phrase: "fine-tuning", command: "finetune", model: .ctc, readsLabels: true,
        recordsSteps: false, exclusion: "; they count as empty transcripts",
        // The model has the settings of its code books, but does not use them.
        codeBooks: { _ in (0, 0) }, isMeant: { $0.ctc != CTCConfiguration() }, unreached: { $0.frozenEncoder($1, $2) },
        make: { try $0.finetuning(shardedOver: $1, logger: $2) })
}

extension Recipe {
    /// Returns a warning about an encoder that never learns.
    fileprivate func frozenEncoder(_ updates: Int, _ end: String) -> [String] {
        guard ctc.freezeFinetuneUpdates >= updates else { return [] }
        return [
            "ctc.freeze_finetune_updates is \(ctc.freezeFinetuneUpdates), and \(end): the encoder stays frozen throughout, and "
                + "only the output layer learns"
        ]
    }
}

extension RunPreparation {
    /// Builds a recognizer, and checks for utterances that it cannot learn from.
    fileprivate func finetuning(shardedOver shards: ProcessGroup?, logger: Logger) throws -> FinetuningTask {
        let (job, recipe, manifest) = (run.job, run.recipe, manifests.training)
        let dictionary = try dictionary(logger)
        for manifest in [manifest] + manifests.validation { try dictionary.validate(manifest) }
        try lookForEmptyTranscripts(dictionary, logger)
        let weights = try weights(dictionary, logger)
        let task = try FinetuningTask(
            recipe, dictionary: dictionary, weights: weights, device: job.device, shardedOver: shards)
        if let sentence = task.tooShortForMasks(manifest) {
            logger.warning("\(sentence)", metadata: ["file": "\(manifest.name)"])
        }
        if let sentence = try task.labelsThatDoNotFit(manifest) {
            guard recipe.ctc.zeroInfinity else {
                throw TrainingError.labelsExceedFrames(sentence)
            }
            logger.warning(
                "\(sentence); they cost nothing and teach nothing", metadata: ["file": "\(manifest.name)"])
        }
        return task
    }

    /// Loads or initializes the weights, and logs how a recognizer's output layer is treated.
    private func weights(
        _ dictionary: LabelDictionary, _ logger: Logger
    ) throws -> FinetuningTask.Weights {
        let (job, recipe, manifest) = (run.job, run.recipe, manifests.training)
        guard let origin = run.origin else {
            logger.warning(
                """
                \(Phrase.startingCheckpoint) is not given: the model starts from random weights, and nothing pre-trained \
                is used
                """)
            return .random
        }
        if saved != nil { return .all(origin) }
        let path = origin.url.path
        guard origin.description.task == job.kind.model else {
            if job.newHead {
                logger.warning("\(Phrase.newHead) has no effect: \(path) has no output layer to leave out")
            }
            return .shared(origin)
        }
        if job.newHead {
            logger.info("the output layer is new, as asked for (\(Phrase.newHead)): the one of \(path) is left out")
            return .shared(origin)
        }
        let labels = origin.description.labels
        guard !labels.isEmpty else {
            logger.warning(
                """
                the output layer is new: \(path) has one of \(origin.labelCount) labels, but no dictionary that says \
                which symbols they are; to keep it, give the checkpoint its dictionary first: \
                \(Phrase.addDictionary(to: path))
                """)
            return .shared(origin)
        }
        var used = Set<Int>()
        if !Set(labels).isSuperset(of: LabelDictionary.specials) {
            for index in 0..<manifest.count { used.formUnion(try dictionary.encode(manifest, at: index)) }
        }
        let layer = OutputLayer(labels: labels, dictionary: dictionary, used: used)
        guard layer.keepsLetters else {
            logger.warning(
                """
                the output layer is new: \(path) does not write any of the dictionary's letters (it writes \
                \(OutputLayer.list(layer.dropped)), and the dictionary has \(OutputLayer.list(layer.new)))
                """)
            return .shared(origin)
        }
        logger.info("\(layer.summary(of: path)); \(Phrase.newHead) starts a new one")
        let (own, here) = (origin.description.ctc, recipe.ctc)
        if own.blankWeight != here.blankWeight || (own.blankWeight != 0 && own.blankMode != here.blankMode) {
            logger.warning(
                """
                ctc.blank_weight is \(short(here.blankWeight)) (\(here.blankMode.rawValue)), and that of \(path) is \
                \(short(own.blankWeight)) (\(own.blankMode.rawValue)): the model begins with another output than that \
                of \(path)
                """)
        }
        return .recognizer(origin, layer)
    }

    /// Logs how many training utterances have empty transcripts, and refuses lists of only such utterances.
    private func lookForEmptyTranscripts(_ dictionary: LabelDictionary, _ logger: Logger) throws {
        let manifest = manifests.training
        let boundary = dictionary.index(of: LabelDictionary.wordBoundary)
        let empty = try (0..<manifest.count).filter {
            try dictionary.encode(manifest, at: $0).allSatisfy { $0 == boundary }
        }
        guard let first = empty.first else { return }
        guard empty.count < manifest.count else {
            throw TrainingError.emptyTranscripts(list: manifest.name, count: manifest.count)
        }
        logger.warning(
            """
            \(manifest.name): \(empty.count) of \(manifest.count) transcripts are empty, the first that of \
            \(manifest.identifier(first)); they teach that nothing is said
            """, metadata: ["file": "\(manifest.name)"])
    }

    /// Reads the dictionary: a resumed run's own, or the file beside the first training manifest.
    private func dictionary(_ logger: Logger) throws -> LabelDictionary {
        let (job, recipe) = (run.job, run.recipe)
        let file = LabelDictionary.file(for: job.train[0].url, labels: recipe.data.labels)
        let exists = FileManager.default.fileExists(atPath: file.path)
        guard saved != nil, let origin = run.origin else {
            guard exists else {
                throw TrainingError.noDictionary(file: file.path)
            }
            return try LabelDictionary(contentsOf: file)
        }
        let saved = try LabelDictionary(symbols: origin.description.labels)
        if exists, try LabelDictionary(contentsOf: file).symbols != saved.symbols {
            logger.warning(
                """
                \(file.path) is not the dictionary that this run began with; the run continues with its own, which \
                \(origin.url.path) holds
                """, metadata: ["file": "\(file.path)"])
        }
        return saved
    }
}
