import TestSupport
import Testing
import W2VKernels
import W2VTorch

@testable import W2VBackbone

/// The extractor's first layer with the GPU kernels, run on the CPU.
@Suite(.onTestThreads) struct DeviceExtractorTests {
    private static let lengths = [1200, 400, 3721]

    private func layer(_ channels: Int) throws -> ModelConfiguration {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[(\(channels),10,5)]+[(\(channels),3,2)]")
        return configuration
    }

    /// Features, and the gradients of the first layer's parameters.
    private func results(_ channels: Int, _ dtype: DType) throws -> [Tensor] {
        let extractor = try FeatureExtractor(layer(channels), initializer: .random(seed: 3))
        extractor.convertForTraining()
        for parameter in extractor.parameters() {
            // Gains and biases that are neither 1 nor 0.
            let start = try parameter.tensor.detached()
            let moved = try start + Tensor.normal(start.shape, deviation: 0.1, generator: Generator(seed: 5))
            parameter.tensor = try moved.to(dtype: .bfloat16).to(dtype: dtype).requiringGradient()
        }
        let total = Self.lengths.reduce(0, +)
        let samples = try Tensor.normal([total], generator: Generator(seed: 4)) * 0.3 + 0.05
        let (features, _) = try extractor(samples, lengths: Self.lengths)
        let weights = try Tensor.normal(features.shape, generator: Generator(seed: 6)).to(dtype: dtype)
        let leaves = extractor.blocks[0].parameters().map(\.tensor)
        return try [features] + features.gradients(of: leaves, outputGradient: weights).map { try #require($0) }
    }

    @Test(arguments: [(DType.float32, 1e-5), (.float16, 2e-2), (.bfloat16, 6e-2)])
    func equalsTheHostKernels(_ dtype: DType, _ tolerance: Double) throws {
        for channels in [16, 516] {
            let expected = try results(channels, .float32)
            let found = try withEmulatedDeviceKernels { try results(channels, dtype) }
            for (index, pair) in zip(found, expected).enumerated() {
                #expect(pair.0.dtype == dtype)
                let error = try relativeError(pair.0, pair.1)
                #expect(error < tolerance, "result \(index) of \(dtype), \(channels) channels, differs by \(error)")
            }
        }
    }

    @Test func tooShortSignalsAreRefused() throws {
        let weight = try Tensor.zeros([8, 1, 10])
        let vector = try Tensor.ones([8])
        #expect(throws: TorchError.self) {
            try withEmulatedDeviceKernels {
                _ = try NormalizedSignalKernels(
                    Tensor.zeros([100]), weight: weight, gain: vector, bias: vector, stride: 5,
                    utterances: [(0, 20, 20)])
            }
        }
    }
}
