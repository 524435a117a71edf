import Kernels

extension CTCModel {
    /// The operations of recognition or of its training.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of masked frames; empty in inference.
    /// - Returns: The count.
    public func operations(samples: [Int], masked: [[Int]] = []) -> OperationCount {
        var count = model.operations(samples: samples, leavingOut: masked)
        let frames = samples.map(model.featureExtractor.layers.frames(samples:))
        count.rest += projection.operations(frames, reading: nil)
        return count
    }
}
