import CW2VLibTorch
import Synchronization

/// Processes that compute together, each with its rank (c10d's process group).
///
/// Every process must call the same collectives in the same order. `@unchecked Sendable` is safe: c10d's groups take
/// calls from any thread; the order of the calls is the caller's.
public final class ProcessGroup: @unchecked Sendable {
    /// This process's number, from 0.
    public let rank: Int
    /// How many processes there are.
    public let size: Int
    /// The longest that a collective may take, in seconds.
    public let timeout: Double
    private let isNCCL: Bool
    let handle: ct_process_group
    // The group goes on using the store that it was made with.
    private let store: TCPStore
    private let collectives = Atomic<Int>(0)

    /// How many collectives this process has begun: as many in every process, but for those that others still wait for.
    public var collectivesBegun: Int { collectives.load(ordering: .relaxed) }

    /// How the values of all processes become one.
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
    ///   - name: What tells this group from others in the same store.
    ///   - address: Without an interface, this machine's address to use; `nil` for the one of the machine's name.
    ///   - timeout: The longest that joining or a collective may take, in seconds.
    /// - Throws: `TorchError.communication` if the others do not come in time.
    public init(
        gloo store: TCPStore, name: String, interface: String?, address: String?, rank: Int, size: Int, timeout: Double
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
        self.store = store
        self.rank = rank
        self.size = size
        self.timeout = timeout
    }

    /// Joins a group for tensors of a GPU (NCCL), waiting for the other processes.
    ///
    /// - Parameters:
    ///   - name: What tells this group from others in the same store.
    ///   - device: The number of this process's GPU.
    ///   - timeout: The longest that a collective may take, in seconds.
    /// - Throws: `TorchError.communication` if NCCL's library is missing, or the others do not come.
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
        self.store = store
        self.rank = rank
        self.size = size
        self.timeout = timeout
    }

    deinit { ct_process_group_release(handle) }

    /// Starts to replace a tensor's values by those of all processes together.
    ///
    /// - Parameter tensor: A contiguous tensor of the same shape in each process, changed in place.
    public func allReduce(_ tensor: Tensor, _ reduction: Reduction = .sum) throws -> Collective {
        try start([tensor]) { ct_all_reduce(handle, tensor.handle, reduction.raw, &$0) }
    }

    /// Starts to sum the processes' tensors into that of one of them.
    ///
    /// By NCCL each process sends its summands once, where an all-reduce also sends the sums back. Reductions of several
    /// stretches of a buffer, each to the process that needs it, are a reduce-scatter in which stretches may be of any
    /// size. By Gloo each process sends everything once, and its part of the sum besides: more than in an all-reduce
    /// between two processes, which is taken there, and less between others.
    ///
    /// - Parameters:
    ///   - tensor: A contiguous tensor of the same shape in each process, changed in place: what it holds afterwards in
    ///     other processes than `root` is undefined.
    ///   - root: The rank that gets the sum.
    public func reduce(_ tensor: Tensor, to root: Int) throws -> Collective {
        guard isNCCL || size > 2 else { return try allReduce(tensor) }
        return try start([tensor]) { ct_reduce(handle, tensor.handle, Int32(root), &$0) }
    }

    /// Starts to copy a tensor of one process into that of every other.
    ///
    /// - Parameter tensor: A contiguous tensor of the same shape in each process.
    public func broadcast(_ tensor: Tensor, from root: Int = 0) throws -> Collective {
        try start([tensor]) { ct_broadcast(handle, tensor.handle, Int32(root), &$0) }
    }

    /// Starts to lay the processes' tensors one after the other, everywhere.
    ///
    /// - Parameters:
    ///   - own: This process's part, [elements].
    ///   - all: Where all parts go, [``size`` × elements].
    public func allGather(_ own: Tensor, into all: Tensor) throws -> Collective {
        try start([own, all]) { ct_all_gather(handle, all.handle, own.handle, &$0) }
    }

    /// Starts to hand each process's part of a tensor to all others, in place.
    ///
    /// NCCL gathers all parts at once; by Gloo, which would gather them in a second tensor of the same size, each is
    /// broadcast. What a process sends and receives is the same.
    ///
    /// - Parameter all: A tensor that begins with the part of rank 0, [``size`` × elements].
    public func allGatherInPlace(_ all: Tensor) throws -> [Collective] {
        let share = all.count / size
        func part(_ rank: Int) throws -> Tensor { try all.rows(rank * share..<(rank + 1) * share) }
        guard !isNCCL else { return [try allGather(part(rank), into: all)] }
        return try (0..<size).map { try broadcast(part($0), from: $0) }
    }

    /// Starts to sum the processes' tensors, of which each process gets its part.
    ///
    /// Gloo makes an all-reduce of a copy of this: only NCCL sends less.
    ///
    /// - Parameters:
    ///   - all: This process's summands, [``size`` × elements].
    ///   - own: Where this process's part of the sum goes, [elements].
    public func reduceScatter(_ all: Tensor, into own: Tensor) throws -> Collective {
        try start([own, all]) { ct_reduce_scatter(handle, own.handle, all.handle, &$0) }
    }

    /// Starts to send a tensor to one other process.
    ///
    /// - Parameters:
    ///   - tensor: A contiguous tensor, left as it is until it has been sent.
    ///   - tag: Tells tensors that are under way at once from each other.
    /// - Returns: The sending under way; it ends when the other process has taken the tensor.
    public func send(_ tensor: Tensor, to target: Int, tag: Int) throws -> Collective {
        try transfer([tensor]) { ct_send(handle, tensor.handle, Int32(target), Int32(tag), &$0) }
    }

    /// Starts to receive a tensor from one other process.
    ///
    /// - Parameter tensor: A contiguous tensor of the sender's size and type, which is overwritten.
    public func receive(into tensor: Tensor, from source: Int, tag: Int) throws -> Collective {
        try transfer([tensor]) { ct_receive(handle, tensor.handle, Int32(source), Int32(tag), &$0) }
    }

    /// Waits until every process has come here.
    ///
    /// - Throws: `TorchError.communication` if one does not come in time, or is gone.
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
            return Collective(adopting: work, tensors: tensors, timeout: timeout)
        }
    }
}
