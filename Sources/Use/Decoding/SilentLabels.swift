import Foundation

/// Labels that are never written (`<pad>`, `</s>`) besides the blank.
///
/// Greedy decoding drops them after repeats are collapsed: between two equal letters, or in place of the blank, they
/// act like the blank. So the blank and they are treated as one label with the sum of their probabilities.
extension DecodingAlphabet {
    /// The labels that are never written, except the blank.
    var otherSilentLabels: [Int] { silent.filter { $0 != blank && symbols.indices.contains($0) }.sorted() }

    /// Returns the log-probability that nothing is written in a frame: that of the blank and the silent labels
    /// together.
    ///
    /// - Parameters:
    ///   - row: The frame's log-probabilities [labels].
    ///   - others: The silent labels besides the blank.
    func silence(in row: UnsafeBufferPointer<Float>, _ others: [Int]) -> Float {
        Self.sum(row, others, blank: blank)
    }

    private static func sum(_ row: UnsafeBufferPointer<Float>, _ others: [Int], blank: Int) -> Float {
        var total = Double(row[blank])
        for other in others where row[other] > -.infinity {
            let (high, low) = (max(total, Double(row[other])), min(total, Double(row[other])))
            total = high + log1p(exp(low - high))
        }
        return Float(total)
    }

    /// Adds the probability of all labels that are never written to the blank's, for code that only knows the blank.
    ///
    /// Frames in which the others add less than a ten-thousandth to it, nearly all, are not changed; if that is true of
    /// every frame, nothing is copied.
    ///
    /// - Parameter logProbabilities: [frames, labels], contiguous.
    package func foldSilence(in logProbabilities: inout [Float]) {
        let (others, labels) = (otherSilentLabels, symbols.count)
        guard !others.isEmpty else { return }
        var changes: [(place: Int, score: Float)] = []
        logProbabilities.withUnsafeBufferPointer { scores in
            for start in stride(from: 0, through: scores.count - labels, by: labels) {
                let row = UnsafeBufferPointer(rebasing: scores[start..<start + labels])
                let score = Self.sum(row, others, blank: blank)
                if score - row[blank] > 1e-4 { changes.append((start + blank, score)) }
            }
        }
        for (place, score) in changes { logProbabilities[place] = score }
    }
}
