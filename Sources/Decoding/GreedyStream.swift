/// Best-path decoding of an utterance that comes piece by piece: the scores of a piece need not be kept.
public struct GreedyStream: Sendable {
    /// A run of frames with the same best label that may go on, and the sum of their scores.
    private struct Run {
        var label: Int
        var frames: Range<Int>
        var sum: Double
    }

    private let decoder: GreedyDecoder
    private let labels: Int
    private var run: Run?
    private var found: [AlignedLabel] = []
    /// How many frames have come.
    public private(set) var frames = 0

    /// Starts before the first frame.
    ///
    /// - Parameters:
    ///   - decoder: Which labels are the blank and leave no trace.
    ///   - labels: The number of labels.
    public init(_ decoder: GreedyDecoder, labels: Int) {
        self.decoder = decoder
        self.labels = labels
    }

    /// Takes the scores of the next frames.
    ///
    /// - Parameter scores: Log-probabilities, [frames, labels], contiguous.
    /// - Throws: `DecodingError` when the shape is wrong or a score is not a number.
    public mutating func append(_ scores: [Float]) throws(DecodingError) {
        let best = try decoder.bestLabels(scores, labels: labels, firstFrame: frames)
        for (frame, label) in best.enumerated() {
            let score = Double(scores[frame * labels + label])
            if run?.label != label { close() }
            let start = run?.frames.lowerBound ?? frames + frame
            run = Run(label: label, frames: start..<frames + frame + 1, sum: (run?.sum ?? 0) + score)
        }
        frames += best.count
    }

    /// What has been said up to here.
    ///
    /// - Returns: The labels in order of time, with their frames and mean scores.
    public func decoded() -> [AlignedLabel] {
        var whole = self
        whole.close()
        return whole.found
    }

    private mutating func close() {
        defer { run = nil }
        guard let run, run.label != decoder.blank, !decoder.ignored.contains(run.label) else { return }
        found.append(AlignedLabel(label: run.label, frames: run.frames, score: run.sum / Double(run.frames.count)))
    }
}
