import W2VBackbone

/// The numbering of frames, masked rows and candidates in the segments of a micro-batch.
///
/// A segment is a sub-batch: what fairseq calls a batch, with masks, distractors, noise and statistics of its own. All
/// segments of a micro-batch are concatenated and computed together:
///
///     segment       0                 1
///     utterance     0         1       2
///     frame         0 1 2 3   4 5 6   7 8 9 10    a row of the extractor's and the encoder's output
///     masked          m m       m       m   m
///     masked row      0 1       2       3   4     a row of predictions, true vectors and losses
///     candidate       0 1       2       3   4     as the masked rows, or as the frames where all are candidates
///
/// Only sums and means need to know where a segment ends.
struct SegmentNumbering {
    /// The utterances of each segment.
    let utterances: [Range<Int>]
    /// The number of frames of each segment.
    let frames: [Int]
    /// The number of masked frames of each segment: fairseq's sample size.
    let masked: [Int]
    /// The frame of each masked row.
    let maskedFrames: [Int]
    /// The number of candidates of each utterance.
    let candidates: [Int]
    /// For each utterance the candidates that are the true vectors of its masked frames.
    let truths: [[Int]]

    /// Numbers the rows of a micro-batch.
    ///
    /// - Parameters:
    ///   - plans: The segments; together they cover all utterances in order.
    ///   - comparesAllFrames: Whether all frames are candidates, not only the masked ones.
    /// - Throws: ``ConfigurationError`` for a segment without a masked frame.
    init(_ plans: [SegmentPlan], _ layout: RaggedLayout, comparesAllFrames: Bool) throws {
        utterances = plans.map(\.utterances)
        frames = utterances.map { layout.offsets[$0.upperBound] - layout.offsets[$0.lowerBound] }
        masked = plans.map { plan in plan.mask.frames.reduce(0) { $0 + $1.count } }
        guard !masked.contains(0) else {
            throw ConfigurationError("no frame is masked", "raise masking.mask_prob or lower masking.mask_length")
        }
        let mask = Mask.joined(plans.map(\.mask))
        maskedFrames = mask.rows(in: layout)
        candidates = comparesAllFrames ? layout.lengths : mask.frames.map(\.count)
        truths = comparesAllFrames ? mask.frames : mask.frames.map { Array($0.indices) }
    }
}
