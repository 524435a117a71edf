/// What recorded work reads: tensors of the same shapes each time.
public protocol RecordableInput {
    /// What decides the shapes of everything that the work computes, and everything else that it does not read from tensors.
    associatedtype Shape: Hashable

    /// The shape.
    var shape: Shape { get }
    /// The tensors, always in the same order.
    var tensors: [Tensor] { get }

    /// The same input with tensors on a device that nobody else has: the first recorded one is written over by later ones.
    func owned(on device: Device) throws -> Self
}

/// Does the same work on one input after another, and records it where shapes repeat.
///
/// On a GPU much work is many small pieces, each of which takes longer to ask for than to do. The first input of a shape is
/// worked on as it is; with the second one the work is recorded, and is a single launch from then on: a CUDA graph.
public final class WorkRecorder<Input: RecordableInput> {
    private struct Entry {
        /// What shapes alone decide, which a recording cannot upload.
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
    ///   - capacity: How many shapes are remembered; the one that was not asked for longest is forgotten first.
    ///   - isLarge: Whether the work takes most of the memory there is: then all recordings share theirs.
    ///   - work: The work, which reads tensors of the input alone, and those that never move, such as parameters. It must not
    ///     wait for the device, nor upload anything but constants.
    public init(
        on device: Device, capacity: Int, isLarge: Bool, _ work: @escaping (Input) throws -> Tensor
    ) {
        (self.device, self.capacity, self.isLarge, self.work) = (device, capacity, isLarge, work)
    }

    /// Works on an input.
    ///
    /// - Returns: What the work gives; the next call may write it anew.
    /// - Throws: What the work throws, and `TorchError.recording` when it cannot be recorded.
    public func callAsFunction(_ input: Input) throws -> Tensor {
        uses += 1
        let shape = input.shape
        guard var entry = entries[shape] else {
            let entry = Entry(lastUse: uses)
            let own = try input.owned(on: device)
            let result = try entry.constants.noted { try work(own) }
            // Only now: a recording needs what the work has used.
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
