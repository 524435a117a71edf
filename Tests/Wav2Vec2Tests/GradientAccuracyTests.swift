import TestSupport
import Testing
import W2VBase
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Gradients in FP32 are no farther from those in FP64 than those of LibTorch's own operators.
@Suite(.onTestThreads) struct GradientAccuracyTests {
    /// The error of rounding in the layers before and after, as a share of a gradient's largest element.
    private static let floor = 5e-6

    /// Small models and recordings up to half a minute, whose first layers add up a hundred thousand rows.
    @Test(arguments: 0..<6)
    func isNoWorseThanLibTorchs(_ number: Int) throws {
        var stream = RandomStream(seed: 5, purpose: .synthesis, index: number)
        let configuration = try Self.configuration(number, &stream)
        let weights = try Self.weights(configuration, seed: Int64(number))
        let longest = number.isMultiple(of: 2) ? 480_000 : 40_000
        let lengths = (0..<2).map { _ in 4_000 + stream.integer(below: longest) }
        let samples = try Tensor(
            lengths.enumerated().flatMap { tonesInNoise($1, seed: UInt64(10 * number + $0)) })
        let targets = lengths.map { _ in (0..<5).map { _ in 4 + stream.integer(below: 8) } }

        func gradients(_ type: DType) throws -> [String: Tensor] {
            let model = try CTCModel(configuration, labels: 12, initializer: .empty)
            try model.load(weights)
            if type == .float32 { try model.convertForTraining() }
            for parameter in model.parameters() {
                parameter.tensor = try parameter.tensor.to(dtype: type).detached().requiringGradient()
            }
            let (logits, layout) = try model(samples.to(dtype: type), lengths: lengths)
            try model.losses(logits, layout, targets: targets).sum().backward()
            var found: [String: Tensor] = [:]
            for parameter in model.parameters() {
                found[parameter.name] = try parameter.tensor.gradient()?.to(dtype: .float64)
            }
            return found
        }
        let (exact, ours) = (try gradients(.float64), try gradients(.float32))
        let theirs = try withLibTorchsOperators { try gradients(.float32) }
        // Group norm cancels the first layer's bias, whose gradient is then at most rounding noise.
        let bias = "w2v_encoder.w2v_model.feature_extractor.conv_layers.0.0.bias"
        for (name, reference) in exact where configuration.extractorMode == .layerNorm || name != bias {
            let own = try relativeError(try #require(ours[name], "\(name)"), reference)
            let other = try relativeError(try #require(theirs[name], "\(name)"), reference)
            #expect(
                own <= max(other, Self.floor),
                "\(configuration.convFeatureLayers), \(lengths): \(name) is off by \(own), LibTorch's by \(other)")
        }
    }

    /// Sums over the rows of ten minutes, one after the other in FP32, would be off by 1e-5 and more.
    @Test(arguments: ["pairs", "signal", "LayerNorm", "residual LayerNorm"])
    func sumsOverManyRowsLoseNothing(_ kernel: String) throws {
        let (rows, columns) = (400_000, 5)
        let generator = try Generator(seed: 1)
        func normal(_ shape: Int...) throws -> Tensor {
            // A mean beside the noise makes sums grow with the rows.
            try Tensor.normal(shape, generator: generator) + 0.5
        }
        let (input, gradient) = (try normal(2 * rows, 4), try normal(rows, columns))
        let signal = try normal(5 * rows + 5, 1)
        let (residual, branch) = (try normal(rows, columns), try normal(rows, columns))
        let weight = try kernel == "pairs" ? normal(columns, 4, 3) : normal(columns, 1, 10)
        let start = try [weight, normal(columns), normal(columns)]
        let norm = try LayerNorm(columns, initializer: .random(seed: 1))
        func run(_ type: DType) throws -> [Tensor] {
            let leaves = try start.map { try $0.to(dtype: type).detached().requiringGradient() }
            (norm.weight, norm.bias) = (leaves[1], leaves[2])
            let output: Tensor
            switch kernel {
            case "pairs":
                output =
                    try type == .float32
                    ? input.convolvedInPairs(leaves[0], leaves[1], geluOfInput: false)
                    : stridedConvolution(input.to(dtype: type), leaves[0], leaves[1], stride: 2)
            case "signal":
                let layout = RaggedLayout([rows])
                output =
                    try type == .float32
                    ? normalizedSignalConvolution(
                        signal, leaves[0], gain: leaves[1], bias: leaves[2], stride: 5, layout, valid: [rows],
                        epsilon: 1e-5
                    ).output
                    : signal.to(dtype: type).viewed(1, 1, -1).convolved(leaves[0], stride: 5).squeezed(0).transposed()
                        .contiguous().normalizedColumns(gain: leaves[1], bias: leaves[2]).gelu()
            case "LayerNorm": output = try norm(residual.to(dtype: type))
            default:
                output = try norm(residual.to(dtype: type), adding: branch.to(dtype: type), dropout: 0, .inference)
            }
            return try output.gradients(of: leaves, outputGradient: gradient.to(dtype: type)).compactMap { $0 }
        }
        let (found, exact) = (try run(.float32), try run(.float64))
        #expect(found.count == exact.count && found.count >= 2)
        for (one, other) in zip(found, exact) {
            let error = try relativeError(one.to(dtype: .float64), other)
            // GELU's slope is a polynomial, whose own error does not average out.
            #expect(error < (kernel == "signal" ? 5e-6 : 2e-6), "off by \(error)")
        }
    }

    /// Layers of odd kernels and widths, with biases and without, and both kinds of normalization.
    private static func configuration(_ number: Int, _ stream: inout RandomStream) throws -> ModelConfiguration {
        func pick<Value>(_ values: [Value]) -> Value { values[stream.integer(below: values.count)] }
        var configuration = ModelConfiguration()
        configuration.extractorMode = number % 3 == 1 ? .groupNorm : .layerNorm
        configuration.convBias = pick([true, false])
        let later = (0..<5).map { _ in "(\(pick([5, 8, 16, 24, 31, 48, 64])),\(pick([2, 3, 3, 3, 4, 5])),2)" }
        let layers = ["(\(pick([5, 16, 24, 64])),\(pick([7, 9, 10, 11])),5)"] + later + ["(\(pick([8, 24, 31])),2,2)"]
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[\(layers.joined(separator: ","))]")
        configuration.encoderLayers = 2
        configuration.layerNormFirst = pick([true, false])
        configuration.encoderEmbedDim = pick([16, 32, 48])
        configuration.encoderFfnEmbedDim = pick([32, 64, 100])
        configuration.encoderAttentionHeads = pick([1, 2, 4])
        (configuration.convPos, configuration.convPosGroups) = (pick([16, 17, 32]), pick([2, 4]))
        return configuration
    }

    /// Weights as after some training: normalizations that do something.
    private static func weights(_ configuration: ModelConfiguration, seed: Int64) throws -> [String: Tensor] {
        let generator = try Generator(seed: seed)
        let state = try CTCModel(configuration, labels: 12, initializer: .random(seed: seed)).state()
        var weights: [String: Tensor] = [:]
        for (name, tensor) in state.sorted(by: { $0.key < $1.key }) {
            let noise = try Tensor.normal(tensor.shape, deviation: 0.1, generator: generator)
            weights[name] = try tensor.rank == 1 ? tensor + noise : tensor * 1.5
        }
        return weights
    }
}

extension Tensor {
    /// Zero mean and unit variance of each column, scaled and shifted.
    fileprivate func normalizedColumns(gain: Tensor, bias: Tensor) throws -> Tensor {
        let centered = try self - mean(0)
        let inverse = try (centered.squared().mean(0) + 1e-5).reciprocalSquareRoot()
        return try centered * inverse * gain + bias
    }
}
