import Synchronization

/// Sums gradients over processes, bucket by bucket, while the backward pass still computes the others.
///
/// A bucket is a contiguous range of the flat gradient buffer: it is sent in place, without copies, as soon as the
/// gradients of all its parameters are complete. A bucket without any gradient, such as that of a dropped layer, is not
/// sent. Every process must send the same buckets in the same order: the order in which they were completed in the
/// first pass of rank 0.
///
/// Where the optimizer's state is sharded, no bucket crosses a shard boundary, and its sum goes only to the process
/// that owns the shard, where that sends less than an all-reduce.
public final class GradientReducer {
    /// The statistics of one reduction, for benchmarks.
    public struct Report: Sendable, Equatable {
        /// The number of buckets that were sent during the backward pass.
        public var overlapped = 0
        /// The number of buckets that were sent.
        public var buckets = 0
        /// The number of bytes that this process contributed.
        public var bytes = 0
    }

    /// A bucket on its way.
    public struct Transfer: Sendable {
        /// Its size, in bytes.
        public var bytes: Int
        /// The time when it was sent.
        public var sent: ContinuousClock.Instant
        /// The time when the sum arrived; `nil` until then.
        public var ended: ContinuousClock.Instant?
    }

    /// The record of transfers, written by the library's threads.
    private final class TransferLog: Sendable {
        let transfers = Mutex<[Transfer]>([])
    }

    /// Whether ``transfers`` is recorded, for benchmarks.
    public var recordsTransfers = false
    /// The buckets of the last pass, in the order in which they were sent.
    public var transfers: [Transfer] { log.transfers.withLock { $0 } }
    private let log = TransferLog()
    private let group: ProcessGroup
    private let parameters: FlatParameters
    private let buckets: [Range<Int>]
    /// The buckets of each parameter: one, or more if it spans several shards.
    private let bucketsOfParameter: [[Int]]
    private let sentType: DType
    private var waiting: [Int] = []
    /// The buckets without a gradient in this pass.
    private var skipped: Set<Int> = []
    private var order: [Int]
    private var hasOrder = false
    private var completed: [Int] = []
    private var sent = 0
    private var running: [(collective: Collective, range: Range<Int>, summands: Tensor)] = []
    private var isArmed = false
    private let watches: Bool
    private var report = Report()

    /// Hooks into the gradients of the parameters.
    ///
    /// - Parameters:
    ///   - parameters: The parameters; their gradients are summed in their buffer. Where they are sharded, each process
    ///     gets only its own shard's sums, and its other gradients are undefined afterward.
    ///   - group: The processes; where the parameters are sharded, those that share them.
    ///   - bucketBytes: The minimum size of a bucket, except for the last one and those at shard boundaries.
    ///   - sentType: The type in which gradients are sent and summed, FP32 or half precision; each process divides its
    ///     gradients by the number of processes before rounding, so that their sum overflows no sooner than they do.
    ///   - watches: Whether buckets may be sent during a backward pass. Turn it off for recorded passes: they cannot be
    ///     hooked, and the hooks would spoil the recording.
    /// - Throws: `TorchError.operation` if a parameter records no gradient.
    public init(
        _ parameters: FlatParameters, over group: ProcessGroup, bucketBytes: Int = 16 << 20,
        sentAs sentType: DType = .float32, watches: Bool = true
    ) throws {
        self.group = group
        self.watches = watches
        self.parameters = parameters
        self.sentType = sentType
        let itemSize = sentType.itemSize
        // Buckets fill from the end: the model's last layers come first in the backward pass.
        var buckets: [Range<Int>] = []
        var end = parameters.gradients.count
        for start in parameters.ranges.map(\.lowerBound).reversed()
        where (end - start) * itemSize >= bucketBytes || start == 0 {
            buckets += parameters.shards.reversed().map { $0.clamped(to: start..<end) }.filter { !$0.isEmpty }
            end = start
        }
        self.buckets = buckets
        bucketsOfParameter = parameters.ranges.map { range in
            buckets.indices.filter { buckets[$0].overlaps(range) }
        }
        order = Array(buckets.indices)
        for (index, leaf) in parameters.leaves.enumerated() where watches {
            try leaf.onGradientAccumulated { [weak self] in try self?.noteGradient(of: index) }
        }
    }

