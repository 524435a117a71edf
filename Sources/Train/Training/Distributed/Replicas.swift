import W2VCluster
import W2VTorch

/// The copies of the model in all processes: sums their gradients, and compares their parameters.
final class Replicas {
    private let cluster: Cluster
    private let groups: [ParameterGroup]
    private let reducers: [GradientReducer]
    private let checkEvery: Int?

    /// Prepares the model's copies.
    ///
    /// - Parameters:
    ///   - cluster: The processes.
    ///   - groups: The parameters, in the precision that the model computes in.
    ///   - group: The process group that exchanges the parameters' tensors.
    ///   - options: How gradients are sent, and how often parameters are compared.
    ///   - overlaps: Whether gradients are sent during the backward pass.
    /// - Throws: `TorchError`; ``TrainingError`` if the initial copies differ, or gradients cannot be summed in the
    ///   requested precision.
    init(
        _ cluster: Cluster, _ groups: [ParameterGroup], over group: ProcessGroup,
        _ options: Recipe.DistributedSection, overlaps: Bool
    ) throws {
        self.cluster = cluster
        self.groups = groups
        checkEvery = options.checkEvery
        let bytes = Int(options.bucketCapMb * 1_048_576)
        let type = options.reducePrecision.dtype
        do {
            try group.allReduce(
                .ones([1], dtype: type, device: groups.first?.parameters.gradients.device ?? .cpu)
            )
            .wait()
        } catch TorchError.communication(let reason) where type != .float32 {
            throw TrainingError.unsummable(precision: options.reducePrecision.rawValue, reason: reason)
        }
        reducers = try groups.map {
            try GradientReducer($0.parameters, over: group, bucketBytes: bytes, sentAs: type, watches: overlaps)
        }
        try compare(update: 0)
    }

    /// Starts sending gradients as soon as the next backward pass completes them.
    ///
    /// - Parameter unused: The parameters without a gradient in this update.
    func beginReduction(unused: Set<String>) {
        for reducer in reducers { reducer.begin(unused: unused) }
    }

    /// Waits until the gradients are sums over all processes.
    func finishReduction() throws {
        for reducer in reducers { try reducer.finish() }
    }

    /// Sums the statistics of an update over all processes.
    func sum(_ own: Statistics) throws -> Statistics {
        try cluster.exchange(own).reduce(into: Statistics()) { $0 += $1 }
    }

    /// Compares the parameters if an update is due for it.
    ///
    /// - Throws: ``TrainingError/diverged(update:ranks:)``.
    func check(after update: Int) throws {
        if let checkEvery, update % checkEvery == 0 { try compare(update: update) }
    }

    /// Compares bit by bit: equal copies remain bitwise equal through equal updates.
    private func compare(update: Int) throws {
        let own = try groups.map { try $0.parameters.checksum() }
        let all = try cluster.exchange(own)
        let different = all.indices.filter { all[$0] != all[0] }
        guard different.isEmpty else { throw TrainingError.diverged(update: update, ranks: different) }
    }
}
