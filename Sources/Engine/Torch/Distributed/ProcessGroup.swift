import CW2VLibTorch
import Synchronization

/// A group of processes that compute together, each with its rank (c10d's process group).
///
/// Every process must call the same collectives in the same order. `@unchecked Sendable` is safe: the handle never
/// changes, and c10d's groups queue calls from any thread; their order is the caller's responsibility.
public final class ProcessGroup: @unchecked Sendable {
    /// This process's number, from 0.
    public let rank: Int
    /// The number of processes.
    public let size: Int
    /// The longest that a collective may take, in seconds.
    public let timeout: Double
    private let isNCCL: Bool
    let handle: ct_process_group
    // c10d's group keeps using the store that it was created with.
    private let store: TCPStore
    private let collectives = Atomic<Int>(0)
    /// Whether the host does not wait for collectives; their ends are then observed.
    private let waitsOnDevice: Bool
    private let unfinished = Mutex<[CollectiveWork]>([])

    /// The number of collectives that this process has started; equal in every process, except for those still awaited.
    public var collectivesBegun: Int { collectives.load(ordering: .relaxed) }

    /// The way in which the values of all processes are combined.
    public enum Reduction: Sendable {
        /// Their sum.
        case sum
        /// The largest of them.
        case max
        /// The smallest of them.
        case min

        var raw: ct_reduction {
            switch self {
            case .sum: CT_REDUCE_SUM
            case .max: CT_REDUCE_MAX
            case .min: CT_REDUCE_MIN
            }
        }
    }

    /// Joins a group for tensors on the CPU (Gloo), waiting for the other processes.
    ///
    /// - Parameters:
    ///   - name: The group's name, unique within the store.
    ///   - address: This machine's address to use if no interface is given; `nil` for that of its host name.
    ///   - timeout: The maximum duration of joining or of a collective, in seconds.
    /// - Throws: `TorchError.communication` if the others do not join in time.
    public convenience init(
        gloo store: TCPStore, name: String, interface: String?, address: String?, rank: Int, size: Int, timeout: Double
    ) throws {
        try self.init(
            gloo: store, name: name, interface: interface, address: address, rank: rank, size: size, timeout: timeout,
            waitsOnDevice: false)
    }

    /// Joins such a group, whose collectives may be observed like those of GPUs, in tests.
    init(
        gloo store: TCPStore, name: String, interface: String?, address: String?, rank: Int, size: Int, timeout: Double,
        waitsOnDevice: Bool
    ) throws {
        var made: ct_process_group?
        try withExtendedLifetime(store) {
            try TorchError.checkCommunication(
                ct_process_group_gloo(
                    store.handle, name, interface, address, Int32(rank), Int32(size), milliseconds(timeout), &made))
        }
        guard let made else { throw TorchError.runtime("LibTorch made no process group") }
        handle = made
        isNCCL = false
        self.waitsOnDevice = waitsOnDevice
        self.store = store
        self.rank = rank
        self.size = size
        self.timeout = timeout
    }

    /// Joins a group for tensors of a GPU (NCCL), waiting for the other processes.
    ///
    /// - Parameters:
    ///   - name: The group's name, unique within the store.
    ///   - device: The index of this process's GPU.
    ///   - timeout: The maximum duration of a collective, in seconds.
    /// - Throws: `TorchError.communication` if NCCL's library is missing, or the others do not join.
    public init(nccl store: TCPStore, name: String, device: Int, rank: Int, size: Int, timeout: Double) throws {
        var made: ct_process_group?
        try withExtendedLifetime(store) {
            try TorchError.checkCommunication(
                ct_process_group_nccl(
                    store.handle, name, Int32(device), Int32(rank), Int32(size), milliseconds(timeout), &made))
        }
        guard let made else { throw TorchError.runtime("LibTorch made no process group") }
        handle = made
        isNCCL = true
        waitsOnDevice = true
        self.store = store
        self.rank = rank
        self.size = size
        self.timeout = timeout
    }

    deinit { ct_process_group_release(handle) }

    /// Starts an all-reduce: replaces a tensor's values by the reduction over all processes.
    ///
    /// - Parameter tensor: A contiguous tensor of the same shape in each process, changed in place.
    public func allReduce(_ tensor: Tensor, _ reduction: Reduction = .sum) throws -> Collective {
        try start([tensor]) { ct_all_reduce(handle, tensor.handle, reduction.raw, &$0) }
    }

    /// Starts a reduce: sums the processes' tensors into that of one of them.
    ///
    /// With NCCL each process sends its summands once, where an all-reduce also sends the sums back. Reductions of
    /// several ranges of a buffer, each to its owner, amount to a reduce-scatter with ranges of any size. With Gloo
    /// each process sends everything once, and its part of the sum besides: more than an all-reduce between two
    /// processes, which is used there instead, and less between more.
    ///
    /// - Parameters:
    ///   - tensor: A contiguous tensor of the same shape in each process, changed in place; undefined afterward in all
    ///     processes except `root`.
    ///   - root: The rank that receives the sum.
    public func reduce(_ tensor: Tensor, to root: Int) throws -> Collective {
        guard isNCCL || size > 2 else { return try allReduce(tensor) }
        return try start([tensor]) { ct_reduce(handle, tensor.handle, Int32(root), &$0) }
    }

