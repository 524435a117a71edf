import CW2VLibTorch

/// A collective in progress; it holds its tensors until it has ended.
public final class Collective {
    private let handle: ct_work
    private let tensors: [Tensor]
    private let timeout: Double

    init(adopting handle: ct_work, tensors: [Tensor], timeout: Double) {
        self.handle = handle
        self.tensors = tensors
        self.timeout = timeout
    }

    deinit { ct_work_release(handle) }

    /// Waits for the end; afterward the tensors hold the result.
    ///
    /// - Throws: `TorchError.communication` if a process is gone or time runs out.
    public func wait() throws {
        try withExtendedLifetime((self, tensors)) {
            try TorchError.checkCommunication(ct_work_wait(handle, milliseconds(timeout)))
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
