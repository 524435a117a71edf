import W2VCluster

/// Which part of the work is this process's.
struct ProcessShare: Equatable {
    /// This process's number, from 0.
    var rank: Int
    /// How many processes there are.
    var size: Int

    /// All of it.
    static let everything = ProcessShare(rank: 0, size: 1)

    /// This process's positions of a plan that everybody goes through in order, once.
    func positions(of count: Int) -> [Int] { Array(stride(from: rank, to: count, by: size)) }

    /// This process's micro-batches of one update, by their numbers.
    ///
    /// They are divided so that every process gets about the same amount of audio, not only the same count. What an
    /// update computes does not depend on it, since all random choices belong to a micro-batch's number.
    ///
    /// - Parameter samples: The audio of each micro-batch of the update.
    /// - Returns: Ascending numbers.
    func microBatches(samples: [Int]) -> [Int] {
        guard size > 1 else { return Array(samples.indices) }
        return balancedShares(samples, among: size, atMost: (samples.count + size - 1) / size)[rank]
    }
}
