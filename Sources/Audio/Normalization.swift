/// The samples with zero mean and unit variance, as models trained on normalised audio expect them.
///
/// The same function as layer normalisation without weights over the whole utterance: the population variance with
/// 1e-5 added to it. Sums are taken in double precision.
///
/// - Parameter samples: One utterance; may be empty.
/// - Returns: As many samples.
public func normalized(_ samples: [Float]) -> [Float] {
    guard !samples.isEmpty else { return samples }
    let count = Double(samples.count)
    var sum = 0.0
    for sample in samples { sum += Double(sample) }
    let mean = sum / count
    var squares = 0.0
    for sample in samples {
        let deviation = Double(sample) - mean
        squares += deviation * deviation
    }
    let scale = 1 / (squares / count + 1e-5).squareRoot()
    return samples.map { Float((Double($0) - mean) * scale) }
}
