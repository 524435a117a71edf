import Randomness

/// Distractors for each masked frame of a sub-batch, as positions among its candidates.
public struct Negatives: Sendable {
    /// For each utterance [masked frames × same-utterance negatives], row by row: numbers of candidates within the
    /// utterance.
    public var sameUtterance: [[Int]]
    /// For each masked frame of the sub-batch the candidates anywhere in the sub-batch, row by row.
    public var anywhere: [Int]
    /// For each masked frame the entries of made-up code vectors, frame by frame: [frames × count × groups].
    public var codes: [Int]

    /// Makes distractors from positions.
    public init(sameUtterance: [[Int]], anywhere: [Int] = [], codes: [Int] = []) {
        self.sameUtterance = sameUtterance
        self.anywhere = anywhere
        self.codes = codes
    }

    /// Draws the distractors of a sub-batch.
    ///
    /// A frame is never its own distractor: one number fewer is drawn, and numbers from the frame's own on move up.
    ///
    /// - Parameters:
    ///   - objective: How many of each kind.
    ///   - masked: For each utterance the candidates' positions of its masked frames: `0..<count` when only masked
    ///     frames are candidates, the frames' positions when all frames are.
    ///   - candidates: How many candidates each utterance has.
    ///   - entries: Entries and groups of the code book.
    ///   - stream: The sub-batch's random numbers.
    /// - Returns: The distractors of every masked frame, by kind.
    public static func draw(
        _ objective: ObjectiveConfiguration, masked: [[Int]], candidates: [Int], entries: (count: Int, groups: Int),
        stream: RandomStream
    ) -> Negatives {
        var stream = stream
        func others(_ own: Int, _ high: Int, _ count: Int, _ stream: inout RandomStream) -> [Int] {
            guard high > 1 else { return [Int](repeating: own, count: count) }
            return (0..<count).map { _ in
                let drawn = stream.integer(below: high - 1)
                return drawn >= own ? drawn + 1 : drawn
            }
        }
        let same = zip(masked, candidates).map { positions, high in
            positions.flatMap { others($0, high, objective.numNegatives, &stream) }
        }
        var anywhere: [Int] = []
        if objective.crossSampleNegatives > 0 {
            let total = candidates.reduce(0, +)
            var offset = 0
            for (positions, count) in zip(masked, candidates) {
                for position in positions {
                    anywhere += others(offset + position, total, objective.crossSampleNegatives, &stream)
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
