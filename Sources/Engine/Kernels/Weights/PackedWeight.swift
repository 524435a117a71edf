import CW2VKernels
import W2VTorch

/// A weight in the memory layout and number format in which products with it are fastest in host memory.
///
/// It is made once for a model that no longer changes: a BLAS would repack the weight in every call. Bias and GELU are
/// applied while a result is in the cache, and rows may overlap, so that a convolution is one product without a copy.
/// Nothing is recorded for differentiation.
public struct PackedWeight: Sendable {
    /// The number format of products.
    public enum Format: Sendable, Equatable {
        /// Single precision.
        case float32
        /// Bytes with exact sums: each output's weights are multiples, from −127 to 127, of a scale of their own, and
        /// each input row is rounded on the fly to 256 equal steps between its smallest and its largest number.
        case int8
    }

    private enum Values: Sendable {
        case float32(Tensor)
        case int8(values: Tensor, scales: Tensor, sums: Tensor)
    }

    /// The number format.
    public let format: Format
    private let values: Values
    private let inputs: Int
    private let outputs: Int

    /// Packs a weight.
    ///
    /// - Parameter weight: [outputs, inputs], FP32 in host memory.
    /// - Throws: `TorchError.shape` for a weight of another kind.
    public init(_ weight: Tensor, _ format: Format) throws {
        let weight = try weight.detached().contiguous()
        guard weight.rank == 2, weight.fitsHostKernels else {
            throw TorchError.shape("\(weight) is no FP32 matrix in host memory, which alone can be packed")
        }
        self.format = format
        (outputs, inputs) = (weight.size(0), weight.size(1))
        let (columns, depth) = (Int64(outputs), Int64(inputs))
        switch format {
        case .float32:
            let packed = try Tensor.empty([Int(ck_packed_count(columns, depth))])
            try withFloats(weight, packed) { ck_pack($0[0], columns, depth, $0[1], HostKernels.threads) }
            values = .float32(packed)
        case .int8:
            let bytes = try Tensor.empty([Int(ck_byte_weight_count(columns, depth))], dtype: .int8)
            let scales = try Tensor.empty([outputs])
            let sums = try Tensor.empty([outputs], dtype: .int32)
            try withFloats(weight, scales) { floats in
                try withAddresses(bytes, sums) { whole in
                    ck_quantize_weight(
                        floats[0], columns, depth, whole[0].assumingMemoryBound(to: Int8.self), floats[1],
                        whole[1].assumingMemoryBound(to: Int32.self), HostKernels.threads)
                }
            }
            values = .int8(values: bytes, scales: scales, sums: sums)
        }
    }

    /// Returns products with rows.
    ///
    /// - Parameters:
    ///   - input: [..., inputs].
    ///   - bias: [outputs], or none.
    /// - Returns: [..., outputs], FP32.
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func callAsFunction(_ input: Tensor, bias: Tensor? = nil, gelu: Bool = false) throws -> Tensor {
        let shape = input.shape
        let output = try Tensor.empty(shape.dropLast() + [outputs])
        guard shape.last == inputs else {
            throw TorchError.shape("rows of \(input) do not have the \(inputs) inputs of the weight")
        }
        guard output.count > 0 else { return output }
        try multiply(
            windowsOf: input.to(dtype: .float32).contiguous(), step: inputs, bias: bias, gelu: gelu,
            into: output.viewed(-1, outputs))
        return output
    }

    /// Computes products with windows, which may overlap, of a signal in memory.
    ///
    /// - Parameters:
    ///   - signal: FP32, contiguous, in host memory.
    ///   - step: The elements from one window to the next.
    ///   - bias: [outputs], or none.
    ///   - output: [windows, outputs], FP32, contiguous, in host memory.
    /// - Throws: `TorchError.shape` when a window would leave the signal, or an array is not as described.
    public func multiply(
        windowsOf signal: Tensor, step: Int, bias: Tensor? = nil, gelu: Bool = false,
        into output: Tensor
    ) throws {
        try multiply(
            windowsOf: signal, step: step, bias: bias, gelu: gelu, portably: false, into: output)
    }

    /// The same; `portably` without the processor's instruction for bytes, for tests.
    func multiply(
        windowsOf signal: Tensor, step: Int, bias: Tensor?, gelu: Bool, portably: Bool,
        into output: Tensor
    ) throws {
        let rows = output.size(0)
        guard rows > 0 else { return }
        let bias = try bias?.contiguous()
        guard signal.fitsHostKernels, output.fitsHostKernels, output.shape == [rows, outputs], step > 0,
            (rows - 1) * step + inputs <= signal.count,
            bias.map({ $0.fitsHostKernels && $0.count == outputs }) ?? true
        else {
            throw TorchError.shape(
                "\(rows) windows of \(inputs) elements every \(step) of \(signal) cannot become \(output)")
        }
        switch values {
        case .float32(let packed):
            try withFloats(signal, packed, output, bias ?? output) {
                ck_matrix_product(
                    $0[0], Int64(step), $0[1], bias == nil ? nil : $0[3], gelu ? 1 : 0, $0[2], Int64(outputs),
                    Int64(rows), Int64(inputs), Int64(outputs), HostKernels.threads)
            }
        case .int8(let bytes, let scales, let sums):
            let stride = ck_byte_stride(Int64(inputs))
            let rounded = try Tensor.empty([rows, Int(stride)], dtype: .uint8)
            let zeros = try Tensor.empty([rows], dtype: .int32)
            try withFloats(signal, output, scales, Tensor.empty([rows]), bias ?? output) { floats in
                try withAddresses(rounded, zeros, bytes, sums) { whole in
                    let rounded = whole[0].assumingMemoryBound(to: UInt8.self)
                    let zeros = whole[1].assumingMemoryBound(to: Int32.self)
                    ck_quantize_rows(
                        floats[0], Int64(step), Int64(rows), Int64(inputs), rounded, floats[3], zeros,
                        HostKernels.threads)
                    var input = ck_byte_rows(values: rounded, scales: floats[3], zeros: zeros, stride: stride)
                    var weight = ck_byte_weight(
                        values: whole[2].assumingMemoryBound(to: Int8.self), scales: floats[2],
                        sums: whole[3].assumingMemoryBound(to: Int32.self))
                    ck_byte_product(
                        &input, &weight, bias == nil ? nil : floats[4], gelu ? 1 : 0, floats[1], Int64(outputs),
                        Int64(rows), Int64(outputs), portably ? 1 : 0, HostKernels.threads)
                }
            }
        }
    }
}
