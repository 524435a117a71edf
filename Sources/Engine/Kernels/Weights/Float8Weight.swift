import W2VTorch

/// A weight in 8-bit floating point, for products with rows that are rounded in the same way on the fly.
///
/// The numbers are E4M3 (4 bits of exponent, 3 of mantissa), which GPUs multiply twice as fast as 16-bit numbers,
/// accumulating in FP32. Every output of the weight and every row of the input has a scale of its own, so that no row
/// depends on others. A CPU, which has no such instructions, multiplies the same rounded numbers in FP32: slow, but it
/// shows the effect of the rounding. Nothing is recorded for differentiation. Source of format and scaling:
/// Micikevicius et al. 2022, "FP8 Formats for Deep Learning".
public struct Float8Weight: Sendable {
    private static let scaledProduct = TorchOperator("aten::_scaled_mm")

    private let rows: Float8Rows
    private let transposedScales: Tensor

    /// Rounds a weight.
    ///
    /// - Parameter weight: [outputs, inputs], both multiples of 16.
    /// - Throws: `TorchError.shape` for a weight of other sizes.
    public init(_ weight: Tensor) throws {
        guard Self.supports(weight) else {
            throw TorchError.shape("\(weight) is no matrix whose sizes are multiples of 16, which FP8 products need")
        }
        rows = try Float8Rows(weight.detached())
        transposedScales = try rows.scales.transposed().contiguous()
    }

    /// Returns whether a weight is supported: both sizes are multiples of 16.
    ///
    /// - Parameter weight: [outputs, inputs].
    public static func supports(_ weight: Tensor) -> Bool {
        weight.rank == 2 && weight.size(0) % 16 == 0 && weight.size(1) % 16 == 0 && weight.count > 0
    }

    /// Checks that a device supports such products; a CPU always does.
    ///
    /// - Throws: `TorchError.runtime` naming what is missing.
    public static func check(on device: Device) throws {
        guard device != .cpu else { return }
        do {
            let ones = try Tensor.ones([16, 16], dtype: .bfloat16, device: device)
            _ = try Float8Weight(ones)(ones)
        } catch {
            throw TorchError.runtime(
                "\(device) cannot multiply 8-bit floating-point numbers, which takes an NVIDIA GPU of the Ada or Hopper "
                    + "generation or newer; choose bf16 (\(error))")
        }
    }

    /// Returns whether products can be recorded: on Ada, LibTorch clears their workspace outside of the recording
    /// stream.
    static func canBeRecorded(on device: Device) -> Bool { (try? device.generation()) ?? 0 >= 90 }

    /// Returns products with rows.
    ///
    /// - Parameters:
    ///   - input: [..., inputs], FP32 or half precision.
    ///   - bias: [outputs], of the input's type, or none.
    /// - Returns: [..., outputs], of the input's type.
    /// - Throws: `TorchError.shape` when the sizes do not match.
    public func callAsFunction(_ input: Tensor, bias: Tensor? = nil, gelu: Bool = false) throws -> Tensor {
        let (outputs, inputs) = (rows.bytes.size(0), rows.bytes.size(1))
        guard input.shape.last == inputs else {
            throw TorchError.shape("rows of \(input) do not have the \(inputs) inputs of the weight")
        }
        let shape = Array(input.shape.dropLast()) + [outputs]
        guard input.count > 0 else { return try Tensor.empty(shape, dtype: input.dtype, device: input.device) }
        let left = try Float8Rows(input.reshaped(-1, inputs))
        let products =
            if input.device == .cpu {
                try left.numbers().linear(rows.numbers(), bias: bias?.to(dtype: .float32)).to(dtype: input.dtype)
            } else {
                try scaled(left, bias: bias, input.dtype)
            }
        let output = try products.viewed(shape)
        return gelu ? try output.gelu() : output
    }

    /// Returns the products by LibTorch's operator, whose results are BF16.
    private func scaled(_ left: Float8Rows, bias: Tensor?, _ type: DType) throws -> Tensor {
        try Self.scaledProduct(
            .tensor(left.typed()), .tensor(rows.typed().transposed()), .tensor(left.scales), .tensor(transposedScales),
            bias.map { .tensor(try $0.to(dtype: .bfloat16)) } ?? .none, .none, .dtype(.bfloat16), .bool(false)
        ).to(dtype: type)
    }
}

/// Rows of E4M3 numbers, each with a scale.
struct Float8Rows {
    /// The largest E4M3 number.
    static let largest = 448.0
    /// LibTorch's number of the type, which tensors support in products and conversions only.
    fileprivate static let type = 24

    /// [rows, columns], uint8: the numbers' bits.
    let bytes: Tensor
    /// The scale of each row, [rows, 1], FP32.
    let scales: Tensor

    /// Rounds rows [rows, columns].
    init(_ input: Tensor) throws {
        let (rows, columns) = (input.size(0), input.size(1))
        let input = try input.contiguous()
        if RoundRowsKernel.supports(input) {
            bytes = try Tensor.empty([rows, columns], dtype: .uint8, device: input.device)
            scales = try Tensor.empty([rows, 1], device: input.device)
            try RoundRowsKernel(input: input, bytes: bytes, scales: scales).launch()
            return
        }
        let exact = try input.to(dtype: .float32)
        let largest = try exact.magnitude().maximum(1, keepingDimension: true)
        let factors =
            try Tensor.full([rows, 1], Self.largest, dtype: .float32, device: input.device)
            / largest.clamped(below: 1e-30)
        bytes = try (exact * factors).asFloat8().bits(.dtype(.uint8))
        scales = try largest / Self.largest
    }

    /// Returns the bits as LibTorch's type.
    func typed() throws -> Tensor { try bytes.bits(.int(Self.type)) }

    /// Returns the numbers that the bits represent, [rows, columns], FP32.
    func numbers() throws -> Tensor { try typed().to(dtype: .float32) * scales }
}

/// Each row rounded to E4M3 numbers with a scale of its own; one warp per row.
struct RoundRowsKernel: DeviceKernel {
    /// [rows, columns].
    let input: Tensor
    let bytes: Tensor
    let scales: Tensor

    private static let warps = 4

    /// Returns whether the kernel can read rows four numbers at a time.
    static func supports(_ input: Tensor) -> Bool { input.fitsDeviceKernels && input.size(1) % 4 == 0 }

    static let name = "round_rows"
    static let source = KernelSource("Float8.cu", PackageResources.Float8_cu)
    static let threads = 32 * warps
    static let constants = ["ROUND_WARPS": warps]
    static let parameters: [KernelParameter<Self>] = [
        .reads("input", \.input), .writes("bytes", as: .fourBytes, \.bytes), .writes("scales", as: .float, \.scales),
        .int64("rows") { $0.input.size(0) }, .int32("columns") { $0.input.size(1) },
    ]
    var shape: KernelShape {
        KernelShape(grid: ((input.size(0) + Self.warps - 1) / Self.warps, 1), threads: Self.threads)
    }
}

extension Tensor {
    private static let viewDType = TorchOperator("aten::view", "dtype")
    private static let toDType = TorchOperator("aten::to", "dtype")

    /// Returns the same bytes as elements of another type of one byte.
    fileprivate func bits(_ type: TorchOperator.Argument) throws -> Tensor { try Self.viewDType(.tensor(self), type) }

    /// Returns the nearest E4M3 numbers.
    fileprivate func asFloat8() throws -> Tensor { try Self.toDType(.tensor(self), .int(Float8Rows.type)) }
}
