import W2VKernels
import W2VTorch

/// A part of a model that declares the number of its floating-point operations.
///
/// It needs shapes only, so a model on the meta device will do.
public protocol OperationCounting {
    /// Returns the operations of one forward pass: matrix products and convolutions, a multiply-add as two.
    ///
    /// - Parameters:
    ///   - lengths: The rows of each utterance.
    ///   - rows: The number of rows of the result that are read, if the part computes no others; nil for all.
    func operations(_ lengths: [Int], readRows rows: Int?) -> Double
}

extension OperationCounting {
    /// Returns the operations of a part that computes each row independently.
    public func operations(rows: Int) -> Double { operations([rows], readRows: nil) }
}

extension OperationCounting {
    /// Returns the operations of a part that multiplies every row by the same weight.
    func operations(_ lengths: [Int], readRows rows: Int?, multiplyingBy weight: Tensor) -> Double {
        2 * Double(rows ?? lengths.reduce(0, +)) * Double(weight.count)
    }
}

extension Linear: OperationCounting {
    /// Counts one product.
    public func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        operations(lengths, readRows: rows, multiplyingBy: weight)
    }
}

extension WeightNormConvolution: OperationCounting {
    /// Counts one grouped convolution, but not the folding of its weight.
    public func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        operations(lengths, readRows: rows, multiplyingBy: direction)
    }
}
