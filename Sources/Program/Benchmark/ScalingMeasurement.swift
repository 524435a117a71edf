import Foundation

/// What processes of one number have measured together; times are medians, in seconds.
struct ScalingMeasurement: Codable {
    /// An all-reduce.
    struct AllReduce: Codable {
        var bytes: Int
        var seconds: Double
    }

    /// How many processes took part.
    var processes: Int
    /// Threads of each process.
    var threads: Int
    /// A step without sums over processes: forward pass, backward pass, clipping and Adam.
    var stepS: Double
    /// Its forward pass, with masks and negatives.
    var forwardS: Double
    /// Its backward pass.
    var backwardS: Double
    /// Its clipping and Adam.
    var updateS: Double
    /// A step whose gradients are summed after the backward pass.
    var summingAfterS: Double?
    /// A step whose gradients are summed during the backward pass.
    var summingDuringS: Double?
    /// A step whose gradients c10d's Reducer averages during the backward pass.
    var reducerS: Double?
    /// What sums during the backward pass add to the step of the same number without any.
    var waitingDuringS: Double?
    /// What c10d's Reducer adds to it.
    var waitingReducerS: Double?
    /// The exchange of parameters after the optimizer, where its state is sharded.
    var exchangeS: Double?
    /// What a process contributes to the sums of a step, in bytes.
    var bytes: Int
    /// The pieces that gradients are sent in, in the last step: those of dropped layers are not sent.
    var buckets: Int?
    /// Those that are sent before the backward pass has ended.
    var bucketsSentDuringBackward: Int?
    /// The bytes of the piece that is sent last.
    var lastBucketBytes: Int?
    /// The share of the time with transfers under way that lies within the backward pass.
    var hiddenShare: Double?
    /// How much of the backward pass has gone by when the first bucket is sent.
    var firstBucketShare: Double?
    /// All-reduces of several sizes.
    var allReduce: [AllReduce]
    /// The last step that sums during the backward pass, of every process.
    var traces: [StepTrace]
}

extension ScalingMeasurement {
    /// What a link gives, by the all-reduces of several sizes.
    ///
    /// - Returns: Bytes a second and seconds a message of the ring algorithm, in which each of P processes sends
    ///   2 (P − 1)/P of the bytes in 2 (P − 1) messages; `nil` for a process on its own.
    var link: ScalingModel.Link? {
        guard processes > 1, allReduce.count > 1 else { return nil }
        // Least squares of relative errors: small messages count as much as large ones.
        var (s00, s01, s11, t0, t1) = (0.0, 0.0, 0.0, 0.0, 0.0)
        for measured in allReduce {
            let (constant, linear) = (1 / measured.seconds, Double(measured.bytes) / measured.seconds)
            s00 += constant * constant
            s01 += constant * linear
            s11 += linear * linear
            t0 += constant
            t1 += linear
        }
        let determinant = s00 * s11 - s01 * s01
        guard determinant > 0 else { return nil }
        let seconds = max(0, (t0 * s11 - t1 * s01) / determinant)
        let secondsPerByte = (s00 * t1 - s01 * t0) / determinant
        guard secondsPerByte > 0 else { return nil }
        let others = Double(processes - 1)
        return ScalingModel.Link(
            bandwidth: 2 * others / Double(processes) / secondsPerByte, latency: seconds / (2 * others))
    }
}
