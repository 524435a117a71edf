/// Best-path decoding of an utterance that arrives piece by piece: past scores and labels are not stored.
public struct GreedyStream: Sendable {
    /// A run of frames with the same best label, which may continue, and the sum of their scores.
    private struct Run {
        var label: Int
        var frames: Range<Int>
        var sum: Double
    }

    private let decoder: GreedyDecoder
    private let labels: Int
    private var run: Run?
    /// The number of frames received.
    public private(set) var frames = 0

    /// Starts before the first frame.
    ///
    /// - Parameter decoder: The decoder, which defines the blank and ignored labels.
    public init(_ decoder: GreedyDecoder, labels: Int) {
        self.decoder = decoder
        self.labels = labels
    }

    /// Adds the scores of the next frames.
    ///
    /// - Parameter scores: Log-probabilities, [frames, labels], contiguous.
    /// - Returns: The labels that have ended, in order of time, with their frames and mean scores.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    public mutating func append(_ scores: [Float]) throws(DecoderError) -> [AlignedLabel] {
        let best = try decoder.bestLabels(scores, labels: labels, firstFrame: frames)
        var ended: [AlignedLabel] = []
        for (frame, label) in best.enumerated() {
            let score = Double(scores[frame * labels + label])
            if run?.label != label, let last = finish() { ended.append(last) }
            let start = run?.frames.lowerBound ?? frames + frame
            run = Run(label: label, frames: start..<frames + frame + 1, sum: (run?.sum ?? 0) + score)
        }
        frames += best.count
        return ended
    }

    /// Ends the utterance after the frames received.
    ///
    /// - Returns: The label of the last frames, unless that is the blank or an ignored one.
    public mutating func finish() -> AlignedLabel? {
        defer { run = nil }
        guard let run, run.label != decoder.blank, !decoder.ignored.contains(run.label) else { return nil }
        return AlignedLabel(label: run.label, frames: run.frames, score: run.sum / Double(run.frames.count))
    }
}
