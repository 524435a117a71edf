import W2VBase

/// The batches of an epoch, in order: a pure function of lengths, options, seed and epoch.
public struct BatchPlan: Sendable, Equatable {
    /// An utterance that is in no batch.
    public struct Exclusion: Equatable, Sendable, CustomStringConvertible {
        /// The reason why it is in no batch.
        public enum Reason: Equatable, Sendable {
            /// Shorter than the minimum.
            case tooShort(minimum: Int)
            /// Longer than the maximum.
            case tooLong(maximum: Int)
        }

        /// The utterance's index in the manifest.
        public var utterance: Int
        /// Its length in samples.
        public var sampleCount: Int
        /// The reason why it is in no batch.
        public var reason: Reason

        /// The reason in words.
        public var description: String {
            switch reason {
            case .tooShort(let minimum): "\(sampleCount) samples, at least \(minimum) are needed"
            case .tooLong(let maximum): "\(sampleCount) samples, at most \(maximum) are allowed"
            }
        }
    }

    /// The utterances that are in no batch, in ascending order of index.
    public let excluded: [Exclusion]
    /// The random seed of the order and the crops.
    public let seed: UInt64
    /// The epoch, from 0.
    public let epoch: Int
    /// The options that the plan was made with.
    public let options: BatchOptions

    /// The utterances of all batches: index in the manifest + number of the epoch's copy of the utterance × number of
    /// utterances in the manifest.
    private let order: [Int]
    private let batches: [Range<Int>]
    /// The length that each batch is cropped to, from the manifest's lengths; empty without cropping.
    private let cropLengths: [Int]
    private let manifestCount: Int

