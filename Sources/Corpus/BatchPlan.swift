import Randomness

/// Which utterances go together, in which order: a pure function of lengths, options, seed and epoch.
public struct BatchPlan: Sendable, Equatable {
    /// An utterance that is in no batch.
    public struct Exclusion: Equatable, Sendable, CustomStringConvertible {
        /// Why it is in no batch.
        public enum Reason: Equatable, Sendable {
            /// Shorter than the least, which is given.
            case tooShort(minimum: Int)
            /// Longer than the most, which is given.
            case tooLong(maximum: Int)
        }

        /// The utterance's index in the manifest.
        public var utterance: Int
        /// Its length in samples.
        public var sampleCount: Int
        /// Why it is in no batch.
        public var reason: Reason

        /// The reason in words.
        public var description: String {
            switch reason {
            case .tooShort(let minimum): "\(sampleCount) samples, at least \(minimum) are needed"
            case .tooLong(let maximum): "\(sampleCount) samples, at most \(maximum) are allowed"
            }
        }
    }

    /// The utterances that are in no batch, by ascending index.
    public let excluded: [Exclusion]
    /// The seed that chose the order, and chooses the crops.
    public let seed: UInt64
    /// The epoch, from 0.
    public let epoch: Int
    /// What the plan was made with.
    public let options: BatchOptions

    private let order: [Int]
    private let batches: [Range<Int>]

    /// Plans an epoch of training: utterances of like length together, batches in random order.
    ///
    /// - Parameters:
    ///   - lengths: Every utterance's samples.
    ///   - options: How to batch.
    ///   - seed: The run's seed.
    ///   - epoch: Which epoch, from 0.
    ///   - name: Calls an utterance by name in errors.
    /// - Throws: `CorpusError`, if an option is impossible, nothing is left, or lengths do not fit and may not be skipped.
    public init(
        lengths: [Int], options: BatchOptions, seed: UInt64, epoch: Int,
        name: (Int) -> String = { "utterance \($0)" }
    ) throws {
        let (kept, excluded) = try Self.select(lengths, options: options, name: name)
        var ties = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 0)
        let longest = options.longest
        var keyed = kept.map { index in
            Keyed(length: min(lengths[index], longest), tie: ties.next(), index: index)
        }
        keyed.sort(by: >)
        let order = keyed.map(\.index)
        var batches = Self.cut(order, lengths: lengths, options: options)
        var shuffle = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 1)
        batches.shuffle(using: &shuffle)
        self.init(order: order, batches: batches, excluded: excluded, options: options, seed: seed, epoch: epoch)
    }

    /// Plans a pass in the manifest's order: validation and evaluation.
    ///
    /// - Parameters:
    ///   - lengths: Every utterance's samples.
    ///   - options: How to batch; nothing is cropped.
    ///   - name: Calls an utterance by name in errors.
    /// - Returns: The plan.
    /// - Throws: `CorpusError`.
    public static func sequential(
        lengths: [Int], options: BatchOptions, name: (Int) -> String = { "utterance \($0)" }
    ) throws -> BatchPlan {
        var options = options
        options.crop = .none
        let (kept, excluded) = try select(lengths, options: options, name: name)
        return BatchPlan(
            order: kept, batches: cut(kept, lengths: lengths, options: options), excluded: excluded, options: options,
            seed: 0, epoch: 0)
    }

    private init(
        order: [Int], batches: [Range<Int>], excluded: [Exclusion], options: BatchOptions, seed: UInt64, epoch: Int
    ) {
        self.order = order
        self.batches = batches
        self.excluded = excluded
        self.options = options
        self.seed = seed
        self.epoch = epoch
    }

    /// How many batches there are.
    public var count: Int { batches.count }

    /// How many utterances are in batches.
    public var utteranceCount: Int { order.count }

    /// A batch's utterances, as indices in the manifest.
    public subscript(batch: Int) -> ArraySlice<Int> { order[batches[batch]] }

    /// The length that a batch is cropped to.
    ///
    /// - Parameter lengths: The batch's lengths in samples, as they are found.
    /// - Returns: Samples; nil if the batch is not cropped.
    func cropLength(_ lengths: [Int]) -> Int? {
        guard options.crop == .toShortest, let shortest = lengths.min() else { return nil }
        let target = min(shortest, options.longest)
        let multiple = options.requiredSequenceLengthMultiple
        return target >= multiple ? target - target % multiple : target
    }

    /// Where an utterance's crop begins: uniform, and the same whichever batch it is in.
    func cropStart(utterance: Int, length: Int, target: Int) -> Int {
        guard length > target else { return 0 }
        var stream = RandomStream(seed: seed, purpose: .crop, step: epoch, index: utterance)
        return stream.integer(below: length - target + 1)
    }

    // MARK: - Planning

    private struct Keyed: Comparable {
        var length: Int
        var tie: UInt64
        var index: Int

        static func < (first: Keyed, second: Keyed) -> Bool {
            if first.length != second.length { return first.length < second.length }
            if first.tie != second.tie { return first.tie < second.tie }
            return first.index < second.index
        }
    }

    private static func select(
        _ lengths: [Int], options: BatchOptions, name: (Int) -> String
    ) throws -> (kept: [Int], excluded: [Exclusion]) {
        try options.validate()
        let maximum = options.crop == .none ? options.longest : .max
        // An utterance without samples has nothing to learn from, whatever the options say.
        let minimum = max(options.minSampleSize, 1)
        var kept: [Int] = []
        kept.reserveCapacity(lengths.count)
        var excluded: [Exclusion] = []
        for (index, length) in lengths.enumerated() {
            if length < minimum {
                excluded.append(.init(utterance: index, sampleCount: length, reason: .tooShort(minimum: minimum)))
            } else if length > maximum {
                excluded.append(.init(utterance: index, sampleCount: length, reason: .tooLong(maximum: maximum)))
            } else {
                kept.append(index)
            }
        }
        if let first = excluded.first, !options.skipInvalid {
            throw CorpusError.invalidLengths(count: excluded.count, first: "\(name(first.utterance)) (\(first))")
        }
        if kept.isEmpty {
            throw CorpusError.nothingLeft(
                reason: excluded.first.map {
                    "all \(excluded.count) have lengths that do not fit, the first: \(name($0.utterance)) (\($0))"
                } ?? "the list is empty")
        }
        return (kept, excluded)
    }

    /// fairseq's greedy rule: fill a batch until the next utterance does not fit, then cut off the largest part whose
    /// count is a multiple of the required one (or all but a rest of less than it), and go on with what remains.
    private static func cut(_ order: [Int], lengths: [Int], options: BatchOptions) -> [Range<Int>] {
        let longest = options.longest
        let maxTokens = options.maxTokens ?? .max
        let maxCount = options.batchSize ?? .max
        let multiple = options.requiredBatchSizeMultiple
        let size = { (position: Int) in min(lengths[order[position]], longest) }
        var batches: [Range<Int>] = []
        var start = 0
        var sum = 0
        var largest = 0
        for position in order.indices {
            let next = size(position)
            while position > start {
                let count = position - start
                let cost = options.crop == .none ? sum + next : (count + 1) * max(largest, next)
                if count < maxCount && cost <= maxTokens { break }
                let end = start + max(multiple * (count / multiple), count % multiple)
                batches.append(start..<end)
                start = end
                sum = (start..<position).reduce(0) { $0 + size($1) }
                largest = (start..<position).reduce(0) { max($0, size($1)) }
            }
            sum += next
            largest = max(largest, next)
        }
        if start < order.count { batches.append(start..<order.count) }
        return batches
    }
}

