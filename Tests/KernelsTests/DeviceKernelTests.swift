import TestSupport
import Testing
import W2VBase

@testable import W2VKernels
@testable import W2VTorch

/// The GPU kernels, run thread by thread on the CPU, compared with those for host memory.
@Suite(.onTestThreads) struct DeviceKernelTests {
    private func training() -> Module.Mode { .training(DropoutSource(RandomStream(seed: 7, purpose: .dropout))) }

    private func normal(_ shape: [Int], seed: Int64) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed))
    }

    /// Compares a function's value and gradients between both kinds of kernels; the reference for half precision is the
    /// FP32 result of the rounded inputs.
    private func compare(
        _ inputs: [Tensor], in dtype: DType = .float32, tolerance: Double, _ function: ([Tensor]) throws -> Tensor
    ) throws {
        let rounded = try inputs.map { try $0.to(dtype: dtype) }
        func run(_ inputs: [Tensor]) throws -> [Tensor] {
            let leaves = try inputs.map { try $0.detached().cloned().requiringGradient() }
            let output = try function(leaves)
            let weights = try normal(output.shape, seed: 99).to(dtype: dtype).to(dtype: output.dtype)
            return try [output] + output.gradients(of: leaves, outputGradient: weights).map { try #require($0) }
        }
        let expected = try run(rounded.map { try $0.to(dtype: .float32) })
        let found = try withEmulatedDeviceKernels { try run(rounded) }
        for (index, pair) in zip(found, expected).enumerated() {
            #expect(pair.0.dtype == dtype)
            let error = try relativeError(pair.0, pair.1)
            #expect(error < tolerance, "result \(index) of \(dtype) differs by \(error)")
        }
    }

    /// A few roundings to 8 or 11 bits.
    private static let formats: [(DType, Double)] = [(.float32, 2e-6), (.float16, 4e-3), (.bfloat16, 3e-2)]

    @Test(arguments: [3, 256, 2048 * 2 + 5])
    func dropoutDrawsTheSameMasks(_ count: Int) throws {
        let input = try normal([count], seed: 1)
        let expected = try input.dropout(0.3, training()).elements(Float.self)
        let found = try withEmulatedDeviceKernels { try input.dropout(0.3, training()).elements(Float.self) }
        #expect(found == expected)
        #expect(count < 100 || expected.contains(0))
    }

    @Test(arguments: formats)
    func geluDropoutLinear(_ dtype: DType, _ tolerance: Double) throws {
        let inputs = [try normal([37, 24], seed: 1), try normal([16, 24], seed: 2), try normal([16], seed: 3)]
        for rate in [0, 0.25] {
            try compare(inputs, in: dtype, tolerance: tolerance) {
                try $0[0].geluDropoutLinear(rate, training(), weight: $0[1], bias: $0[2])
            }
        }
    }

    /// The first layer's bias gets the same gradient together with GELU's as separately.
    @Test(arguments: formats)
    func biasesBeforeGELU(_ dtype: DType, _ tolerance: Double) throws {
        // One block of columns, and several; a number of columns that is not a multiple of eight.
        for inner in [40, 2056, 20] {
            let inputs = try [
                normal([37, 24], seed: 1), normal([inner, 24], seed: 2), normal([inner], seed: 3),
                normal([16, inner], seed: 4) * (1 / Double(inner).squareRoot()), normal([16], seed: 5),
            ]
            func layers(_ inputs: [Tensor]) throws -> (Linear, Linear) {
                let first = try Linear(24, inner, initializer: .empty)
                let second = try Linear(inner, 16, initializer: .empty)
                (first.weight, first.bias) = (inputs[1], inputs[2])
                (second.weight, second.bias) = (inputs[3], inputs[4])
                return (first, second)
            }
            for rate in [0, 0.25] {
                try compare(inputs, in: dtype, tolerance: tolerance) {
                    let (first, second) = try layers($0)
                    return try second(geluOf: first, $0[0], dropout: rate, training())
                }
                guard dtype == .float32 else { continue }
                func gradients(_ function: (Linear, Linear, Tensor) throws -> Tensor) throws -> [Tensor] {
                    let leaves = try inputs.map { try $0.detached().cloned().requiringGradient() }
                    let (first, second) = try layers(leaves)
                    let output = try function(first, second, leaves[0])
                    return try output.gradients(of: leaves, outputGradient: normal(output.shape, seed: 9)).map {
                        try #require($0)
                    }
                }
                let together = try gradients { try $1(geluOf: $0, $2, dropout: rate, training()) }
                let apart = try gradients {
                    try $0($2).geluDropoutLinear(rate, training(), weight: $1.weight, bias: $1.bias)
                }
                for (one, other) in zip(together, apart) { #expect(try relativeError(one, other) < 1e-6) }
                let launched = try kernelsLaunched {
                    _ = try gradients { try $1(geluOf: $0, $2, dropout: rate, training()) }
                }
                #expect(launched.contains("gelu_dropout_backward_sums_float32") == (inner % 8 == 0))
            }
        }
    }

    @Test(arguments: formats)
    func thirdsSideBySide(_ dtype: DType, _ tolerance: Double) throws {
        for (rows, columns) in [(5, 16), (600, 48), (3, 1032), (4, 12)] {
            let parts = try (0..<3).map { try normal([rows, columns], seed: Int64($0)).to(dtype: dtype) }
            var results: (joined: Tensor, sums: Tensor)?
            let launched = try kernelsLaunched { results = try Tensor.joiningThirds(parts) }
            #expect(launched.contains("join_thirds_\(dtype)") == (columns % 8 == 0))
            let (joined, sums) = try #require(results)
            let expected = try Tensor.concatenate(parts, 1)
            #expect(try relativeError(joined, expected) == 0)
            #expect(sums.dtype == dtype)
            #expect(try relativeError(sums, expected.to(dtype: .float32).sum(0)) < tolerance)
        }
    }

    /// The norm's backward pass adds up the gradients of its two readers, and those of the branch for its bias.
    @Test(arguments: formats)
    func residualNormSumsGradients(_ dtype: DType, _ tolerance: Double) throws {
        for (rows, columns) in [(5, 32), (1, 8), (9, 768), (2700, 36), (3, 1024)] {
            let inputs = [
                try normal([rows, columns], seed: 1), try normal([rows, columns], seed: 2) * 2,
                try normal([columns], seed: 3), try normal([columns], seed: 4), try normal([columns], seed: 5),
            ]
            func stream(_ inputs: [Tensor], rate: Double) throws -> ResidualStream {
                let norm = try LayerNorm(columns, initializer: .random(seed: 1))
                (norm.weight, norm.bias) = (inputs[2], inputs[3])
                let branch = try Branch(inputs[1] + inputs[4].detached(), unrecordedBias: inputs[4])
                return try norm(inputs[0], joining: branch, dropout: rate, training())
            }
            for rate in [0, 0.2] {
                try compare(inputs, in: dtype, tolerance: tolerance) {
                    let stream = try stream($0, rate: rate)
                    return try stream.residual * 0.5 + stream.branch.gelu()
                }
                // One reader only.
                try compare(inputs, in: dtype, tolerance: tolerance) { try stream($0, rate: rate).branch }
            }
            let launched = try kernelsLaunched {
                let leaves = try inputs.map { try $0.to(dtype: dtype).requiringGradient() }
                let stream = try stream(leaves, rate: 0.1)
                #expect(try stream.residual.address() == stream.branch.address())
                _ = try (stream.residual + stream.branch).sum().gradients(of: leaves)
            }
            let name = "residual_norm_backward" + (columns > 768 ? "_wide" : "")
            #expect(launched.contains("\(name)_\(dtype)"))
        }
    }

    @Test(arguments: formats)
    func residualNorm(_ dtype: DType, _ tolerance: Double) throws {
        for (rows, columns) in [(5, 32), (1, 4), (9, 768), (1100, 36), (3, 1024)] {
            let inputs = [
                try normal([rows, columns], seed: 1), try normal([rows, columns], seed: 2) * 2,
                try normal([columns], seed: 3), try normal([columns], seed: 4),
            ]
            for rate in [0, 0.2] {
                try compare(inputs, in: dtype, tolerance: tolerance) {
                    let norm = try LayerNorm(columns, initializer: .random(seed: 1))
                    (norm.weight, norm.bias) = ($0[2], $0[3])
                    return try norm($0[0], adding: $0[1], dropout: rate, training())
                }
            }
        }
    }

    /// Rows that do not fit a warp use LibTorch's operators.
    @Test func widerRowsAreComputedToo() throws {
        let inputs = [try normal([3, 1028], seed: 1), try normal([3, 1028], seed: 2)]
        try compare(inputs, tolerance: 2e-6) {
            try LayerNorm(1028, initializer: .random(seed: 1))($0[0], adding: $0[1], dropout: 0, training())
        }
    }

    /// The kernels cannot read views that do not start at a multiple of 16 bytes.
    @Test func unalignedViewsUseLibTorch() throws {
        let view = try normal([4, 9], seed: 1).viewed(36).rows(1..<33)
        let (fits, shape) = try withEmulatedDeviceKernels {
            (view.fitsDeviceKernels, try view.dropout(0.5, training()).shape)
        }
        #expect(!fits && shape == [32])
    }
}
