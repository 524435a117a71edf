import CW2VLibTorch

/// A queue of a GPU's work beside the one in which a model computes (a CUDA stream).
///
/// `@unchecked Sendable` is safe: the value never changes, and CUDA's streams take work from any thread.
package final class DeviceStream: @unchecked Sendable {
    private let stream: ct_stream

    /// Takes a stream of a GPU.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    package init?(beside device: Device) throws {
        guard case .cuda = device else { return nil }
        var taken = ct_stream()
        try TorchError.check(ct_stream_take(device.packed, &taken))
        stream = taken
    }

    /// Takes a GPU's default stream.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    init?(defaultOf device: Device) throws {
        guard case .cuda = device else { return nil }
        var taken = ct_stream()
        try TorchError.check(ct_stream_default(device.packed, &taken))
        stream = taken
    }

    /// Takes this thread's current stream of a GPU.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    init?(currentOf device: Device) throws {
        guard case .cuda = device else { return nil }
        var taken = ct_stream()
        try TorchError.check(ct_stream_current(device.packed, &taken))
        stream = taken
    }

    /// Queues the work of `body` here, as far as this thread starts it.
    package func run<Result>(_ body: () throws -> Result) throws -> Result {
        var before = ct_stream()
        try TorchError.check(ct_stream_make_current(stream, &before))
        let result = Swift.Result { try body() }
        var own = ct_stream()
        try TorchError.check(ct_stream_make_current(before, &own))
        return try result.get()
    }

    /// Returns an event that happens when all work queued so far is done.
    package func mark() throws -> DeviceEvent {
        var event: ct_event?
        try TorchError.check(ct_event_record(stream, &event))
        guard let event else { throw TorchError.runtime("the GPU made no event") }
        return DeviceEvent(adopting: event)
    }
}

/// The end of work that was queued in a stream.
///
/// `@unchecked Sendable` is safe: the handle never changes, and an event is recorded once, before it is shared.
package final class DeviceEvent: @unchecked Sendable {
    private let handle: ct_event

    fileprivate init(adopting handle: ct_event) { self.handle = handle }

    deinit { ct_event_release(handle) }

    /// Makes the host wait for the event.
    ///
    /// - Throws: `TorchError.recording` in work that is recorded.
    func wait() throws {
        try RecordedWork.forbid("an event cannot be waited for")
        try TorchError.check(ct_event_wait(handle))
    }

    /// Makes later work in this thread's current stream wait for the event; the host does not wait.
    package func precedeLaterWork() throws { try TorchError.check(ct_event_block(handle)) }
}

extension Tensor {
    /// Announces that this thread's current stream uses a tensor of another stream: its memory, once freed, is not
    /// reused before that stream has done its work so far.
    package func useInCurrentStream() throws {
        guard case .cuda = device else { return }
        try withHandle { try TorchError.check(ct_tensor_use_on_current_stream($0)) }
    }
}
