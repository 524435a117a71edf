/// How utterances are put together into batches; names and meanings are fairseq's.
public struct BatchOptions: Equatable, Sendable {
    /// What happens to utterances of different lengths in one batch.
    public enum Crop: String, Sendable {
        /// All are cropped to the shortest one, at random places: pre-training.
        case toShortest
        /// All keep their length: fine-tuning and evaluation.
        case none
    }

    /// A batch's cost is at most this, in samples; no bound if nil.
    ///
    /// Cropped batches cost their count times their longest utterance (before cropping), others the sum of lengths.
    public var maxTokens: Int?
    /// The longest utterance, in samples: longer ones are cropped, or left out where nothing is cropped.
    public var maxSampleSize: Int?
    /// The shortest utterance, in samples; shorter ones are left out.
    ///
    /// At least the model's receptive field: 400 for the usual layers.
    public var minSampleSize: Int
    /// A batch's count of utterances is a multiple of this, as far as `maxTokens` allows.
    public var requiredBatchSizeMultiple: Int
    /// The most utterances in a batch; no bound if nil.
    public var batchSize: Int?
    /// Whether utterances are cropped to the batch's shortest.
    public var crop: Crop
    /// Cropped batches have a multiple of this many frames, if they have at least so many.
    public var requiredSequenceLengthMultiple: Int
    /// How many cropped batches form a group, all cropped to its shortest utterance.
    ///
    /// A group's batches follow each other by length, as those that are concatenated in NVIDIA's recipes, so that little
    /// is cropped away.
    public var cropGroup: Int
    /// The samples that a frame reads.
    public var receptiveField: Int
    /// The samples from one frame to the next.
    public var hop: Int
    /// Whether utterances of a length that does not fit are left out and listed, or are an error.
    public var skipInvalid: Bool

    /// Makes options.
    ///
    /// - Parameters:
    ///   - maxTokens: The most samples in a batch.
    ///   - maxSampleSize: The most samples of an utterance.
    ///   - minSampleSize: The least samples of an utterance.
    ///   - requiredBatchSizeMultiple: What the count of utterances is a multiple of.
    ///   - batchSize: The most utterances in a batch.
    ///   - crop: Whether utterances are cropped to the batch's shortest.
    ///   - requiredSequenceLengthMultiple: What the frames of a cropped batch are a multiple of.
    ///   - cropGroup: How many batches are cropped to one length.
    ///   - receptiveField: The samples that a frame reads.
    ///   - hop: The samples from one frame to the next.
    ///   - skipInvalid: Whether utterances that do not fit are left out.
    public init(
        maxTokens: Int? = nil, maxSampleSize: Int? = nil, minSampleSize: Int = 0, requiredBatchSizeMultiple: Int = 8,
        batchSize: Int? = nil, crop: Crop = .none, requiredSequenceLengthMultiple: Int = 1, cropGroup: Int = 1,
        receptiveField: Int = 400, hop: Int = 320, skipInvalid: Bool = true
    ) {
        self.maxTokens = maxTokens
        self.maxSampleSize = maxSampleSize
        self.minSampleSize = minSampleSize
        self.requiredBatchSizeMultiple = requiredBatchSizeMultiple
        self.batchSize = batchSize
        self.crop = crop
        self.requiredSequenceLengthMultiple = requiredSequenceLengthMultiple
        self.cropGroup = cropGroup
        self.receptiveField = receptiveField
        self.hop = hop
        self.skipInvalid = skipInvalid
    }

    /// The most samples that an utterance brings into a batch.
    var longest: Int { min(maxSampleSize ?? .max, maxTokens ?? .max) }

    /// The longest part of a cropped utterance that has a wanted number of frames.
    func cropLength(atMost samples: Int) -> Int {
        let multiple = requiredSequenceLengthMultiple
        guard multiple > 1, samples >= receptiveField else { return samples }
        let frames = (samples - receptiveField) / hop + 1
        guard frames >= multiple else { return samples }
        return receptiveField + (frames - frames % multiple - 1) * hop
    }

    func validate() throws {
        let positive: [(String, Int?)] = [
            ("max_tokens", maxTokens), ("max_sample_size", maxSampleSize), ("batch_size", batchSize),
            ("required_batch_size_multiple", requiredBatchSizeMultiple),
            ("required_seq_len_multiple", requiredSequenceLengthMultiple), ("crop_group", cropGroup),
            ("receptive field", receptiveField), ("hop", hop),
        ]
        for (name, value) in positive {
            if let value, value < 1 {
                throw CorpusError.badOption(name: name, reason: "expected a whole number of at least 1, found \(value)")
            }
        }
        if minSampleSize > longest {
            throw CorpusError.badOption(
                name: "min_sample_size",
                reason: "\(minSampleSize) samples are more than the longest utterance allowed, \(longest)")
        }
    }
}
