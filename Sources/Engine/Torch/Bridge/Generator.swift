import CW2VLibTorch

/// A source of random numbers on a device.
///
/// `@unchecked Sendable` is safe: the handle never changes, and LibTorch's operators and the bridge lock the
/// generator's own mutex whenever they use its state.
public final class Generator: @unchecked Sendable {
    let handle: ct_generator

    init(adopting handle: ct_generator) {
        self.handle = handle
    }

    deinit {
        ct_generator_release(handle)
    }

    /// Makes a generator of its own.
    ///
    /// - Throws: `TorchError.runtime` without the device; `TorchError.recording` in work that is recorded.
    public convenience init(seed: Int64, device: Device = .cpu) throws {
        try RecordedWork.forbid("a generator cannot be seeded")
        var made: ct_generator?
        try TorchError.check(ct_generator_create(Self.place(device).packed, UInt64(bitPattern: seed), &made))
        guard let made else { throw TorchError.runtime("LibTorch made no generator on \(device)") }
        self.init(adopting: made)
    }

    /// Returns the device whose generator serves a device: the meta device has no generator, and uses the CPU's.
    private static func place(_ device: Device) -> Device { device == .meta ? .cpu : device }

    /// LibTorch's default generator, which operators use when no other is given.
    public static func standard(on device: Device = .cpu) throws -> Generator {
        var found: ct_generator?
        try TorchError.check(ct_generator_default(Self.place(device).packed, &found))
        guard let found else { throw TorchError.runtime("LibTorch has no default generator on \(device)") }
        return Generator(adopting: found)
    }

    /// Restarts the stream from a seed.
    ///
    /// - Throws: `TorchError.recording` in work that is recorded.
    public func seed(_ seed: Int64) throws {
        try RecordedWork.forbid("a generator cannot be seeded")
        try withExtendedLifetime(self) {
            try TorchError.check(ct_generator_seed(handle, UInt64(bitPattern: seed)))
        }
    }

    /// Returns the state as a tensor of bytes.
    public func state() throws -> Tensor {
        var state: ct_tensor?
        try withExtendedLifetime(self) { try TorchError.check(ct_generator_state(handle, &state)) }
        guard let state else { throw TorchError.runtime("a generator gave no state") }
        return Tensor(adopting: state)
    }

    /// Continues from a saved state.
    public func restore(_ state: Tensor) throws {
        try withExtendedLifetime((self, state)) {
            try TorchError.check(ct_generator_set_state(handle, state.handle))
        }
    }
}
