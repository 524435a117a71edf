/// A signal's mean and variance, accumulated block by block.
///
/// Sums are in double precision; blocks are merged by the update of Chan, Golub and LeVeque (1979), which is accurate
/// even for a signal far from zero.
public struct SignalMoments: Sendable {
    private var count = 0.0
    private var mean = 0.0
    private var squaredDeviations = 0.0

    /// Makes the moments of an empty signal.
    public init() {}

    /// Adds further samples.
    ///
    /// - Parameter samples: The next samples of the signal; may be empty.
    public mutating func add(_ samples: [Float]) {
        guard !samples.isEmpty else { return }
        let added = Double(samples.count)
        var sum = 0.0
        for sample in samples { sum += Double(sample) }
        let average = sum / added
        var squares = 0.0
        for sample in samples {
            let deviation = Double(sample) - average
            squares += deviation * deviation
        }
        let total = count + added
        let difference = average - mean
        mean += difference * (added / total)
        squaredDeviations += squares + difference * difference * (count * added / total)
        count = total
    }

    /// Returns samples normalized to the zero mean and unit variance of the whole signal.
    ///
    /// - Parameter epsilon: The number added to the variance: 1e-5 in fairseq, 1e-7 in Transformers.
    public func normalize(_ samples: [Float], epsilon: Double = 1e-5) -> [Float] {
        guard count > 0 else { return samples }
        let scale = 1 / (squaredDeviations / count + epsilon).squareRoot()
        return samples.map { Float((Double($0) - mean) * scale) }
    }
}

/// Returns the samples with zero mean and unit variance, as expected by models trained on normalized audio.
///
/// This is layer normalization without weights over the whole utterance: (x − mean) / √(variance + ε), with the
/// population variance.
///
/// - Parameters:
///   - samples: One utterance; may be empty.
///   - epsilon: The number added to the variance: 1e-5 in fairseq, 1e-7 in Transformers. It matters only in quiet
///     recordings.
public func normalized(_ samples: [Float], epsilon: Double = 1e-5) -> [Float] {
    var moments = SignalMoments()
    moments.add(samples)
    return moments.normalize(samples, epsilon: epsilon)
}
