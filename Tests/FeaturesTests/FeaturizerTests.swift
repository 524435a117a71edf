import Foundation
import TestSupport
import Testing
import W2VBackbone
import W2VInference
import W2VInterchange
import W2VObjectives
import W2VTorch

@testable import W2VFeatures

@Suite(.onTestThreads) struct FeaturizerTests {
    /// A single bad sample makes all features of a recording NaN: every use of them fails, and the other recordings of
    /// the batch are unaffected.
    @Test func outputThatIsNotFiniteIsRefused() async throws {
        try await withTemporaryFolder { folder in
            var loud = tonesInNoise(16_000, seed: 2)
            loud[7000] = .infinity
            let good = tonesInNoise(12_000, seed: 1)
            let recordings = [Recording(samples: good, name: "good"), Recording(samples: loud, name: "loud")]
            let checkpoint = try SmallModels.checkpoint(in: folder, normalizes: false)
            let featurizer = try await Featurizer(checkpoint: checkpoint)
            let alone = try await featurizer.features([recordings[0]], FeatureRequest([.context]))
            for pooling in [Pooling.none, .mean, .meanStd] {
                for layer in [FeatureLayer.extractor, .transformer(1), .context] {
                    let request = FeatureRequest([layer], pooling: pooling)
                    let results = try await featurizer.features(recordings, request)
                    #expect(throws: InferenceError.notFinite(recording: "loud")) { try results[1].get() }
                    let found = try results[0].get()[0].values
                    #expect(try found.isFinite())
                    if layer == .context, pooling == .none {
                        #expect(try relativeError(found, alone[0].get()[0].values) <= 1e-5)
                    }
                }
            }
            let codes = try await featurizer.codes(recordings)
            #expect(throws: InferenceError.notFinite(recording: "loud")) { try codes[1].get() }
            #expect(try !codes[0].get().entries.isEmpty)
        }
    }

    @Test func featuresDependNeitherOnBatchmatesNorOnOrder() async throws {
        try await withTemporaryFolder { folder in
            let checkpoint = try SmallModels.checkpoint(
                in: folder, SmallModels.configuration(hourglass: "[1,(1,4),1]"))
            let recordings = [16_000, 401, 7_777, 12_345, 400, 9_999, 31_000].enumerated().map {
                Recording(samples: tonesInNoise($1, seed: UInt64($0)), name: "\($0)")
            }
            let request = FeatureRequest([.extractor, .transformer(0), .transformer(2), .context])
            let alone = try await Featurizer(checkpoint: checkpoint, batchSeconds: 0)
            let expected = try await alone.features(recordings, request).map { try $0.get() }
            for (recording, features) in zip(recordings, expected) {
                let frames = (recording.sampleCount - 400) / 320 + 1
                #expect(features.map(\.frames) == [frames, frames, (frames + 3) / 4, frames])
                #expect(features.map(\.dimension) == [16, 32, 32, 32])
                #expect(features.map(\.rate) == [50, 50, 12.5, 50])
            }
            for batchSeconds in [1.2, 100] {
                let featurizer = try await Featurizer(checkpoint: checkpoint, batchSeconds: batchSeconds)
                for order in [Array(0..<7), [3, 1, 4, 0, 5, 6, 2]] {
                    let found = try await featurizer.features(order.map { recordings[$0] }, request)
                    for (position, index) in order.enumerated() {
                        for (one, other) in zip(try found[position].get(), expected[index]) {
                            #expect(try relativeError(one.values, other.values) <= 1e-5)
                        }
                    }
                }
            }
        }
    }

    @Test func aLayerIsTheSameWhateverElseIsAskedFor() async throws {
        try await withTemporaryFolder { folder in
            for hourglass in [nil, "[1,(2,2),1]"] {
                let configuration = try SmallModels.configuration(hourglass: hourglass)
                let featurizer = try await Featurizer(
                    checkpoint: SmallModels.checkpoint(in: folder, named: hourglass ?? "plain", configuration))
                let layers =
                    try LayerSelection("all").layers(of: configuration) + [.context, .extractor, .normalized]
                let recording = Recording(samples: tonesInNoise(10_000, seed: 1))
                let together = try await featurizer.features([recording], FeatureRequest(layers))[0].get()
                for (layer, expected) in zip(layers, together) {
                    let found = try await featurizer.features([recording], FeatureRequest([layer]))[0].get()[0]
                    #expect(try relativeError(found.values, expected.values) == 0 && found.layer == layer)
                }
                // Neighboring layers differ.
                #expect(try relativeError(together[1].values, together[0].values) > 0.01)
            }
        }
    }

