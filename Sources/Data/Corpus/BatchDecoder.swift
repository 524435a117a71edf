import W2VAudio

/// Decodes one batch of a plan: a pure function of manifest, plan and position.
struct BatchDecoder: Sendable {
    let manifest: Manifest
    let plan: BatchPlan
    let dictionary: LabelDictionary?
    let normalize: Bool
    let epsilon: Double

    func decode(_ position: Int) throws -> AudioBatch {
        let indices = plan[position]
        let labels = try dictionary.map { dictionary in try indices.map { try dictionary.encode(manifest, at: $0) } }
        let signals = try indices.map(signal)
        let target = plan.cropLength(position, found: signals.map(\.count))
        var samples: [Float] = []
        samples.reserveCapacity(target.map { $0 * indices.count } ?? signals.reduce(0) { $0 + $1.count })
        var lengths: [Int] = []
        for (draw, signal) in zip(plan.draws(position), signals) {
            let length = target ?? signal.count
            let start = plan.cropStart(draw: draw, length: signal.count, target: length)
            samples.append(contentsOf: signal[start..<(start + length)])
            lengths.append(length)
        }
        return AudioBatch(
            position: position, utteranceIndices: indices, lengths: lengths, samples: samples, labels: labels)
    }

    /// Decodes the whole utterance: normalization needs all of it, and a truncated recording is noticed.
    private func signal(_ index: Int) throws -> [Float] {
        let utterance = manifest[index]
        let range = utterance.offset.map { $0..<($0 + utterance.sampleCount) }
        let samples = try AudioFile.read(utterance.audio, frames: range)
        // A recording within the tolerance may still be too short for the model.
        guard abs(samples.count - utterance.sampleCount) <= manifest.lengthTolerance(of: index),
            samples.count >= plan.options.minSampleSize
        else { throw manifest.lengthMismatch(of: index, found: samples.count) }
        return normalize ? normalized(samples, epsilon: epsilon) : samples
    }
}
