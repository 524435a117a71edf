extension Wav2Vec2Model {
    /// Counts the operations of extractor and encoder, without any head.
    ///
    /// - Parameters:
    ///   - samples: The samples of each utterance.
    ///   - masked: For each utterance the sorted positions of masked frames, which a frozen extractor skips; empty for
    ///     no mask.
    ///   - rows: The number of frames that are read from the result: the last layer transforms no others. Nil for all.
    public func operations(
        samples: [Int], maskedFrames masked: [[Int]] = [], readRows rows: Int? = nil
    ) -> OperationCount {
        let layers = featureExtractor.layers
        let frames = samples.map(layers.frames(samples:))
        let blocks = featureExtractor.operations(samples: samples)
        let extractor = blocks.reduce(0, +)
        var frozen = extractor
        if masked.contains(where: { !$0.isEmpty }) {
            let read = FrameRuns(lengths: frames, masked: masked).samples(layers)
            frozen = featureExtractor.operations(samples: read).reduce(0, +)
        }
        let encoder = encoder.operations(frames, readRows: rows)
        return OperationCount(
            extractor: extractor, frozenExtractor: frozen, firstLayer: blocks.first ?? 0, encoderLayers: encoder.layers,
            rest: encoder.rest + (projection?.operations(frames, readRows: nil) ?? 0))
    }
}
