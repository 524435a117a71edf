import TestSupport
import Testing
import W2VBase

@testable import W2VKernels
@testable import W2VTorch

/// The host kernels on BF16: their FP32 results for the same numbers, rounded once.
@Suite(.onTestThreads) struct HostBFloat16Tests {
    private func training() -> Module.Mode { .training(DropoutSource(RandomStream(seed: 42, purpose: .dropout))) }

    /// Numbers that BF16 can represent.
    private func numbers(_ shape: [Int], seed: Int64) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed)).to(dtype: .bfloat16)
    }

    /// Compares results and gradients of both formats.
    private func expectTheSameRounded(
        _ inputs: [Tensor], gradient shape: [Int], _ function: ([Tensor]) throws -> Tensor
    ) throws {
        func run(_ dtype: DType) throws -> [Tensor] {
            let leaves = try inputs.map { try $0.to(dtype: dtype).requiringGradient() }
            let output = try function(leaves)
            #expect(output.dtype == dtype)
            let weights = try numbers(shape, seed: 91).to(dtype: dtype)
            return try [output] + output.gradients(of: leaves, outputGradient: weights).map { try #require($0) }
        }
        for (index, (found, exact)) in try zip(run(.bfloat16), run(.float32)).enumerated() {
            #expect(found.dtype == .bfloat16)
            let expected = try exact.to(dtype: .bfloat16).elements(Float.self)
            let own = try found.elements(Float.self)
            // The order of a sum may differ, and so the side of a rounding boundary that a number is on.
            let unequal = zip(own, expected).filter { $0 != $1 }
            #expect(unequal.count * 1000 <= own.count, "result \(index): \(unequal.count) of \(own.count) differ")
            for (left, right) in unequal { #expect(abs(left - right) <= abs(right) / 64 + 1e-6, "result \(index)") }
        }
    }

    @Test func gelu() throws {
        try expectTheSameRounded([numbers([301, 37], seed: 1) * 3], gradient: [301, 37]) { try $0[0].gelu() }
    }

    @Test func geluOfSpecialNumbers() throws {
        let found = try Tensor([Float.nan, .infinity, 0]).to(dtype: .bfloat16).gelu().elements(Float.self)
        #expect(found[0].isNaN && found[1] == .infinity && found[2] == 0)
    }

    /// Four thirds of a number lies between two BF16 numbers: it is rounded like LibTorch rounds.
    @Test func dropout() throws {
        let input = try numbers([211, 300], seed: 2)
        let dropped = try input.dropout(0.25, training())
        let wide = try input.to(dtype: .float32).dropout(0.25, training())
        #expect(try dropped.elements(Float.self) == wide.to(dtype: .bfloat16).elements())
        try expectTheSameRounded([input], gradient: [211, 300]) { try $0[0].dropout(0.25, training()) }
    }

    @Test(arguments: [0, 0.1])
    func geluWithDropout(_ probability: Double) throws {
        let input = try numbers([77, 130], seed: 3)
        let mask = DropoutMask(DropoutSeed(offset: 7), probability)
        let exact = try input.to(dtype: .float32)
        let (narrow, full) = try (
            #require(GELUDropout(input: input, mask: mask).onHost),
            #require(GELUDropout(input: exact, mask: mask).onHost)
        )
        let found = try narrow.forward()
        #expect(found.dtype == .bfloat16)
        #expect(try found.elements(Float.self) == full.forward().to(dtype: .bfloat16).elements())
        let gradient = try numbers([77, 130], seed: 4)
        let (own, wide) = (try gradient.cloned(), try gradient.to(dtype: .float32))
        _ = try narrow.backward(own, false)
        _ = try full.backward(wide, false)
        #expect(try own.elements(Float.self) == wide.to(dtype: .bfloat16).elements())
    }

    /// The product is LibTorch's: its sums are of rounded numbers.
    @Test func geluDropoutLinearKeepsItsInputAlone() throws {
        let inputs = try [numbers([40, 24], seed: 5), numbers([16, 24], seed: 6), numbers([16], seed: 7)]
        func run(_ dtype: DType) throws -> [Tensor] {
            let leaves = try inputs.map { try $0.to(dtype: dtype).requiringGradient() }
            let output = try leaves[0].geluDropoutLinear(0.2, training(), weight: leaves[1], bias: leaves[2])
            let weights = try numbers([40, 16], seed: 8).to(dtype: dtype)
            return try [output] + output.gradients(of: leaves, outputGradient: weights).map { try #require($0) }
        }
        for (found, exact) in try zip(run(.bfloat16), run(.float32)) {
            #expect(found.dtype == .bfloat16)
            #expect(try relativeError(found, exact) < 0.01)
        }
    }

    @Test(arguments: [0, 0.1])
    func residualNorm(_ probability: Double) throws {
        let layer = try LayerNorm(33, initializer: .random(seed: 8))
        let inputs = try [
            numbers([70, 33], seed: 9), numbers([70, 33], seed: 10), numbers([33], seed: 11), numbers([33], seed: 12),
        ]
        try expectTheSameRounded(inputs, gradient: [70, 33]) {
            (layer.weight, layer.bias) = ($0[2], $0[3])
            return try layer($0[0], adding: $0[1], dropout: probability, training())
        }
    }

    /// Weights are rounded before they are multiplied, as on GPUs.
    @Test(arguments: [([1], 2, 8), ([5, 48, 97], 3, 64), ([130, 1, 201], 2, 20), ([900], 1, 16)], [0, 0.1])
    func selfAttention(_ shape: ([Int], Int, Int), _ probability: Double) throws {
        let (lengths, heads, width) = shape
        let frames = lengths.reduce(0, +)
        let input = try numbers([frames, 3 * heads * width], seed: 13)
        let dropouts = lengths.indices.map { WeightDropout(probability, DropoutSeed(offset: 40 + UInt64($0))) }
        func run(_ dtype: DType) throws -> [Tensor] {
            let leaf = try input.to(dtype: dtype).requiringGradient()
            let context = try leaf.hostSelfAttention(
                lengths: lengths, heads: heads, dropouts: probability > 0 ? dropouts : [])
            let weights = try numbers([frames, heads * width], seed: 14).to(dtype: dtype)
            return [context, try #require(try context.gradients(of: [leaf], outputGradient: weights)[0])]
        }
        for (found, exact) in try zip(run(.bfloat16), run(.float32)) {
            #expect(found.dtype == .bfloat16)
            let error = try relativeError(found, exact)
            #expect(error < 0.01, "\(shape): \(error)")
        }
    }

    @Test func headsOfOddWidthAreNotSupported() throws {
        let input = try numbers([4, 3 * 2 * 5], seed: 1)
        #expect(!input.supportsHostSelfAttention(heads: 2))
        #expect(throws: TorchError.self) { try input.hostSelfAttention(lengths: [4], heads: 2) }
        #expect(try input.to(dtype: .float32).supportsHostSelfAttention(heads: 2))
    }

    @Test func signalConvolution() throws {
        let signal = try Tensor.normal([2_003], generator: Generator(seed: 14))
        let (channels, kernel) = (70, 10)
        let weight = try Tensor.normal([kernel * channels], generator: Generator(seed: 15)).elements(Float.self)
        let shift = try Tensor.normal([channels], generator: Generator(seed: 16)).elements(Float.self)
        let windows = SignalKernels.Windows(signal, from: 3, kernel: kernel, stride: 5)
        func convolve(_ dtype: DType) throws -> Tensor {
            let output = try Tensor.empty([402, channels], dtype: dtype)
            try SignalKernels.convolve(windows, weight: weight, shift: shift, into: output)
            return output
        }
        let found = try convolve(.bfloat16)
        #expect(try found.elements(Float.self) == convolve(.float32).to(dtype: .bfloat16).elements())
        // The last rows' windows leave the signal.
        #expect(try found.rows(400..<402).magnitude().sum().item() == 0)
        let gradient = try numbers([399, channels], seed: 17)
        let own = try SignalKernels.convolutionGradients(windows, weight: weight, shift: shift, gradient: gradient)
        let wide = try SignalKernels.convolutionGradients(
            windows, weight: weight, shift: shift, gradient: gradient.to(dtype: .float32))
        #expect(own.sums == wide.sums && own.products == wide.products)
    }
}
