import W2VCorpus
import W2VTorch

/// The input of one forward pass: one sub-batch, or several concatenated ones.
package struct MicroBatch: Sendable {
    /// The samples of each sub-batch, utterance by utterance.
    private let parts: [[Float]]
    /// Number of samples of each utterance.
    package var lengths: [Int] = []
    /// Indices of the utterances in the manifest.
    package var utterances: [Int] = []
    /// The labels of each utterance; empty without labels.
    package var labels: [[Int]] = []
    /// The range of utterances that forms each sub-batch.
    package var subBatches: [Range<Int>] = []

    /// Concatenates sub-batches.
    package init(_ parts: [AudioBatch]) {
        self.parts = parts.map(\.samples)
        for part in parts {
            let first = lengths.count
            lengths += part.lengths
            utterances += part.utteranceIndices
            labels += part.labels ?? []
            subBatches.append(first..<lengths.count)
        }
    }

    /// Number of samples.
    var sampleCount: Int { parts.reduce(0) { $0 + $1.count } }

    /// Concatenates all samples where they are uploaded from.
    ///
    /// - Returns: FP32 [samples].
    /// - Throws: `TorchError.operation` if memory runs out.
    func samples(through upload: Upload) throws -> Tensor {
        try upload.add(Float.self, shape: [sampleCount]) { buffer in
            var rest = buffer[...]
            for part in parts { rest = rest[rest.update(fromContentsOf: part)...] }
        }
    }
}
