/// The frames of a batch that are read, as runs of neighbors.
///
/// In fine-tuning a vector takes the place of masked frames, about half of all: nothing depends on their features, so an
/// extractor that learns nothing need not compute them.
struct FrameRuns {
    /// Neighboring frames of an utterance.
    struct Run: Equatable {
        let utterance: Int
        let frames: Range<Int>
    }

    /// The runs, in the order of the batch.
    private(set) var runs: [Run] = []

    /// Makes the runs of what is not masked.
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

    /// Adds frames; a single masked frame between two runs costs no more than a second beginning, so it joins them.
    private mutating func append(_ frames: Range<Int>, of utterance: Int) {
        if let last = runs.last, last.utterance == utterance, frames.lowerBound - last.frames.upperBound == 1 {
            runs[runs.count - 1] = Run(utterance: utterance, frames: last.frames.lowerBound..<frames.upperBound)
        } else {
            runs.append(Run(utterance: utterance, frames: frames))
        }
    }

    /// The samples that each run sees.
    func samples(_ layers: ConvolutionLayers) -> [Int] { runs.map { layers.samples(frames: $0.frames.count) } }
}