extension BatchPlan {
    /// Plans an epoch of training over a manifest.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - options: How to batch.
    ///   - seed: The run's seed.
    ///   - epoch: Which epoch, from 0.
    /// - Throws: `CorpusError`.
    public init(_ manifest: Manifest, options: BatchOptions, seed: UInt64, epoch: Int) throws {
        try self.init(
            lengths: manifest.sampleCounts, options: options, seed: seed, epoch: epoch, name: manifest.path)
    }

    /// Plans a pass over a manifest in its order.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - options: How to batch; nothing is cropped.
    /// - Returns: The plan.
    /// - Throws: `CorpusError`.
    public static func sequential(_ manifest: Manifest, options: BatchOptions) throws -> BatchPlan {
        try sequential(lengths: manifest.sampleCounts, options: options, name: manifest.path)
    }

    /// A sentence that counts and names what is left out; nil if nothing is.
    ///
    /// - Parameters:
    ///   - manifest: What the plan was made of.
    ///   - limit: How many utterances are named.
    /// - Returns: The sentence.
    public func exclusionSummary(_ manifest: Manifest, naming limit: Int = 10) -> String? {
        guard !excluded.isEmpty else { return nil }
        let names = excluded.prefix(limit).map { "\(manifest.path($0.utterance)) (\($0))" }
        let more = excluded.count > limit ? ", and \(excluded.count - limit) more" : ""
        return "\(manifest.name): \(excluded.count) of \(manifest.count) utterances are left out: "
            + names.joined(separator: "; ") + more + "."
    }
}
