import CW2VLibTorch

/// A queue of a GPU's work (a CUDA stream).
///
/// `@unchecked Sendable` is safe: the value never changes, and any thread may queue work in a CUDA stream.
package final class DeviceStream: @unchecked Sendable {
    private let stream: ct_stream

    private init?(_ device: Device, _ find: (Int64, UnsafeMutablePointer<ct_stream>?) -> ct_error?) throws {
        guard case .cuda = device else { return nil }
        var found = ct_stream()
        try TorchError.check(find(device.packed, &found))
        stream = found
    }

    /// Takes a stream of a GPU beside the one in which a model computes.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    package convenience init?(beside device: Device) throws { try self.init(device) { ct_stream_take($0, $1) } }

    /// Finds a GPU's default stream.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    convenience init?(defaultOf device: Device) throws { try self.init(device) { ct_stream_default($0, $1) } }

    /// Finds this thread's current stream of a GPU.
    ///
    /// - Returns: `nil` for a device without streams.
    /// - Throws: `TorchError.operation` if the driver refuses.
    convenience init?(currentOf device: Device) throws { try self.init(device) { ct_stream_current($0, $1) } }

    /// Runs `body` with this stream as the current one of this thread.
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
/// `@unchecked Sendable` is safe: the handle never changes, the event is recorded before it is shared, and any thread
/// may wait for a CUDA event.
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
    /// Tells LibTorch that this thread's current stream uses a tensor of another stream.
    ///
    /// Once the tensor is freed, its memory is not reused before the current stream has done the work queued so far.
    package func useInCurrentStream() throws {
        guard case .cuda = device else { return }
        try withHandle { try TorchError.check(ct_tensor_use_on_current_stream($0)) }
    }
}
