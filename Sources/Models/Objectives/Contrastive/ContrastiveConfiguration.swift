import W2VBackbone

/// The options of the contrastive objective: fairseq's criterion and negative sampling, with the BASE model's values.
public struct ContrastiveConfiguration: ObjectiveConfiguration {
    /// Distractors from the masked frames of the same utterance.
    public var numNegatives = 100
    /// Distractors from the masked frames of all utterances of the sub-batch.
    public var crossSampleNegatives = 0
    /// Distractors composed of random code book entries.
    public var codebookNegatives = 0
    /// Whether distractors come from unmasked frames too.
    public var negativesFromEverywhere = false
    /// The temperature κ that divides cosine similarities.
    public var logitTemp = 0.1
    /// Whether the loss is InfoNCE (a choice among candidates) or binary cross-entropy (each candidate by itself).
    public var infonce = true
    /// Weights of the diversity loss and the feature penalty.
    public var lossWeights = [0.1, 10.0]

    /// Makes the BASE model's values.
    public init() {}

    /// Checks values that depend on each other.
    ///
    /// - Throws: ``/W2VBackbone/ConfigurationError`` naming the keys.
    public func validate() throws {
        guard lossWeights.count == 2, lossWeights.allSatisfy({ $0 >= 0 }) else {
            throw ConfigurationError(
                "objective.loss_weights needs two numbers of at least 0: diversity and feature penalty")
        }
        guard numNegatives + crossSampleNegatives + codebookNegatives > 0 else {
            throw ConfigurationError(
                "objective.num_negatives, cross_sample_negatives and codebook_negatives are all 0; a choice needs "
                    + "distractors")
        }
    }
}

extension ContrastiveConfiguration {
    /// The keys of a recipe's `objective` section.
    public static let settings: [Setting<ContrastiveConfiguration>] = [
        Setting(
            "num_negatives", \.numNegatives, "number of distractors from the same utterance", of: .objective,
            in: .atLeast(0)),
        Setting(
            "cross_sample_negatives", \.crossSampleNegatives,
            "number of distractors from all utterances of the sub-batch",
            of: .objective, in: .atLeast(0)),
        Setting(
            "codebook_negatives", \.codebookNegatives, "number of distractors made of random code book entries",
            of: .objective,
            in: .atLeast(0)),
        Setting(
            "negatives_from_everywhere", \.negativesFromEverywhere, "whether distractors come from unmasked frames too",
            of: .objective),
        Setting(
            "logit_temp", \.logitTemp, "temperature of the cosine similarities", of: .objective, in: .moreThan(0)),
        Setting("infonce", \.infonce, "InfoNCE (true) or binary cross-entropy (false)", of: .objective),
        Setting("loss_weights", \.lossWeights, "weights of diversity loss and feature penalty", of: .objective),
    ]
}
