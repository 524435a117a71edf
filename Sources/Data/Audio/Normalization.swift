/// A signal's mean and variance, gathered block by block.
///
/// Sums are taken in double precision; blocks are joined by the update of Chan, Golub and LeVeque (1979), which loses
/// nothing where a signal is far from zero.
public struct SignalMoments: Sendable {
    private var count = 0.0
    private var mean = 0.0
    private var squaredDeviations = 0.0

    /// Makes the moments of no signal at all.
    public init() {}

    /// Takes further samples into account.
    ///
    /// - Parameter samples: The next of the signal; may be empty.
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

    /// Brings samples to the zero mean and unit variance of the whole signal.
    ///
    /// - Parameter epsilon: What is added to the variance: 1e-5 in fairseq, 1e-7 in Transformers.
    public func normalize(_ samples: [Float], epsilon: Double = 1e-5) -> [Float] {
        guard count > 0 else { return samples }
        let scale = 1 / (squaredDeviations / count + epsilon).squareRoot()
        return samples.map { Float((Double($0) - mean) * scale) }
    }
}

/// The samples with zero mean and unit variance, as models trained on normalized audio expect them.
///
/// The same function as layer normalization without weights over the whole utterance: the population variance with
/// a small number added to it.
///
/// - Parameters:
///   - samples: One utterance; may be empty.
///   - epsilon: What is added to the variance: 1e-5 in fairseq, 1e-7 in Transformers. It matters in quiet recordings only.
public func normalized(_ samples: [Float], epsilon: Double = 1e-5) -> [Float] {
    var moments = SignalMoments()
    moments.add(samples)
    return moments.normalize(samples, epsilon: epsilon)
}
