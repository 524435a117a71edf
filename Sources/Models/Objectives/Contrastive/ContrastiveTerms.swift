import W2VBackbone
import W2VTorch

/// The losses of a batch's sub-batches, each summed over its masked frames, and related statistics.
///
/// All but ``total`` have one number per sub-batch: [sub-batches].
public struct ContrastiveTerms {
    /// The loss to minimize: all terms of all sub-batches, a scalar.
    public let total: Tensor
    /// All terms together.
    public let totals: Tensor
    /// The contrastive term (paper, equation 3).
    public let contrastive: Tensor
    /// The number of masked frames that chose the true vector, FP32.
    public let correct: Tensor
    /// The weighted diversity term (equation 4); absent without a quantizer.
    public let diversity: Tensor?
    /// The weighted penalty on the features' energy.
    public let penalty: Tensor
    /// The features' mean square, unweighted.
    public let featurePenalty: Tensor
    /// The quantizer's result, if there is one.
    public let quantized: Quantized?
    /// The similarities divided by κ, [masked frames, 1 + negatives], the true vector first; −∞ where a negative is the
    /// true vector.
    ///
    /// Absent where a kernel has computed the loss without them.
    public let logits: Tensor?
    /// The number of masked frames: fairseq's sample size.
    public let sampleSizes: [Int]

    /// Adds the terms up (paper, equation 2).
    init(
        contrastive: ContrastiveLoss, of draws: ContrastiveDraws, diversity: Tensor?, penalty: Tensor,
        featurePenalty: Tensor, quantized: Quantized?
    ) throws {
        self.contrastive = try draws.masked.sums(contrastive.losses)
        correct = try draws.masked.sums(contrastive.correct)
        logits = contrastive.logits
        (self.diversity, self.penalty, self.featurePenalty) = (diversity, penalty, featurePenalty)
        (self.quantized, sampleSizes) = (quantized, draws.numbering.masked)
        // L = L_contrastive + α L_diversity + penalty; the weights are in the terms already.
        let weighted = try self.contrastive + penalty
        totals = try diversity.map { try weighted + $0 } ?? weighted
        total = try totals.sum()
    }

    /// Returns the loss with the metrics of each segment.
    func reported() throws -> LossTerms {
        var terms = LossTerms(total)
        try terms.report(ContrastiveMetrics.contrastive, sums: contrastive, weights: sampleSizes)
        if let diversity { try terms.report(ContrastiveMetrics.diversity, sums: diversity, weights: sampleSizes) }
        try terms.report(ContrastiveMetrics.penalty, sums: penalty, weights: sampleSizes)
        try terms.report(ContrastiveMetrics.accuracy, sums: correct, weights: sampleSizes)
        if let quantized {
            try terms.report(ContrastiveMetrics.codePerplexity, means: quantized.codePerplexity, weights: sampleSizes)
            try terms.report(
                ContrastiveMetrics.probPerplexity, means: quantized.probabilityPerplexity, weights: sampleSizes)
            try terms.report(
                ContrastiveMetrics.codesUsed, codes: quantized.codes,
                entries: quantized.entryCount / quantized.codes.size(1))
        }
        return terms
    }
}
