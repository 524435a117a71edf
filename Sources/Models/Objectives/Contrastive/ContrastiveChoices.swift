import W2VBackbone
import W2VKernels
import W2VTorch

/// The candidates that each masked frame is compared with, on the model's device.
package struct ContrastiveChoices {
    /// The number of masked frames.
    let frames: Int
    /// The true vectors, and the distractors from the frame's own utterance.
    private let withinUtterances: BlockComparison
    /// The true vectors, and the distractors from anywhere in the frame's segment; nil without such distractors.
    private let withinSegments: BlockComparison?
    /// The entries of random code vectors: int64 [frames · vectors, groups]; nil if there are none.
    let codes: Tensor?
    /// Each frame's true candidate: int64 [frames]; nil without random code vectors.
    private let own: Tensor?

    /// Copies choices to a device.
    ///
    /// - Parameters:
    ///   - masked: For each utterance the candidates that are its masked frames' true vectors.
    ///   - candidateCounts: The number of candidates of each utterance.
    ///   - negatives: The distractors of all utterances; those from anywhere are numbered within their segment's
    ///     candidates.
    ///   - segments: The utterances of each segment; nil for a single one.
    ///   - groups: The number of code books; a random code vector has one entry of each.
    ///   - upload: The way to the device.
    package init(
        masked: [[Int]], candidateCounts: [Int], negatives: Negatives, segments: [Range<Int>]? = nil, groups: Int = 1,
        through upload: Upload
    ) throws {
        // Three numberings of candidates: within the utterance (`masked`, `negatives.sameUtterance`), within the
        // segment (`negatives.anywhere`), and within the batch (`truths`). An utterance's candidates begin at its
        // `candidateOffsets` in the batch, a segment's at that of its first utterance.
        let frames = RaggedLayout(masked.map(\.count))
        let candidateOffsets = RaggedLayout(candidateCounts).offsets
        self.frames = frames.total
        withinUtterances = try BlockComparison(
            truths: masked, distractors: negatives.sameUtterance, candidateCounts: candidateCounts, through: upload)
        let truths = masked.enumerated().map { utterance, positions in
            positions.map { $0 + candidateOffsets[utterance] }
        }
        let segments = segments ?? [masked.indices]
        let drawn = negatives.anywhere.count / max(1, frames.total)
        withinSegments =
            try drawn == 0
            ? nil
            : BlockComparison(
                truths: segments.map { segment in
                    truths[segment].flatMap { $0.map { $0 - candidateOffsets[segment.lowerBound] } }
                },
                distractors: segments.map { segment in
                    let own = frames.offsets[segment.lowerBound]..<frames.offsets[segment.upperBound]
                    return Array(negatives.anywhere[own.lowerBound * drawn..<own.upperBound * drawn])
                },
                candidateCounts: segments.map { candidateCounts[$0].reduce(0, +) }, through: upload)
        guard !negatives.codes.isEmpty else {
            (codes, own) = (nil, nil)
            return
        }
        codes = try upload.add(negatives.codes, shape: [negatives.codes.count / groups, groups])
        own = try upload.add(truths.flatMap { $0 })
    }

    private var comparisons: [BlockComparison] { [withinUtterances] + (withinSegments.map { [$0] } ?? []) }

    /// The numbers that determine the shapes of all results.
    var shapes: [BlockComparison.Shape] { comparisons.map(\.shape) }

    /// All tensors, always in the same order.
    var tensors: [Tensor] { comparisons.flatMap(\.tensors) + [codes, own].compactMap { $0 } }

    /// Returns similarities to the frames' true vectors and to the distractors; −∞ where a distractor is the true
    /// vector.
    ///
    /// - Parameters:
    ///   - directions: Unit vectors of predictions, [frames, channels].
    ///   - targets: Unit vectors of candidates, [candidates, channels].
    ///   - identities: Numbers that are equal for equal candidates: int64 [candidates], or `nil` if all differ.
    ///   - codeVectors: Unit vectors of random codes, [frames, count, channels], with their identities [frames, count].
    /// - Returns: [frames, 1 + negatives], the true vector first.
    func similarities(
        _ directions: Tensor, _ targets: Tensor, identities: Tensor?,
        codeVectors: (vectors: Tensor, identities: Tensor)?
    ) throws -> Tensor {
        var parts = [try withinUtterances.similarities(directions, targets, identities: identities)]
        if let withinSegments {
            // The true vector is the first column of both comparisons.
            let all = try withinSegments.similarities(directions, targets, identities: identities)
            parts.append(try all.narrowed(1, 1..<all.size(1)))
        }
        if let codeVectors {
            var similarity = try (codeVectors.vectors * directions.unsqueezed(1)).sum(-1)
            if let own, let identities {
                let truth = try identities.taking(own).unsqueezed(1)
                similarity = try similarity.filled(
                    where: codeVectors.identities.equals(truth), with: -Double.infinity)
            }
            parts.append(similarity)
        }
        return try .concatenate(parts, 1)
    }

    /// Returns each frame's loss by a kernel that needs no similarities; nil where there is none, as for distractors
    /// from anywhere.
    func contrast(
        _ directions: Tensor, _ targets: Tensor, identities: Tensor?, temperature: Double
    ) throws -> Contrast? {
        guard withinSegments == nil, codes == nil else { return nil }
        return try withinUtterances.contrast(directions, targets, identities: identities, temperature: temperature)
    }
}
