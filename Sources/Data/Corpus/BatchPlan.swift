import W2VBase

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

    /// Utterances in batches: the index in the manifest, and above it, in multiples of the manifest's count, which of
    /// the epoch's copies of the utterance it is.
    private let order: [Int]
    private let batches: [Range<Int>]
    /// The length that each batch is cropped to, by the manifest; empty where nothing is cropped.
    private let cropLengths: [Int]
    private let manifestCount: Int

    /// Plans an epoch of training: utterances of like length together, batches in random order.
    ///
    /// - Parameters:
    ///   - lengths: Every utterance's samples.
    ///   - options: How to batch.
    ///   - seed: The run's seed.
    ///   - epoch: Which epoch, from 0.
    ///   - weights: How often an epoch has utterances, on average: 1 unless a range of them is given another number.
    ///   - name: Calls an utterance by name in errors.
    /// - Throws: `CorpusError`, if an option is impossible, nothing is left, or lengths do not fit and may not be skipped.
    public init(
        lengths: [Int], options: BatchOptions, seed: UInt64, epoch: Int,
        weights: [(utterances: Range<Int>, weight: Double)] = [], name: (Int) -> String = { "utterance \($0)" }
    ) throws {
        let (kept, excluded) = try Self.select(lengths, options: options, name: name)
        let drawn = Self.draw(kept, count: lengths.count, weights: weights, seed: seed, epoch: epoch)
        if drawn.isEmpty {
            throw CorpusError.nothingLeft(reason: "the weights give epoch \(epoch) none of \(kept.count) utterances")
        }
        var ties = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 0)
        let longest = options.longest
        var keyed = drawn.map { draw in
            Keyed(length: min(lengths[draw % lengths.count], longest), tie: ties.next(), draw: draw)
        }
        keyed.sort(by: >)
        let order = keyed.map(\.draw)
        var batches = Self.cut(order, lengths: lengths, options: options)
        var cropLengths: [Int] = []
        var shuffle = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 1)
        switch options.crop {
        case .none: batches.shuffle(using: &shuffle)
        case .toShortest:
            let groups = Self.groups(of: options.cropGroup, batches.count, shuffle: &shuffle).map { batches[$0] }
            batches = groups.flatMap { $0 }
            cropLengths = groups.flatMap { group in
                // The longest come first: a group's shortest utterance is its last.
                let shortest = group.last.map { keyed[$0.upperBound - 1].length } ?? 0
                return repeatElement(options.cropLength(atMost: shortest), count: group.count)
            }
        }
        self.init(
            order: order, batches: batches, cropLengths: cropLengths, manifestCount: lengths.count,
            excluded: excluded, options: options, seed: seed, epoch: epoch)
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
            order: kept, batches: cut(kept, lengths: lengths, options: options), cropLengths: [],
            manifestCount: lengths.count, excluded: excluded, options: options, seed: 0, epoch: 0)
    }

    private init(
        order: [Int], batches: [Range<Int>], cropLengths: [Int], manifestCount: Int, excluded: [Exclusion],
        options: BatchOptions, seed: UInt64, epoch: Int
    ) {
        self.order = order
        self.batches = batches
        self.cropLengths = cropLengths
        self.manifestCount = manifestCount
        self.excluded = excluded
        self.options = options
        self.seed = seed
        self.epoch = epoch
    }

    /// How many batches there are.
    public var count: Int { batches.count }

    /// A batch's utterances, as indices in the manifest; one may stand in it twice if its weight is above 1.
    public subscript(batch: Int) -> [Int] { draws(batch).map { $0 % manifestCount } }

    /// A batch's utterances, where copies of one utterance have different numbers.
    func draws(_ batch: Int) -> ArraySlice<Int> { order[batches[batch]] }

    /// The length that a batch is cropped to: that of the shortest utterance of all batches of its group.
    ///
    /// - Parameters:
    ///   - batch: Which batch.
    ///   - lengths: The batch's lengths in samples as they are found, which may differ a little from the manifest's.
    /// - Returns: Samples; nil if the batch is not cropped.
    func cropLength(_ batch: Int, found lengths: [Int]) -> Int? {
        guard !cropLengths.isEmpty, let shortest = lengths.min() else { return nil }
        let planned = cropLengths[batch]
        return shortest >= planned ? planned : options.cropLength(atMost: shortest)
    }

    /// Where an utterance's crop begins: uniform, and the same whichever batch it is in.
    func cropStart(draw: Int, length: Int, target: Int) -> Int {
        guard length > target else { return 0 }
        var stream = RandomStream(seed: seed, purpose: .crop, step: epoch, index: draw)
        return stream.integer(below: length - target + 1)
    }

    // MARK: - Planning

    private struct Keyed: Comparable {
        var length: Int
        var tie: UInt64
        var draw: Int

        static func < (first: Keyed, second: Keyed) -> Bool {
            if first.length != second.length { return first.length < second.length }
            if first.tie != second.tie { return first.tie < second.tie }
            return first.draw < second.draw
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

    /// The utterances of an epoch by their weights: each as often as the weight's whole part says, and as many of them as
    /// its fraction says once more.
    ///
    /// The fraction goes through a fixed random order, epoch after epoch, so that over the epochs none comes more often
    /// than another.
    private static func draw(
        _ kept: [Int], count: Int, weights: [(utterances: Range<Int>, weight: Double)], seed: UInt64, epoch: Int
    ) -> [Int] {
        guard weights.contains(where: { $0.weight != 1 }) else { return kept }
        var drawn: [Int] = []
        for (number, part) in weights.enumerated() {
            var own = kept.filter(part.utterances.contains)
            let copies = Int(part.weight)
            for copy in 0..<copies { drawn.append(contentsOf: own.lazy.map { $0 + copy * count }) }
            let fraction = part.weight - Double(copies)
            guard fraction > 0, !own.isEmpty else { continue }
            var order = RandomStream(seed: seed, purpose: .shuffle, step: 0, index: 2 + number)
            own.shuffle(using: &order)
            let until = { (epoch: Int) in Int((Double(epoch) * fraction * Double(own.count)).rounded()) }
            for place in until(epoch)..<until(epoch + 1) {
                drawn.append(own[place % own.count] + copies * count)
            }
        }
        return drawn
    }

    /// Batches, which are in order of length, in groups, which are in random order.
    ///
    /// Where the count is no multiple, a group drawn at random has fewer batches; it comes last, so that every other begins
    /// at a multiple. (NVIDIA's leaves out the shortest utterances instead.)
    private static func groups(
        of size: Int, _ count: Int, shuffle: inout RandomStream
    ) -> [Range<Int>] {
        let whole = count / size
        let rest = count % size
        let short = rest == 0 ? whole : shuffle.integer(below: whole + 1)
        var groups: [Range<Int>] = []
        var start = 0
        for number in 0..<(rest == 0 ? whole : whole + 1) {
            let end = start + (number == short ? rest : size)
            groups.append(start..<end)
            start = end
        }
        let last = rest == 0 ? nil : groups.remove(at: short)
        groups.shuffle(using: &shuffle)
        return groups + (last.map { [$0] } ?? [])
    }

    /// fairseq's greedy rule: fill a batch until the next utterance does not fit, then cut off the largest part whose
    /// count is a multiple of the required one (all of it if that is more than there are), and go on with what remains.
    private static func cut(_ order: [Int], lengths: [Int], options: BatchOptions) -> [Range<Int>] {
        let longest = options.longest
        let maxTokens = options.maxTokens ?? .max
        let maxCount = options.batchSize ?? .max
        let multiple = options.requiredBatchSizeMultiple
        let size = { (position: Int) in min(lengths[order[position] % lengths.count], longest) }
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
                let end = start + (count < multiple ? count : count - count % multiple)
                batches.append(start..<end)
                start = end
                sum = (start..<position).reduce(0) { $0 + size($1) }
                largest = (start..<position).reduce(0) { max($0, size($1)) }
            }
            sum += next
            largest = max(largest, next)
        }
        let rest = order.count - start
        let whole = rest < multiple ? 0 : rest - rest % multiple
        if whole > 0 { batches.append(start..<(start + whole)) }
        if whole < rest { batches.append((start + whole)..<order.count) }
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
            lengths: manifest.sampleCounts, options: options, seed: seed, epoch: epoch,
            weights: manifest.sources.indices.map { (manifest.range(ofSource: $0), manifest.sources[$0].weight) },
            name: manifest.identifier)
    }

    /// Plans a pass over a manifest in its order.
    ///
    /// - Parameters:
    ///   - manifest: The utterances.
    ///   - options: How to batch; nothing is cropped.
    /// - Returns: The plan.
    /// - Throws: `CorpusError`.
    public static func sequential(_ manifest: Manifest, options: BatchOptions) throws -> BatchPlan {
        try sequential(lengths: manifest.sampleCounts, options: options, name: manifest.identifier)
    }

    /// A sentence that counts and names what is left out; nil if nothing is.
    ///
    /// - Parameters:
    ///   - manifest: What the plan was made of.
    ///   - limit: How many utterances are named.
    /// - Returns: The sentence.
    public func exclusionSummary(_ manifest: Manifest, naming limit: Int = 10) -> String? {
        guard !excluded.isEmpty else { return nil }
        let names = excluded.prefix(limit).map { "\(manifest.identifier($0.utterance)) (\($0))" }
        let more = excluded.count > limit ? ", and \(excluded.count - limit) more" : ""
        return "\(manifest.name): \(excluded.count) of \(manifest.count) utterances are left out: "
            + names.joined(separator: "; ") + more
    }
}
