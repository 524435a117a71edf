import W2VBackbone
import W2VKernels

extension ObjectiveModel where Main == CTCObjective {
    /// Returns the operations of recognition or of its training.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of masked frames; empty in inference.
    public func operations(samples: [Int], masked: [[Int]] = []) -> OperationCount {
        var count = backbone.operations(samples: samples, maskedFrames: masked)
        let frames = samples.map(backbone.featureExtractor.layers.frames(samples:))
        count.rest += main.projection.operations(frames, readRows: nil)
        return count
    }
}
