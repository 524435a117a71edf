/// Decoded utterances, concatenated: a model's input.
public struct AudioBatch: Sendable, Equatable {
    /// The batch's position in its plan.
    public var position: Int
    /// Indices of the utterances in the manifest.
    public var utteranceIndices: [Int]
    /// Number of samples of each utterance, after cropping.
    public var lengths: [Int]
    /// All samples, utterance by utterance; their count is the sum of `lengths`.
    public var samples: [Float]
    /// Each utterance's labels as indices of the dictionary; nil without labels.
    public var labels: [[Int]]?

    /// Makes a batch.
    public init(
        position: Int, utteranceIndices: [Int], lengths: [Int], samples: [Float], labels: [[Int]]? = nil
    ) {
        self.position = position
        self.utteranceIndices = utteranceIndices
        self.lengths = lengths
        self.samples = samples
        self.labels = labels
    }
}
