import Foundation

/// The measurements of one number of processes; times are medians, in seconds.
struct ScalingMeasurement: Codable {
    /// An all-reduce.
    struct AllReduce: Codable {
        var bytes: Int
        var seconds: Double
    }

    /// Number of processes.
    var processes: Int
    /// Number of threads of each process.
    var threads: Int
    /// A step without summation over processes: forward pass, backward pass, clipping and Adam.
    var stepS: Double
    /// Its forward pass, with masks and negatives.
    var forwardS: Double
    /// Its backward pass.
    var backwardS: Double
    /// Its clipping and Adam.
    var updateS: Double
    /// A step with summation after the backward pass.
    var summingAfterS: Double?
    /// A step with summation during the backward pass.
    var summingDuringS: Double?
    /// A step in which c10d's Reducer averages gradients during the backward pass.
    var reducerS: Double?
    /// The extra time of summation during the backward pass, compared with the step without.
    var waitingDuringS: Double?
    /// The extra time of c10d's Reducer.
    var waitingReducerS: Double?
    /// The exchange of parameters after the optimizer, if its state is sharded.
    var exchangeS: Double?
    /// Bytes that a process contributes to the sums of a step.
    var bytes: Int
    /// Number of buckets in the last step; those of dropped layers are not sent.
    var buckets: Int?
    /// Number of buckets that were sent before the end of the backward pass.
    var bucketsSentDuringBackward: Int?
    /// Size of the last bucket in bytes.
    var lastBucketBytes: Int?
    /// The share of transfer time that lies within the backward pass.
    var hiddenShare: Double?
    /// The elapsed share of the backward pass when the first bucket is sent.
    var firstBucketShare: Double?
    /// All-reduces of several sizes.
    var allReduce: [AllReduce]
    /// Each process's last step with summation during the backward pass.
    var traces: [StepTrace]
}

extension ScalingMeasurement {
    /// Estimates the link from all-reduces of several sizes.
    ///
    /// - Returns: Bytes per second and seconds per message of the ring algorithm, in which each of P processes sends 2
    ///   (P − 1)/P of the bytes in 2 (P − 1) messages; `nil` for a single process.
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
