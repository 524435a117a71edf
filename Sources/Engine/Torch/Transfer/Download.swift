/// Numbers on their way from a device to the host.
///
/// Reading a tensor makes the host wait for all work that was queued before it is read. A download is queued where the
/// numbers are made: waiting for it is waiting for the work before it only, while the device does what comes after.
package struct Download: Sendable {
    private let host: Tensor
    /// The end of the copy; `nil` if it is complete.
    private let arrival: DeviceEvent?

    /// Queues the copy in this thread's current stream; later work there may overwrite the tensor.
    ///
    /// - Throws: `TorchError.operation` if memory runs out.
    package init(_ tensor: Tensor) throws {
        guard let stream = try DeviceStream(currentOf: tensor.device) else {
            (host, arrival) = (try tensor.cloned(), nil)
            return
        }
        host = try .empty(tensor.shape, dtype: tensor.dtype, isPinned: true)
        try host.queueCopy(from: tensor)
        arrival = try stream.mark()
    }

    /// Waits for the numbers.
    ///
    /// - Returns: The tensor in host memory.
    /// - Throws: `TorchError.operation` if the device has failed.
    package func wait() throws -> Tensor {
        try arrival?.wait()
        return host
    }
}
