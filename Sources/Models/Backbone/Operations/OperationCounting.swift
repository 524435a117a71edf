import W2VKernels
import W2VTorch

/// A part of a model that declares how many floating-point operations it does.
///
/// Shapes are all that it needs, so that a model on the meta device can be asked.
public protocol OperationCounting {
    /// The operations of one forward pass, a multiplication with its addition as two.
    ///
    /// - Parameters:
    ///   - lengths: The rows of each utterance.
    ///   - rows: How many of all rows are read of the result, where the part computes no others; nil for all.
    /// - Returns: Operations of matrix products and convolutions.
    func operations(_ lengths: [Int], readRows rows: Int?) -> Double
}

extension OperationCounting {
    /// The operations of a part that computes each row by itself.
    ///
    /// - Returns: Operations of matrix products and convolutions.
    public func operations(rows: Int) -> Double { operations([rows], readRows: nil) }
}

extension OperationCounting {
    /// The operations of a part that multiplies every row with the same weight.
    func operations(_ lengths: [Int], readRows rows: Int?, multiplyingBy weight: Tensor) -> Double {
        2 * Double(rows ?? lengths.reduce(0, +)) * Double(weight.count)
    }
}

extension Linear: OperationCounting {
    /// One product.
    public func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        operations(lengths, readRows: rows, multiplyingBy: weight)
    }
}

extension WeightNormConvolution: OperationCounting {
    /// One grouped convolution; folding its weight is left out.
    public func operations(_ lengths: [Int], readRows rows: Int?) -> Double {
        operations(lengths, readRows: rows, multiplyingBy: direction)
    }
}
