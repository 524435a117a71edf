import Torch

/// The losses of a batch's sub-batches, each summed over its masked frames, and what is worth watching.
///
/// All but ``total`` have a number for each sub-batch: [sub-batches].
public struct PretrainingLosses {
    /// A quantity that is reported of each sub-batch.
    public enum Term: Int, CaseIterable, Sendable {
        /// All loss terms together.
        case total
        /// The contrastive loss.
        case contrastive
        /// The weighted diversity loss.
        case diversity
        /// The weighted penalty on the features' energy.
        case penalty
        /// How many masked frames chose the true vector.
        case correct
        /// The perplexity of the chosen entries.
        case codePerplexity
        /// The perplexity of the entries' probabilities.
        case probabilityPerplexity
    }

    /// What is minimized, all terms of all sub-batches together: a single number.
    public let total: Tensor
    /// All terms together.
    public let totals: Tensor
    /// The contrastive term (paper, equation 3).
    public let contrastive: Tensor
    /// How many masked frames chose the true vector, FP32.
    public let correct: Tensor
    /// The weighted diversity term (equation 4); absent without a quantizer.
    public let diversity: Tensor?
    /// The weighted penalty on the features' energy.
    public let penalty: Tensor
    /// The features' mean square, unweighted.
    public let featurePenalty: Tensor
    /// The quantizer's result, if there is one.
    public let quantized: Quantized?
    /// The scaled similarities, [masked frames, 1 + negatives], the true vector first; −∞ where a negative is the true vector.
    ///
    /// Absent where a kernel has computed the loss without them.
    public let logits: Tensor?
    /// How many frames were masked: fairseq's sample size.
    public let sampleSizes: [Int]

    /// Adds the terms up (paper, equation 2).
    init(
        contrastive: ContrastiveLoss, of batch: PretrainingBatch, diversity: Tensor?, penalty: Tensor,
        featurePenalty: Tensor, quantized: Quantized?
    ) throws {
        self.contrastive = try batch.masked.sums(contrastive.losses)
        correct = try batch.masked.sums(contrastive.correct)
        logits = contrastive.logits
        (self.diversity, self.penalty, self.featurePenalty) = (diversity, penalty, featurePenalty)
        (self.quantized, sampleSizes) = (quantized, batch.sampleSizes)
        let weighted = try self.contrastive + penalty
        totals = try diversity.map { try weighted + $0 } ?? weighted
        total = try totals.sum()
    }

    /// All reported quantities, whose transfer is then one; 0 where there is none.
    ///
    /// - Returns: FP64 [terms, sub-batches] in the order of ``Term``, without history.
    /// - Throws: `TorchError.operation` if memory runs out.
    public func statistics() throws -> Tensor {
        try withoutGradient {
            let none = try totals.zerosLike()
            let terms = Term.allCases.map { term in
                switch term {
                case .total: totals
                case .contrastive: contrastive
                case .diversity: diversity ?? none
                case .penalty: penalty
                case .correct: correct
                case .codePerplexity: quantized?.codePerplexity ?? none
                case .probabilityPerplexity: quantized?.probabilityPerplexity ?? none
                }
            }
            return try .stack(terms).to(dtype: .float64)
        }
    }
}
