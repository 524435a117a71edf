/// One label of a decoded sequence, with its frames.
public struct LabelSpan: Sendable, Equatable {
    /// The label's index in the dictionary.
    public var label: Int

    /// The run of frames whose best label this is, counted from the utterance's first frame.
    public var frames: Range<Int>

    /// Makes a span.
    public init(label: Int, frames: Range<Int>) {
        self.label = label
        self.frames = frames
    }
}

/// Best-path CTC decoding: the best label of every frame, repeats collapsed, blanks dropped.
///
/// Source: Graves et al. 2006, "Connectionist temporal classification", section 3.2.1.
public struct GreedyDecoder: Sendable {
    /// The index of the blank label; fairseq's models use 0 (`<s>`).
    public var blank: Int

    /// Labels that are not part of the result, such as `<pad>`, `</s>` and `<unk>`.
    ///
    /// They are dropped after repeats are collapsed, so like the blank they separate two equal labels.
    public var ignored: Set<Int>

    /// Makes a decoder.
    ///
    /// - Parameters:
    ///   - blank: The index of the blank label.
    ///   - ignored: Labels to drop from the result.
    public init(blank: Int = 0, ignored: Set<Int> = []) {
        self.blank = blank
        self.ignored = ignored
    }

    /// Decodes one utterance's scores.
    ///
    /// - Parameter scores: Logits or log-probabilities, [frames, labels], contiguous. Of equal scores the lowest index
    ///   wins.
    /// - Returns: The labels in temporal order with their frames; empty if every frame is blank or there are no frames.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    public func decode(_ scores: [Float], labels: Int) throws(DecoderError) -> [LabelSpan] {
        try collapse(bestLabels(scores, labels: labels))
    }

    /// Decodes one utterance's scores in place.
    ///
    /// - Parameter scores: Logits or log-probabilities, [frames, labels], contiguous. Of equal scores the lowest index
    ///   wins.
    /// - Returns: The labels in temporal order with their frames; empty if every frame is blank or there are no frames.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    public func decode(_ scores: UnsafeBufferPointer<Float>, labels: Int) throws(DecoderError) -> [LabelSpan] {
        try collapse(bestLabels(scores, labels: labels))
    }

    func bestLabels(_ scores: [Float], labels: Int, firstFrame: Int = 0) throws(DecoderError) -> [Int] {
        // A closure passed to `withUnsafeBufferPointer` would lose the error's type.
        let result = scores.withUnsafeBufferPointer { buffer in
            Result { () throws(DecoderError) in try bestLabels(buffer, labels: labels, firstFrame: firstFrame) }
        }
        return try result.get()
    }

    /// Returns the best label of every frame, before anything is collapsed or dropped.
    ///
    /// - Parameters:
    ///   - scores: [frames, labels], contiguous.
    ///   - firstFrame: The first frame's number, for errors.
    /// - Returns: One index per frame.
    /// - Throws: `DecoderError` when the shape is wrong or a score is NaN.
    private func bestLabels(
        _ scores: UnsafeBufferPointer<Float>, labels: Int, firstFrame: Int = 0
    ) throws(DecoderError) -> [Int] {
        guard labels > 0, scores.count.isMultiple(of: labels) else {
            throw .wrongCount(count: scores.count, labels: labels)
        }
        guard (0..<labels).contains(blank) else { throw .blankOutOfRange(blank: blank, labels: labels) }
        let frames = scores.count / labels
        var best = [Int](repeating: 0, count: frames)
        for frame in 0..<frames {
            let start = frame * labels
            var winner = 0
            var highest = -Float.infinity
            for label in 0..<labels {
                let score = scores[start + label]
                if score > highest {
                    highest = score
                    winner = label
                } else if score.isNaN {
                    throw .notANumber(frame: firstFrame + frame, label: label)
                }
            }
            best[frame] = winner
        }
        return best
    }

    /// Collapses repeats and drops the blank and the ignored labels.
    ///
    /// - Parameter path: One label index per frame.
    /// - Returns: The labels that remain, with their frames.
    public func collapse(_ path: [Int]) -> [LabelSpan] {
        var spans: [LabelSpan] = []
        var start = 0
        while start < path.count {
            let label = path[start]
            var end = start + 1
            while end < path.count, path[end] == label { end += 1 }
            if label != blank, !ignored.contains(label) {
                spans.append(LabelSpan(label: label, frames: start..<end))
            }
            start = end
        }
        return spans
    }
}
