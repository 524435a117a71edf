import TestSupport
import Testing
import W2VBase
import W2VKernels
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Masks, the choice of code book entries and the contrastive loss with the GPU kernels, run thread by thread on the
/// CPU, compared with LibTorch's operators.
@Suite(.onTestThreads) struct DeviceObjectiveTests {
    /// A few roundings to 8 or 11 bits.
    private static let formats: [(DType, Double)] = [(.float32, 3e-6), (.float16, 4e-3), (.bfloat16, 3e-2)]

    private func normal(_ shape: [Int], seed: Int64, deviation: Double = 1) throws -> Tensor {
        try Tensor.normal(shape, deviation: deviation, generator: Generator(seed: seed))
    }

    /// Results and gradients of a function, in FP32 by operators and in a format by kernels.
    private func compare(
        _ inputs: [Tensor], in dtype: DType, by kernels: [String], tolerance: Double, _ what: String = "",
        _ function: ([Tensor]) throws -> [Tensor]
    ) throws {
        let rounded = try inputs.map { try $0.to(dtype: dtype) }
        func run(_ inputs: [Tensor]) throws -> [Tensor] {
            let leaves = try inputs.map { try $0.detached().cloned().requiringGradient() }
            let outputs = try function(leaves)
            var total = try Tensor.scalar(0)
            for (index, output) in outputs.enumerated() where output.requiresGradient {
                let weights = try normal(output.shape, seed: 90 + Int64(index))
                total = try total + (output.to(dtype: .float32) * weights).sum()
            }
            return try outputs + total.gradients(of: leaves).map { try #require($0) }
        }
        let expected = try run(rounded.map { try $0.to(dtype: .float32) })
        var found: [Tensor] = []
        let launched = try kernelsLaunched { found = try run(rounded) }
        // Otherwise the operators would have been compared with themselves.
        for kernel in kernels { #expect(launched.contains("\(kernel)_\(dtype)"), "\(kernel) did not run") }
        for (index, pair) in zip(found, expected).enumerated() {
            let error = try relativeError(pair.0.to(dtype: .float32), pair.1.to(dtype: .float32))
            #expect(error < tolerance, "\(what) result \(index) of \(dtype) differs by \(error)")
        }
    }

    @Test(arguments: formats)
    func masks(_ dtype: DType, _ tolerance: Double) throws {
        for (rows, columns) in [(7, 8), (5, 768), (700, 40)] {
            let flags = try Tensor((0..<rows).map { $0 % 3 == 1 }, shape: [rows, 1])
            try compare(
                [normal([rows, columns], seed: 1), normal([columns], seed: 2)], in: dtype,
                by: ["mask_rows", "mask_rows_backward"], tolerance: tolerance
            ) {
                [try $0[0].replacingRows(where: flags, with: $0[1])]
            }
        }
    }

    @Test(arguments: formats, [false, true])
    func choices(_ format: (DType, Double), isNoisy: Bool) throws {
        // Nearly uniform softmaxes have gradients that are differences of nearly equal numbers.
        let (dtype, tolerance) = (format.0, max(format.1, 3e-5))
        let cases: [(Int, Int, [Int]?)] = [
            (5, 6, nil), (5, 6, [2, 3]), (33, 320, nil), (33, 320, [11, 11, 11]), (33, 320, [1, 30, 2]), (9, 512, nil),
        ]
        for (rows, entries, segments) in cases {
            let segments = try segments.map { try RowSegments($0, on: .cpu) }
            var configuration = ModelConfiguration()
            (configuration.latentVars, configuration.latentGroups) = (entries, 2)
            let noise = try isNoisy ? normal([rows, 2, entries], seed: 3, deviation: 3) : nil
            // Logits of few bits are the same number in every format: rounding never changes a choice.
            let logits = try Tensor(
                (0..<rows * 2 * entries).map { Float(($0 * 7919) % 61) / 16 - 2 }, shape: [rows, 2, entries])
            let quantizer = try GumbelVectorQuantizer(
                inputs: 2 * entries, outputs: 8, configuration, initializer: .random(seed: 4))
            let identity = try Tensor(
                (0..<2 * entries).flatMap { row in (0..<2 * entries).map { Float($0 == row ? 1 : 0) } },
                shape: [2 * entries, 2 * entries])
            let parameters = quantizer.parameters()
            let books = try #require(parameters.first { $0.name == "vars" })
            let weight = try #require(parameters.first { $0.name == "weight_proj.weight" })
            let bias = try #require(parameters.first { $0.name == "weight_proj.bias" })
            let temperature = try Tensor.scalar(1.5)
            let vectors = try books.tensor.detached()
            try compare(
                [logits.viewed(rows, -1), vectors], in: dtype, by: ["choose_entries", "choose_entries_backward"],
                tolerance: tolerance, "\(rows) rows of \(entries),"
            ) {
                weight.tensor = try identity.to(dtype: $0[0].dtype)
                bias.tensor = try Tensor.zeros([2 * entries], dtype: $0[0].dtype)
                books.tensor = $0[1]
                let found = try quantizer($0[0], temperature: temperature, noise: noise, segments: segments)
                return [found.vectors, found.codes, found.codePerplexity, found.probabilityPerplexity]
            }
        }
    }

    @Test(arguments: formats)
    func contrasts(_ dtype: DType, _ tolerance: Double) throws {
        // Two equal utterances and a smaller one, then others; the last has one candidate and no distractors.
        let counts = [37, 37, 35, 5, 60, 1]
        let masked = counts.map { Array(0..<$0) }
        var objective = ContrastiveConfiguration()
        objective.numNegatives = 40
        let negatives = Negatives.draw(
            objective, masked: masked, candidates: counts, entries: (4, 2),
            stream: RandomStream(seed: 1, purpose: .negatives))
        let total = counts.reduce(0, +)
        let identities = try Tensor((0..<total).map { $0 % 11 })
        let inputs = [try normal([total, 24], seed: 1), try normal([total, 24], seed: 2)]
        for identities in [nil, identities] {
            try compare(inputs, in: dtype, by: ["contrast", "contrast_backward"], tolerance: tolerance) { inputs in
                let choices = try ContrastiveChoices(
                    masked: masked, candidateCounts: counts, negatives: negatives, through: Upload(to: .cpu))
                let loss = try contrastiveLoss(
                    predictions: inputs[0], candidates: inputs[1], identities: identities, choices: choices,
                    codeVectors: nil, temperature: 0.1, infonce: true)
                return [loss.losses, loss.correct]
            }
        }
    }
}
