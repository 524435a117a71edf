import CW2VLibTorch

/// A collective that c10d runs.
///
/// `@unchecked Sendable` is safe: the handle never changes, and any thread may ask c10d whether a collective has ended.
final class CollectiveWork: @unchecked Sendable {
    fileprivate let handle: ct_work
    /// The time of its start.
    let began = ContinuousClock.now

    init(adopting handle: ct_work) { self.handle = handle }

    deinit { ct_work_release(handle) }

    /// Whether the collective has ended, well or not.
    var hasEnded: Bool { ct_work_is_completed(handle) != 0 }
}

/// A collective in progress; it holds its tensors until it has ended.
public final class Collective {
    private let work: CollectiveWork
    private var handle: ct_work { work.handle }
    private let tensors: [Tensor]
    /// The longest time to wait, in seconds; `nil` if only the device's queue waits.
    private let timeout: Double?

    init(_ work: CollectiveWork, tensors: [Tensor], timeout: Double?) {
        self.work = work
        self.tensors = tensors
        self.timeout = timeout
    }

    /// Waits for the end; afterward the tensors hold the result.
    ///
    /// On a GPU only later work waits, not the host: whether a process is gone shows when a result is read, or in
    /// ``ProcessGroup/longestUnfinished``.
    ///
    /// - Throws: `TorchError.communication` if a process is gone or time runs out.
    public func wait() throws {
        try withExtendedLifetime((self, tensors)) {
            try TorchError.checkCommunication(ct_work_wait(handle, timeout.map(milliseconds) ?? 0))
        }
    }

    private final class EndBox: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Calls `body` at the end, even if nobody waits for the collective.
    ///
    /// - Parameter body: Called once, on one of the library's threads.
    /// - Throws: `TorchError.communication` if this collective cannot report its end.
    public func onEnd(_ body: @escaping @Sendable () -> Void) throws {
        let context = Unmanaged.passRetained(EndBox(body)).toOpaque()
        try TorchError.checkCommunication(
            ct_work_on_end(
                handle, context,
                { context in
                    guard let context else { return }
                    Unmanaged<EndBox>.fromOpaque(context).takeUnretainedValue().body()
                },
                { context in
                    guard let context else { return }
                    Unmanaged<EndBox>.fromOpaque(context).release()
                }))
    }
}
