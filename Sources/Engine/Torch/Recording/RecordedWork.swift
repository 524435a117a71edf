import CW2VLibTorch
import Synchronization

/// Work that runs to be recorded later, or that is being recorded, on all threads that take part in it.
///
/// Backward passes run on LibTorch's threads, which belong to the work; a thread that prepares the next batch meanwhile
/// does not. On a CPU, recorded work is repeated instead, and the same rules hold: whatever would spoil a recording on a
/// GPU is an error there, too.
final class RecordedWork: Sendable {
    /// What happens to the work.
    enum Phase {
        /// It runs on the memory of the recording to come, and collects the constants that it uses.
        case rehearsed
        /// It is recorded, or repeated: it may only use what it reads from its input, and the constants collected before.
        case recorded
    }

    let phase: Phase
    private let device: Device
    private let constants: DeviceConstants.Uses

    init(_ phase: Phase, on device: Device, constants: DeviceConstants.Uses) {
        (self.phase, self.device, self.constants) = (phase, device, constants)
    }

    /// The amount of work in progress: while there is none, nobody has to ask LibTorch.
    private static let running = Atomic(0)

    /// The work that this thread takes part in.
    static var current: RecordedWork? {
        guard running.load(ordering: .acquiring) > 0, let context = ct_scope_context() else { return nil }
        return Unmanaged<RecordedWork>.fromOpaque(context).takeUnretainedValue()
    }

    /// Throws if this thread's work is being recorded.
    ///
    /// - Parameter problem: What is not possible then, up to the reason.
    /// - Throws: `TorchError.recording`.
    static func forbid(_ problem: @autoclosure () -> String) throws {
        guard let current, current.phase == .recorded else { return }
        throw TorchError.recording("\(problem()) while work is recorded: replays repeat only what the device does")
    }

    /// Runs the work.
    func callAsFunction<Result>(_ body: () throws -> Result) throws -> Result {
        Self.running.add(1, ordering: .acquiringAndReleasing)
        defer { Self.running.subtract(1, ordering: .acquiringAndReleasing) }
        return try withExtendedLifetime(self) {
            try TorchError.check(ct_scope_begin(Unmanaged.passUnretained(self).toOpaque()))
            defer { ct_scope_end() }
            return try body()
        }
    }

    /// Finds a constant that the work has used before, or makes and collects it.
    ///
    /// - Throws: `TorchError.recording` for a new constant of work that is being recorded; any error of `make`.
    func constant(_ key: DeviceConstants.Key, make: () throws -> Tensor) throws -> Tensor {
        if let found = constants.find(key) { return found }
        try Self.forbid("the constant '\(key.purpose)' of \(key.shape) cannot be copied to \(key.device)")
        let made = try aside(make)
        constants.note(made, for: key)
        return made
    }

    /// Makes tensors that outlive the work.
    ///
    /// Their memory is not that of recordings, which those of other shapes overwrite.
    private func aside(_ make: () throws -> Tensor) throws -> Tensor {
        guard let stream = try DeviceStream(defaultOf: device) else { return try make() }
        let made = try stream.run(make)
        try stream.mark().precedeLaterWork()
        return made
    }
}
