import CW2VKernels
import W2VTorch

/// Dropout of the elements' GELU, in one pass over memory each way.
struct GELUDropout: FusedOperation {
    let input: Tensor
    let mask: DropoutMask

    /// The kernels' forward and backward passes.
    struct Passes {
        /// Computes the output, not recorded.
        let forward: () throws -> Tensor
        /// Overwrites the output's gradient by the input's, and returns the sums of its columns if requested.
        let backward: (_ gradient: Tensor, _ sumsColumns: Bool) throws -> Tensor?
    }

    var onHost: Passes? {
        guard input.fitsElementwiseHostKernels else { return nil }
        return Passes(forward: outputOnHost) { gradient, sumsColumns in
            try gradientOnHost(into: gradient)
            return sumsColumns ? try gradient.reshaped(-1, input.size(-1)).sum(0) : nil
        }
    }

    var onDevice: Passes? {
        guard input.fitsDeviceKernels else { return nil }
        return Passes(forward: { try GELUDropoutKernel.output(of: input, mask, appliesGELU: true) }) {
            gradient, sumsColumns in
            let columns = input.size(-1)
            guard sumsColumns, columns % ColumnBlocks.width == 0 else {
                try GELUDropoutBackwardKernel(input: input, gradient: gradient, mask: mask).launch()
                return sumsColumns ? try gradient.reshaped(-1, columns).sum(0) : nil
            }
            let shape = ColumnBlocks.shape(input.count / columns, columns)
            let sums = try Tensor.empty([shape.grid.x, columns], device: input.device)
            try GELUDropoutBackwardSumsKernel(input: input, gradient: gradient, sums: sums, mask: mask, shape: shape)
                .launch()
            return try sums.deviceColumnSums(as: input.dtype)
        }
    }

    // MARK: In host memory

    private func outputOnHost() throws -> Tensor {
        guard mask.probability > 0 else { return try input.hostGELU() }
        let seed = try mask.seed.number()
        return try input.mappedOnHost {
            ck_gelu_dropout($0, $1, $2, Int64(input.count), seed, mask.probability, HostKernels.threads)
        }
    }

    private func gradientOnHost(into gradient: Tensor) throws {
        guard mask.probability > 0 else { return try input.writeHostGELUGradient(gradient, into: gradient) }
        let seed = try mask.seed.number()
        try withAddresses(input, gradient) {
            ck_gelu_dropout_backward(
                $0[0], $0[1], $0[1], input.kernelFormat, Int64(input.count), seed, mask.probability,
                HostKernels.threads)
        }
    }
}

// MARK: On GPUs

extension KernelSource {
    fileprivate static let elementwise = KernelSource("Elementwise.cu", PackageResources.Elementwise_cu)
}

extension KernelShape {
    /// Eight elements a thread.
    static func elementwise(_ count: Int) -> KernelShape {
        KernelShape(grid: (min((count + 2047) / 2048, 65_535), 1), threads: 256)
    }
}

/// Dropout of the elements, or of their GELU.
struct GELUDropoutKernel: DeviceKernel {
    let input: Tensor
    let output: Tensor
    let mask: DropoutMask
    let appliesGELU: Bool

    static let name = "gelu_dropout"
    static let source = KernelSource.elementwise
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("input", \.input), .writes("output", \.output),
        .int64("count", \.input.count), .reads("base", as: .seed, \.mask.seed.base),
        .uint64("offset", \.mask.seed.offset), .uint32("bound", \.mask.bound), .float("scale", \.mask.scale),
        .int32("applies_gelu") { $0.appliesGELU ? 1 : 0 },
    ]
    var shape: KernelShape { .elementwise(input.count) }

    static func output(of input: Tensor, _ mask: DropoutMask, appliesGELU: Bool) throws -> Tensor {
        let output = try input.emptyLike()
        try Self(input: input, output: output, mask: mask, appliesGELU: appliesGELU).launch()
        return output
    }
}

/// The gradient of GELU and dropout, over the output's.
struct GELUDropoutBackwardKernel: DeviceKernel {
    let input: Tensor
    let gradient: Tensor
    let mask: DropoutMask

    static let name = "gelu_dropout_backward"
    static let source = KernelSource.elementwise
    static let threads = 256
    static let parameters: [KernelParameter<Self>] = [
        .reads("input", \.input), .reads("gradient", \.gradient), .writes("result", \.gradient),
        .int64("count", \.input.count), .reads("base", as: .seed, \.mask.seed.base),
        .uint64("offset", \.mask.seed.offset), .uint32("bound", \.mask.bound), .float("scale", \.mask.scale),
    ]
    var shape: KernelShape { .elementwise(input.count) }
}

/// The same for [rows, columns], with each block's sums of the result's columns: FP32 [blocks, columns].
struct GELUDropoutBackwardSumsKernel: DeviceKernel {
    let input: Tensor
    let gradient: Tensor
    let sums: Tensor
    let mask: DropoutMask
    let shape: KernelShape

    static let name = "gelu_dropout_backward_sums"
    static let source = KernelSource.elementwise
    static let threads = ColumnBlocks.threads
    static let constants = ColumnBlocks.constants
    static let parameters: [KernelParameter<Self>] = [
        .reads("input", \.input), .reads("gradient", \.gradient), .writes("result", \.gradient),
        .writes("sums", as: .float, \.sums), .int64("rows") { $0.input.count / $0.input.size(-1) },
        .int32("columns") { $0.input.size(-1) }, .reads("base", as: .seed, \.mask.seed.base),
        .uint64("offset", \.mask.seed.offset), .uint32("bound", \.mask.bound), .float("scale", \.mask.scale),
    ]
}
