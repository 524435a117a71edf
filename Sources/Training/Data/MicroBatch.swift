import Corpus

/// What goes through the model at once: one sub-batch, or several concatenated ones.
struct MicroBatch {
    /// All utterances' samples end to end.
    var samples: [Float] = []
    /// The samples of each utterance.
    var lengths: [Int] = []
    /// The utterances, as indices in the manifest.
    var utterances: [Int] = []
    /// The labels of each utterance, where there are any.
    var labels: [[Int]] = []
    /// Which utterances form each sub-batch.
    var subBatches: [Range<Int>] = []

    /// Puts sub-batches end to end.
    ///
    /// - Parameters:
    ///   - parts: The sub-batches.
    ///   - cropsToShortest: Whether all become as long as the shortest of all; each begins at a random place already.
    init(_ parts: [AudioBatch], cropsToShortest: Bool) {
        let common = cropsToShortest ? parts.flatMap(\.lengths).min() : nil
        samples.reserveCapacity(parts.reduce(0) { $0 + $1.samples.count })
        for part in parts {
            let first = lengths.count
            var start = 0
            for length in part.lengths {
                samples.append(contentsOf: part.samples[start..<start + (common ?? length)])
                lengths.append(common ?? length)
                start += length
            }
            utterances += part.utteranceIndices
            labels += part.labels ?? []
            subBatches.append(first..<lengths.count)
        }
    }
}
