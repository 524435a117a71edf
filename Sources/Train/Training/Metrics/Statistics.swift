import W2VObjectives

/// Sums over sub-batches, which a line of the log is computed from.
struct Statistics: Equatable {
    /// Number of updates.
    var updates = 0
    /// Number of these updates that were skipped because their gradients overflowed.
    var skippedUpdates = 0
    /// The loss's divisor: masked frames in pre-training, sentences in fine-tuning.
    var sampleSize = 0
    /// Samples of audio.
    var samples = 0
    /// Frames of the encoder.
    var frames = 0
    /// Masked frames.
    var maskedFrames = 0
    /// The total loss, in nats.
    var loss = 0.0
    /// Sum of the gradient norms of updates that were not skipped.
    var gradientNorm = 0.0
    /// Floating-point operations of the model, counted analytically.
    var operations = 0.0
    /// The metrics that the objectives report.
    var metrics = MetricSums()

    static func += (left: inout Statistics, right: Statistics) {
        left.updates += right.updates
        left.skippedUpdates += right.skippedUpdates
        left.sampleSize += right.sampleSize
        left.samples += right.samples
        left.frames += right.frames
        left.maskedFrames += right.maskedFrames
        left.loss += right.loss
        left.gradientNorm += right.gradientNorm
        left.operations += right.operations
        left.metrics += right.metrics
    }

    /// The mean loss, in nats.
    var meanLoss: Double { loss / Double(max(1, sampleSize)) }
}

extension Statistics: Codable {
    /// Version 0.1 stored pre-training's metrics beside the other keys.
    private enum OldKey: String, CodingKey {
        case contrastive, diversity, penalty, correct, codePerplexity, probPerplexity
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        updates = try values.decode(Int.self, forKey: .updates)
        skippedUpdates = try values.decode(Int.self, forKey: .skippedUpdates)
        sampleSize = try values.decode(Int.self, forKey: .sampleSize)
        samples = try values.decode(Int.self, forKey: .samples)
        frames = try values.decode(Int.self, forKey: .frames)
        maskedFrames = try values.decode(Int.self, forKey: .maskedFrames)
        loss = try values.decode(Double.self, forKey: .loss)
        gradientNorm = try values.decode(Double.self, forKey: .gradientNorm)
        operations = try values.decode(Double.self, forKey: .operations)
        if let metrics = try values.decodeIfPresent(MetricSums.self, forKey: .metrics) {
            self.metrics = metrics
            return
        }
        // The contrastive loss of a choice among candidates is never 0; in fine-tuning all six values are.
        let old = try decoder.container(keyedBy: OldKey.self)
        guard let contrastive = try old.decodeIfPresent(Double.self, forKey: .contrastive), contrastive != 0 else {
            return
        }
        for (key, metric) in [
            (.contrastive, ContrastiveMetrics.contrastive), (.diversity, ContrastiveMetrics.diversity),
            (.penalty, ContrastiveMetrics.penalty), (.correct, ContrastiveMetrics.accuracy),
            (.codePerplexity, ContrastiveMetrics.codePerplexity), (.probPerplexity, ContrastiveMetrics.probPerplexity),
        ] as [(OldKey, Metric)] {
            metrics.add(metric, try old.decode(Double.self, forKey: key), weight: Double(sampleSize))
        }
    }
}
