/// The frames of a batch that are read, as runs of consecutive frames.
///
/// In fine-tuning about half of all frames are masked, their features replaced by a vector: a frozen extractor need not
/// compute them.
struct FrameRuns {
    /// Consecutive frames of an utterance.
    struct Run: Equatable {
        let utterance: Int
        let frames: Range<Int>
    }

    /// The runs, in the order of the batch.
    private(set) var runs: [Run] = []

    /// Makes the runs of unmasked frames.
    ///
    /// - Parameters:
    ///   - lengths: The frames of each utterance.
    ///   - masked: For each utterance the sorted positions of its masked frames.
    init(lengths: [Int], masked: [[Int]]) {
        for (utterance, length) in lengths.enumerated() {
            var start = 0
            for position in masked[utterance] + [length] {
                if start < position { append(start..<position, of: utterance) }
                start = position + 1
            }
        }
    }

    /// Adds frames; a single masked frame between two runs costs no more than starting a second run, so the runs are
    /// joined.
    private mutating func append(_ frames: Range<Int>, of utterance: Int) {
        if let last = runs.last, last.utterance == utterance, frames.lowerBound - last.frames.upperBound == 1 {
            runs[runs.count - 1] = Run(utterance: utterance, frames: last.frames.lowerBound..<frames.upperBound)
        } else {
            runs.append(Run(utterance: utterance, frames: frames))
        }
    }

    /// Returns the number of samples that each run sees.
    func samples(_ layers: ConvolutionLayers) -> [Int] { runs.map { layers.samples(frames: $0.frames.count) } }
}
