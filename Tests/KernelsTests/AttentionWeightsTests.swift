import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

@Suite(.onTestThreads) struct AttentionWeightsTests {
    private let seed = DropoutSeed(offset: 7)

    private func random(_ shape: [Int], seed: Int64, scale: Double = 4) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed)) * scale
    }

    @Test(arguments: [1, 5, 64], [0, 0.3])
    func softmaxThenDropout(columns: Int, probability: Double) throws {
        let scores = try random([3, columns, columns], seed: 1).to(dtype: .float64)
        let gradient = try random([3, columns, columns], seed: 2).to(dtype: .float64)
        let dropout = probability > 0 ? WeightDropout(probability, seed) : nil
        // Ones become the factors of the dropout.
        let factors = try Tensor.ones(scores.shape, dtype: .float64).droppingOut(probability, seed)
        let leaf = try scores.requiringGradient()
        let expected = try leaf.softmax(-1) * factors
        let slope = try #require(try expected.gradients(of: [leaf], outputGradient: gradient)[0]) * 0.125
        let found = try scores.attentionWeights(dropout, softmaxIn: .float64)
        #expect(try relativeError(found, expected.detached()) < 1e-12)
        let back = try scores.attentionWeightsBackward(gradient, scale: 0.125, dropout, softmaxIn: .float64)
        #expect(try back.weights.elements(Double.self) == found.elements(Double.self))
        if columns > 1 { #expect(try relativeError(back.scores, slope) < 1e-12) }
    }

    @Test func resultsStayInHalfPrecision() throws {
        let scores = try random([2, 9, 9], seed: 3).to(dtype: .bfloat16)
        #expect(try scores.attentionWeights(nil, softmaxIn: .float32).dtype == .bfloat16)
        let back = try scores.attentionWeightsBackward(scores, scale: 2, nil, softmaxIn: .float32)
        #expect(back.weights.dtype == .bfloat16 && back.scores.dtype == .bfloat16)
    }

    @Test func productsIntoViews() throws {
        let (left, right) = (try random([3, 40, 8], seed: 6), try random([3, 8, 16], seed: 7))
        for type in [DType.float32, .float64, .bfloat16, .float16] {
            let rows = try Tensor.full([40, 48], .nan, dtype: type)
            let view = try rows.viewed(40, 3, 16).transposed(0, 1)
            try view.setProductInPlace(left.to(dtype: type), right.to(dtype: type), scale: 0.5)
            let expected =
                try (left.to(dtype: type).to(dtype: .float64).matmul(right.to(dtype: type).to(dtype: .float64))) * 0.5
            let tolerance = type.isHalfPrecision ? 1e-2 : 1e-6
            #expect(try relativeError(view.to(dtype: .float64), expected) < tolerance, "\(type)")
        }
    }
}
