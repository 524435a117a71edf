import Foundation

extension Device {
    /// Measures the operations per second of a large matrix product on this device, the best of several runs.
    ///
    /// A model's share of this speed is its utilization. A multiply-add counts as two operations.
    ///
    /// - Parameter size: Rows and columns of the matrices; `nil` for a size that saturates the device.
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

    /// Measures the bytes per second of copying a large tensor, read and written bytes both counted, the best of
    /// several runs.
    ///
    /// - Parameter bytes: The tensor's size, more than caches hold.
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
