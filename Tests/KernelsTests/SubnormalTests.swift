import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

/// Numbers below the normal range, which some processors compute with tens of times more slowly, never arise.
@Suite(.onTestThreads) struct SubnormalTests {
    /// Enough elements that all threads take part.
    private static let count = 1 << 20

    private final class Silent: Module {
        @Parameter("p") var parameter: Tensor

        init(_ tensor: Tensor) {
            super.init()
            parameter = tensor
        }
    }

    @Test func operatorsFlushOnAllThreads() throws {
        try withSubnormals {
            let small = try Tensor([Float](repeating: 1e-20, count: Self.count)).requiringGradient()
            let product = try small * small
            #expect(try product.subnormalCount() == 0)
            #expect(try product.elements(Float.self).allSatisfy { $0 == 0 })
            // As an operand a subnormal number counts as zero.
            let operand = try Tensor([Float](repeating: .leastNormalMagnitude / 1024, count: Self.count))
            #expect(try operand.subnormalCount() == Self.count)
            #expect(try (operand * 1e6).elements(Float.self).allSatisfy { $0 == 0 })
            let slope = try #require(try (small * 1e-20).gradients(of: [small], outputGradient: small.detached())[0])
            #expect(try slope.elements(Float.self).allSatisfy { $0 == 0 })
        }
    }

    @Test func theCallersOwnArithmeticIsLeftAlone() throws {
        try withSubnormals {
            // Read from memory, so that the compiler computes nothing ahead.
            let least = [Float.leastNormalMagnitude]
            let before = least[0] / Float(least.count + 1)
            _ = try Tensor([Float](repeating: 1, count: Self.count)).gelu().sum().item()
            let after = least[0] / Float(least.count + 1)
            #expect(after == before)
            #expect(after.isSubnormal)
        }
    }

    @Test func geluIsZeroWherePyTorchsIs() throws {
        try withSubnormals {
            let points = stride(from: -60.0, through: 0.0, by: 0.001).map { Float($0) }
            let input = try Tensor(points).requiringGradient()
            let (found, expected) = (try input.gelu(), try ATen.gelu(.tensor(input.detached())))
            #expect(try found.subnormalCount() == 0)
            let pairs = zip(try found.elements(Float.self), try expected.elements(Float.self))
            for (point, (ours, theirs)) in zip(points, pairs) {
                if theirs == 0 || point < -5.7 { #expect(abs(ours) <= (point < -5.6 ? 0 : 2e-7), "at \(point)") }
            }
            let weights = try Tensor([Float](repeating: 1e-6, count: points.count))
            let slope = try #require(try found.gradients(of: [input], outputGradient: weights)[0])
            #expect(try slope.subnormalCount() == 0)
            #expect(try slope.elements(Float.self)[..<40_000].allSatisfy { $0 == 0 })
        }
    }

    @Test func softmaxOfAttentionHasNone() throws {
        try withSubnormals {
            // Scores that differ by up to 200, as in trained heads.
            let (frames, heads, width) = (96, 2, 8)
            let projected = try (Tensor.normal([frames, 3 * heads * width], generator: Generator(seed: 5)) * 6)
                .requiringGradient()
            let output = try projected.hostSelfAttention(lengths: [frames], heads: heads)
            let weights = try Tensor.normal(output.shape, generator: Generator(seed: 6)) * 1e-4
            let slope = try #require(try output.gradients(of: [projected], outputGradient: weights)[0])
            #expect(try output.subnormalCount() == 0)
            #expect(try slope.subnormalCount() == 0)
        }
    }

    @Test func momentsOfParametersWithoutGradientsBecomeZero() throws {
        try withSubnormals {
            let module = Silent(try Tensor.normal([Self.count / 16], generator: Generator(seed: 7)))
            let flat = try FlatParameters(module.parameters())
            let adam = try Adam(flat, .init(beta1: 0.9, beta2: 0.98))
            try flat.gradients.copy(from: Tensor.normal(flat.gradients.shape, generator: Generator(seed: 8)) * 1e-3)
            try adam.step(learningRate: 1e-4)
            try flat.clearGradients()
            for _ in 0..<5000 { try adam.step(learningRate: 1e-4) }
            #expect(try adam.moments.first.subnormalCount() == 0)
            #expect(try adam.moments.second.subnormalCount() == 0)
            #expect(try adam.moments.first.elements(Float.self).allSatisfy { $0 == 0 })
        }
    }
}
