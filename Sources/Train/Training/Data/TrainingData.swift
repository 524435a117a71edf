import W2VCorpus

/// The training utterances as micro-batches, epoch after epoch, from any position.
final class TrainingData {
    let manifest: Manifest
    /// The epoch, from 0.
    private(set) var epoch: Int
    /// The next sub-batch of the epoch.
    private(set) var position: Int
    private let options: BatchOptions
    private let recipe: Recipe
    private let dictionary: LabelDictionary?
    private let share: ProcessShare
    private var plan: BatchPlan
    private var loader: BatchLoader?
    private var lastUpdate = 0..<0
    private var earlierWaits = 0.0

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
        self.recipe = recipe
        self.dictionary = dictionary
        self.share = share
        self.epoch = epoch
        self.position = position
        options = recipe.batchOptions(receptiveField: receptiveField, leastSamples: leastSamples)
        plan = try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: epoch)
        guard position <= plan.count else {
            throw TrainingError.damagedState(
                path: saved,
                reason: "position \(position) lies behind the \(plan.count) sub-batches of its epoch, \(epoch)")
        }
    }

    /// A sentence that counts and names the utterances that are left out.
    var exclusions: String? { plan.exclusionSummary(manifest) }

    /// Number of utterances to learn from.
    var utterances: Int { manifest.count - plan.excluded.count }

    /// Number of utterances in the epoch: each as often as its weight says.
    var utterancesPerEpoch: Int { (0..<plan.count).reduce(0) { $0 + plan[$1].count } }

    /// Number of sub-batches in the epoch.
    var subBatchesPerEpoch: Int { plan.count }

    /// Mean length of a sub-batch, in samples, before cropping.
    var samplesPerSubBatch: Double {
        let total = (0..<plan.count).reduce(0) { $0 + samples(of: $1) }
        return Double(total) / Double(max(1, plan.count))
    }

    /// Total time that the trainer has waited for audio, in seconds.
    var waitSeconds: Double { earlierWaits + (loader?.waitSeconds ?? 0) }

    /// Whether the epoch has no more batches.
    var isEpochFinished: Bool { position >= plan.count }

    /// Moves to the next epoch.
    func beginNextEpoch() throws {
        earlierWaits = waitSeconds
        loader = nil
        epoch += 1
        position = 0
        plan = try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: epoch)
    }

    /// Starts an update: the next sub-batches of this epoch, including the other processes', count as used.
    ///
    /// - Returns: This process's micro-batches by their numbers in the update; ``next(_:)`` gives them in this order.
    /// - Throws: `CorpusError`.
    func beginUpdate() throws -> [Int] {
        if loader == nil { loader = try makeLoader() }
        let microBatches = microBatches(from: position)
        lastUpdate = position..<(microBatches.last?.upperBound ?? position)
        position = lastUpdate.upperBound
        return ownMicroBatches(of: microBatches)
    }

    /// Returns this process's next micro-batch.
    ///
    /// - Parameter number: Its number in the update, from ``beginUpdate()``.
    /// - Throws: An error of decoding.
    func next(_ number: Int) throws -> MicroBatch { try take(number, of: lastUpdate) }

    /// The number of this process's first micro-batch in the next update; `nil` at the end of an epoch.
    var firstMicroBatchOfNextUpdate: Int? { ownMicroBatches(of: microBatches(from: position)).first }

    /// Takes that micro-batch before its update starts.
    ///
    /// ``next(_:)`` returns those after it. The position in the data, as a checkpoint records it, is unchanged.
    ///
    /// - Parameter number: ``firstMicroBatchOfNextUpdate``.
    /// - Throws: An error of decoding.
    func takeFromNextUpdate(_ number: Int) throws -> MicroBatch {
        try take(number, of: position..<(microBatches(from: position).last?.upperBound ?? position))
    }

    /// Takes a micro-batch of the update with these sub-batches.
    private func take(_ number: Int, of update: Range<Int>) throws -> MicroBatch {
        guard let loader else { throw TrainingError.noUpdateBegun }
        let first = number * recipe.batching.numConcatBatches
        let count = min(recipe.batching.numConcatBatches, update.count - first)
        let parts = try (0..<count).compactMap { _ in try loader.next() }
        return MicroBatch(parts)
    }

    /// Returns the ranges of sub-batches that form the micro-batches of an update, given the update's first sub-batch.
    private func microBatches(from start: Int) -> [Range<Int>] {
        let concatenated = recipe.batching.numConcatBatches
        let end = min(plan.count, start + share.size * recipe.optimization.updateFreq * concatenated)
        return stride(from: start, to: end, by: concatenated).map { $0..<min($0 + concatenated, end) }
    }

    private func ownMicroBatches(of microBatches: [Range<Int>]) -> [Int] {
        share.microBatches(samples: microBatches.map { $0.reduce(0) { $0 + samples(of: $1) } })
    }

    /// Returns the samples in a sub-batch, before cropping to a common length.
    private func samples(of subBatch: Int) -> Int {
        let longest = options.crop == .none ? Int.max : options.maxSampleSize ?? .max
        return plan[subBatch].reduce(0) { $0 + min(manifest.sampleCounts[$1], longest) }
    }

    /// Starts decoding this process's share of the rest of the epoch.
    private func makeLoader() throws -> BatchLoader {
        var positions: [Int] = []
        var start = position
        while start < plan.count {
            let microBatches = microBatches(from: start)
            for number in ownMicroBatches(of: microBatches) { positions += Array(microBatches[number]) }
            start = microBatches.last?.upperBound ?? plan.count
        }
        return try BatchLoader(
            manifest: manifest, plan: plan, positions: positions, dictionary: dictionary,
            normalize: recipe.data.normalize, epsilon: recipe.data.normalizeEpsilon,
            // A micro-batch takes this many at once; the next one's are decoded meanwhile.
            prefetch: max(recipe.data.prefetch, 2 * recipe.batching.numConcatBatches), workers: recipe.data.workers)
    }
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
            cropGroup: batching.cropGroup, cropGrid: batching.cropGrid, receptiveField: receptiveField, hop: model.convFeatureLayers.hop,
            skipInvalid: batching.skipInvalidSizeInputs)
    }
}
