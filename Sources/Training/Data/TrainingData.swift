import Corpus

/// The training utterances as micro-batches, epoch after epoch, from any place on.
final class TrainingData {
    let manifest: Manifest
    /// The epoch, from 0.
    private(set) var epoch: Int
    /// The next sub-batch of the epoch.
    private(set) var position: Int
    private let options: BatchOptions
    private let recipe: Recipe
    private let dictionary: LabelDictionary?
    private var plan: BatchPlan
    private var loader: BatchLoader?
    private var earlierWaits = 0.0

    /// Starts at a place.
    ///
    /// - Throws: `CorpusError`, if nothing is left to make batches of.
    init(
        _ manifest: Manifest, recipe: Recipe, receptiveField: Int, dictionary: LabelDictionary?, epoch: Int,
        position: Int
    ) throws {
        self.manifest = manifest
        self.recipe = recipe
        self.dictionary = dictionary
        self.epoch = epoch
        self.position = position
        options = recipe.batchOptions(receptiveField: receptiveField)
        plan = try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: epoch)
        guard position <= plan.count else {
            throw TrainingError.usage("the saved position \(position) lies behind the epoch's \(plan.count) batches")
        }
    }

    /// A sentence that counts and names what is left out.
    var exclusions: String? { plan.exclusionSummary(manifest) }

    /// Sub-batches of the epoch.
    var subBatchesPerEpoch: Int { plan.count }

    /// The mean length of a sub-batch, in samples, before cropping.
    var samplesPerSubBatch: Double {
        let longest = options.crop == .none ? Int.max : options.maxSampleSize ?? .max
        let total = (0..<plan.count).reduce(0) { sum, batch in
            sum + plan[batch].reduce(0) { $0 + min(manifest.sampleCounts[$1], longest) }
        }
        return Double(total) / Double(max(1, plan.count))
    }

    /// How long the trainer has waited for audio, in seconds.
    var waitSeconds: Double { earlierWaits + (loader?.waitSeconds ?? 0) }

    /// Whether the epoch has no more batches.
    var isEpochFinished: Bool { position >= plan.count }

    /// Goes on to the next epoch.
    func beginNextEpoch() throws {
        earlierWaits = waitSeconds
        loader = nil
        epoch += 1
        position = 0
        plan = try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: epoch)
    }

    /// The next sub-batches of this epoch, as one; `nil` at the epoch's end.
    func next() throws -> MicroBatch? {
        let loader = try currentLoader()
        var parts: [AudioBatch] = []
        while parts.count < recipe.batching.numConcatBatches, let part = try loader.next() {
            parts.append(part)
            position += 1
        }
        return parts.isEmpty ? nil : MicroBatch(parts)
    }

    private func currentLoader() throws -> BatchLoader {
        if let loader { return loader }
        let made = try BatchLoader(
            manifest: manifest, plan: plan, start: position, dictionary: dictionary, normalize: recipe.data.normalize,
            prefetch: recipe.data.prefetch, workers: recipe.data.workers)
        loader = made
        return made
    }
}

extension Recipe {
    /// How training utterances are put together.
    func batchOptions(receptiveField: Int) -> BatchOptions {
        BatchOptions(
            maxTokens: batching.maxTokens, maxSampleSize: data.maxSampleSize,
            minSampleSize: max(data.minSampleSize, receptiveField),
            requiredBatchSizeMultiple: batching.requiredBatchSizeMultiple, batchSize: batching.batchSize,
            crop: batching.crop, requiredSequenceLengthMultiple: batching.requiredSeqLenMultiple,
            cropGroup: batching.cropGroup, receptiveField: receptiveField, hop: model.convFeatureLayers.hop,
            skipInvalid: batching.skipInvalidSizeInputs)
    }
}
