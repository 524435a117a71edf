import CW2VLibTorch
import Synchronization

/// GPU work that is recorded once and replayed at the cost of a single launch (a CUDA graph).
///
/// It reads and writes the same memory each time: new input is copied into the tensors that the recorded work read. A
/// CPU records nothing and repeats the work.
///
/// During a replay nobody else may use the input and output, as with any shared tensor.
final class DeviceGraph {
    private enum Work {
        case recorded(ct_graph, output: Tensor)
        case repeated(() throws -> Tensor)
        /// On the meta device nothing is computed again either.
        case rehearsed(output: Tensor)
    }

    private static let recordings = Atomic(0)

    /// Whether some work is being recorded: synchronizing with a GPU would spoil it.
    static var isRecording: Bool { recordings.load(ordering: .acquiring) > 0 }

    private let work: Work
    /// The constants that the work reads: the graph has only their addresses.
    private let constants: DeviceConstants.Uses

    /// Records work without running it.
    ///
    /// The work must not synchronize with the GPU, read its results, or upload anything: constants that depend on
    /// shapes must be cached already, as they are after ``Tensor/constant(_:_:as:on:make:)`` within the same
    /// `constants`. All other tensors that it reads must outlive the graph.
    ///
    /// - Parameters:
    ///   - constants: The constants that an earlier run of the same work used.
    ///   - isLarge: Whether the work takes most of the memory.
    ///   - other: A graph whose memory the work may share: the result of one must have been read before the other is
    ///     replayed.
    /// - Throws: `TorchError.recording` when the work cannot be recorded.
    init(
        on device: Device, constants: DeviceConstants.Uses, isLarge: Bool, sharingMemoryOf other: DeviceGraph?,
        _ body: @escaping () throws -> Tensor
    ) throws {
        self.constants = constants
        guard case .cuda(let index) = device else {
            work = device == .meta ? .rehearsed(output: try constants.noted(body)) : .repeated(body)
            return
        }
        Self.recordings.add(1, ordering: .acquiringAndReleasing)
        defer { Self.recordings.subtract(1, ordering: .acquiringAndReleasing) }
        var begun: ct_graph?
        do {
            try TorchError.check(ct_cuda_graph_begin(Int32(index), isLarge, other?.handle, &begun))
            guard let begun else { throw TorchError.runtime("no recording began") }
            let result = Result { try constants.noted(body) }
            // The recording must end whatever happened in it; the first error is the one that explains a failure.
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

    /// Runs the work again.
    ///
    /// - Returns: The result, which the next replay overwrites.
    /// - Throws: `TorchError.operation` when the GPU has failed.
    func replay() throws -> Tensor {
        switch work {
        case .recorded(let handle, let output):
            try TorchError.check(ct_cuda_graph_replay(handle))
            return output
        case .repeated(let body): return try body()
        case .rehearsed(let output):
            Rehearsal.launch()
            return output
        }
    }
}
