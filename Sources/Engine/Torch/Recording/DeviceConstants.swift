import Synchronization

/// Integers that follow from shapes, such as row indices, cached on devices.
///
/// Shapes repeat, above all in services and benchmarks, and an upload takes as long as a small kernel.
final class DeviceConstants: Sendable {
    /// What determines a constant.
    struct Key: Hashable {
        let purpose: String
        let shape: [Int]
        let dtype: DType
        let device: Device
    }

    /// The constants that some work uses: recorded work holds only their addresses, and cannot upload any.
    final class Uses: Sendable {
        private let tensors = Mutex<[Key: Tensor]>([:])

        func find(_ key: Key) -> Tensor? { tensors.withLock { $0[key] } }
        func note(_ tensor: Tensor, for key: Key) { tensors.withLock { $0[key] = tensor } }
    }

    private struct Entry {
        let tensor: Tensor
        var lastUse: Int
    }

    /// The cache of the process, of 32 MB.
    static let shared = DeviceConstants(capacity: 4 << 20)

    private let capacity: Int

    /// Makes a cache.
    ///
    /// - Parameter capacity: The maximum number of elements kept.
    init(capacity: Int) { self.capacity = capacity }

    private let state = Mutex<(entries: [Key: Entry], elements: Int, uses: Int)>(([:], 0, 0))

    func tensor(_ key: Key, make: () throws -> [Int]) throws -> Tensor {
        try state.withLock { state in
            state.uses += 1
            if var entry = state.entries[key] {
                entry.lastUse = state.uses
                state.entries[key] = entry
                return entry.tensor
            }
            let made = try Tensor(make()).to(dtype: key.dtype).to(device: key.device)
            state.entries[key] = Entry(tensor: made, lastUse: state.uses)
            state.elements += made.count
            while state.elements > capacity, state.entries.count > 1,
                let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.entries[oldest.key] = nil
                state.elements -= oldest.value.tensor.count
            }
            return made
        }
    }
}

extension Tensor {
    /// Returns integers that a shape determines.
    ///
    /// On a device, and in recorded work, the tensor is cached and shared: it must not be written to.
    ///
    /// - Parameter purpose: The meaning of the numbers; together with `shape` it determines them.
    /// - Returns: [count].
    /// - Throws: Any error of `make`; `TorchError.recording` if recorded work uses it without having used it before.
    public static func constant(
        _ purpose: String, _ shape: [Int], as dtype: DType = .int64, on device: Device, make: () throws -> [Int]
    ) throws -> Tensor {
        let key = DeviceConstants.Key(purpose: purpose, shape: shape, dtype: dtype, device: device)
        guard let work = RecordedWork.current else {
            guard device != .cpu else { return try Tensor(make()).to(dtype: dtype) }
            return try DeviceConstants.shared.tensor(key, make: make)
        }
        return try work.constant(key) { try DeviceConstants.shared.tensor(key, make: make) }
    }
}
