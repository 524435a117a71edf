import Foundation
import TestSupport
import Testing
import W2VBase

@testable import W2VKernels
@testable import W2VTorch

/// The host kernels compared with LibTorch's operators.
@Suite(.onTestThreads) struct KernelTests {
    private func training(_ step: Int = 0) -> Module.Mode {
        .training(DropoutSource(RandomStream(seed: 42, purpose: .dropout, step: step)))
    }

    /// A gradient that is not constant, so that errors show.
    private func gradient(_ shape: [Int]) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: 77))
    }

    @Test func geluAgainstFP64() throws {
        // Steps through the whole range and the tails, and a length that is not a multiple of a vector's.
        let points =
            stride(from: -14.0, through: 14.0, by: 0.00037).map { Float($0) } + [0, -0.0, 1e-30, -1e-30, 100, -100]
        let input = try Tensor(points).requiringGradient()
        let reference = try input.detached().to(dtype: .float64).requiringGradient()
        let output = try input.gelu()
        let expected = try ATen.gelu(.tensor(reference))
        let (found, wanted) = (try output.elements(Double.self), try expected.elements(Double.self))
        for (index, point) in points.enumerated() {
            #expect(abs(found[index] - wanted[index]) <= 3e-7 * max(1, abs(Double(point))))
        }
        let weights = try gradient(input.shape)
        let slope = try #require(try output.gradients(of: [input], outputGradient: weights)[0])
        let expectedSlope = try #require(
            try expected.gradients(of: [reference], outputGradient: weights.to(dtype: .float64))[0])
        #expect(try relativeError(slope, expectedSlope) < 3e-7)
    }

    @Test func geluOnSmallInputs() throws {
        let input = try Tensor.normal([1000, 37], generator: Generator(seed: 3)).requiringGradient()
        let reference = try ATen.gelu(.tensor(input.detached().to(dtype: .float64)))
        #expect(try relativeError(input.gelu(), reference) < 2e-7)
    }

    @Test func geluOfSpecialNumbers() throws {
        let found = try Tensor([Float.nan, .infinity, 0]).gelu().elements(Float.self)
        #expect(found[0].isNaN && found[1] == .infinity && found[2] == 0)
    }

    @Test func geluInFP64AndOnViewsIsLibTorchs() throws {
        let points = try Tensor.normal([3, 4], dtype: .float64, generator: Generator(seed: 4))
        try gradientCheck([points]) { try $0[0].gelu() }
        let view = try Tensor.normal([5, 6], generator: Generator(seed: 5)).transposed()
        #expect(try relativeError(view.gelu(), ATen.gelu(.tensor(view))) < 1e-6)
        #expect(try Tensor.zeros([0, 4]).gelu().shape == [0, 4])
    }

    @Test func dropoutKeepsOrScales() throws {
        let input = try Tensor.normal([200, 301], generator: Generator(seed: 6)).requiringGradient()
        let output = try input.dropout(0.3, training())
        let (before, after) = (try input.elements(Float.self), try output.elements(Float.self))
        #expect(zip(before, after).allSatisfy { $1 == 0 || $1 == $0 * Float(1 / 0.7) })
        // The backward pass draws the same mask.
        let weights = try gradient(input.shape)
        let slope = try #require(try output.gradients(of: [input], outputGradient: weights)[0]).elements(Float.self)
        for (index, weight) in try weights.elements(Float.self).enumerated() {
            #expect(slope[index] == (after[index] == 0 ? 0 : weight * Float(1 / 0.7)))
        }
        // A gradient that is one number expanded to the shape.
        let ones = try #require(try input.dropout(0.3, training()).sum().gradients(of: [input])[0])
        #expect(try ones.elements(Float.self).filter { $0 == 0 }.count == after.filter { $0 == 0 }.count)
    }

    @Test func dropoutElsewhere() throws {
        let input = try Tensor.ones([100, 100], dtype: .float64)
        #expect(try abs(input.dropout(0.25, training()).mean().item() - 1) < 0.05)
        #expect(try input.dropout(0.25, .inference).isIdentical(to: input))
        #expect(try Tensor.ones([10]).dropout(1, training()).sum().item() == 0)
        let view = try Tensor.ones([30, 40]).transposed()
        #expect(try abs(view.dropout(0.25, training()).mean().item() - 1) < 0.15)
    }

    @Test(arguments: [0.0, 0.1])
    func residualNormAgainstSteps(_ rate: Double) throws {
        for shape in [[70, 96], [3, 11, 33], [1, 7], [1000, 16]] {
            let channels = shape[shape.count - 1]
            let layer = try LayerNorm(channels, initializer: .random(seed: 8))
            let generator = try Generator(seed: 9)
            try layer.weight.fillNormalInPlace(mean: 1, deviation: 0.3, generator: generator)
            try layer.bias.fillNormalInPlace(deviation: 0.3, generator: generator)
            try layer.setRequiresGradient(true)
            let residual = try Tensor.normal(shape, generator: generator).requiringGradient()
            let branch = try Tensor.normal(shape, generator: generator).requiringGradient()
            let inputs = [residual, branch, layer.weight, layer.bias]
            let weights = try gradient(shape)
            let fused = try layer(residual, adding: branch, dropout: rate, training())
            // In FP64 with the kernel's own mask: the exact values that the kernel approximates.
            let mask = try Tensor.ones(shape).dropout(rate, training())
            let exact = try inputs.map { try $0.detached().to(dtype: .float64).requiringGradient() }
            let steps = try (exact[0] + exact[1] * mask).layerNormalized(weight: exact[2], bias: exact[3])
            #expect(try relativeError(fused, steps) < 1e-6)
            let found = try fused.gradients(of: inputs, outputGradient: weights)
            let wanted = try steps.gradients(of: exact, outputGradient: weights.to(dtype: .float64))
            for (one, other) in zip(found, wanted) {
                #expect(try relativeError(#require(one), #require(other)) < 3e-6, "\(shape)")
            }
        }
    }

    /// A row whose squares overflow becomes NaN, not zeros as 1 / ∞ would make it.
    @Test func rowsWithOverflowAreNaN() throws {
        let layer = try LayerNorm(5, initializer: .random(seed: 8))
        let input = try Tensor([1e30, 0, 1, -1, 2, 1, 2, 3, 4, 5] as [Float], shape: [2, 5])
        for output in [
            try layer(input), try layer(input, adding: Tensor.zeros([2, 5]), dropout: 0, .inference),
        ] {
            let numbers = try output.elements(Float.self)
            #expect(numbers[..<5].allSatisfy(\.isNaN) && numbers[5...].allSatisfy(\.isFinite), "\(numbers)")
        }
    }

    @Test func residualNormRefusesUnlikeShapes() throws {
        let layer = try LayerNorm(4, initializer: .random(seed: 8))
        #expect { try layer(Tensor.ones([2, 4]), adding: Tensor.ones([3, 4]), dropout: 0, .inference) } throws: {
            "\($0)".contains("[2, 4]") && "\($0)".contains("[3, 4]")
        }
    }

    @Test(arguments: [0, 0.1], [true, false])
    func geluDropoutLinearAgainstSteps(probability: Double, hasBias: Bool) throws {
        let generator = try Generator(seed: 10)
        func leaf(_ shape: [Int]) throws -> Tensor {
            try Tensor.normal(shape, deviation: 2, generator: generator).requiringGradient()
        }
        let (input, weight) = (try leaf([3, 41, 57]), try leaf([19, 57]))
        let bias = hasBias ? try leaf([19]) : nil
        let leaves = [input, weight] + (bias.map { [$0] } ?? [])
        let weights = try gradient([3, 41, 19])
        let fused = try input.geluDropoutLinear(probability, training(), weight: weight, bias: bias)
        let steps = try input.gelu().dropout(probability, training()).linear(weight, bias: bias)
        #expect(try relativeError(fused, steps) < 1e-6)
        let found = try fused.gradients(of: leaves, outputGradient: weights)
        let wanted = try steps.gradients(of: leaves, outputGradient: weights)
        for (found, wanted) in zip(found, wanted) {
            #expect(try relativeError(#require(found), #require(wanted)) < 1e-6)
        }
        // The fallback for other types.
        let exact = try leaves.map { try $0.detached().to(dtype: .float64) }
        let other = try exact[0].geluDropoutLinear(
            probability, .inference, weight: exact[1], bias: hasBias ? exact[2] : nil)
        let still = try input.geluDropoutLinear(probability, .inference, weight: weight, bias: bias)
        #expect(try relativeError(still, other) < 1e-6)
    }
}

