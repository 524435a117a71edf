import TestSupport
import Testing

@testable import Torch

@Suite struct AttentionWeightsTests {
    private let seed = DropoutSeed(value: 7)

    private func random(_ shape: [Int], seed: Int64, scale: Double = 4) throws -> Tensor {
        try Tensor.normal(shape, generator: Generator(seed: seed)) * scale
    }

    /// Rows shorter and longer than what the kernel takes at a time.
    @Test(arguments: [1, 5, 64, 200, 517], [0, 0.3])
    func oneKernelForSoftmaxAndDropout(columns: Int, probability: Double) throws {
        let scores = try random([3, columns, columns], seed: 1)
        let gradient = try random([3, columns, columns], seed: 2)
        let dropout = probability > 0 ? WeightDropout(probability, seed) : nil
        // Ones become what dropout multiplies with.
        let factors = try Tensor.ones(scores.shape).droppingOut(probability, seed)
        let exact = try scores.to(dtype: .float64).softmax(-1)
        let expected = try exact * factors
        let expectedScores = try exact.softmaxBackward(gradient.to(dtype: .float64) * factors) * 0.125
        let found = try scores.cloned().attentionWeights(dropout, softmaxIn: .float32)
        #expect(try relativeError(found.to(dtype: .float64), expected) < 1e-6)
        let back = try scores.cloned().attentionWeightsBackward(
            gradient.cloned(), scale: 0.125, dropout, softmaxIn: .float32)
        #expect(try back.weights.elements(Float.self) == found.elements(Float.self))
        #expect(try back.scores.magnitude().reshaped(-1).maximum(0).item() < 1e-6 || columns > 1)
        if columns > 1 { #expect(try relativeError(back.scores.to(dtype: .float64), expectedScores) < 2e-6) }
    }

    /// Some heads at a time have the weights that all heads together have.
    @Test func partsDropTheSame() throws {
        let (scores, gradient) = (try random([5, 33, 33], seed: 8), try random([5, 33, 33], seed: 9))
        let dropout = WeightDropout(0.4, seed)
        let whole = try scores.cloned().attentionWeightsBackward(
            gradient.cloned(), scale: 0.5, dropout, softmaxIn: .float32)
        for heads in [0..<2, 2..<4, 4..<5] {
            let part = dropout.starting(at: heads.lowerBound * 33 * 33)
            let weights = try scores.rows(heads).cloned().attentionWeights(part, softmaxIn: .float32)
            let back = try scores.rows(heads).cloned().attentionWeightsBackward(
                gradient.rows(heads).cloned(), scale: 0.5, part, softmaxIn: .float32)
            #expect(try weights.elements(Float.self) == whole.weights.rows(heads).elements(Float.self))
            #expect(try back.weights.elements(Float.self) == whole.weights.rows(heads).elements(Float.self))
            #expect(try back.scores.elements(Float.self) == whole.scores.rows(heads).elements(Float.self))
        }
        #expect(throws: TorchError.self) {
            try scores.to(dtype: .float64).attentionWeights(dropout.starting(at: 1), softmaxIn: .float64)
        }
    }

    /// What other types and devices use.
    @Test func operatorsGiveTheSame() throws {
        let (scores, gradient) = (try random([2, 9, 9], seed: 3), try random([2, 9, 9], seed: 4))
        let kernel = try scores.cloned().attentionWeightsBackward(
            gradient.cloned(), scale: 2, nil, softmaxIn: .float32)
        let operators = try scores.to(dtype: .float64).attentionWeightsBackward(
            gradient.to(dtype: .float64), scale: 2, nil, softmaxIn: .float64)
        #expect(try relativeError(kernel.weights.to(dtype: .float64), operators.weights) < 1e-6)
        #expect(try relativeError(kernel.scores.to(dtype: .float64), operators.scores) < 1e-6)
        #expect(try scores.to(dtype: .bfloat16).attentionWeights(nil, softmaxIn: .float32).dtype == .bfloat16)
    }

    @Test(arguments: [Double.nan, .infinity])
    func aNumberThatIsNoneSpreadsOverItsRow(_ number: Double) throws {
        let scores = try random([1, 70, 70], seed: 5)
        try scores.selected(0, 0).selected(0, 3).rows(66..<67).fillInPlace(number)
        let weights = try scores.attentionWeights(nil, softmaxIn: .float32).elements(Float.self)
        for (index, weight) in weights.enumerated() { #expect(weight.isNaN == (index / 70 == 3)) }
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
