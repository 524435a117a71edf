/// Sums over sub-batches from which a line of the log is made.
struct Statistics: Codable, Equatable {
    /// Updates summed up.
    var updates = 0
    /// Updates among them that were skipped because their gradients overflowed.
    var skippedUpdates = 0
    /// What the loss is divided by: masked frames in pre-training, sentences in fine-tuning.
    var sampleSize = 0
    /// Samples of audio.
    var samples = 0
    /// Frames of the encoder.
    var frames = 0
    /// Masked frames.
    var maskedFrames = 0
    /// The whole loss, in nats.
    var loss = 0.0
    /// Its contrastive term.
    var contrastive = 0.0
    /// Its weighted diversity term.
    var diversity = 0.0
    /// Its weighted feature penalty.
    var penalty = 0.0
    /// Masked frames whose true vector was the most similar one.
    var correct = 0
    /// Code perplexity times sample size.
    var codePerplexity = 0.0
    /// Perplexity of the mean probabilities times sample size.
    var probPerplexity = 0.0
    /// The gradients' norms, summed over updates that were not skipped.
    var gradientNorm = 0.0
    /// Floating-point operations of the model, counted analytically.
    var operations = 0.0

    static func += (left: inout Statistics, right: Statistics) {
        left.updates += right.updates
        left.skippedUpdates += right.skippedUpdates
        left.sampleSize += right.sampleSize
        left.samples += right.samples
        left.frames += right.frames
        left.maskedFrames += right.maskedFrames
        left.loss += right.loss
        left.contrastive += right.contrastive
        left.diversity += right.diversity
        left.penalty += right.penalty
        left.correct += right.correct
        left.codePerplexity += right.codePerplexity
        left.probPerplexity += right.probPerplexity
        left.gradientNorm += right.gradientNorm
        left.operations += right.operations
    }

    /// A sum as a mean over the loss's units.
    func mean(_ sum: Double) -> Double { sum / Double(max(1, sampleSize)) }
}
