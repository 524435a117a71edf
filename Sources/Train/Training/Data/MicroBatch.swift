import W2VCorpus

/// What goes through the model at once: one sub-batch, or several concatenated ones.
package struct MicroBatch {
    /// All utterances' samples end to end.
    package var samples: [Float] = []
    /// The samples of each utterance.
    package var lengths: [Int] = []
    /// The utterances, as indices in the manifest.
    package var utterances: [Int] = []
    /// The labels of each utterance, where there are any.
    package var labels: [[Int]] = []
    /// Which utterances form each sub-batch.
    package var subBatches: [Range<Int>] = []

    /// Puts sub-batches end to end.
    ///
    /// - Parameter parts: The sub-batches.
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