    @Test func poolingAndUpsamplingAreOfTheFrames() async throws {
        try await withTemporaryFolder { folder in
            let configuration = try SmallModels.configuration(hourglass: "[1,(1,4),1]")
            let featurizer = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder, configuration))
            let recording = Recording(samples: tonesInNoise(10_000, seed: 1))
            func features(_ pooling: Pooling, upsamples: Bool) async throws -> LayerFeatures {
                let request = FeatureRequest([.transformer(2)], pooling: pooling, upsamples: upsamples)
                return try await featurizer.features([recording], request)[0].get()[0]
            }
            let short = try await features(.none, upsamples: false)
            let long = try await features(.none, upsamples: true)
            #expect(short.values.shape == [8, 32] && long.values.shape == [31, 32] && long.rate == 50)
            let rows = try short.values.elements(Float.self)
            let repeated: [Float] = (0..<31).flatMap { (frame: Int) -> ArraySlice<Float> in
                let start = frame / 4 * 32
                return rows[start..<start + 32]
            }
            #expect(try long.values.elements(Float.self) == repeated)

            let column: [Double] = (0..<8).map { (row: Int) -> Double in Double(rows[row * 32 + 5]) }
            let mean: Double = column.reduce(0, +) / 8
            let squares: [Double] = column.map { ($0 - mean) * ($0 - mean) }
            let deviation: Double = (squares.reduce(0, +) / 8).squareRoot()
            let means = try await features(.mean, upsamples: false).values.elements(Double.self)
            let largest = try await features(.max, upsamples: false).values.elements(Double.self)
            #expect(abs(means[5] - mean) < 1e-6 && largest[5] == column.max())
            let both = try await features(.meanStd, upsamples: false)
            #expect(both.dimension == 64 && both.frames == 1)
            let numbers = try both.values.elements(Double.self)
            #expect(abs(numbers[5] - mean) < 1e-6 && abs(numbers[37] - deviation) < 1e-6)
        }
    }

    @Test func longRecordingsGoInWindows() async throws {
        try await withTemporaryFolder { folder in
            // Without group norm the extractor sees 25 ms, so windows do not affect it.
            let configuration = try SmallModels.configuration(hourglass: "[1,(1,4),1]", mode: .layerNorm)
            let checkpoint = try SmallModels.checkpoint(in: folder, configuration)
            let recording = Recording(samples: tonesInNoise(16_000 * 27 + 99, seed: 1))
            let request = FeatureRequest([.extractor, .transformer(2), .context])
            let whole = try await Featurizer(checkpoint: checkpoint).features([recording], request)[0].get()
            let cut = try await Featurizer(checkpoint: checkpoint, windows: WindowOptions(seconds: 12.2, overlap: 6))
                .features([recording], request)[0].get()
            #expect(cut.map(\.frames) == [1350, 338, 1350] && whole.map(\.frames) == cut.map(\.frames))
            let errors = try zip(cut, whole).map { try relativeError($0.values, $1.values) }
            #expect(errors[0] < 1e-5)
            // Attention covers the whole recording: windows change the values, but each still describes the same
            // position.
            #expect(errors[1] > 0 && errors[1] < 0.3 && errors[2] < 0.3, "\(errors)")
            await #expect(throws: InferenceError.self) {
                try await Featurizer(checkpoint: checkpoint, windows: WindowOptions(seconds: 10, overlap: 7))
            }
        }
    }

    @Test func badRecordingsFailAloneAndByName() async throws {
        try await withTemporaryFolder { folder in
            let featurizer = try await Featurizer(checkpoint: SmallModels.checkpoint(in: folder))
            struct Broken: Error {}
            let results = try await featurizer.features(
                [
                    Recording(samples: tonesInNoise(399, seed: 1), name: "short"),
                    Recording(samples: tonesInNoise(800, seed: 1)),
                    Recording(name: "broken", sampleCount: 9_000) { throw Broken() },
                ], FeatureRequest([.context]))
            #expect(throws: InferenceError.tooShort(recording: "short", samples: 399, needed: 400)) {
                try results[0].get()
            }
            #expect(try results[1].get()[0].frames == 2)
            #expect(throws: Broken.self) { try results[2].get() }
        }
    }

    @Test func layersAreSelectedByName() async throws {
        let configuration = try SmallModels.configuration()
        func layers(_ text: String) throws -> [FeatureLayer] { try LayerSelection(text).layers(of: configuration) }
        #expect(try layers("2") == [.transformer(2)])
        #expect(try layers("1-3") == [.transformer(1), .transformer(2), .transformer(3)])
        #expect(try layers("all") == (0...3).map(FeatureLayer.transformer))
        #expect(
            try layers("extractor, 3,0-1,3,context,normalized")
                == [.extractor, .transformer(3), .transformer(0), .transformer(1), .context, .normalized])
        for bad in ["", "x", "3-1", "1-", "-1", "1,,2", "1--2", "+1", "99999999999999999999", "1.5"] {
            #expect(throws: FeatureError.self, "\(bad)") { try LayerSelection(bad) }
        }
        #expect(throws: FeatureError.noLayer(4, count: 3)) { try layers("4") }
        #expect(throws: FeatureError.noLayer(1_000_000_000_000, count: 3)) { try layers("0-1000000000000") }
        var quantizing = configuration
        quantizing.quantizeInput = true
        #expect(try LayerSelection("extractor").layers(of: quantizing) == [.extractor])
        #expect(throws: FeatureError.quantizesInput(.context)) { try LayerSelection("context").layers(of: quantizing) }
    }

    @Test func codesAreTheQuantizersChoice() async throws {
        try await withTemporaryFolder { folder in
            let checkpoint = try SmallModels.checkpoint(in: folder, normalizes: false)
            let samples = tonesInNoise(20_000, seed: 4)
            let codes = try await Featurizer(checkpoint: checkpoint).codes([Recording(samples: samples)])[0].get()
            let model = try Checkpoint.read(checkpoint).pretrainingModel()
            let features = try model.backbone.features(Tensor(samples), lengths: [samples.count])
            let quantizer = try #require(model.quantizer)
            let quantized = try quantizer(features.normalized, temperature: .scalar(1), noise: nil)
            let expected = try quantized.codes.elements(Int.self)
            #expect(codes.entries.flatMap { $0 } == expected)
            #expect(codes.entries.count == 62 && codes.entriesPerGroup == 8 && Set(codes.joined).count > 1)
            #expect(codes.joined == codes.entries.map { $0[0] * 8 + $0[1] })
            #expect(QuantizerCodes(entries: [[3, 14], [0, 319]], entriesPerGroup: 320).joined == [974, 319])
        }
    }

    @Test func modelsWithoutAQuantizerSaySo() async throws {
        try await withTemporaryFolder { folder in
            var configuration = try SmallModels.configuration()
            let tuned = folder.appendingPathComponent("tuned")
            try FileManager.default.createDirectory(at: tuned, withIntermediateDirectories: true)
            var description = ModelDescription(task: .ctc, model: configuration)
            description.labels = ["<s>", "|", "A"]
            let model = try CTCModel(configuration, labels: 3, initializer: .random(seed: 1))
            try Checkpoint.write(description, state: model.state(), to: tuned)
            configuration.quantizeTargets = false
            let continuous = try SmallModels.checkpoint(in: folder, configuration)
            for (checkpoint, reason) in [(tuned, "holds a ctc model"), (continuous, "without a quantizer")] {
                let featurizer = try await Featurizer(checkpoint: checkpoint)
                let error = await #expect(throws: FeatureError.self) { try await featurizer.codes([]) }
                #expect("\(try #require(error))".contains(reason))
            }
        }
    }

    @Test func fingerprintsTellWeightsApart() throws {
        try withTemporaryFolder { folder in
            let one = try Checkpoint.read(SmallModels.checkpoint(in: folder, named: "one", seed: 1))
            let other = try Checkpoint.read(SmallModels.checkpoint(in: folder, named: "other", seed: 2))
            #expect(try one.fingerprint() != other.fingerprint() && one.fingerprint().count == 16)
            let converted = folder.appendingPathComponent("fairseq.pt")
            try Checkpoint.write(one.description, state: one.weights(), to: converted, format: .fairseq)
            #expect(try Checkpoint.read(converted).fingerprint() == one.fingerprint())
        }
    }
}
