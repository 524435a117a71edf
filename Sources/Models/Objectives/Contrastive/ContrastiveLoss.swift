import W2VBackbone
import W2VKernels
import W2VTorch

/// The contrastive loss of masked frames.
package struct ContrastiveLoss {
    /// The loss of each frame: [frames].
    package let losses: Tensor
    /// 1 for each frame whose most similar candidate is the true vector, else 0: FP32 [frames].
    let correct: Tensor
    /// The similarities divided by κ, [frames, 1 + negatives], the true vector first; −∞ where a negative is the true
    /// vector.
    ///
    /// Absent where a kernel has computed the loss without them.
    let logits: Tensor?
}

/// Returns similarities of predictions to candidates, read from one product per utterance instead of gathered vectors.
///
/// No tensor of size [frames, negatives, channels] is ever built: normalized predictions times normalized candidates
/// give all similarities of an utterance at once, of which the sampled ones are read:
///
///     logits[t, j] = cos(cₜ, qⱼ) / κ
///
/// - Parameters:
///   - predictions: [frames, channels], the masked frames, utterance by utterance.
///   - candidates: [candidates, channels], utterance by utterance.
///   - identities: Numbers that are equal for equal candidates: int64 [candidates], or `nil` if all differ.
///   - choices: The true vector and the distractors of each frame.
///   - codeVectors: Random code vectors, [frames, count, channels], with their identities [frames, count].
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

/// Returns vectors scaled to length 1.
private func directions(_ vectors: Tensor, _ inFP32: Bool) throws -> Tensor {
    // The lower bound of the norm, and the quotient, would be lost in half precision.
    let exact = try vectors.dtype.isHalfPrecision ? vectors.to(dtype: .float32) : vectors
    let unit = try exact / exact.norm(-1, keepingDimensions: true).clamped(below: 1e-8)
    return try inFP32 ? unit : unit.to(dtype: vectors.dtype)
}

/// Computes the contrastive loss, by a kernel without logits if there is one.
///
/// - Parameter needsLogits: Whether the logits are needed.
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

/// Computes the loss of contrastive logits (paper, equation 3, or its binary form).
///
/// - Parameters:
///   - logits: [frames, 1 + negatives], the true vector first.
///   - infonce: Whether the loss is a choice among candidates; otherwise each candidate is classified by itself.
/// - Returns: Each frame's loss, which frames chose the true vector, and the logits.
package func contrastiveLoss(_ logits: Tensor, infonce: Bool) throws -> ContrastiveLoss {
    let losses: Tensor
    if infonce {
        losses = try -logits.logSoftmax(1, dtype: .float32).selected(1, 0)
    } else {
        // −log σ(x) = softplus(−x) for the true vector, −log(1 − σ(x)) = softplus(x) for the others. softplus(−∞) is 0
        // without gradient, so a negative equal to the true vector does not count.
        let truth = try (-logits.selected(1, 0)).softplus()
        losses = try truth + logits.narrowed(1, 1..<logits.size(1)).softplus().sum(1)
    }
    let correct = try withoutGradient {
        // A row whose smallest logit is also the true one has only equal logits: nothing was chosen, and it does not
        // count.
        let largest = try logits.argmax(-1).equals(0)
        let smallest = try (-logits).argmax(-1).equals(0)
        return try largest.and(smallest.not()).to(dtype: .float32)
    }
    return ContrastiveLoss(losses: losses, correct: correct, logits: logits)
}
