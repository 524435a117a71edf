/// The input of recorded work: tensors of the same shapes each time.
public protocol RecordableInput {
    /// A description that determines the shapes of everything that the work computes, and all else that it does not
    /// read from tensors.
    associatedtype Shape: Hashable

    /// The shape.
    var shape: Shape { get }
    /// The tensors, always in the same order.
    var tensors: [Tensor] { get }

    /// Returns the same input with tensors of its own on a device: later inputs overwrite those of the first recorded
    /// one.
    func owned(on device: Device) throws -> Self
}

/// Runs the same work on one input after another, and records it where shapes repeat.
///
/// GPU work often consists of many small kernels, each of which takes longer to launch than to run. The first input of
/// a shape runs normally; with the second one the work is recorded, and from then on it is a single launch: a CUDA
/// graph.
public final class WorkRecorder<Input: RecordableInput> {
    private struct Entry {
        /// The constants that depend on shapes only, which a recording cannot upload.
        let constants = DeviceConstants.Uses()
        var recorded: (input: Input, graph: DeviceGraph)?
        var lastUse = 0
    }

    private let device: Device
    private let capacity: Int
    private let isLarge: Bool
    private let work: (Input) throws -> Tensor
    private var entries: [Input.Shape: Entry] = [:]
    private var uses = 0

    /// Prepares for inputs.
    ///
    /// - Parameters:
    ///   - capacity: The number of shapes to remember; the least recently used is forgotten first.
    ///   - isLarge: Whether the work takes most of the memory: then all recordings share theirs.
    ///   - work: The work. It may read tensors of the input, and tensors that never move, such as parameters. It must
    ///     not synchronize with the device, nor upload anything but constants.
    public init(
        on device: Device, capacity: Int, isLarge: Bool, _ work: @escaping (Input) throws -> Tensor
    ) {
        (self.device, self.capacity, self.isLarge, self.work) = (device, capacity, isLarge, work)
    }

    /// Runs the work on an input.
    ///
    /// - Returns: The result; the next call may overwrite it.
    /// - Throws: Any error of the work, and `TorchError.recording` when it cannot be recorded.
    public func callAsFunction(_ input: Input) throws -> Tensor {
        uses += 1
        let shape = input.shape
        guard var entry = entries[shape] else {
            let entry = Entry(lastUse: uses)
            let own = try input.owned(on: device)
            let result = try entry.constants.noted { try work(own) }
            // Only now: a recording needs the constants of the earlier run.
            forgetOldest()
            entries[shape] = entry
            return result
        }
        entry.lastUse = uses
        entries[shape] = entry
        if let (own, graph) = entry.recorded {
            for (place, tensor) in zip(own.tensors, input.tensors) { try place.copy(from: tensor) }
            return try graph.replay()
        }
        let own = try input.owned(on: device)
        let graph = try DeviceGraph(
            on: device, constants: entry.constants, isLarge: isLarge,
            sharingMemoryOf: isLarge ? entries.values.lazy.compactMap(\.recorded?.graph).first : nil
        ) { [work] in try work(own) }
        entries[shape]?.recorded = (own, graph)
        return try graph.replay()
    }

    private func forgetOldest() {
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries[oldest.key] = nil
        }
    }
}
