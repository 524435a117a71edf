import TestSupport
import Testing
import W2VTorch

/// Sums and means of segments are those of each segment by itself.
@Suite(.onTestThreads) struct RowSegmentsTests {
    @Test(arguments: [[7], [3, 3, 3], [1, 4, 2]])
    func equalThoseOfEachSegmentAlone(_ lengths: [Int]) throws {
        let segments = try RowSegments(lengths, on: .cpu)
        let rows = lengths.reduce(0, +)
        let input = try Tensor.normal([rows, 5], generator: Generator(seed: 1)).requiringGradient()
        let weights = try Tensor.normal([lengths.count, 5], generator: Generator(seed: 2))
        /// Results, and the gradient of their weighted sum.
        func outcome(_ body: (Tensor) throws -> (sums: Tensor, means: Tensor)) throws -> [Tensor] {
            let found = try body(input)
            let total = try (found.sums * weights.selected(1, 0)).sum() + (found.means * weights).sum()
            return [found.sums, found.means, try #require(total.gradients(of: [input])[0])]
        }
        let found = try outcome { input in
            (try segments.sums(input.selected(1, 0)), try segments.means(ofVectors: input))
        }
        let expected = try outcome { input in
            let parts = try input.split(lengths)
            return (
                try .stack(parts.map { try $0.selected(1, 0).sum() }), try .stack(parts.map { try $0.mean(0) })
            )
        }
        for (found, expected) in zip(found, expected) { #expect(try relativeError(found, expected) < 1e-6) }
        let means = try segments.means(input.selected(1, 0))
        #expect(try relativeError(means, expected[1].selected(1, 0)) < 1e-6)
    }

    /// Numbers are added up in FP32 as they are.
    @Test func sumsOfLargeNumbersAreExact() throws {
        let segments = try RowSegments([3, 1], on: .cpu)
        let sums = try segments.sums(Tensor([8_388_607, 8_388_607, 1, 16_777_215] as [Float]))
        #expect(try sums.elements(Float.self) == [16_777_215, 16_777_215])
    }
}
