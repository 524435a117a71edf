import W2VCorpus

/// The input of one forward pass: one sub-batch, or several concatenated ones.
package struct MicroBatch {
    /// All utterances' samples, concatenated.
    package var samples: [Float] = []
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
        samples.reserveCapacity(parts.reduce(0) { $0 + $1.samples.count })
        for part in parts {
            let first = lengths.count
            samples += part.samples
            lengths += part.lengths
            utterances += part.utteranceIndices
            labels += part.labels ?? []
            subBatches.append(first..<lengths.count)
        }
    }
}
