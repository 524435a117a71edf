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

    private typealias State = (entries: [Key: Entry], elements: Int, uses: Int)

    private let state = Mutex<State>(([:], 0, 0))

    func tensor(_ key: Key, make: () throws -> [Int]) throws -> Tensor {
        try state.withLock { state in
            state.uses += 1
            if var entry = state.entries[key] {
                entry.lastUse = state.uses
                state.entries[key] = entry
                return entry.tensor
            }
            let made = try Tensor(make()).to(dtype: key.dtype).to(device: key.device)
            keep(made, for: key, &state)
            return made
        }
    }

    /// Returns whether a constant is on a device.
    func has(_ constant: ShapeConstant, on device: Device) -> Bool {
        let key = Key(constant, on: device)
        return state.withLock { $0.entries[key] != nil }
    }

    /// Keeps a constant that came with a batch.
    func insert(_ tensor: Tensor, for constant: ShapeConstant, on device: Device) {
        let key = Key(constant, on: device)
        state.withLock { state in
            guard state.entries[key] == nil else { return }
            state.uses += 1
            keep(tensor, for: key, &state)
        }
    }

    private func keep(_ tensor: Tensor, for key: Key, _ state: inout State) {
        state.entries[key] = Entry(tensor: tensor, lastUse: state.uses)
        state.elements += tensor.count
        while state.elements > capacity, state.entries.count > 1,
            let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse })
        {
            state.entries[oldest.key] = nil
            state.elements -= oldest.value.tensor.count
        }
    }
}

extension DeviceConstants.Key {
    init(_ constant: ShapeConstant, on device: Device) {
        self.init(purpose: constant.purpose, shape: constant.shape, dtype: constant.dtype, device: device)
    }
}
