import TestSupport
import Testing
import W2VTorch

@testable import W2VBackbone
@testable import W2VObjectives

/// Frozen convolutions leave out the frames that a mask hides: the results do not change.
@Suite(.onTestThreads) struct MaskedFeatureTests {
    private static let lengths = [21_417, 400, 9_999, 16_000]

    private static func configuration(_ variant: String) throws -> ModelConfiguration {
        try .small(channels: 24) {
            $0.featureGradMult = 0
            if variant == "large" { $0.becomeLarge() }
        }
    }

    private func samples() throws -> Tensor {
        try Tensor.normal([Self.lengths.reduce(0, +)], generator: Generator(seed: 3)) * 0.2 + 0.1
    }

    /// Single frames, spans, the first and the last frame, and an utterance without a mask.
    private static let masked = [
        [0, 1, 2, 7, 9, 10] + Array(20..<31) + [40, 65], [], Array(0..<12), Array(30..<49),
    ]

    @Test func runsAreTheUnmaskedFrames() {
        let runs = FrameRuns(lengths: [10, 3, 4, 5], masked: [[0, 3, 4, 8], [0, 1, 2], [], [1, 3]]).runs
        let expected = [(0, 1..<3), (0, 5..<10), (2, 0..<4), (3, 0..<5)]
        #expect(runs == expected.map { FrameRuns.Run(utterance: $0.0, frames: $0.1) })
    }

    private func features(_ variant: String, masked: [[Int]]?, _ plan: ExecutionPlan = .lean) throws -> (
        Tensor, RaggedLayout
    ) {
        let extractor = try FeatureExtractor(Self.configuration(variant), initializer: .random(seed: 4))
        extractor.convertForTraining()
        for parameter in extractor.parameters() where parameter.name.contains(".2.") {
            let start = try parameter.tensor.detached()
            parameter.tensor = try start + Tensor.normal(start.shape, deviation: 0.1, generator: Generator(seed: 5))
        }
        return try withoutGradient { try extractor(samples(), lengths: Self.lengths, maskedFrames: masked, plan) }
    }

    @Test(arguments: ["base", "large"], [1_000, 30_000, 1_000_000])
    func resultsThatAreReadAreTheSame(_ variant: String, atOnce: Int) throws {
        let (expected, layout) = try features(variant, masked: nil)
        var plan = ExecutionPlan.lean
        plan.samplesAtOnce = atOnce
        try expectRows(features(variant, masked: Self.masked, plan).0, expected, layout)
        let all = try features(variant, masked: Self.masked, .full).0
        #expect(try all.elements(Float.self) == expected.elements(Float.self), "a full plan skips no frame")
    }

    @Test func kernelsForGPUsLeaveOutFramesToo() throws {
        let (expected, layout) = try features("base", masked: nil)
        try withEmulatedDeviceKernels {
            try expectRows(features("base", masked: Self.masked).0, expected, layout)
        }
    }

    private func expectRows(_ found: Tensor, _ expected: Tensor, _ layout: RaggedLayout) throws {
        #expect(found.shape == expected.shape)
        let hidden = Set(Mask(frames: Self.masked).rows(in: layout))
        let read = try Tensor((0..<layout.total).filter { !hidden.contains($0) })
        let error = try relativeError(found.taking(read), expected.taking(read))
        #expect(error < 1e-5, "what is read differs by \(error)")
        // A masked frame between two others is computed, which is free; all others are not.
        let missing = try Tensor(Mask(frames: Self.masked).rows(in: layout).filter { ![7, 40].contains($0) })
        #expect(try found.taking(missing).magnitude().sum().item() == 0)
    }

    /// Logits and gradients, with channel masks, in both orders.
    @Test(arguments: ["base", "large"], [false, true])
    func lossesAndGradientsAreTheSame(_ variant: String, channelsFirst: Bool) throws {
        var configuration = try Self.configuration(variant)
        (configuration.dropout, configuration.attentionDropout, configuration.encoderLayerdrop) = (0, 0, 0)
        let model = try CTCModel(configuration, labels: 8, initializer: .random(seed: 6))
        try model.convertForTraining()
        try model.setRequiresGradient(true)
        let frames = Self.lengths.map(configuration.convFeatureLayers.frames(samples:))
        let mask = Mask(frames: Self.masked, channels: [[0, 1, 5], [2], [], [30, 31]])
        func run(_ plan: ExecutionPlan, _ probe: ((String, Tensor) -> Void)? = nil) throws -> [Tensor] {
            var pass = ForwardPass.inference
            (pass.plan, pass.probe) = (plan, probe)
            let (logits, layout) = try model(
                samples(), lengths: Self.lengths, mask: mask, channelsFirst: channelsFirst, pass)
            let loss = try model.losses(logits, layout, targets: frames.map { [3, 1].suffix(max(1, $0 / 8)) }).sum()
            return try [logits]
                + loss.gradients(of: model.parameters().map(\.tensor)).compactMap { $0 }
        }
        var stages: [String: Tensor] = [:]
        func zeroFrames() throws -> Int {
            let features = try #require(stages["conv_features"])
            return try features.magnitude().sum(1).elements(Double.self).filter { $0 == 0 }.count
        }
        let expected = try run(.full) { stages[$0] = $1 }
        #expect(try zeroFrames() == 0)
        let found = try run(.lean)
        #expect(found.count == expected.count)
        for (left, right) in zip(found, expected) { #expect(try relativeError(left, right) < 5e-5) }
        // A probe observes and changes nothing.
        let probed = try run(.lean) { stages[$0] = $1 }
        #expect(try zeroFrames() == mask.rows(in: RaggedLayout(frames)).count - 2)
        for (left, right) in zip(found, probed) {
            #expect(try left.elements(Float.self) == right.elements(Float.self))
        }
    }
}
