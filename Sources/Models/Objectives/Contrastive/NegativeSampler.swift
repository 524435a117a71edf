import W2VBackbone
import W2VBase

/// The distractors of each masked frame of a sub-batch, as positions among its candidates.
public struct Negatives: Sendable {
    /// For each utterance [masked frames × same-utterance negatives], row by row: candidates, numbered within the
    /// utterance.
    public var sameUtterance: [[Int]]
    /// For each masked frame of the sub-batch, candidates from the whole sub-batch, row by row.
    public var anywhere: [Int]
    /// For each masked frame the entries of random code vectors, frame by frame: [frames × count × groups].
    public var codes: [Int]

    /// Makes distractors from positions.
    public init(sameUtterance: [[Int]], anywhere: [Int] = [], codes: [Int] = []) {
        self.sameUtterance = sameUtterance
        self.anywhere = anywhere
        self.codes = codes
    }

    /// Joins several segments' distractors.
    static func joined(_ all: [Negatives]) -> Negatives {
        Negatives(
            sameUtterance: all.flatMap(\.sameUtterance), anywhere: all.flatMap(\.anywhere), codes: all.flatMap(\.codes))
    }

    /// Draws the distractors of a sub-batch.
    ///
    /// A frame is never its own distractor: one candidate fewer is available, and numbers from the frame's own on move
    /// up by one.
    ///
    /// - Parameters:
    ///   - objective: The number of distractors of each kind.
    ///   - masked: For each utterance the candidates' positions of its masked frames: `0..<count` when only masked
    ///     frames are candidates, the frames' positions when all frames are.
    ///   - candidates: The number of candidates of each utterance.
    ///   - entries: The numbers of entries and code books.
    /// - Returns: The distractors of every masked frame, by kind.
    public static func draw(
        _ objective: ContrastiveConfiguration, masked: [[Int]], candidates: [Int], entries: (count: Int, groups: Int),
        stream: RandomStream
    ) -> Negatives {
        draw(objective, [Pool(masked: masked, candidates: candidates, stream: stream)], entries: entries)[0]
    }

    /// The frames of a sub-batch that need distractors, and the candidates.
    struct Pool {
        /// For each utterance the candidates' positions of its masked frames.
        let masked: [[Int]]
        /// The number of candidates of each utterance.
        let candidates: [Int]
        /// The sub-batch's random numbers.
        var stream: RandomStream
    }

    /// Draws the distractors of several sub-batches, each as it would be alone, in parallel.
    static func draw(
        _ objective: ContrastiveConfiguration, _ pools: [Pool], entries: (count: Int, groups: Int)
    ) -> [Negatives] {
        var pools = pools
        // By far the most numbers: with a stream for each utterance they can be drawn in parallel.
        let utterances = pools.indices.flatMap { pool in
            zip(pools[pool].masked, pools[pool].candidates).map { (pools[pool].stream.next(), $0, $1) }
        }
        let same = ParallelMap.map(count: utterances.count, block: 1) { index in
            let (seed, masked, candidates) = utterances[index]
            var stream = RandomStream(seed: seed, purpose: .negatives)
            var own: [Int] = []
            own.reserveCapacity(masked.count * objective.numNegatives)
            for position in masked {
                append(objective.numNegatives, otherThan: position, below: candidates, &stream, to: &own)
            }
            return own
        }.map { $0.get() }
        let layout = RaggedLayout(pools.map(\.masked.count))
        return pools.indices.map { draw(objective, &pools[$0], same: Array(same[layout.rows($0)]), entries: entries) }
    }

    /// Draws the distractors that come from anywhere in a sub-batch, and random code vectors.
    private static func draw(
        _ objective: ContrastiveConfiguration, _ pool: inout Pool, same: [[Int]], entries: (count: Int, groups: Int)
    ) -> Negatives {
        let (masked, candidates) = (pool.masked, pool.candidates)
        var anywhere: [Int] = []
        if objective.crossSampleNegatives > 0 {
            let total = candidates.reduce(0, +)
            var offset = 0
            for (positions, count) in zip(masked, candidates) {
                for position in positions {
                    append(
                        objective.crossSampleNegatives, otherThan: offset + position, below: total, &pool.stream,
                        to: &anywhere)
                }
                offset += count
            }
        }
        var codes: [Int] = []
        let frames = masked.map(\.count).reduce(0, +)
        if objective.codebookNegatives > 0 {
            codes = (0..<frames * objective.codebookNegatives * entries.groups).map { _ in
                pool.stream.integer(below: entries.count)
            }
        }
        return Negatives(sameUtterance: same, anywhere: anywhere, codes: codes)
    }
}

/// Appends numbers below `high` other than `own`; `own` itself if there is no other.
private func append(
    _ count: Int, otherThan own: Int, below high: Int, _ stream: inout RandomStream, to all: inout [Int]
) {
    for _ in 0..<count {
        guard high > 1 else {
            all.append(own)
            continue
        }
        let drawn = stream.integer(below: high - 1)
        all.append(drawn >= own ? drawn + 1 : drawn)
    }
}
