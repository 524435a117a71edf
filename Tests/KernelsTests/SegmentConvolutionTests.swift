import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

@Suite(.onTestThreads) struct SegmentConvolutionTests {
    /// Rows, weight [channels, channels / groups, kernel] and bias in FP64.
    private func operands(_ rows: Int, groups: Int, width: Int, kernel: Int) throws -> [Tensor] {
        let generator = try Generator(seed: 3)
        let channels = groups * width
        return try [[rows, channels], [channels, width, kernel], [channels]].map {
            try Tensor.normal($0, generator: generator).to(dtype: .float64)
        }
    }

    /// Lengths shorter than the kernel and than half of it; kernels even and odd, channels wider than a vector, and several blocks of a segment.
    @Test(arguments: [
        ([9], 2, 3, 4), ([7, 1, 30, 2], 3, 5, 8), ([40, 3], 1, 50, 7), ([5, 5], 2, 2, 1), ([300, 129], 2, 20, 128),
    ])
    func spectraGiveWhatTheConvolutionGives(_ lengths: [Int], groups: Int, width: Int, kernel: Int) throws {
        let points = try operands(lengths.reduce(0, +), groups: groups, width: width, kernel: kernel)
        let upstream = try Tensor.normal([points[0].size(0), groups * width], generator: Generator(seed: 4))
        func run(_ type: DType) throws -> (output: Tensor, gradients: [Tensor]) {
            let leaves = try points.map { try $0.to(dtype: type).detached().requiringGradient() }
            let output = try leaves[0].convolved(withinSegments: lengths, leaves[1], bias: leaves[2], groups: groups)
            try (output * upstream.to(dtype: type)).sum().backward()
            return (try output.detached(), try leaves.compactMap { try $0.gradient() })
        }
        let (expected, found) = (try run(.float64), try run(.float32))
        #expect(try relativeError(found.output.to(dtype: .float64), expected.output) < 1e-6)
        try #require(found.gradients.count == 3 && expected.gradients.count == 3)
        for (gradient, exact) in zip(found.gradients, expected.gradients) {
            #expect(try relativeError(gradient.to(dtype: .float64), exact) < 1e-6)
        }
    }

    /// The definition, computed one number after another.
    @Test(arguments: [4, 5], [DType.float32, .float64])
    func aRowSeesItsSegmentOnly(kernel: Int, type: DType) throws {
        let lengths = [6, 2, 5]
        let points = try operands(13, groups: 1, width: 1, kernel: kernel).map { try $0.to(dtype: type) }
        let (input, weight) = (try points[0].elements(Double.self), try points[1].elements(Double.self))
        let bias = try points[2].elements(Double.self)[0]
        let found = try points[0].convolved(withinSegments: lengths, points[1], bias: points[2], groups: 1)
            .elements(Double.self)
        var start = 0
        for length in lengths {
            for row in 0..<length {
                let expected = (0..<kernel).reduce(bias) { sum, tap in
                    let other = row + tap - kernel / 2
                    return (0..<length).contains(other) ? sum + weight[tap] * input[start + other] : sum
                }
                #expect(abs(found[start + row] - expected) < 1e-5)
            }
            start += length
        }
    }

    /// An utterance's results are bit-identical wherever it is in the batch, also with GELU in the same pass.
    @Test func neighborsDoNotMatter() throws {
        let points = try operands(211, groups: 3, width: 20, kernel: 16).map { try $0.to(dtype: .float32) }
        let convolution = try SpectralConvolution(points[1])
        let whole = try convolution(points[0], withinSegments: [51, 100, 60], bias: points[2])
        let part = try points[0].rows(51..<151).contiguous()
        let alone = try convolution(part, withinSegments: [100], bias: points[2])
        #expect(try alone.elements(Float.self) == whole.rows(51..<151).elements(Float.self))
        let activated = try convolution(part, withinSegments: [100], bias: points[2], gelu: true)
        #expect(try activated.elements(Float.self) == alone.gelu().elements(Float.self))
    }

    @Test func rowsThatAreNotTheSegmentsAreRefused() throws {
        let points = try operands(4, groups: 1, width: 2, kernel: 3)
        #expect(throws: TorchError.self) {
            try points[0].convolved(withinSegments: [3], points[1], bias: points[2], groups: 1)
        }
    }
}

