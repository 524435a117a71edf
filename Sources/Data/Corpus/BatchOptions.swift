/// Options for grouping utterances into batches; names and meanings are fairseq's.
public struct BatchOptions: Equatable, Sendable {
    /// The treatment of utterances of different lengths in one batch.
    public enum Crop: String, Sendable {
        /// All are cropped to the shortest one, at random offsets: pre-training.
        case toShortest
        /// All keep their length: fine-tuning and evaluation.
        case none
    }

    /// Maximum cost of a batch, in samples; unlimited if nil.
    ///
    /// A cropped batch costs its number of utterances times its longest utterance (before cropping), others the sum of
    /// lengths.
    public var maxTokens: Int?
    /// Maximum length of an utterance, in samples: longer ones are cropped, or left out if batches are not cropped.
    public var maxSampleSize: Int?
    /// Minimum length of an utterance, in samples; shorter ones are left out.
    ///
    /// At least the model's receptive field: 400 for the usual layers.
    public var minSampleSize: Int
    /// The number of utterances in a batch is a multiple of this, where `maxTokens` allows it.
    public var requiredBatchSizeMultiple: Int
    /// Maximum number of utterances in a batch; unlimited if nil.
    public var batchSize: Int?
    /// The cropping of utterances within a batch.
    public var crop: Crop
    /// The number of frames of a cropped batch is rounded down to a multiple of this, unless it is smaller than this.
    public var requiredSequenceLengthMultiple: Int
    /// Number of cropped batches that form a group, all cropped to the group's shortest utterance.
    ///
    /// The batches of a group are sorted by length, like the batches that NVIDIA's recipes concatenate, so that little
    /// is cropped away.
    public var cropGroup: Int
    /// The distance of crop lengths from each other, in frames, if they lie on a grid.
    ///
    /// Batches of one crop length then have the same number of utterances, too, so that few shapes occur: see
    /// ``BatchPlan``. A multiple of `requiredSequenceLengthMultiple`.
    public var cropGrid: Int?
    /// Number of samples that a frame sees.
    public var receptiveField: Int
    /// Number of samples between the starts of adjacent frames.
    public var hop: Int
    /// Whether utterances of unsuitable length are left out and listed, rather than an error.
    public var skipInvalid: Bool

    /// Makes options.
    public init(
        maxTokens: Int? = nil, maxSampleSize: Int? = nil, minSampleSize: Int = 0, requiredBatchSizeMultiple: Int = 8,
        batchSize: Int? = nil, crop: Crop = .none, requiredSequenceLengthMultiple: Int = 1, cropGroup: Int = 1,
        cropGrid: Int? = nil, receptiveField: Int = 400, hop: Int = 320, skipInvalid: Bool = true
    ) {
        self.maxTokens = maxTokens
        self.maxSampleSize = maxSampleSize
        self.minSampleSize = minSampleSize
        self.requiredBatchSizeMultiple = requiredBatchSizeMultiple
        self.batchSize = batchSize
        self.crop = crop
        self.requiredSequenceLengthMultiple = requiredSequenceLengthMultiple
        self.cropGroup = cropGroup
        self.cropGrid = cropGrid
        self.receptiveField = receptiveField
        self.hop = hop
        self.skipInvalid = skipInvalid
    }

    /// Maximum number of samples that an utterance contributes to a batch.
    var longest: Int { min(maxSampleSize ?? .max, maxTokens ?? .max) }

    /// Returns the longest crop that has a permitted number of frames.
    func cropLength(atMost samples: Int) -> Int {
        guard samples >= receptiveField else { return samples }
        let frames = (samples - receptiveField) / hop + 1
        // An utterance that is shorter than the grid's first length is still cropped to the multiple.
        let multiples = [cropGrid ?? 1, requiredSequenceLengthMultiple]
        guard let multiple = multiples.first(where: { $0 > 1 && frames >= $0 }) else { return samples }
        return receptiveField + (frames - frames % multiple - 1) * hop
    }

    /// Returns the number of utterances in a batch of crops of one length.
    func utteranceCount(cropLength: Int) -> Int {
        let most = max(1, min(batchSize ?? .max, (maxTokens ?? .max) / max(1, cropLength)))
        return most < requiredBatchSizeMultiple ? most : most - most % requiredBatchSizeMultiple
    }

    func validate() throws {
        let positive: [(String, Int?)] = [
            ("max_tokens", maxTokens), ("max_sample_size", maxSampleSize), ("batch_size", batchSize),
            ("required_batch_size_multiple", requiredBatchSizeMultiple),
            ("required_seq_len_multiple", requiredSequenceLengthMultiple), ("crop_group", cropGroup),
            ("crop_grid", cropGrid),
            ("receptive field", receptiveField), ("hop", hop),
        ]
        for (name, value) in positive {
            if let value, value < 1 {
                throw CorpusError.badOption(name: name, reason: "expected a whole number of at least 1, found \(value)")
            }
        }
        if let cropGrid, cropGrid % requiredSequenceLengthMultiple != 0 {
            throw CorpusError.badOption(
                name: "crop_grid",
                reason: "\(cropGrid) frames are not a multiple of required_seq_len_multiple, "
                    + "\(requiredSequenceLengthMultiple)")
        }
        if minSampleSize > longest {
            throw CorpusError.badOption(
                name: "min_sample_size",
                reason: "\(minSampleSize) samples are more than the longest utterance allowed, \(longest)")
        }
    }
}
