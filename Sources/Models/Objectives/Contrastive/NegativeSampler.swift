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
        var stream = stream
        // By far the most numbers: with a stream for each utterance they can be drawn in parallel.
        let seeds = masked.map { _ in stream.next() }
        let same = ParallelMap.map(count: masked.count, block: 1) { utterance in
            var stream = RandomStream(seed: seeds[utterance], purpose: .negatives)
            var own: [Int] = []
            own.reserveCapacity(masked[utterance].count * objective.numNegatives)
            for position in masked[utterance] {
                append(
                    objective.numNegatives, otherThan: position, below: candidates[utterance], &stream, to: &own)
            }
            return own
        }.map { $0.get() }
        var anywhere: [Int] = []
        if objective.crossSampleNegatives > 0 {
            let total = candidates.reduce(0, +)
            var offset = 0
            for (positions, count) in zip(masked, candidates) {
                for position in positions {
                    append(
                        objective.crossSampleNegatives, otherThan: offset + position, below: total, &stream,
                        to: &anywhere)
                }
                offset += count
            }
        }
        var codes: [Int] = []
        let frames = masked.map(\.count).reduce(0, +)
        if objective.codebookNegatives > 0 {
            codes = (0..<frames * objective.codebookNegatives * entries.groups).map { _ in
                stream.integer(below: entries.count)
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
