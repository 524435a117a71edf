// Dropout, and GELU with dropout, on GPUs; their masks are those of the kernels in host memory.

import Torch

extension DropoutMask {
    /// Draws below it drop their element.
    var bound: UInt32 { UInt32(min(max(probability, 0) * 4_294_967_296, 4_294_967_295)) }
    /// What the other elements are multiplied by.
    var scale: Double { 1 / (1 - probability) }
}

extension Tensor {
    /// Eight elements a thread.
    private var elementwiseShape: KernelShape {
        KernelShape(grid: (min((count + 2047) / 2048, 65_535), 1), threads: 256)
    }

    /// Dropout of the elements, or of their GELU, not recorded.
    func deviceDropped(_ mask: DropoutMask, ofGELU: Bool) throws -> Tensor {
        let output = try emptyLike()
        try DeviceKernels.launch(
            "gelu_dropout", of: dtype, on: device, elementwiseShape, .tensor(self), .tensor(output), .int64(count),
            .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale),
            .int32(ofGELU ? 1 : 0))
        return output
    }

    /// The gradient of ``deviceDropped(_:ofGELU:)`` as ``deviceGELUDropoutBackward(into:_:)`` has it, with the sums of its
    /// columns: FP32 arithmetic, in this tensor's format.
    func deviceGELUDropoutBackwardSums(into gradient: Tensor, _ mask: DropoutMask) throws -> Tensor {
        let columns = size(-1)
        let rows = count / columns
        guard columns % Self.columnWidth == 0 else {
            try deviceGELUDropoutBackward(into: gradient, mask)
            return try gradient.reshaped(rows, columns).sum(0)
        }
        let shape = Self.columnShape(rows, columns)
        let sums = try Tensor.empty([shape.grid.x, columns], device: device)
        try DeviceKernels.launch(
            "gelu_dropout_backward_sums", of: dtype, on: device, shape, .tensor(self), .tensor(gradient),
            .tensor(gradient), .tensor(sums), .int64(rows), .int32(columns), .optional(mask.seed.base),
            .uint64(mask.seed.offset), .uint32(mask.bound), .float(mask.scale))
        return try sums.deviceColumnSums(as: dtype)
    }

    /// The gradient of ``deviceDropped(_:ofGELU:)`` with GELU at this input, written over the output's gradient.
    func deviceGELUDropoutBackward(into gradient: Tensor, _ mask: DropoutMask) throws {
        try DeviceKernels.launch(
            "gelu_dropout_backward", of: dtype, on: device, elementwiseShape, .tensor(self), .tensor(gradient),
            .tensor(gradient), .int64(count), .optional(mask.seed.base), .uint64(mask.seed.offset), .uint32(mask.bound),
            .float(mask.scale))
    }
}
