import W2VCorpus

/// The training utterances and the position in them, epoch after epoch.
///
/// Updates take their data in order. The position is where the updates are; a reader is ahead of it.
final class TrainingData: MicroBatchSource {
    let manifest: Manifest
    /// The next sub-batch of the epoch.
    private(set) var position: Int
    private let epochs: TrainingEpochs
    private var current: TrainingEpoch

    /// Starts at a position; errors name its source `saved`.
    ///
    /// - Throws: `CorpusError` if no utterance is left for batches; ``TrainingError/damagedState(path:reason:)`` if the
    ///   position does not exist.
    init(
        _ manifest: Manifest, recipe: Recipe, receptiveField: Int, leastSamples: Int = 0, dictionary: LabelDictionary?,
        epoch: Int,
        position: Int, share: ProcessShare = .everything, saved: String = "the saved state"
    ) throws {
        self.manifest = manifest
        self.position = position
        epochs = TrainingEpochs(
            manifest, recipe, recipe.batchOptions(receptiveField: receptiveField, leastSamples: leastSamples),
            dictionary, share)
        current = try epochs.epoch(epoch)
        guard position <= current.plan.count else {
            throw TrainingError.damagedState(
                path: saved,
                reason: "position \(position) lies behind the \(current.plan.count) sub-batches of its epoch, \(epoch)")
        }
    }

    /// The epoch, from 0.
    var epoch: Int { current.plan.epoch }

    /// A sentence that counts and names the utterances that are left out.
    var exclusions: String? { current.plan.exclusionSummary(manifest) }

    /// Number of utterances to learn from.
    var utterances: Int { manifest.count - current.plan.excluded.count }

    /// Number of utterances in the epoch: each as often as its weight says.
    var utterancesPerEpoch: Int { (0..<current.plan.count).reduce(0) { $0 + current.plan[$1].count } }

    /// Number of sub-batches in the epoch.
    var subBatchesPerEpoch: Int { current.plan.count }

    /// Mean length of a sub-batch, in samples, before cropping.
    var samplesPerSubBatch: Double {
        let total = (0..<current.plan.count).reduce(0) { $0 + current.samples(of: $1) }
        return Double(total) / Double(max(1, current.plan.count))
    }

    /// Whether the epoch has no more batches.
    var isEpochFinished: Bool { position >= current.plan.count }

    /// Moves to the next epoch.
    func beginNextEpoch() throws {
        current = try epochs.epoch(epoch + 1)
        position = 0
    }

    /// Starts an update: the next sub-batches of this epoch, including the other processes', count as used.
    ///
    /// - Returns: This process's micro-batches by their numbers in the update.
    func beginUpdate() -> [Int] {
        let update = current.update(from: position)
        position = update.end
        return update.own.map(\.number)
    }

    let isReadAhead = true

    func makeReader() -> any MicroBatchReader { TrainingDataReader(epochs, from: current, position) }

    func identifier(_ utterance: Int) -> String { manifest.identifier(utterance) }
}

extension Recipe {
    /// Returns the batching options for training.
    ///
    /// - Parameters:
    ///   - receptiveField: Number of samples that a frame sees.
    ///   - leastSamples: The fewest samples that an utterance must have for the task.
    func batchOptions(receptiveField: Int, leastSamples: Int) -> BatchOptions {
        BatchOptions(
            maxTokens: batching.maxTokens, maxSampleSize: data.maxSampleSize,
            minSampleSize: max(data.minSampleSize, receptiveField, leastSamples),
            requiredBatchSizeMultiple: batching.requiredBatchSizeMultiple, batchSize: batching.batchSize,
            crop: batching.crop, requiredSequenceLengthMultiple: batching.requiredSeqLenMultiple,
            cropGroup: batching.cropGroup, cropGrid: batching.cropGrid, receptiveField: receptiveField,
            hop: model.convFeatureLayers.hop, skipInvalid: batching.skipInvalidSizeInputs)
    }
}
