import W2VCluster

/// This process's share of the work.
struct ProcessShare: Equatable {
    /// This process's rank, from 0.
    var rank: Int
    /// Number of processes.
    var size: Int

    /// The share of a single process: everything.
    static let everything = ProcessShare(rank: 0, size: 1)

    /// Returns this process's positions in a plan that all processes share.
    func positions(of count: Int) -> [Int] { Array(stride(from: rank, to: count, by: size)) }

    /// Returns the numbers of this process's micro-batches in an update.
    ///
    /// They are divided so that all processes get about the same amount of audio, not only the same count. The result
    /// of an update does not depend on it, since all random choices belong to a micro-batch's number.
    ///
    /// - Parameter samples: Samples of audio in each micro-batch of the update.
    /// - Returns: Ascending numbers.
    func microBatches(samples: [Int]) -> [Int] {
        guard size > 1 else { return Array(samples.indices) }
        return balancedShares(samples, among: size, atMost: (samples.count + size - 1) / size)[rank]
    }
}
