import Torch

/// The contrastive loss of a sub-batch, summed over its masked frames.
public struct ContrastiveLoss {
    /// The loss.
    public let loss: Tensor
    /// For how many frames the true vector was the most similar one: int64, a single number.
    public let correct: Tensor
    /// The scaled similarities, [frames, 1 + negatives], the true vector first; −∞ where a negative is the true vector.
    public let logits: Tensor
}

/// Similarities of predictions to candidates, picked out of one product a utterance instead of gathered vectors.
///
/// Nothing of size [frames, negatives, channels] is ever built: normalised predictions times normalised candidates give
/// all similarities of an utterance at once, of which the sampled ones are read.
///
/// - Parameters:
///   - predictions: [frames, channels], the sub-batch's masked frames, utterance by utterance.
///   - candidates: [candidates, channels], utterance by utterance.
///   - identities: What makes two candidates the same vector: int64 [candidates], or `nil` if none ever are.
///   - masked: For each utterance which of its candidates are the masked frames' true vectors.
///   - candidateCounts: How many candidates each utterance has.
///   - negatives: The distractors.
///   - codeVectors: Made-up code vectors, [frames, count, channels], with their identities [frames, count].
///   - temperature: What similarities are divided by.
///   - inFP32: Whether similarities of half-precision vectors are FP32 products.
/// - Returns: [frames, 1 + negatives], FP32 for half-precision vectors.
/// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
func contrastiveLogits(
    predictions: Tensor, candidates: Tensor, identities: Tensor?, masked: [[Int]], candidateCounts: [Int],
    negatives: Negatives, codeVectors: (vectors: Tensor, identities: Tensor)?, temperature: Double,
    inFP32: Bool = false
) throws -> Tensor {
    func normalized(_ tensor: Tensor) throws -> Tensor {
        // The small bound and the quotient would be lost in half precision.
        let exact = try tensor.dtype.isHalfPrecision ? tensor.to(dtype: .float32) : tensor
        let unit = try exact / exact.norm(-1, keepingDimensions: true).clamped(below: 1e-8)
        return try inFP32 ? unit : unit.to(dtype: tensor.dtype)
    }
    let device = predictions.device
    let directions = try normalized(predictions)
    let targets = try normalized(candidates)
    let frames = RaggedLayout(masked.map(\.count))
    let pool = RaggedLayout(candidateCounts)
    let negativeInfinity = -Double.infinity

    // Similarities at the given candidates, with −∞ where one is the frame's true vector.
    func pick(_ similarity: Tensor, _ indices: Tensor, own: Tensor, _ identities: Tensor?) throws -> Tensor {
        let picked = try similarity.gathered(1, indices)
        guard let identities else { return picked }
        let same = try identities.taking(indices.reshaped(-1)).viewed(indices.shape)
            .equals(identities.taking(own).unsqueezed(1))
        return try picked.filled(where: same, with: negativeInfinity)
    }

    let similarities = SameUtteranceLogits(
        directions: directions, targets: targets, identities: identities, masked: masked,
        candidateCounts: candidateCounts, negatives: negatives.sameUtterance)
    var logits = try similarities()

    if !negatives.anywhere.isEmpty {
        let own = masked.enumerated().flatMap { utterance, positions in positions.map { $0 + pool.offsets[utterance] } }
        let indices = try Tensor(negatives.anywhere, shape: [frames.total, negatives.anywhere.count / frames.total])
            .to(device: device)
        let picked = try pick(
            directions.matmul(targets.transposed()), indices, own: Tensor(own).to(device: device), identities)
        logits = try .concatenate([logits, picked], 1)
    }
    if let codeVectors {
        let similarity = try (normalized(codeVectors.vectors) * directions.unsqueezed(1)).sum(-1)
        let own = masked.enumerated().flatMap { utterance, positions in positions.map { $0 + pool.offsets[utterance] } }
        let same = try identities.map {
            try codeVectors.identities.equals($0.taking(Tensor(own).to(device: device)).unsqueezed(1))
        }
        let picked = try same.map { try similarity.filled(where: $0, with: negativeInfinity) } ?? similarity
        logits = try .concatenate([logits, picked], 1)
    }
    return try (logits.dtype.isHalfPrecision ? logits.to(dtype: .float32) : logits) / temperature
}

/// The loss of contrastive logits (paper, equation 3, or its binary form).
///
/// - Parameters:
///   - logits: [frames, 1 + negatives], the true vector first.
///   - infonce: Whether the loss is a choice among candidates; else each candidate is judged for itself.
/// - Returns: The summed loss, how many frames chose the true vector, and the logits.
/// - Throws: `TorchError.operation` if LibTorch refuses a step, as when memory runs out.
func contrastiveLoss(_ logits: Tensor, infonce: Bool) throws -> ContrastiveLoss {
    let loss: Tensor
    if infonce {
        loss = try -logits.logSoftmax(1, dtype: .float32).selected(1, 0).sum()
    } else {
        // softplus(−∞) is 0 and has no gradient, so a negative equal to the true vector does not count.
        let truth = try (-logits.selected(1, 0)).softplus().sum()
        loss = try truth + logits.narrowed(1, 1..<logits.size(1)).softplus().sum()
    }
    let correct = try withoutGradient {
        // A row whose smallest logit is the true one as well has nothing to choose from, and does not count.
        let largest = try logits.argmax(-1).equals(0)
        let smallest = try (-logits).argmax(-1).equals(0)
        return try largest.and(smallest.not()).sum()
    }
    return ContrastiveLoss(loss: loss, correct: correct, logits: logits)
}
