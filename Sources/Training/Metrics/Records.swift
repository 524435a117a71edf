/// A line of `metrics.jsonl` about training, averaged over the updates since the line before.
///
/// Losses are in nats: per masked frame in pre-training, per sentence in fine-tuning.
struct TrainRecord: Encodable {
    var kind = "train"
    var update: Int
    var epoch: Int
    var loss: Double
    var contrastive: Double?
    var diversity: Double?
    var penalty: Double?
    var accuracy: Double?
    var codePerplexity: Double?
    var probPerplexity: Double?
    var temperature: Double?
    var gradNorm: Double
    var lr: Double
    var audioSecondsPerSecond: Double
    var framesPerSecond: Double
    var maskedFramesPerSecond: Double
    var dataWaitShare: Double
    var peakRssMb: Double
    /// Seconds of training so far, over all runs that were resumed.
    var seconds: Double
}

/// A line of `metrics.jsonl` about a validation set.
struct ValidRecord: Encodable {
    var kind = "valid"
    var update: Int
    var epoch: Int
    /// The manifest.
    var name: String
    var utterances: Int
    /// Absent when it is no finite number, which JSON cannot hold.
    var loss: Double?
    var accuracy: Double?
    var codePerplexity: Double?
    var probPerplexity: Double?
    /// Word error rate, as a fraction.
    var wer: Double?
    /// The same of the best path's words with specials such as `<pad>` spelled out, as fairseq counts.
    var rawWer: Double?
    /// Unit error rate: of the dictionary's symbols, word boundaries included, as a fraction.
    var uer: Double?
    /// Character error rate, as a fraction.
    var cer: Double?
    /// Whether the set decides the best checkpoint, and this is the best so far.
    var best: Bool
    var seconds: Double
}
