import CW2VLibTorch
import Synchronization

/// Work on a GPU that was recorded once, and is replayed at the price of a single launch (a CUDA graph).
///
/// It reads and writes the same memory each time: new input is copied into the tensors that the recorded work read. On a
/// CPU, which records nothing, the work is done again.
///
/// Who replays must be the only user of the input and output meanwhile, as with any shared tensor.
final class DeviceGraph {
    private enum Work {
        case recorded(ct_graph, output: Tensor)
        case repeated(() throws -> Tensor)
    }

    private static let recordings = Atomic(0)

    /// Whether some work is being recorded: who waits for a GPU then spoils it.
    static var isRecording: Bool { recordings.load(ordering: .acquiring) > 0 }

    private let work: Work
    /// What the work reads beside its input: the graph has nothing but their addresses.
    private let constants: DeviceConstants.Uses

    /// Records work without doing it.
    ///
    /// Nothing in it may wait for the GPU, read its numbers, or upload any: what depends on shapes must be there already, as
    /// it is after ``Tensor/constant(_:_:as:on:make:)`` within the same constants. All other tensors that it reads must
    /// outlive the graph.
    ///
    /// - Parameters:
    ///   - constants: What the same work used when it was done before.
    ///   - isLarge: Whether the work takes most of the memory that there is.
    ///   - other: Whose memory the work may use: what one of the two gave has been read when the other one is replayed.
    /// - Throws: `TorchError.recording` when the work cannot be recorded.
    init(
        on device: Device, constants: DeviceConstants.Uses, isLarge: Bool, sharingMemoryOf other: DeviceGraph?,
        _ body: @escaping () throws -> Tensor
    ) throws {
        self.constants = constants
        guard case .cuda(let index) = device else {
            work = .repeated(body)
            return
        }
        Self.recordings.add(1, ordering: .acquiringAndReleasing)
        defer { Self.recordings.subtract(1, ordering: .acquiringAndReleasing) }
        var begun: ct_graph?
        do {
            try TorchError.check(ct_cuda_graph_begin(Int32(index), isLarge, other?.handle, &begun))
            guard let begun else { throw TorchError.runtime("no recording began") }
            let result = Result { try constants.noted(body) }
            // The recording must end whatever happened in it; why it failed is told by what failed first.
            let end = Result { try TorchError.check(ct_cuda_graph_end(begun)) }
            let output = try result.get()
            try end.get()
            work = .recorded(begun, output: output)
        } catch {
            if let begun { ct_cuda_graph_release(begun) }
            throw TorchError.recording("the work cannot be recorded on \(device): \(error)")
        }
    }

    deinit {
        if let handle { ct_cuda_graph_release(handle) }
    }

    private var handle: ct_graph? {
        if case .recorded(let handle, _) = work { return handle }
        return nil
    }

    /// Does the work again.
    ///
    /// - Returns: What it gave, which the next time writes anew.
    /// - Throws: `TorchError.operation` when the GPU has failed.
    func replay() throws -> Tensor {
        switch work {
        case .recorded(let handle, let output):
            try TorchError.check(ct_cuda_graph_replay(handle))
            return output
        case .repeated(let body): return try body()
        }
    }
}