/// The quality of the dropout masks.
@Suite(.onTestThreads) struct MaskTests {
    private func kept(seed: Int64, rate: Double, count: Int) throws -> [Bool] {
        try Tensor.ones([count]).droppingOut(rate, DropoutSeed(offset: UInt64(seed))).elements(Float.self).map {
            $0 != 0
        }
    }

    /// Returns the number of standard deviations between a count of successes and its expectation.
    private func deviations(_ count: Int, of trials: Int, _ probability: Double) -> Double {
        (Double(count) - Double(trials) * probability)
            / (Double(trials) * probability * (1 - probability)).squareRoot()
    }

    @Test(arguments: [0.01, 0.1, 0.25, 0.5, 0.9])
    func rates(_ rate: Double) throws {
        let count = 1 << 18
        for seed in [0, 1, 2, 12345, Int64.max] {
            let mask = try kept(seed: seed, rate: rate, count: count)
            #expect(abs(deviations(mask.filter { !$0 }.count, of: count, rate)) < 4)
        }
    }

    @Test func neighborsInOneMask() throws {
        let count = 1 << 18
        let mask = try kept(seed: 99, rate: 0.5, count: count)
        // Neighbors, rows of usual widths, powers of two: each pair agrees half of the time.
        for distance in [1, 2, 3, 16, 64, 512, 768, 1024, 3072, 65536] {
            let equal = (0..<count - distance).filter { mask[$0] == mask[$0 + distance] }.count
            #expect(abs(deviations(equal, of: count - distance, 0.5)) < 4, "distance \(distance)")
        }
    }