    /// Starts a broadcast: copies a tensor of one process into that of every other.
    ///
    /// - Parameter tensor: A contiguous tensor of the same shape in each process.
    public func broadcast(_ tensor: Tensor, from root: Int = 0) throws -> Collective {
        try start([tensor]) { ct_broadcast(handle, tensor.handle, Int32(root), &$0) }
    }

    /// Starts an all-gather: concatenates the processes' tensors, in every process.
    ///
    /// - Parameters:
    ///   - own: This process's part, [elements].
    ///   - all: The destination of all parts, [``size`` × elements].
    public func allGather(_ own: Tensor, into all: Tensor) throws -> Collective {
        try start([own, all]) { ct_all_gather(handle, all.handle, own.handle, &$0) }
    }

    /// Starts an all-gather in place: hands each process's part of a tensor to all others.
    ///
    /// NCCL gathers all parts at once; with Gloo, which would need a second tensor of the same size, each part is
    /// broadcast. The traffic is the same.
    ///
    /// - Parameter all: A tensor that begins with the part of rank 0, [``size`` × elements].
    public func allGatherInPlace(_ all: Tensor) throws -> [Collective] {
        let share = all.count / size
        func part(_ rank: Int) throws -> Tensor { try all.rows(rank * share..<(rank + 1) * share) }
        guard !isNCCL else { return [try allGather(part(rank), into: all)] }
        return try (0..<size).map { try broadcast(part($0), from: $0) }
    }

    /// Starts a reduce-scatter: sums the processes' tensors, of which each process gets its part.
    ///
    /// Gloo runs an all-reduce on a copy: only NCCL sends less.
    ///
    /// - Parameters:
    ///   - all: This process's summands, [``size`` × elements].
    ///   - own: The destination of this process's part of the sum, [elements].
    public func reduceScatter(_ all: Tensor, into own: Tensor) throws -> Collective {
        try start([own, all]) { ct_reduce_scatter(handle, own.handle, all.handle, &$0) }
    }

    /// Starts to send a tensor to one other process.
    ///
    /// - Parameters:
    ///   - tensor: A contiguous tensor, which must not change until it has been sent.
    ///   - tag: Distinguishes tensors that are in flight at the same time.
    /// - Returns: The operation in progress; it ends when the other process has received the tensor.
    public func send(_ tensor: Tensor, to target: Int, tag: Int) throws -> Collective {
        try transfer([tensor]) { ct_send(handle, tensor.handle, Int32(target), Int32(tag), &$0) }
    }

    /// Starts to receive a tensor from one other process.
    ///
    /// - Parameter tensor: A contiguous tensor of the sender's size and type, which is overwritten.
    public func receive(into tensor: Tensor, from source: Int, tag: Int) throws -> Collective {
        try transfer([tensor]) { ct_receive(handle, tensor.handle, Int32(source), Int32(tag), &$0) }
    }

    /// Waits until every process has reached this call.
    ///
    /// - Throws: `TorchError.communication` if one does not arrive in time, or is gone.
    public func barrier() throws {
        try start([]) { ct_barrier(handle, &$0) }.wait()
    }

    private func start(_ tensors: [Tensor], _ body: (inout ct_work?) -> ct_error?) throws -> Collective {
        collectives.add(1, ordering: .relaxed)
        return try transfer(tensors, body)
    }

    private func transfer(_ tensors: [Tensor], _ body: (inout ct_work?) -> ct_error?) throws -> Collective {
        try withExtendedLifetime((self, tensors)) {
            var work: ct_work?
            try TorchError.checkCommunication(body(&work))
            guard let work else { throw TorchError.runtime("LibTorch started no collective") }
            let own = CollectiveWork(adopting: work)
            if waitsOnDevice {
                unfinished.withLock { all in
                    // They end in order, and are dropped here, too: ``longestUnfinished`` may never be read.
                    all.removeFirst(all.prefix { $0.hasEnded }.count)
                    all.append(own)
                }
            }
            return Collective(own, tensors: tensors, timeout: waitsOnDevice ? nil : timeout)
        }
    }

    /// The time since the start of the oldest collective that has not ended, where only a GPU waits for them.
    ///
    /// More than ``timeout`` means that another process is gone or hangs. `nil` if all have ended.
    public var longestUnfinished: Duration? {
        unfinished.withLock { all in
            all.removeFirst(all.prefix { $0.hasEnded }.count)
            return all.first.map { .now - $0.began }
        }
    }
}
