import Objectives

/// Sums over sub-batches from which a line of the log is made.
struct Statistics: Equatable {
    /// Updates summed up.
    var updates = 0
    /// Updates among them that were skipped because their gradients overflowed.
    var skippedUpdates = 0
    /// The loss's divisor: masked frames in pre-training, sentences in fine-tuning.
    var sampleSize = 0
    /// Samples of audio.
    var samples = 0
    /// Frames of the encoder.
    var frames = 0
    /// Masked frames.
    var maskedFrames = 0
    /// The whole loss, in nats.
    var loss = 0.0
    /// The gradients' norms, summed over updates that were not skipped.
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
    private enum Key: String, CodingKey {
        case updates, skippedUpdates, sampleSize, samples, frames, maskedFrames, loss, gradientNorm, operations, metrics
        // Version 0.1 had pre-training's metrics beside the others.
        case contrastive, diversity, penalty, correct, codePerplexity, probPerplexity
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
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
        // The contrastive loss of a choice among candidates is never 0; in fine-tuning all six are.
        guard let contrastive = try values.decodeIfPresent(Double.self, forKey: .contrastive), contrastive != 0 else {
            return
        }
        for (key, metric) in [
            (.contrastive, ContrastiveMetrics.contrastive), (.diversity, ContrastiveMetrics.diversity),
            (.penalty, ContrastiveMetrics.penalty), (.correct, ContrastiveMetrics.accuracy),
            (.codePerplexity, ContrastiveMetrics.codePerplexity), (.probPerplexity, ContrastiveMetrics.probPerplexity),
        ] as [(Key, Metric)] {
            metrics.add(metric, try values.decode(Double.self, forKey: key), weight: Double(sampleSize))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(updates, forKey: .updates)
        try values.encode(skippedUpdates, forKey: .skippedUpdates)
        try values.encode(sampleSize, forKey: .sampleSize)
        try values.encode(samples, forKey: .samples)
        try values.encode(frames, forKey: .frames)
        try values.encode(maskedFrames, forKey: .maskedFrames)
        try values.encode(loss, forKey: .loss)
        try values.encode(gradientNorm, forKey: .gradientNorm)
        try values.encode(operations, forKey: .operations)
        try values.encode(metrics, forKey: .metrics)
    }
}
