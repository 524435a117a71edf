/// Integers that a shape determines, such as row indices, on any device.
///
/// A device keeps those of recent shapes. A batch can bring along what its device lacks (``Upload/add(_:)``), so that
/// the passes over it upload nothing.
public struct ShapeConstant: Sendable {
    let purpose: String
    let shape: [Int]
    let dtype: DType
    let make: @Sendable () -> [Int]

    /// Describes integers.
    ///
    /// - Parameters:
    ///   - purpose: The meaning of the numbers; together with `shape` it determines them.
    ///   - make: Returns the numbers.
    public init(_ purpose: String, _ shape: [Int], as dtype: DType = .int64, _ make: @escaping @Sendable () -> [Int]) {
        (self.purpose, self.shape, self.dtype, self.make) = (purpose, shape, dtype, make)
    }

    /// Returns the integers: [count].
    ///
    /// On a device, and in recorded work, the tensor is cached and shared: it must not be written to.
    ///
    /// - Throws: `TorchError.operation` if memory runs out; `TorchError.recording` if recorded work uses the constant
    ///   without having used it before.
    public func callAsFunction(on device: Device) throws -> Tensor {
        let key = DeviceConstants.Key(self, on: device)
        if let work = RecordedWork.current {
            return try work.constant(key) { try DeviceConstants.shared.tensor(key, make: make) }
        }
        guard device != .cpu else {
            let made = try Tensor(make()).to(dtype: dtype)
            if UploadLog.isNew(purpose, shape, dtype) { UploadLog.note(made) }
            return made
        }
        return try DeviceConstants.shared.tensor(key, make: make)
    }
}
