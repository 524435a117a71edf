import Corpus
import Interchange
import Torch
import Wav2Vec2

/// What pre-training and fine-tuning do differently.
protocol TrainingTask: AnyObject {
    /// The model.
    var module: any PrecisionSelectable { get }
    /// What the model is, for its checkpoint.
    var description: ModelDescription { get }
    /// The parameters that learn.
    var groups: [ParameterGroup] { get }
    /// Encodes labels, where the task has any.
    var dictionary: LabelDictionary? { get }
    /// What validation's best checkpoint is the lowest in: `wer` or `loss`.
    var metric: String { get }

    /// Adds a micro-batch's gradients, and returns its sums.
    ///
    /// - Parameters:
    ///   - batch: The utterances.
    ///   - update: The update's number, from 1.
    ///   - microBatch: The micro-batch's number in the update.
    ///   - lossScale: What the loss is multiplied by before the backward pass.
    /// - Returns: The sums.
    /// - Throws: What the model throws.
    func accumulate(_ batch: MicroBatch, update: Int, microBatch: Int, lossScale: Double) throws -> Statistics

    /// Which held-out utterances are measured together.
    ///
    /// - Parameter manifest: The held-out recordings.
    /// - Returns: The plan.
    /// - Throws: `CorpusError`, as when no utterance is left.
    func validationPlan(_ manifest: Manifest) throws -> BatchPlan

    /// Measures the model on held-out recordings, which always get the same masks.
    func validate(_ manifest: Manifest) throws -> ValidationResult
}

/// What validation measures.
struct ValidationResult {
    /// The sums.
    var statistics = Statistics()
    /// How many utterances were looked at.
    var utterances = 0
    /// Word error rate, as a fraction.
    var wer: Double?
    /// Word error rate of the best path with specials spelled out, as a fraction: fairseq's `raw_wer`.
    var rawWer: Double?
    /// Error rate over the dictionary's symbols, word boundaries included, as a fraction: fairseq's `uer`.
    var uer: Double?
    /// Character error rate, as a fraction.
    var cer: Double?
    /// How often each entry of each code book was chosen; empty in fine-tuning.
    var codeCounts: [[Int]] = []

    /// How many entries of the code books were chosen at all, and how many there are; `nil` without code books.
    var codesUsed: (used: Int, entries: Int)? {
        guard !codeCounts.isEmpty else { return nil }
        return (codeCounts.joined().count { $0 > 0 }, codeCounts.reduce(0) { $0 + $1.count })
    }

    /// Counts which entries were chosen.
    mutating func count(_ quantized: Quantized) throws {
        let groups = quantized.codes.size(1)
        if codeCounts.isEmpty {
            let book = [Int](repeating: 0, count: quantized.entryCount / groups)
            codeCounts = [[Int]](repeating: book, count: groups)
        }
        for (index, code) in try quantized.codes.elements(Int64.self).enumerated() {
            codeCounts[index % groups][Int(code)] += 1
        }
    }
}