    @Test func neighboringSeeds() throws {
        let count = 1 << 17
        for (one, other) in [(0, 1), (1, 2), (1000, 1001), (5, 5 + (1 << 32)), (7, 7 | (1 << 62))] as [(Int64, Int64)] {
            let (first, second) = try (
                kept(seed: one, rate: 0.5, count: count), kept(seed: other, rate: 0.5, count: count)
            )
            for shift in [0, 1, 2, 64] {
                let equal = (0..<count - shift).filter { first[$0] == second[$0 + shift] }.count
                #expect(abs(deviations(equal, of: count - shift, 0.5)) < 4, "seeds \(one), \(other), shift \(shift)")
            }
        }
    }

    @Test func everySeedDrawsIndependently() throws {
        // One element over many seeds is also uniform.
        let seeds = 20000
        let ones = try Tensor.ones([4])
        var dropped = [0, 0, 0, 0]
        for seed in 0..<seeds {
            let mask = try ones.droppingOut(0.25, DropoutSeed(offset: UInt64(seed))).elements(Float.self)
            for index in 0..<4 where mask[index] == 0 { dropped[index] += 1 }
        }
        for count in dropped { #expect(abs(deviations(count, of: seeds, 0.25)) < 4) }
    }

    @Test func bytesAreUniform() throws {
        // If a mask of rate r / 256 drops an element and one of rate (r − 1) / 256 does not, the draw is in one of 256
        // bins.
        let count = 1 << 16
        var chiSquare = 0.0
        var before = 0
        for bin in 1...255 {
            let below = try kept(seed: 31, rate: Double(bin) / 256, count: count).filter { !$0 }.count
            let expected = Double(count) / 256
            chiSquare += (Double(below - before) - expected) * (Double(below - before) - expected) / expected
            before = below
        }
        // 255 degrees of freedom: mean 255, standard deviation √510.
        #expect(abs(chiSquare - 255) < 4 * 510.0.squareRoot())
    }

    /// In a separate process: sums of other tests depend on the number of threads.
    @Test func doesNotDependOnThreads() async {
        await #expect(processExitsWith: .success) {
            let input = try Tensor.normal([64, 3000], generator: Generator(seed: 12))
            let mask = DropoutMask(DropoutSeed(offset: 4), 0.1)
            let layer = try LayerNorm(3000, initializer: .random(seed: 8))
            let projected = try Tensor.normal([150, 3 * 2 * 20], generator: Generator(seed: 13)).requiringGradient()
            let taps3 = try Tensor.normal([50, 6, 3], generator: Generator(seed: 16)).requiringGradient()
            let weight = try Tensor.normal([6, 3, 8], generator: Generator(seed: 14)).requiringGradient()
            let signal = try Tensor.normal([500, 6], generator: Generator(seed: 15))
            func all() throws -> [[Float]] {
                let leaf = try input.detached().requiringGradient()
                let weights = [try layer.weight.detached(), layer.bias]
                let operation = ResidualNorm(
                    residual: leaf, branch: input, mask: mask, weight: weights[0], bias: weights[1], epsilon: 1e-5)
                let norm = try #require(try operation.onHost).recorded("norm", [leaf, input] + weights)[0]
                let slope = try #require(try norm.squared().sum().gradients(of: [leaf])[0])
                let attention = try projected.hostSelfAttention(
                    lengths: [130, 20], heads: 2,
                    dropouts: [DropoutSeed(offset: 5), DropoutSeed(offset: 6)].map { WeightDropout(0.1, $0) })
                let scores = try #require(try attention.squared().sum().gradients(of: [projected])[0])
                let pairs = try signal.requiringGradient()
                let paired = try pairs.convolvedInPairs(taps3, nil, geluOfInput: true)
                let slopes = try paired.squared().sum().gradients(of: [pairs, taps3])
                let convolved = try signal.convolved(
                    withinSegments: [300, 200], weight, bias: Tensor.zeros([6]), groups: 2)
                let taps = try #require(try convolved.gradients(of: [weight], outputGradient: signal)[0])
                let kernels = try [
                    input.droppingOut(mask.probability, mask.seed), input.gelu(), norm, slope, attention, scores,
                    convolved, taps, paired,
                ]
                return try (kernels + slopes.map { try #require($0) }).map { try $0.elements(Float.self) }
            }
            LibTorch.threads = 1
            let single = try all()
            LibTorch.threads = 2
            #expect(try all() == single)
        }
    }
}
