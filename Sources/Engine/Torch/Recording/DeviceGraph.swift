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
        case recorded(output: Tensor)
        case repeated(() throws -> Tensor)
        /// On the meta device nothing is computed again either.
        case rehearsed(output: Tensor)
    }

    private static let recordings = Atomic(0)

    /// Whether some thread records work on a GPU: synchronizing with it would spoil the recording.
    static var isRecording: Bool { recordings.load(ordering: .acquiring) > 0 }

    private let device: Device
    /// The GPU's stream, memory and, once it is recorded, work; `nil` on a CPU.
    private let handle: ct_graph?
    /// The constants that the work reads: the graph has only their addresses.
    private let constants = DeviceConstants.Uses()
    private var work: Work?

    /// Prepares for work.
    ///
    /// - Parameters:
    ///   - isLarge: Whether the work takes most of the memory.
    ///   - other: A graph whose memory the work may share: the result of one must have been read before the other runs.
    /// - Throws: `TorchError.operation` when the GPU has failed.
    init(on device: Device, isLarge: Bool, sharingMemoryOf other: DeviceGraph?) throws {
        self.device = device
        guard case .cuda(let index) = device else {
            handle = nil
            return
        }
        var prepared: ct_graph?
        try TorchError.check(ct_cuda_graph_prepare(Int32(index), isLarge, other?.handle, &prepared))
        guard let prepared else { throw TorchError.runtime("LibTorch prepared no recording on \(device)") }
        handle = prepared
    }

    deinit {
        if let handle { ct_cuda_graph_release(handle) }
    }

    /// Whether the work has been recorded.
    var isRecorded: Bool { work != nil }

    /// Runs the work for the first time, which may upload constants.
    ///
    /// - Parameter usesItsMemory: Whether the work already runs on the stream and with the memory of the recording. Then
    ///   there is one set of activations only, what libraries keep for a stream is made before the recording, and
    ///   nothing that gradients remember refers to another stream.
    /// - Throws: Any error of the work.
    func rehearse(usingItsMemory usesItsMemory: Bool, _ body: () throws -> Tensor) throws -> Tensor {
        let rehearsal = RecordedWork(.rehearsed, on: device, constants: constants)
        guard let handle, usesItsMemory else { return try rehearsal(body) }
        try TorchError.check(ct_cuda_graph_begin_rehearsal(handle))
        let result = Result { try rehearsal(body) }
        // It must end whatever happened in it; the first error is the one that explains a failure.
        let end = Result { try TorchError.check(ct_cuda_graph_end_rehearsal(handle)) }
        let output = try result.get()
        try end.get()
        return output
    }

    /// Records the work without running it.
    ///
    /// The work must not synchronize with the GPU, read its results, or upload anything: constants that depend on
    /// shapes are those of the rehearsal. All other tensors that it reads must outlive the graph.
    ///
    /// - Throws: `TorchError.recording` when the work cannot be recorded; the graph is of no more use then.
    func record(_ body: @escaping () throws -> Tensor) throws {
        guard let handle else {
            work = device == .meta ? .rehearsed(output: try body()) : .repeated(body)
            return
        }
        Self.recordings.add(1, ordering: .acquiringAndReleasing)
        defer { Self.recordings.subtract(1, ordering: .acquiringAndReleasing) }
        do {
            try TorchError.check(ct_cuda_graph_begin(handle))
            let result = Result { try RecordedWork(.recorded, on: device, constants: constants)(body) }
            let end = Result { try TorchError.check(ct_cuda_graph_end(handle)) }
            let output = try result.get()
            try end.get()
            work = .recorded(output: output)
        } catch {
            throw TorchError.recording("the work cannot be recorded on \(device): \(error)")
        }
    }

    /// Runs the recorded work.
    ///
    /// - Returns: The result, which the next replay overwrites.
    /// - Throws: `TorchError.operation` when the GPU has failed; on a CPU, `TorchError.recording` for work that could
    ///   not be recorded on a GPU.
    func replay() throws -> Tensor {
        switch work {
        case .recorded(let output):
            guard let handle else { break }
            try TorchError.check(ct_cuda_graph_replay(handle))
            return output
        case .repeated(let body): return try RecordedWork(.recorded, on: device, constants: constants)(body)
        case .rehearsed(let output):
            Rehearsal.launch()
            return output
        case nil: break
        }
        throw TorchError.recording("nothing has been recorded on \(device)")
    }
}
