import Foundation
import TestSupport
import Testing
import W2VFeatures

/// `UPDATE_SNAPSHOTS=1` renews the texts in `Tests/Fixtures/errors`.
@Suite(.onTestThreads) struct FeaturesErrorTextTests {
    @Test func textsAreAsRecorded() throws {
        let faults = try faults(
            in: [
                FeatureError.badSelection("x"),
                FeatureError.noLayer(13, count: 12),
                FeatureError.quantizesInput(.context),
                FeatureError.unequalLayers(.extractor, .context, advice: "\(.writeSafetensors)"),
                FeatureError.oneLayerOnly(file: "a.npy"),
                FeatureError.noQuantizer(checkpoint: "x", reason: "was pre-trained without a quantizer"),
                FeatureError.occupied(path: "out", advice: "remove it, or name another file"),
                FeatureError.otherSettings(folder: "out", key: "the layers", begun: "4", now: "5"),
                FeatureError.damaged(file: "units.km", reason: "it has no centroids"),
                FeatureError.sameName(first: "x/a.wav", second: "y/a.wav", name: "a.npy"),
                FeatureError.tooFewFrames(clusters: 100, frames: 9),
                FeatureError.dimension(found: 512, expected: 768),
                FeatureError.otherCheckpoint(units: "km", trainedOn: "a", checkpoint: "b"),
                FeatureError.badUnits(file: "a.km", line: 2, expected: "a number", found: "x"),
                FeatureError.unitCount(file: "a.km", found: 2, manifest: "a.tsv", expected: 3),
                FeatureError.badOption(name: "clusters", reason: "expected at least 1, found 0"),
                FeatureError.overflow(recording: "a.wav", element: "float16"),
            ],
            declaredIn: ["Use/Features/FeatureError.swift"])
        #expect(faults.isEmpty, "\(faults.joined(separator: "\n"))")
    }
}