    /// Starts sending with the next backward pass, the last one of an update.
    ///
    /// - Parameters:
    ///   - unused: The parameters that get no gradient in the whole update in any process, such as those of dropped
    ///     layers.
    ///   - overlapping: Whether buckets are sent during the pass; otherwise ``finish()`` sends all of them, for
    ///     comparison.
    public func begin(unused: Set<String> = [], overlapping: Bool = true) {
        waiting = [Int](repeating: 0, count: buckets.count)
        for (parameter, buckets) in bucketsOfParameter.enumerated()
        where !unused.contains(parameters.names[parameter]) {
            for bucket in buckets { waiting[bucket] += 1 }
        }
        skipped = Set(buckets.indices.filter { waiting[$0] == 0 })
        completed = []
        sent = 0
        isArmed = overlapping && watches
        log.transfers.withLock { $0 = [] }
        report = Report()
    }

    /// Sends what is left and waits for all sums.
    ///
    /// - Returns: The number of buckets sent in all, and during the backward pass.
    /// - Throws: `TorchError.communication` if a process is gone.
    @discardableResult
    public func finish() throws -> Report {
        report.overlapped = report.buckets
        while sent < order.count { try send() }
        for (collective, range, summands) in running {
            try collective.wait()
            guard summands.dtype != .float32, parameters.own.overlaps(range) else { continue }
            let place = try parameters.gradients.rows(range)
            try place.copy(from: summands)
            try place.scaleInPlace(Double(group.size))
        }
        running = []
        let passWasWatched = isArmed
        isArmed = false
        // Wait for the callbacks of the last transfers, which arrive only now.
        log.transfers.withLock { transfers in
            for index in transfers.indices where transfers[index].ended == nil { transfers[index].ended = .now }
        }
        // Every process skips the same buckets.
        if !hasOrder, passWasWatched, skipped.count < buckets.count { try agreeOnOrder() }
        return report
    }

    private func noteGradient(of parameter: Int) throws {
        guard isArmed else { return }
        for bucket in bucketsOfParameter[parameter] {
            waiting[bucket] -= 1
            guard waiting[bucket] >= 0 else {
                throw TorchError.state("\(parameters.names[parameter]) got a gradient that its bucket did not wait for")
            }
            if waiting[bucket] == 0 { completed.append(bucket) }
        }
        // Before the order is agreed on, processes might disagree about it.
        guard hasOrder else { return }
        while sent < order.count, waiting[order[sent]] == 0 { try send() }
    }

    private func send() throws {
        let bucket = order[sent]
        sent += 1
        guard !skipped.contains(bucket) else { return }
        let range = buckets[bucket]
        try parameters.collectGradients(in: range)
        var summands = try parameters.gradients.rows(range)
        if sentType != .float32 { summands = try (summands * (1 / Double(group.size))).to(dtype: sentType) }
        let collective =
            if let owner = parameters.owner(of: range) {
                try group.reduce(summands, to: owner)
            } else {
                try group.allReduce(summands)
            }
        running.append((collective, range, summands))
        let bytes = range.count * sentType.itemSize
        report.buckets += 1
        report.bytes += bytes
        guard recordsTransfers else { return }
        let index = log.transfers.withLock { transfers in
            transfers.append(Transfer(bytes: bytes, sent: .now))
            return transfers.count - 1
        }
        try collective.onEnd { [log] in
            log.transfers.withLock { if index < $0.count, $0[index].ended == nil { $0[index].ended = .now } }
        }
    }

    private func agreeOnOrder() throws {
        var own = completed
        // Buckets that were not completed in this pass follow their neighbor in the backward order.
        for bucket in buckets.indices where !own.contains(bucket) {
            own.insert(bucket, at: own.firstIndex(of: bucket - 1).map { $0 + 1 } ?? 0)
        }
        let agreed = try Tensor(own.map(Int64.init)).to(device: parameters.gradients.device)
        try group.broadcast(agreed).wait()
        order = try agreed.elements(Int64.self).map(Int.init)
        hasOrder = true
    }
}
