import Testing
import Wav2Vec2

@Suite struct OperationCountTests {
    @Test func aSmallModelIsAsCountedByHand() throws {
        var configuration = ModelConfiguration()
        configuration.convFeatureLayers = try ConvolutionLayers(parsing: "[(4,4,2)]+[(8,2,2)]")
        configuration.encoderLayers = 1
        configuration.encoderEmbedDim = 6
        configuration.encoderFfnEmbedDim = 10
        configuration.encoderAttentionHeads = 2
        configuration.convPos = 4
        configuration.convPosGroups = 2
        let count = OperationCount(configuration, samples: [14], head: .ctc(labels: 5))
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

    @Test func frozenConvolutionsLeaveOutMaskedFrames() throws {
        let configuration = ModelConfiguration()
        func count(_ masked: [Int]) -> OperationCount {
            OperationCount(configuration, samples: [160_000], head: .ctc(labels: 5, masked: [masked]))
        }
        let (whole, half) = (count([]), count(Array(200..<499)))
        #expect(whole.frozenExtractor == whole.extractor)
        #expect(half.extractor == whole.extractor)
        // What the first 200 frames see.
        let samples = 199 * 320 + 400
        let part = OperationCount(configuration, samples: [samples], head: .ctc(labels: 5))
        #expect(half.frozenExtractor == part.extractor)
        #expect(
            whole.training(trainsExtractor: false, layerDrop: 0) - half.training(trainsExtractor: false, layerDrop: 0)
                == whole.extractor - part.extractor)
        #expect(
            half.training(trainsExtractor: true, layerDrop: 0) == whole.training(trainsExtractor: true, layerDrop: 0))
    }

    @Test func theLastLayerTransformsMaskedFramesAlone() throws {
        var configuration = ModelConfiguration()
        func saved() -> Double {
            let all = OperationCount(configuration, samples: [160_000], head: .ctc(labels: 5))
            let masked = OperationCount(configuration, samples: [160_000], head: .pretraining(masked: [240]))
            return all.encoderLayers - masked.encoderLayers
        }
        let expected: Int = 2 * (499 - 240) * 768 * (768 + 2 * 3072)
        #expect(saved() == Double(expected))
        configuration.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        #expect(saved() == Double(expected))
        configuration.hourglass = try HourglassLayout(pre: 2, middle: 8, factor: 4, post: 0)
        #expect(saved() == 0)
    }

    @Test func aBaseStepNeedsAboutTwoTeraflop() {
        let count = OperationCount(
            ModelConfiguration(), samples: [160_000, 160_000, 160_000, 160_000],
            head: .pretraining(masked: [240, 240, 240, 240]))
        let step = count.training(trainsExtractor: true, layerDrop: 0)
        #expect((1.5e12...2.1e12).contains(step))
    }

    @Test func anHourglassNeedsLess() throws {
        var configuration = ModelConfiguration()
        let plain = OperationCount(configuration, samples: [160_000], head: .ctc(labels: 32))
        configuration.hourglass = try HourglassLayout(parsing: "[2,(8,4),2]")
        let short = OperationCount(configuration, samples: [160_000], head: .ctc(labels: 32))
        // 4 of 12 layers stay, 8 work on a quarter of the frames.
        #expect(abs(short.encoderLayers / plain.encoderLayers - 0.5) < 0.03)
        #expect(short.rest == plain.rest)
    }
}
