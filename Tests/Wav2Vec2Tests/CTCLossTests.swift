import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

@Suite(.onTestThreads) struct CTCLossTests {
    /// One call for all utterances gives the same as one call for each, also for labels that cannot fit.
    @Test func batchedEqualsOneByOne() throws {
        let layout = RaggedLayout([12, 3, 30, 7])
        let targets = [[1, 2, 2, 3], [1, 1, 1], [4, 3, 2, 1, 4, 4], [2]]
        let start = try Tensor.normal([layout.total, 6], generator: Generator(seed: 1))
        func run(_ losses: (Tensor) throws -> Tensor) throws -> [Tensor] {
            let logits = try start.detached().requiringGradient()
            let found = try losses(logits)
            return [try found.detached(), try #require(try found.sum().gradients(of: [logits])[0])]
        }
        let expected = try run { try ctcLosses($0, layout, targets: targets, zeroInfinity: true) }
        let found = try run { try batchedCTCLosses($0, layout, targets: targets, zeroInfinity: true) }
        #expect(try found[0].elements(Double.self)[1] == 0, "three equal labels in three frames")
        for (found, expected) in zip(found, expected) {
            #expect(found.shape == expected.shape)
            #expect(try relativeError(found, expected) < 1e-6)
        }
    }
}
