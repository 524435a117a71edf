import CLibTorch

/// Work on a GPU that was recorded once, and is replayed at the price of a single launch (a CUDA graph).
///
/// It reads and writes the same memory each time: new input is copied into the tensors that the recorded work read.
///
/// `@unchecked Sendable` is safe: the handle never changes, and LibTorch's streams order what threads ask for; who replays
/// must be the only user of the input and output meanwhile, as with any shared tensor.
public final class DeviceGraph: @unchecked Sendable {
    private let graph: ct_graph
    /// What the work reads beside its input: the graph has nothing but their addresses.
    private let constants = DeviceConstants.Uses()
    /// What the recorded work returned; replaying writes it anew.
    public let output: Tensor

    /// Records work without doing it.
    ///
    /// Nothing in it may wait for the GPU, read its numbers, or upload any: what depends on shapes must be there already, as
    /// it is after ``Tensor/constant(_:_:as:on:make:)``. All other tensors that it reads must outlive the graph.
    ///
    /// - Parameters:
    ///   - device: The GPU.
    ///   - body: The work.
    /// - Throws: What `body` throws, and `TorchError.operation` when the work cannot be recorded.
    public init(on device: Device, _ body: () throws -> Tensor) throws {
        guard case .cuda(let index) = device else { throw TorchError.runtime("work on \(device) cannot be recorded") }
        var begun: ct_graph?
        try TorchError.check(ct_cuda_graph_begin(Int32(index), &begun))
        guard let begun else { throw TorchError.runtime("no recording began on \(device)") }
        do {
            output = try DeviceConstants.$uses.withValue(constants) { try body() }
        } catch {
            // The recording must end whatever happened in it.
            ct_free(ct_cuda_graph_end(begun))
            ct_cuda_graph_release(begun)
            throw error
        }
        if let error = ct_cuda_graph_end(begun) {
            defer { ct_free(error) }
            ct_cuda_graph_release(begun)
            throw TorchError.operation(String(cString: error))
        }
        graph = begun
    }

    deinit { ct_cuda_graph_release(graph) }

    /// Does the work again.
    ///
    /// - Throws: `TorchError.operation` when the GPU has failed.
    public func replay() throws { try TorchError.check(ct_cuda_graph_replay(graph)) }
}
