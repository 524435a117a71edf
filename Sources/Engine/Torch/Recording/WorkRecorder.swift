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

/// The numbers of inputs of recorded work.
public struct RecordingCounts: Equatable, Sendable {
    /// The inputs of new shapes, whose work ran normally.
    public var firstRuns = 0
    /// The inputs whose work was recorded.
    public var recordings = 0
    /// The inputs whose work was replayed, including those that it was recorded for.
    public var replays = 0

    /// Makes counts.
    public init(firstRuns: Int = 0, recordings: Int = 0, replays: Int = 0) {
        (self.firstRuns, self.recordings, self.replays) = (firstRuns, recordings, replays)
    }

    /// The share of inputs whose work was replayed.
    public var replayedShare: Double { Double(replays) / Double(max(1, firstRuns + replays)) }
}

/// Runs the same work on one input after another, and records it where shapes repeat.
///
/// GPU work often consists of many small kernels, each of which takes longer to launch than to run. The first input of
/// a shape runs normally; with the second one the work is recorded, and from then on it is a single launch: a CUDA
/// graph.
///
/// Recorded work must not read the elements of tensors, nor upload anything but constants. Both are errors, on a CPU
/// too, where recorded work is repeated.
public final class WorkRecorder<Input: RecordableInput> {
    private struct Entry {
        let graph: DeviceGraph
        /// The input that the recorded work reads.
        var input: Input?
        var lastUse: Int
    }

    /// The numbers of inputs so far.
    public private(set) var counts = RecordingCounts()

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
    ///   - isLarge: Whether the work takes most of the memory: then all shapes share theirs, from the first run on.
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
    /// - Throws: Any error of the work, and `TorchError.recording` when it cannot be recorded. The next input of the
    ///   shape then counts as the first.
    public func callAsFunction(_ input: Input) throws -> Tensor {
        uses += 1
        let shape = input.shape
        guard var entry = entries[shape] else { return try runFirst(input, shape) }
        entry.lastUse = uses
        entries[shape] = entry
        do {
            if let own = entry.input {
                for (place, tensor) in zip(own.tensors, input.tensors) { try place.copy(from: tensor) }
            } else {
                let own = try input.owned(on: device)
                try entry.graph.record { [work] in try work(own) }
                entries[shape]?.input = own
                counts.recordings += 1
            }
            let result = try entry.graph.replay()
            counts.replays += 1
            return result
        } catch {
            entries[shape] = nil
            throw error
        }
    }

    private func runFirst(_ input: Input, _ shape: Input.Shape) throws -> Tensor {
        let own = try input.owned(on: device)
        let graph = try DeviceGraph(
            on: device, isLarge: isLarge, sharingMemoryOf: isLarge ? entries.values.first?.graph : nil)
        // Small work of a shape that never comes again, as in recognition, needs no memory of its own.
        let result = try graph.rehearse(usingItsMemory: isLarge) { try work(own) }
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries[oldest.key] = nil
        }
        entries[shape] = Entry(graph: graph, lastUse: uses)
        counts.firstRuns += 1
        return result
    }
}
