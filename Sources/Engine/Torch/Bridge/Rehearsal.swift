import CW2VLibTorch
import Synchronization

/// Work on the meta device as if it were a GPU: every call is made, and nothing is computed.
///
/// It shows what the host does for a step, without a GPU: the time it takes to issue the step's operators and kernels,
/// and their number. It lacks only the calls of the driver. Whatever is read from the device is 1.
public enum Rehearsal {
    /// The work that a step gives to a device.
    public struct Calls: Sendable, Equatable {
        /// Number of LibTorch's operators, including those that operators call.
        public var operators: Int
        /// Number of kernels of our own.
        public var kernels: Int
    }

    private static let operators = Atomic(0)
    private static let kernels = Atomic(0)
    /// The number of the thread whose calls are counted; 0 for none.
    private static let counted = Atomic<UInt64>(0)

    /// Whether the meta device is used like a GPU.
    @TaskLocal static var isRunning = false

    /// Runs `body`, which may use the meta device like a GPU.
    ///
    /// - Throws: Any error of `body`.
    public static func run<Result>(_ body: () throws -> Result) throws -> Result {
        try TorchError.check(ct_complete_meta_device())
        return try $isRunning.withValue(true) { try body() }
    }

    /// Counts a kernel that a GPU would have been given.
    package static func launch() { if isCounted { kernels.add(1, ordering: .relaxed) } }

    private static var thread: UInt64 {
        var (thread, sequence): (UInt64, Int64) = (0, 0)
        ct_graph_position(&thread, &sequence)
        return thread
    }

    private static var isCounted: Bool {
        let counted = counted.load(ordering: .relaxed)
        return counted != 0 && counted == thread
    }

    /// Counts this thread's calls while `body` runs, which slows it down; backward passes on the meta device run on
    /// the thread that starts them.
    ///
    /// - Throws: Any error of `body`; `TorchError.operation` when LibTorch cannot be observed.
    public static func calls(_ body: () throws -> Void) throws -> Calls {
        operators.store(0, ordering: .relaxed)
        kernels.store(0, ordering: .relaxed)
        counted.store(thread, ordering: .relaxed)
        defer { counted.store(0, ordering: .relaxed) }
        try TorchError.check(ct_observe(observe))
        defer { ct_free(ct_observe(nil)) }
        try body()
        return Calls(
            operators: operators.load(ordering: .relaxed), kernels: kernels.load(ordering: .relaxed))
    }

    private static let observe: ct_observer = { observed, _, _, _ in
        if observed == CT_OPERATOR_BEGINS, Rehearsal.isCounted { Rehearsal.operators.add(1, ordering: .relaxed) }
    }

    /// The address of every tensor: aligned, and never followed.
    static var address: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: 1 << 16) }
}
