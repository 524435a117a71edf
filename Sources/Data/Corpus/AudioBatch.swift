/// Decoded utterances lying end to end: what a model takes.
public struct AudioBatch: Sendable, Equatable {
    /// The batch's position in its plan.
    public var position: Int
    /// The utterances, as indices in the manifest.
    public var utteranceIndices: [Int]
    /// Every utterance's samples, after cropping.
    public var lengths: [Int]
    /// All samples, utterance after utterance; as many as the sum of lengths.
    public var samples: [Float]
    /// Every utterance's labels as the dictionary's indices; nil without labels.
    public var labels: [[Int]]?

    /// Makes a batch.
    ///
    /// - Parameters:
    ///   - position: The position in the plan.
    ///   - utteranceIndices: The utterances.
    ///   - lengths: Their samples.
    ///   - samples: The samples, end to end.
    ///   - labels: Their labels.
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
