import TestSupport
import Testing
import W2VKernels
import W2VTorch

@testable import W2VBackbone

/// Convolutions that compute two outputs at a time, compared with the plain products in FP64.
@Suite(.onTestThreads) struct PairedConvolutionTests {
    private func normal(_ shape: [Int], seed: Int64) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed))
    }

    /// Few and many rows, and an odd number of outputs; channels that are multiples of a panel or slice, and others.
    @Test(
        arguments: [(2, 3, 5), (10, 16, 48), (66, 33, 50), (400, 96, 100), (4474, 40, 70)],
        [true, false])
    func equalsPlainProducts(_ shape: (rows: Int, channels: Int, outputs: Int), ofGELU gelu: Bool) throws {
        let withBias = !gelu
        let input = try normal([shape.rows, shape.channels], seed: 1)
        let weight = try normal([shape.outputs, shape.channels, 3], seed: 2)
        let bias = withBias ? try normal([shape.outputs], seed: 3) : nil
        let gradient = try normal([shape.rows / 2, shape.outputs], seed: 4)
        func run(_ type: DType, _ body: ([Tensor]) throws -> Tensor) throws -> [Tensor] {
            let leaves = try ([input, weight] + (bias.map { [$0] } ?? [])).map {
                try $0.to(dtype: type).detached().requiringGradient()
            }
            let output = try body(leaves)
            let slopes = try output.gradients(of: leaves, outputGradient: gradient.to(dtype: type))
            return try [output.detached()] + slopes.map { try #require($0) }
        }
        let found = try run(.float32) {
            try $0[0].convolvedInPairs($0[1], withBias ? $0[2] : nil, geluOfInput: gelu)
        }
        let expected = try run(.float64) {
            try stridedConvolution($0[0], $0[1], withBias ? $0[2] : nil, stride: 2, geluOfInput: gelu)
        }
        for (index, pair) in zip(found, expected).enumerated() {
            #expect(try relativeError(pair.0.to(dtype: .float64), pair.1) < 3e-6, "\(index)")
        }
    }

    @Test func finishesWithGELU() throws {
        let (input, weight, bias) = try (
            normal([100, 8], seed: 5), normal([20, 8, 3], seed: 6), normal([20], seed: 7)
        )
        let convolution = try PairedConvolution(weight)
        let plain = try convolution(input, bias: bias)
        let finished = try convolution(input, bias: bias, gelu: true)
        #expect(try finished.elements(Float.self) == plain.gelu().elements(Float.self))
    }

    /// A signal that starts at a multiple of four rows has bit-identical results, whatever precedes and follows it.
    @Test func neighborsDoNotMatter() throws {
        let (input, weight) = try (normal([600, 24], seed: 8), normal([50, 24, 3], seed: 9))
        let convolution = try PairedConvolution(weight)
        let whole = try convolution(input)
        let part = try convolution(input.rows(212..<400).contiguous())
        #expect(try part.rows(0..<93).elements(Float.self) == whole.rows(106..<199).elements(Float.self))
    }

    @Test func supportedConvolutions() throws {
        let weight = try normal([4, 2, 3], seed: 1)
        #expect(PairedConvolution.supports(weight, stride: 2))
        #expect(!PairedConvolution.supports(weight, stride: 1))
        #expect(!PairedConvolution.supports(try normal([4, 2, 2], seed: 1), stride: 2))
        #expect(!PairedConvolution.supports(try weight.to(dtype: .float64), stride: 2))
        #expect(throws: TorchError.self) { try PairedConvolution(weight.to(dtype: .bfloat16)) }
        let convolution = try PairedConvolution(weight)
        for shape in [[7, 2], [8, 3]] {
            #expect(throws: TorchError.self) { try convolution(normal(shape, seed: 2)) }
        }
    }

    /// The usual extractor's utterances start where pairs do; if later strides leave only a multiple of two, the plain
    /// products are used, so that an utterance's features are bit-identical wherever it is.
    @Test(arguments: ["[(8, 10, 5), (8, 3, 2), (8, 3, 2)]", "[(8, 10, 5)] + [(8, 3, 2)] * 3 + [(8, 2, 2)]"])
    func featuresDoNotDependOnBatchMates(layers: String) throws {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: layers)
        let extractor = try FeatureExtractor(configuration, initializer: .random(seed: 3))
        let lengths = [1003, 2219, 801]
        let samples = try Tensor.normal([lengths.reduce(0, +)], generator: Generator(seed: 4))
        let (whole, layout) = try extractor(samples, lengths: lengths)
        var start = 0
        for (utterance, length) in lengths.enumerated() {
            let alone = try extractor(samples.rows(start..<start + length).contiguous(), lengths: [length]).features
            #expect(
                try alone.elements(Float.self) == whole.rows(layout.rows(utterance)).elements(Float.self),
                "utterance \(utterance)")
            start += length
        }
    }
}
