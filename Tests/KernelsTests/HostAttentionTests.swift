import TestSupport
import Testing

@testable import W2VKernels
@testable import W2VTorch

/// The kernel for attention within utterances, compared with the same arithmetic by operators in FP64.
@Suite(.onTestThreads) struct HostAttentionTests {
    private struct Case {
        let projected: Tensor
        let gradient: Tensor
        let lengths: [Int]
        let heads: Int
        let width: Int

        init(_ lengths: [Int], heads: Int, width: Int) throws {
            let frames = lengths.reduce(0, +)
            projected = try Tensor.normal([frames, 3 * heads * width], generator: Generator(seed: 1)) * 1.5
            gradient = try Tensor.normal([frames, heads * width], generator: Generator(seed: 2))
            (self.lengths, self.heads, self.width) = (lengths, heads, width)
        }

        /// Dropouts of probability `p`, one for each utterance.
        func dropouts(_ p: Double) -> [WeightDropout] {
            p > 0 ? lengths.indices.map { WeightDropout(p, DropoutSeed(offset: UInt64(40 + $0))) } : []
        }

        func run(_ p: Double) throws -> (context: Tensor, gradient: Tensor) {
            let leaf = try projected.detached().requiringGradient()
            let context = try leaf.hostSelfAttention(lengths: lengths, heads: heads, dropouts: dropouts(p))
            let slope = try context.gradients(of: [leaf], outputGradient: gradient)[0]
            return (try context.detached(), try #require(slope))
        }

        func reference(_ p: Double) throws -> (context: Tensor, gradient: Tensor) {
            let leaf = try projected.to(dtype: .float64).requiringGradient()
            var (parts, start): ([Tensor], Int) = ([], 0)
            for (utterance, length) in lengths.enumerated() {
                let thirds = try leaf.rows(start..<start + length).viewed(length, 3, heads, width).permuted(1, 2, 0, 3)
                let products = try thirds.selected(0, 0).matmul(thirds.selected(0, 1).transposed())
                // Ones become the factors of the dropout.
                let factors = try Tensor.ones([heads, length, length])
                    .droppingOut(p, DropoutSeed(offset: UInt64(40 + utterance))).to(dtype: .float64)
                let weights = try (products / Double(width).squareRoot()).softmax(-1) * factors
                parts.append(
                    try weights.matmul(thirds.selected(0, 2)).transposed(0, 1).reshaped(length, heads * width))
                start += length
            }
            let context = try Tensor.concatenate(parts)
            let slope = try context.gradients(of: [leaf], outputGradient: gradient.to(dtype: .float64))[0]
            return (try context.detached(), try #require(slope))
        }
    }

    /// Shorter and longer than a panel, a block of queries, and the cache's capacity.
    @Test(arguments: [([1], 2, 8), ([5, 48, 97], 3, 64), ([130, 1, 200], 2, 20), ([900], 1, 16)], [0, 0.3])
    func equalsOperators(_ shape: ([Int], Int, Int), probability: Double) throws {
        let example = try Case(shape.0, heads: shape.1, width: shape.2)
        let (found, expected) = (try example.run(probability), try example.reference(probability))
        #expect(try relativeError(found.context.to(dtype: .float64), expected.context) < 2e-6)
        // A single frame has one weight, whose gradient is only rounding noise.
        #expect(try relativeError(found.gradient.to(dtype: .float64), expected.gradient) < 4e-6)
    }

    @Test func aloneOrAmongOthers() throws {
        let example = try Case([70, 133, 20], heads: 2, width: 64)
        let whole = try example.run(0).context
        let alone = try example.projected.rows(70..<203).contiguous().hostSelfAttention(lengths: [133], heads: 2)
        #expect(try alone.elements(Float.self) == whole.rows(70..<203).elements(Float.self))
    }

    /// In a separate process, because it sets the number of threads: with more threads than heads, a head's queries are
    /// shared.
    @Test func moreThreadsThanHeads() async {
        await #expect(processExitsWith: .success) {
            let projected = try Tensor.normal([301, 3 * 2 * 32], generator: Generator(seed: 3))
            LibTorch.threads = 1
            let single = try projected.hostSelfAttention(lengths: [301], heads: 2).elements(Float.self)
            for threads in [2, 3, 7] {
                LibTorch.threads = threads
                #expect(try projected.hostSelfAttention(lengths: [301], heads: 2).elements(Float.self) == single)
            }
        }
    }

    @Test(arguments: [Double.nan, .infinity])
    func nanSpreadsOverItsRow(_ number: Double) throws {
        let example = try Case([70], heads: 2, width: 16)
        // A query of the second head.
        try example.projected.rows(5..<6).narrowed(1, 16 + 3..<16 + 4).fillInPlace(number)
        let context = try example.run(0).context.elements(Float.self)
        for (index, value) in context.enumerated() { #expect(value.isNaN == (index / 32 == 5 && index % 32 >= 16)) }
    }

    @Test func rejectsMismatchedSizes() throws {
        let projected = try Tensor.zeros([10, 24])
        for (lengths, heads) in [([9], 2), ([10, 0], 2), ([10], 5), ([10], 0)] {
            #expect(throws: TorchError.self) { try projected.hostSelfAttention(lengths: lengths, heads: heads) }
        }
        #expect(throws: TorchError.self) {
            try projected.to(dtype: .float64).hostSelfAttention(lengths: [10], heads: 2)
        }
        #expect(throws: TorchError.self) {
            try projected.hostSelfAttention(
                lengths: [4, 6], heads: 2, dropouts: [WeightDropout(0.1, DropoutSeed(offset: 1))])
        }
    }
}
