import Synchronization

/// Sums gradients over processes, bucket by bucket, while the backward pass still computes the others.
///
/// A bucket is a stretch of the flat gradient buffer: it is sent in place, without copies, as soon as the gradients of
/// all its parameters are complete. Every process must send the same buckets in the same order; the order is the one in
/// which they were completed in the first pass of rank 0.
public final class GradientReducer {
    /// How a reduction went, for benchmarks.
    public struct Report: Sendable, Equatable {
        /// The buckets that were sent while the backward pass was going on.
        public var overlapped = 0
        /// All buckets.
        public var buckets = 0
        /// The bytes that this process contributed.
        public var bytes = 0
    }

    /// A bucket on its way.
    public struct Transfer: Sendable {
        /// Its size.
        public var bytes: Int
        /// When it was sent.
        public var sent: ContinuousClock.Instant
        /// When the sum had come; `nil` while it has not.
        public var ended: ContinuousClock.Instant?
    }

    /// What the library's threads note down.
    private final class TransferLog: Sendable {
        let transfers = Mutex<[Transfer]>([])
    }

    /// Whether ``transfers`` is kept, for benchmarks.
    public var recordsTransfers = false
    /// The buckets of the last pass, in the order in which they were sent.
    public var transfers: [Transfer] { log.transfers.withLock { $0 } }
    private let log = TransferLog()
    private let group: ProcessGroup
    private let parameters: FlatParameters
    private let buckets: [Range<Int>]
    private let bucketOfParameter: [Int]
    private var waiting: [Int] = []
    private var order: [Int]
    private var hasOrder = false
    private var completed: [Int] = []
    private var sent = 0
    private var running: [Collective] = []
    private var isArmed = false
    private var report = Report()

    /// Watches the gradients of parameters.
    ///
    /// - Parameters:
    ///   - parameters: The parameters; their gradients are summed in their buffer.
    ///   - group: The processes.
    ///   - bucketBytes: The size that a bucket has at least, but for the last one.
    /// - Throws: `TorchError.operation` if a parameter records no gradient.
    public init(_ parameters: FlatParameters, over group: ProcessGroup, bucketBytes: Int = 16 << 20) throws {
        self.group = group
        self.parameters = parameters
        let itemSize = parameters.gradients.dtype.itemSize
        // From the end: what stands last in the model is first in the backward pass.
        var buckets: [Range<Int>] = []
        var bucketOfParameter = [Int](repeating: 0, count: parameters.ranges.count)
        var end = parameters.gradients.count
        for index in parameters.ranges.indices.reversed() {
            bucketOfParameter[index] = buckets.count
            let start = parameters.ranges[index].lowerBound
            if (end - start) * itemSize >= bucketBytes || index == 0 {
                buckets.append(start..<end)
                end = start
            }
        }
        self.buckets = buckets
        self.bucketOfParameter = bucketOfParameter
        order = Array(buckets.indices)
        for (index, leaf) in parameters.leaves.enumerated() {
            try leaf.onGradientAccumulated { [weak self] in try self?.noteGradient(of: index) }
        }
    }

    /// Begins to send with the next backward pass: the last one of an update.
    ///
    /// - Parameter overlapping: Whether buckets are sent while the pass is going on; otherwise ``finish()`` sends all,
    ///   which is for comparison.
    public func begin(overlapping: Bool = true) {
        waiting = [Int](repeating: 0, count: buckets.count)
        for bucket in bucketOfParameter { waiting[bucket] += 1 }
        completed = []
        sent = 0
        isArmed = overlapping
        log.transfers.withLock { $0 = [] }
        report = Report(buckets: buckets.count, bytes: parameters.gradients.count * parameters.gradients.dtype.itemSize)
    }

    /// Sends what is left, such as the gradients of layers that were dropped, and waits for all sums.
    ///
    /// - Returns: How much was sent during the backward pass.
    /// - Throws: `TorchError.communication` if a process is gone.
    @discardableResult
    public func finish() throws -> Report {
        report.overlapped = sent
        while sent < order.count { try send() }
        for collective in running { try collective.wait() }
        running = []
        let passWasWatched = isArmed
        isArmed = false
        // The library tells of the last ends only now.
        log.transfers.withLock { transfers in
            for index in transfers.indices where transfers[index].ended == nil { transfers[index].ended = .now }
        }
        if !hasOrder, passWasWatched { try agreeOnOrder() }
        return report
    }

    private func noteGradient(of parameter: Int) throws {
        guard isArmed else { return }
        let bucket = bucketOfParameter[parameter]
        waiting[bucket] -= 1
        if waiting[bucket] == 0 { completed.append(bucket) }
        // Before the order is agreed on, processes might disagree about it.
        guard hasOrder else { return }
        while sent < order.count, waiting[order[sent]] <= 0 { try send() }
    }

    private func send() throws {
        let range = buckets[order[sent]]
        sent += 1
        try parameters.collectGradients(in: range)
        let collective = try group.allReduce(parameters.gradients.narrowed(0, range))
        running.append(collective)
        guard recordsTransfers else { return }
        let bytes = range.count * parameters.gradients.dtype.itemSize
        let index = log.transfers.withLock { transfers in
            transfers.append(Transfer(bytes: bytes, sent: .now))
            return transfers.count - 1
        }
        try collective.onEnd { [log] in
            log.transfers.withLock { if index < $0.count, $0[index].ended == nil { $0[index].ended = .now } }
        }
    }

    private func agreeOnOrder() throws {
        let missing = buckets.indices.filter { !completed.contains($0) }
        let own = try Tensor((completed + missing).map(Int64.init))
            .to(device: parameters.gradients.device)
        try group.broadcast(own).wait()
        order = try own.elements(Int64.self).map(Int.init)
        hasOrder = true
    }
}
