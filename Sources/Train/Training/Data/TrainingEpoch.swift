import Synchronization
import W2VCorpus

/// The epochs of a run, each of which is planned once.
final class TrainingEpochs: Sendable {
    private let manifest: Manifest
    private let recipe: Recipe
    private let options: BatchOptions
    private let dictionary: LabelDictionary?
    private let share: ProcessShare
    /// The latest two: that of the updates, and that of a reader which is ahead.
    private let planned = Mutex<[BatchPlan]>([])

    /// Prepares to plan epochs.
    init(
        _ manifest: Manifest, _ recipe: Recipe, _ options: BatchOptions, _ dictionary: LabelDictionary?,
        _ share: ProcessShare
    ) {
        (self.manifest, self.recipe, self.options) = (manifest, recipe, options)
        (self.dictionary, self.share) = (dictionary, share)
    }

    /// The last epoch that the recipe asks for, if it limits them.
    var last: Int? { recipe.optimization.maxEpoch.map { $0 - 1 } }

    /// Returns an epoch.
    ///
    /// - Parameter number: The epoch, from 0.
    /// - Throws: `CorpusError` if no utterance is left for batches.
    func epoch(_ number: Int) throws -> TrainingEpoch {
        let plan = try planned.withLock { planned in
            if let known = planned.first(where: { $0.epoch == number }) { return known }
            let plan = try BatchPlan(manifest, options: options, seed: recipe.seed, epoch: number)
            planned = planned.suffix(1) + [plan]
            return plan
        }
        return TrainingEpoch(plan: plan, manifest: manifest, recipe: recipe, options: options, share: share)
    }

    /// Starts decoding micro-batches.
    ///
    /// - Parameter positions: The sub-batches of the plan, in this order.
    /// - Throws: `CorpusError`.
    func load(_ plan: BatchPlan, _ positions: [Int]) throws -> BatchLoader {
        try BatchLoader(
            manifest: manifest, plan: plan, positions: positions, dictionary: dictionary,
            normalize: recipe.data.normalize, epsilon: recipe.data.normalizeEpsilon,
            // A micro-batch takes this many at once; the next one's are decoded meanwhile.
            prefetch: max(recipe.data.prefetch, 2 * recipe.batching.numConcatBatches), workers: recipe.data.workers)
    }
}

/// The plan of an epoch, divided into updates and micro-batches.
struct TrainingEpoch: Sendable {
    /// The sub-batches.
    let plan: BatchPlan
    fileprivate let manifest: Manifest
    fileprivate let recipe: Recipe
    fileprivate let options: BatchOptions
    fileprivate let share: ProcessShare

    /// The sub-batches of an update.
    struct Update {
        /// The end of its sub-batches.
        let end: Int
        /// This process's micro-batches: their numbers in the update, and their sub-batches.
        let own: [(number: Int, subBatches: Range<Int>)]
    }

    /// Returns the update that begins with a sub-batch.
    func update(from start: Int) -> Update {
        let concatenated = recipe.batching.numConcatBatches
        let end = min(plan.count, start + share.size * recipe.optimization.updateFreq * concatenated)
        let microBatches = stride(from: start, to: end, by: concatenated).map { $0..<min($0 + concatenated, end) }
        let own = share.microBatches(samples: microBatches.map { $0.reduce(0) { $0 + samples(of: $1) } })
        return Update(end: max(start, end), own: own.map { ($0, microBatches[$0]) })
    }

    /// Returns the samples in a sub-batch, before cropping to a common length.
    func samples(of subBatch: Int) -> Int {
        let longest = options.crop == .none ? Int.max : options.maxSampleSize ?? .max
        return plan[subBatch].reduce(0) { $0 + min(manifest.sampleCounts[$1], longest) }
    }

    /// Returns this process's sub-batches from a position on, in the order of updates.
    func ownSubBatches(from start: Int) -> [Int] {
        var (found, position): ([Int], Int) = ([], start)
        while position < plan.count {
            let update = update(from: position)
            found += update.own.flatMap { Array($0.subBatches) }
            position = update.end
        }
        return found
    }
}

/// Reads a run's micro-batches from a position on, across epochs.
///
/// Decoding of an epoch begins when the last micro-batch of the one before it has been read.
///
/// `@unchecked Sendable` is safe: one thread reads, and what others may use, the loader and the time, has a lock.
final class TrainingDataReader: MicroBatchReader, @unchecked Sendable {
    private struct Shared {
        var loader: BatchLoader?
        var earlierWaits = 0.0
        var isCancelled = false
    }

    private let epochs: TrainingEpochs
    private var epoch: TrainingEpoch
    private var position: Int
    /// The current update, counted from 0.
    private var update = -1
    private var pending: ArraySlice<(number: Int, subBatches: Range<Int>)> = []
    private let shared = Mutex(Shared())

    /// Starts at a position of an epoch.
    init(_ epochs: TrainingEpochs, from epoch: TrainingEpoch, _ position: Int) {
        (self.epochs, self.epoch, self.position) = (epochs, epoch, position)
    }

    var waitSeconds: Double { shared.withLock { $0.earlierWaits + ($0.loader?.waitSeconds ?? 0) } }

    func cancel() {
        shared.withLock {
            $0.isCancelled = true
            $0.loader?.cancel()
        }
    }

    func next(through last: Int) throws -> NumberedMicroBatch? {
        while pending.isEmpty {
            guard update < last, !shared.withLock({ $0.isCancelled }) else { return nil }
            if position >= epoch.plan.count {
                guard epoch.plan.epoch != epochs.last else { return nil }
                try beginNextEpoch()
            }
            let next = epoch.update(from: position)
            (pending, position) = (next.own[...], next.end)
            update += 1
        }
        guard update <= last else { return nil }
        let loader = try loader()
        let (number, subBatches) = pending.removeFirst()
        let parts = try subBatches.compactMap { _ in try loader.next() }
        guard parts.count == subBatches.count else { return nil }
        // Decoding goes on meanwhile.
        if pending.isEmpty, position >= epoch.plan.count, epoch.plan.epoch != epochs.last {
            try beginNextEpoch()
            _ = try self.loader()
        }
        return NumberedMicroBatch(update: update, number: number, batch: MicroBatch(parts))
    }

    private func beginNextEpoch() throws {
        epoch = try epochs.epoch(epoch.plan.epoch + 1)
        position = 0
        shared.withLock { shared in
            shared.earlierWaits += shared.loader?.waitSeconds ?? 0
            shared.loader = nil
        }
    }

    /// Returns the epoch's loader, made for the rest of the epoch.
    private func loader() throws -> BatchLoader {
        if let loader = shared.withLock({ $0.loader }) { return loader }
        // The current update's have been taken from the position, but not yet read.
        let loader = try epochs.load(
            epoch.plan, pending.flatMap { Array($0.subBatches) } + epoch.ownSubBatches(from: position))
        shared.withLock { shared in
            shared.loader = loader
            if shared.isCancelled { loader.cancel() }
        }
        return loader
    }
}
