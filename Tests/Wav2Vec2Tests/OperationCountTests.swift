import TestSupport
import Testing
import W2VBackbone
import W2VObjectives
import W2VTorch

@Suite(.onTestThreads) struct OperationCountTests {
    /// A recognizer without memory for its parameters.
    private func recognizer(_ configuration: ModelConfiguration, labels: Int = 5) throws -> CTCModel {
        try CTCModel(configuration, labels: labels, initializer: .shapes)
    }

    private func pretraining(_ configuration: ModelConfiguration) throws -> PretrainingModel {
        try PretrainingModel(configuration, initializer: .shapes)
    }

    @Test func aSmallModelIsAsCountedByHand() throws {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[(4,4,2)]+[(8,2,2)]")
        configuration.encoderLayers = 1
        configuration.encoderEmbedDim = 6
        configuration.encoderFfnEmbedDim = 10
        configuration.encoderAttentionHeads = 2
        configuration.convPos = 4
        configuration.convPosGroups = 2
        let count = try recognizer(configuration).operations(samples: [14])
        // 14 samples: 6 rows, then 3 frames.
        let first: Int = 2 * 6 * 4 * 1 * 4
        let second: Int = 2 * 3 * 2 * 4 * 8
        let projections: Int = 2 * 3 * (4 * 36 + 2 * 60)
        let attention: Int = 2 * (2 * 9 * 6)
        let rest: [Int] = [2 * 3 * 8 * 6, 2 * 3 * 4 * 6 * 3, 2 * 3 * 6 * 5]
        #expect(count.firstLayer == Double(first))
        #expect(count.extractor == Double(first + second))
        #expect(count.encoderLayers == Double(projections + attention))
        #expect(count.rest == Double(rest.reduce(0, +)))
        #expect(count.inference == count.extractor + count.encoderLayers + count.rest)
    }

    @Test func theObjectiveIsAsCountedByHand() throws {
        var configuration = ModelConfiguration()
        configuration.latentDim = 128
        configuration.quantizerDepth = 2
        configuration.targetGlu = true
        let masked = [240, 100]
        let samples = [160_000, 80_000]
        let model = try pretraining(configuration)
        let heads: [Int] = [
            512 * 1536 + 1536 * 640,  // logits of the code books
            128 * 256, 256 * 512, 768 * 256,  // targets, their gate, predictions
        ]
        let cosines: Int = 2 * (240 * 240 + 100 * 100) * 256
        let expected = 2 * 340 * heads.reduce(0, +) + cosines
        let rest = model.operations(samples: samples, masked: masked).rest
        #expect(rest - model.backbone.operations(samples: samples).rest == Double(expected))
    }

    /// The numbers of the formula for the whole architecture, before the layers declared their own.
    @Test(arguments: [
        ("base", 285_717_110_784, 584_467_525_222.4, 816_486_334_464),
        ("large", 740_455_735_296, 1_814_428_529_868.8, 2_105_929_460_121.5999),
        ("hourglass", 192_055_271_424, 331_580_558_950.4, 549_550_092_288),
        ("linear", 194_320_195_584, 338_375_331_430.4, 556_344_864_768),
        ("demo", 6_737_985_792, 13_028_896_704, 18_760_417_228.8),
    ])
    func operationCountsOfKnownModelsAreStable(
        _ name: String, _ inference: Double, _ finetuning: Double, _ pretraining: Double
    ) throws {
        let configuration = try Self.known(name)
        let samples = [240_000, 16_001, 48_000, 401]
        let frames = samples.map(configuration.convFeatureLayers.frames(samples:))
        let model = try recognizer(configuration, labels: 32)
        #expect(model.operations(samples: samples).inference == inference)
        let places = frames.map { Array($0 / 3..<$0 * 2 / 3) }
        #expect(
            model.operations(samples: samples, masked: places).training(trainsExtractor: false, layerDrop: 0.1)
                == finetuning)
        let count = try self.pretraining(configuration).operations(samples: samples, masked: frames.map { $0 / 2 })
        #expect(count.training(trainsExtractor: true, layerDrop: 0.05) == pretraining)
    }

    private static func known(_ name: String) throws -> ModelConfiguration {
        var configuration = ModelConfiguration()
        switch name {
        case "large":
            configuration.becomeLarge()
            configuration.encoderLayers = 24
            configuration.encoderEmbedDim = 1024
            configuration.encoderFfnEmbedDim = 4096
            configuration.encoderAttentionHeads = 16
            configuration.finalDim = 768
        case "hourglass", "linear":
            configuration.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
            configuration.hourglassResample = name == "linear" ? .linear : .naive
        case "demo":
            configuration.convFeatureLayers = try ConvolutionLayers(
                parsing: "[(48,10,5)]+[(64,3,2)]+[(96,3,2)]+[(128,3,2)]+[(160,3,2)]+[(192,2,2)]*2")
            configuration.encoderLayers = 3
            configuration.encoderEmbedDim = 192
            configuration.encoderFfnEmbedDim = 768
            configuration.encoderAttentionHeads = 4
            configuration.convPos = 64
            configuration.finalDim = 64
            configuration.latentVars = 16
        default: break
        }
        return configuration
    }

    @Test func frozenConvolutionsLeaveOutMaskedFrames() throws {
        let model = try recognizer(ModelConfiguration())
        func count(_ masked: [Int]) -> OperationCount { model.operations(samples: [160_000], masked: [masked]) }
        let (whole, half) = (count([]), count(Array(200..<499)))
        #expect(whole.frozenExtractor == whole.extractor)
        #expect(half.extractor == whole.extractor)
        // What the first 200 frames see.
        let part = model.operations(samples: [199 * 320 + 400])
        #expect(half.frozenExtractor == part.extractor)
        #expect(
            whole.training(trainsExtractor: false, layerDrop: 0) - half.training(trainsExtractor: false, layerDrop: 0)
                == whole.extractor - part.extractor)
        #expect(
            half.training(trainsExtractor: true, layerDrop: 0) == whole.training(trainsExtractor: true, layerDrop: 0))
    }

    @Test func theLastLayerTransformsMaskedFramesAlone() throws {
        var configuration = ModelConfiguration()
        func saved() throws -> Double {
            let all = try recognizer(configuration).operations(samples: [160_000])
            let masked = try pretraining(configuration).operations(samples: [160_000], masked: [240])
            return all.encoderLayers - masked.encoderLayers
        }
        let expected: Int = 2 * (499 - 240) * 768 * (768 + 2 * 3072)
        #expect(try saved() == Double(expected))
        configuration.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        #expect(try saved() == Double(expected))
        configuration.hourglass = try HourglassLayout(pre: 2, middle: 8, factor: 4, post: 0)
        #expect(try saved() == 0)
    }

    @Test func anHourglassNeedsLess() throws {
        var configuration = ModelConfiguration()
        let plain = try recognizer(configuration).operations(samples: [160_000])
        configuration.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        let short = try recognizer(configuration).operations(samples: [160_000])
        // 4 of 12 layers stay, 8 work on a quarter of the frames.
        #expect(abs(short.encoderLayers / plain.encoderLayers - 0.5) < 0.03)
        #expect(short.rest == plain.rest)
    }
}
