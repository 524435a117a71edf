import Foundation

extension Device {
    /// Operations per second of a large matrix product here and now, the best of several.
    ///
    /// What a model reaches of it is its utilization. A multiplication with its addition counts as two operations.
    ///
    /// - Parameter size: Rows and columns of the matrices; `nil` for what fills the device.
    /// - Returns: Operations per second.
    public func matrixProductSpeed(size: Int? = nil, repetitions: Int = 8, dtype: DType = .float32) throws -> Double {
        let size = size ?? (self == .cpu ? 2048 : 8192)
        let generator = try Generator(seed: 1)
        let (left, right) = (
            try Tensor.normal([size, size], generator: generator).to(dtype: dtype, device: self),
            try Tensor.normal([size, size], generator: generator).to(dtype: dtype, device: self)
        )
        var best = 0.0
        for _ in 0..<repetitions {
            let began = ContinuousClock.now
            // Reading a number waits for the device.
            _ = try left.matmul(right).rows(0..<1).narrowed(1, 0..<1).item()
            let seconds = (ContinuousClock.now - began) / .seconds(1)
            best = max(best, 2 * pow(Double(size), 3) / seconds)
        }
        return best
    }

    /// Bytes per second of copying a large tensor here and now, read and written ones counted, the best of several.
    ///
    /// - Parameter bytes: The tensor's size, more than caches hold.
    /// - Returns: Bytes per second.
    public func copySpeed(bytes: Int = 256 << 20, repetitions: Int = 8) throws -> Double {
        let source = try Tensor.zeros([bytes / 4], device: self)
        let target = try source.zerosLike()
        var best = 0.0
        for _ in 0..<repetitions {
            let began = ContinuousClock.now
            try target.copy(from: source)
            try synchronize()
            best = max(best, 2 * Double(bytes) / ((ContinuousClock.now - began) / .seconds(1)))
        }
        return best
    }
}