    /// Plans an epoch of training: utterances of similar length together, batches in random order.
    ///
    /// With a grid of crop lengths, all batches of a group also have the same number of utterances: the most that
    /// `maxTokens` allows at the crop length.
    ///
    /// - Parameters:
    ///   - lengths: The utterances' lengths in samples.
    ///   - options: The batching options.
    ///   - seed: The run's random seed.
    ///   - epoch: The epoch, from 0.
    ///   - weights: How often, on average, an epoch draws the utterances of a range; 1 outside these ranges.
    ///   - name: Returns an utterance's name for errors.
    /// - Throws: `CorpusError` if an option is impossible, no utterance is left, or lengths are unsuitable and may not
    ///   be skipped.
    public init(
        lengths: [Int], options: BatchOptions, seed: UInt64, epoch: Int,
        weights: [(utterances: Range<Int>, weight: Double)] = [], name: (Int) -> String = { "utterance \($0)" }
    ) throws {
        let (kept, excluded) = try Self.select(lengths, options: options, name: name)
        let drawn = Self.draw(kept, count: lengths.count, weights: weights, seed: seed, epoch: epoch)
        if drawn.isEmpty {
            throw CorpusError.nothingLeft(
                reason: "the weights leave epoch \(epoch) without any of the \(kept.count) utterances")
        }
        var ties = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 0)
        let longest = options.longest
        let isGridded = options.crop == .toShortest && options.cropGrid != nil
        var keyed = drawn.map { draw in
            let length = min(lengths[draw % lengths.count], longest)
            return Keyed(
                length: isGridded ? options.cropLength(atMost: length) : length, tie: ties.next(), draw: draw)
        }
        keyed.sort(by: >)
        let order = keyed.map(\.draw)
        var batches: [Range<Int>] = []
        var cropLengths: [Int] = []
        var shuffle = RandomStream(seed: seed, purpose: .shuffle, step: epoch, index: 1)
        switch options.crop {
        case .none:
            batches = Self.cut(order, lengths: lengths, options: options)
            batches.shuffle(using: &shuffle)
        case .toShortest where isGridded:
            let groups = Self.gridGroups(cropLengths: keyed.map(\.length), options: options, shuffle: &shuffle)
            batches = groups.flatMap(\.batches)
            cropLengths = groups.flatMap { repeatElement($0.cropLength, count: $0.batches.count) }
        case .toShortest:
            batches = Self.cut(order, lengths: lengths, options: options)
            let groups = Self.groups(of: options.cropGroup, batches.count, shuffle: &shuffle).map { batches[$0] }
            batches = groups.flatMap { $0 }
            cropLengths = groups.flatMap { group in
                // Lengths descend, so a group's shortest utterance is its last.
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
    ///   - lengths: The utterances' lengths in samples.
    ///   - options: The batching options; cropping is off.
    ///   - name: Returns an utterance's name for errors.
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

    /// Number of batches.
    public var count: Int { batches.count }

    /// Indices of a batch's utterances in the manifest; an index may occur twice if its weight is above 1.
    public subscript(batch: Int) -> [Int] { draws(batch).map { $0 % manifestCount } }

    /// A batch's utterances, with different numbers for copies of one utterance.
    func draws(_ batch: Int) -> ArraySlice<Int> { order[batches[batch]] }

    /// Returns the length that a batch is cropped to: that of the shortest utterance in all batches of its group.
    ///
    /// - Parameters:
    ///   - batch: The batch's position in the plan.
    ///   - lengths: The decoded lengths of the batch's utterances in samples, which may differ slightly from the
    ///     manifest's.
    /// - Returns: A number of samples; nil if the batch is not cropped.
    func cropLength(_ batch: Int, found lengths: [Int]) -> Int? {
        guard !cropLengths.isEmpty, let shortest = lengths.min() else { return nil }
        let planned = cropLengths[batch]
        return shortest >= planned ? planned : options.cropLength(atMost: shortest)
    }

    /// Draws the start of an utterance's crop: uniform, and independent of the batch that the utterance is in.
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
        // There is nothing to learn from an utterance without samples, whatever the options are.
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

    /// Draws the utterances of an epoch by their weights: each utterance as often as its weight's integer part, and a
    /// share equal to the fractional part once more.
    ///
    /// The fractional part takes successive utterances from a fixed random order, epoch after epoch, so that over many
    /// epochs all utterances are drawn equally often.
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

    /// Forms groups of batches that are sorted by length, and shuffles the groups.
    ///
    /// If the number of batches is not a multiple of the group's size, a random group is smaller; it comes last, so
    /// that all others begin at a multiple. (NVIDIA's recipe leaves out the shortest utterances instead.)
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

    /// Forms groups of batches whose crops have lengths of the grid, and shuffles the groups.
    ///
    /// All batches of a group have the same number of utterances, which follows from the crop length. Where utterances of
    /// one length do not fill a group, those that are left over, chosen at random, join the next shorter ones. What is
    /// left in the end, the shortest utterances, makes a smaller group, which comes last.
    ///
    /// - Parameter cropLengths: The lengths that the utterances would be cropped to alone, in descending order.
    private static func gridGroups(
        cropLengths: [Int], options: BatchOptions, shuffle: inout RandomStream
    ) -> [(batches: [Range<Int>], cropLength: Int)] {
        var groups: [(batches: [Range<Int>], cropLength: Int)] = []
        var start = 0
        for end in cropLengths.indices.map({ $0 + 1 })
        where end == cropLengths.count || cropLengths[end] != cropLengths[end - 1] {
            let length = cropLengths[end - 1]
            let size = options.utteranceCount(cropLength: length)
            // The last group takes what there is.
            while end - start >= size * options.cropGroup || end == cropLengths.count && start < end {
                let next = min(end, start + size * options.cropGroup)
                let batches = stride(from: start, to: next, by: size).map { $0..<min(next, $0 + size) }
                groups.append((batches, length))
                start = next
            }
        }
        let isLastSmaller = groups.last.map { group in
            group.batches.reduce(0) { $0 + $1.count }
                < options.utteranceCount(cropLength: group.cropLength) * options.cropGroup
        }
        let last = isLastSmaller == true ? groups.popLast() : nil
        groups.shuffle(using: &shuffle)
        return groups + (last.map { [$0] } ?? [])
    }

    /// Cuts batches by fairseq's greedy rule: fill a batch until the next utterance does not fit, then cut off the
    /// largest part whose count is a multiple of the required one (everything if there are fewer), and continue with
    /// the rest.
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
    ///   - options: The batching options.
    ///   - seed: The run's random seed.
    ///   - epoch: The epoch, from 0.
    public init(_ manifest: Manifest, options: BatchOptions, seed: UInt64, epoch: Int) throws {
        try self.init(
            lengths: manifest.sampleCounts, options: options, seed: seed, epoch: epoch,
            weights: manifest.sources.indices.map { (manifest.range(ofSource: $0), manifest.sources[$0].weight) },
            name: manifest.identifier)
    }

    /// Plans a pass over a manifest in its order, without cropping.
    public static func sequential(_ manifest: Manifest, options: BatchOptions) throws -> BatchPlan {
        try sequential(lengths: manifest.sampleCounts, options: options, name: manifest.identifier)
    }

    /// Summarizes the utterances that are left out, with their number and the first names; nil if all are used.
    ///
    /// - Parameters:
    ///   - manifest: The manifest that the plan was made from.
    ///   - limit: The most utterances to name.
    public func exclusionSummary(_ manifest: Manifest, naming limit: Int = 10) -> String? {
        guard !excluded.isEmpty else { return nil }
        let names = excluded.prefix(limit).map { "\(manifest.identifier($0.utterance)) (\($0))" }
        let more = excluded.count > limit ? ", and \(excluded.count - limit) more" : ""
        return "\(manifest.name): \(excluded.count) of \(manifest.count) utterances are left out: "
            + names.joined(separator: "; ") + more
    }
}