/// The same convolution by LibTorch's transforms, as on GPUs.
@Suite(.onTestThreads) struct FrequencyConvolutionTests {
    /// Lengths of one row and of several blocks; even and odd kernels, one of which needs longer blocks.
    @Test(arguments: [
        ([9], 2, 3, 4), ([700, 1, 30, 1200], 3, 5, 8), ([40, 3], 1, 5, 7), ([5, 5], 2, 2, 1), ([300, 200], 1, 2, 150),
    ])
    func equalsTheConvolution(_ lengths: [Int], groups: Int, width: Int, kernel: Int) throws {
        let channels = groups * width
        let generator = try Generator(seed: 5)
        let points = try [[lengths.reduce(0, +), channels], [channels, width, kernel], [channels]].map {
            try Tensor.normal($0, generator: generator)
        }
        let upstream = try Tensor.normal([points[0].size(0), channels], generator: generator)
        func run(_ type: DType, _ convolve: ([Tensor]) throws -> Tensor) throws -> [Tensor] {
            let leaves = try points.map { try $0.to(dtype: type).detached().requiringGradient() }
            let output = try convolve(leaves)
            return try [output]
                + output.gradients(of: leaves, outputGradient: upstream.to(dtype: type)).map {
                    try #require($0)
                }
        }
        let expected = try run(.float64) {
            try $0[0].convolved(withinSegments: lengths, $0[1], bias: $0[2], groups: groups)
        }
        let found = try run(.float32) {
            try $0[0].convolvedByFrequencies(withinSegments: lengths, $0[1], bias: $0[2], groups: groups)
        }
        for (found, expected) in zip(found, expected) { #expect(try relativeError(found, expected) < 2e-6) }
    }

    /// A batch can bring them along: the layer uploads nothing else on a GPU.
    @Test func constantsAreKnownBefore() throws {
        let layer = try WeightNormConvolution(
            channels: 4, kernel: 3, groups: 2, deviation: 1, initializer: .random(seed: 1))
        let input = try Tensor.normal([14, 4], generator: Generator(seed: 8))
        func pass(_ lengths: [Int]) throws {
            _ = try input.convolvedByFrequencies(
                withinSegments: lengths, layer.weight(), bias: layer.bias, groups: 2)
        }
        _ = try UploadLog.list {
            try Upload(to: .cpu).add(layer.shapeConstants(withinSegments: [5, 9]))
            #expect(try UploadLog.list { try pass([5, 9]) }.isEmpty)
            #expect(try UploadLog.list { try pass([9, 5]) } == [14 * 8, 14 * 8])
        }
    }

    /// The same by products of Toeplitz matrices, with blocks shorter and longer than the kernel.
    @Test(arguments: [
        ([9], 2, 3, 4, 8), ([70, 1, 30, 120], 3, 5, 8, 16), ([40, 3], 1, 5, 7, 4), ([5, 5], 2, 2, 1, 8),
        ([300, 200], 1, 2, 150, 16), ([33, 64], 2, 4, 16, 16), ([21], 1, 3, 2, 1),
    ])
    func blocksEqualTheConvolution(
        _ lengths: [Int], groups: Int, width: Int, kernel: Int, block: Int
    ) throws {
        let channels = groups * width
        let generator = try Generator(seed: 5)
        let points = try [[lengths.reduce(0, +), channels], [channels, width, kernel], [channels]].map {
            try Tensor.normal($0, generator: generator)
        }
        let upstream = try Tensor.normal([points[0].size(0), channels], generator: generator)
        func run(_ type: DType, _ computed: DType, _ convolve: ([Tensor]) throws -> Tensor) throws -> [Tensor] {
            let leaves = try points.map {
                try $0.to(dtype: type).to(dtype: computed).detached().requiringGradient()
            }
            let output = try convolve(leaves)
            #expect(output.dtype == computed)
            let incoming = try upstream.to(dtype: type).to(dtype: computed)
            return try [output] + output.gradients(of: leaves, outputGradient: incoming).map { try #require($0) }
        }
        func exact(_ type: DType) throws -> [Tensor] {
            try run(type, .float64) {
                try $0[0].convolved(withinSegments: lengths, $0[1], bias: $0[2], groups: groups)
            }
        }
        for (type, tolerance) in [(DType.float64, 1e-12), (.float32, 2e-6), (.float16, 2e-3), (.bfloat16, 1.2e-2)] {
            for block in [block, nil] {
                let found = try run(type, type) {
                    try $0[0].convolvedByBlocks(
                        withinSegments: lengths, $0[1], bias: $0[2], groups: groups, block: block)
                }
                for (index, pair) in try zip(found, exact(type)).enumerated() {
                    let error = try relativeError(pair.0, pair.1)
                    #expect(error < tolerance, "result \(index) in \(type) differs by \(error)")
                }
            }
        }
    }

    @Test func blocksRefuseOtherShapes() throws {
        let (input, weight) = (try Tensor.zeros([4, 4]), try Tensor.zeros([4, 2, 3]))
        let bias = try Tensor.zeros([4])
        for (lengths, groups) in [([3], 2), ([4], 1)] {
            #expect(throws: TorchError.self) {
                try input.convolvedByBlocks(withinSegments: lengths, weight, bias: bias, groups: groups)
            }
        }
    }

    @Test func outputsStayInHalfPrecision() throws {
        let input = try Tensor.normal([20, 4], generator: Generator(seed: 6)).to(dtype: .bfloat16)
        let weight = try Tensor.normal([4, 2, 3], generator: Generator(seed: 7))
        let bias = try Tensor.zeros([4])
        let found = try input.convolvedByFrequencies(withinSegments: [15, 5], weight, bias: bias, groups: 2)
        #expect(found.dtype == .bfloat16)
        let exact = try input.to(dtype: .float32).convolved(withinSegments: [15, 5], weight, bias: bias, groups: 2)
        #expect(try relativeError(found, exact) < 1e-2)
    }
}
