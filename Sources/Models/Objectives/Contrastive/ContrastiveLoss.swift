import W2VBackbone
import W2VKernels
import W2VTorch

/// The contrastive loss of masked frames.
package struct ContrastiveLoss {
    /// The loss of each frame: [frames].
    package let losses: Tensor
    /// 1 for each frame to which the true vector was the most similar one, else 0: FP32 [frames].
    let correct: Tensor
    /// The scaled similarities, [frames, 1 + negatives], the true vector first; −∞ where a negative is the true vector.
    ///
    /// Absent where a kernel has computed the loss without them.
    let logits: Tensor?
}

/// Similarities of predictions to candidates, picked out of one product an utterance instead of gathered vectors.
///
/// Nothing of size [frames, negatives, channels] is ever built: normalized predictions times normalized candidates give
/// all similarities of an utterance at once, of which the sampled ones are read.
///
/// - Parameters:
///   - predictions: [frames, channels], the masked frames, utterance by utterance.
///   - candidates: [candidates, channels], utterance by utterance.
///   - identities: What makes two candidates the same vector: int64 [candidates], or `nil` if none ever are.
///   - choices: Which candidates are whose true vectors and distractors.
///   - codeVectors: Made-up code vectors, [frames, count, channels], with their identities [frames, count].
///   - inFP32: Whether similarities of half-precision vectors are FP32 products.
/// - Returns: [frames, 1 + negatives], FP32 for half-precision vectors.
func contrastiveLogits(
    predictions: Tensor, candidates: Tensor, identities: Tensor?, choices: ContrastiveChoices,
    codeVectors: (vectors: Tensor, identities: Tensor)?, temperature: Double, inFP32: Bool = false
) throws -> Tensor {
    let logits = try choices.similarities(
        directions(predictions, inFP32), directions(candidates, inFP32), identities: identities,
        codeVectors: codeVectors.map { (try directions($0.vectors, inFP32), $0.identities) })
    return try (logits.dtype.isHalfPrecision ? logits.to(dtype: .float32) : logits) / temperature
}

/// Vectors of length 1.
private func directions(_ vectors: Tensor, _ inFP32: Bool) throws -> Tensor {
    // The small bound and the quotient would be lost in half precision.
    let exact = try vectors.dtype.isHalfPrecision ? vectors.to(dtype: .float32) : vectors
    let unit = try exact / exact.norm(-1, keepingDimensions: true).clamped(below: 1e-8)
    return try inFP32 ? unit : unit.to(dtype: vectors.dtype)
}

/// The contrastive loss, by a kernel without logits where there is one.
///
/// - Parameter needsLogits: Whether somebody wants to see the logits.
/// - Returns: Each frame's loss, and which frames chose the true vector.
package func contrastiveLoss(
    predictions: Tensor, candidates: Tensor, identities: Tensor?, choices: ContrastiveChoices,
    codeVectors: (vectors: Tensor, identities: Tensor)?, temperature: Double, infonce: Bool, inFP32: Bool = false,
    needsLogits: Bool = false
) throws -> ContrastiveLoss {
    if infonce, !needsLogits, predictions.fitsDeviceKernels,
        let contrast = try choices.contrast(
            directions(predictions, inFP32), directions(candidates, inFP32), identities: identities,
            temperature: temperature)
    {
        return ContrastiveLoss(losses: contrast.losses, correct: contrast.correct, logits: nil)
    }
    return try contrastiveLoss(
        contrastiveLogits(
            predictions: predictions, candidates: candidates, identities: identities, choices: choices,
            codeVectors: codeVectors, temperature: temperature, inFP32: inFP32), infonce: infonce)
}

/// The loss of contrastive logits (paper, equation 3, or its binary form).
///
/// - Parameters:
///   - logits: [frames, 1 + negatives], the true vector first.
///   - infonce: Whether the loss is a choice among candidates; else each candidate is judged for itself.
/// - Returns: Each frame's loss, which frames chose the true vector, and the logits.
package func contrastiveLoss(_ logits: Tensor, infonce: Bool) throws -> ContrastiveLoss {
    let losses: Tensor
    if infonce {
        losses = try -logits.logSoftmax(1, dtype: .float32).selected(1, 0)
    } else {
        // softplus(−∞) is 0 and has no gradient, so a negative equal to the true vector does not count.
        let truth = try (-logits.selected(1, 0)).softplus()
        losses = try truth + logits.narrowed(1, 1..<logits.size(1)).softplus().sum(1)
    }
    let correct = try withoutGradient {
        // A row whose smallest logit is the true one as well has nothing to choose from, and does not count.
        let largest = try logits.argmax(-1).equals(0)
        let smallest = try (-logits).argmax(-1).equals(0)
        return try largest.and(smallest.not()).to(dtype: .float32)
    }
    return ContrastiveLoss(losses: losses, correct: correct, logits: logits)
}
