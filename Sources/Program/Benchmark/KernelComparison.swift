import Foundation
import W2VBackbone
import W2VTorch

/// The output of `benchmark kernels --verify`: the deviations of a device's results from those of the CPU in FP32.
struct KernelComparison: Encodable {
    /// A kernel's deviations, relative to the largest magnitude.
    struct Row: Encodable {
        var kernel: String
        var forward: Double
        /// The largest deviation of the gradients; absent without gradients.
        var backward: Double?
    }

    var task = "kernels"
    var shape: String
    var hourglass: String
    var device: String
    var precision: String
    /// The largest deviation that is allowed.
    var allowed: Double
    var kernels: [Row]

    /// Runs the kernels, and compares their results.
    ///
    /// - Parameters:
    ///   - kernels: The device's kernels.
    ///   - mode: The device's number format.
    ///   - shape: The batch.
    ///   - hourglass: The encoder.
    ///   - device: The kernels' device.
    ///   - deviations: Returns the deviations of a kernel's results, the output's first.
    init(
        _ kernels: [StageKernel], _ mode: ModelPrecision.Mode, shape: String, hourglass: String, device: Device,
        deviations: (StageKernel, [Tensor]) throws -> [Double]
    ) throws {
        self.shape = shape
        self.hourglass = hourglass
        self.device = device.description
        precision = mode.rawValue
        // A few roundings to 24, 11 and 8 bits, and sums of thousands of such products.
        allowed =
            switch mode {
            case .fp32, .int8: 2e-5
            case .tf32, .fp16: 2e-2
            case .bf16, .fp8: 1e-1
            }
        self.kernels = try kernels.map { kernel in
            Console.progress("benchmark: \(kernel.name)")
            let errors = try deviations(kernel, Self.results(kernel))
            return Row(kernel: kernel.name, forward: errors[0], backward: errors.dropFirst().max())
        }
    }

    /// Returns the deviations of results from those of the same kernel on the CPU.
    static func deviations(_ found: [Tensor], from reference: StageKernel) throws -> [Double] {
        try zip(found, results(reference)).map { try deviation($0, $1) }
    }

    /// Returns the output, and the gradients of all leaves if there are any.
    static func results(_ kernel: StageKernel) throws -> [Tensor] {
        let output = try kernel.forward()
        guard !kernel.leaves.isEmpty else { return [output] }
        let weights = try Tensor.normal(output.shape, generator: Generator(seed: 5))
            .to(dtype: output.dtype, device: output.device)
        return try [output]
            + output.gradients(of: kernel.leaves, outputGradient: weights).map {
                guard let gradient = $0 else {
                    throw TorchError.runtime("\(kernel.name) has an input that gets no gradient")
                }
                return gradient
            }
    }

    private static func deviation(_ found: Tensor, _ expected: Tensor) throws -> Double {
        let (found, expected) = (
            try found.detached().to(dtype: .float64, device: .cpu), try expected.detached().to(dtype: .float64)
        )
        let scale = max(1e-30, try expected.magnitude().reshaped(-1).maximum(0).item())
        let error = try (found - expected).magnitude().reshaped(-1).maximum(0).item() / scale
        return error.isNaN ? .infinity : error
    }

    /// Throws an error if a kernel deviates more than allowed.
    func requireAgreement() throws {
        let wrong = kernels.filter { max($0.forward, $0.backward ?? 0) > allowed }.map(\.kernel)
        guard wrong.isEmpty else {
            throw TorchError.runtime(
                "\(wrong.joined(separator: ", ")) on \(device) in \(precision) differ from the CPU's results by more than "
                    + "\(allowed) of the largest magnitude: do not trust results of this device, and report its name")
        }
    }

    var text: String {
        let head = [
            "kernels, utterances \(shape), hourglass \(hourglass), \(precision) on \(device) beside fp32 on the CPU; "
                + "\(scientific(allowed)) of the largest magnitude is allowed",
            "",
            "kernel".padding(toLength: 34, withPad: " ", startingAt: 0) + column("forward", 12)
                + column("gradients", 12),
        ]
        let rows = kernels.map { row in
            row.kernel.padding(toLength: 34, withPad: " ", startingAt: 0) + column(scientific(row.forward), 12)
                + column(row.backward.map(scientific) ?? "-", 12)
        }
        return (head + rows).joined(separator: "\n")
    }

    private func scientific(_ number: Double) -> String {
        guard number > 0, number.isFinite else { return "\(number)" }
        return String(format: "%.1e", number)
    }
}
