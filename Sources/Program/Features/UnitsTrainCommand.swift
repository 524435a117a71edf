import ArgumentParser
import Foundation
import W2VBase
import W2VFeatures
import W2VTorch

/// `wav2vec2 units train`: clusters a layer's features.
struct UnitsTrainCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Cluster a layer's features by k-means.",
        discussion: """
            Runs mini-batch k-means from k-means++ centers --restarts times, and keeps the run with the least inertia \
            (the mean squared distance of a frame to its center). The same options give the same clusters. The sampled \
            frames are kept in memory: 500,000 frames of 768 values take 1.5 GB.

            The result is a safetensors file with the centers, the layer and the model's fingerprint; 'units apply' \
            refuses a different model.

            Examples:
              wav2vec2 units train --checkpoint best --manifest train.tsv \\
                --layer 6 --clusters 100 --output units.safetensors
            """)

    @OptionGroup var audio: AudioSelection

    @OptionGroup var model: FeatureModelOptions

    @Option(help: "Layer to cluster, as in 'wav2vec2 features'; only one.")
    var layer: String

    @Option(help: "Number of clusters.")
    var clusters = 100

    @Flag(help: "Repeat the frames of an Hourglass's shortened layers to the rate of the others.")
    var upsample = false

    @Option(help: "Approximate largest number of frames to use, sampled from all recordings.")
    var frames = 500_000

    @Option(help: "Number of runs from different starting points.")
    var restarts = 3

    @Option(help: "Number of frames in a mini-batch.")
    var batchSize = 10_000

    @Option(help: "Random seed for sampling frames and initial centers.")
    var seed: UInt64 = 1

    @Option(name: [.customShort("o"), .long], help: "File to write, such as units.safetensors.", completion: .file())
    var output: String

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        _ = try layerSelection(layer)
        for (name, value) in [
            ("--clusters", clusters), ("--frames", frames), ("--restarts", restarts), ("--batch-size", batchSize),
        ] where !(1...Int(Int32.max)).contains(value) {
            throw ValidationError("\(name) is \(value); it must be from 1 to \(Int32.max).")
        }
    }

    func run() async throws {
        guard !FileManager.default.fileExists(atPath: output) else {
            throw FeatureError.occupied(path: output, advice: "remove it, or name another file")
        }
        let recordings = try audio.recordings()
        let featurizer = try await model.featurizer()
        let layers = try layerSelection(layer).layers(of: featurizer.configuration)
        guard layers.count == 1 else { throw ValidationError("--layer \(layer) names several layers; name one.") }
        let request = FeatureRequest(layers, upsamples: upsample)
        let total = recordings.reduce(0) { sum, selected in
            sum + featurizer.frames(samples: (try? selected.recording.get())?.sampleCount ?? 0, request)
        }
        let sample = FrameSample(frames, of: total, seed: seed)
        var tally = RecordingTally("units train", recordings)
        var parts: [Tensor] = []
        for try await pass in try featurizer.features(of: tally.recordings, request) {
            for (number, features) in tally.take(pass) {
                if let values = features?.first?.values { parts.append(try sample(values, recording: number)) }
            }
        }
        Console.log.info("units train: \(tally.summary)")
        guard !parts.isEmpty else { return try tally.end() }
        let vectors = try Tensor.concatenate(parts)
        parts = []
        var options = KMeansOptions()
        options.seed = seed
        options.restarts = restarts
        options.batchSize = batchSize
        let result = try KMeans.train(vectors, count: clusters, options: options, on: model.compute.device) {
            Console.progress("units train: run \($0) of \(restarts), batch \($1), inertia \(significant($2))")
        }
        let units = try UnitModel(result, request, of: featurizer, seed: seed)
        try units.write(to: fileURL(output))
        try report(result, frames: vectors.size(0), layer: layers[0])
        try tally.end()
    }

    private func report(_ result: KMeansResult, frames: Int, layer: FeatureLayer) throws {
        let sizes = result.sizes.sorted()
        let (smallest, median, largest) = (sizes[0], sizes[sizes.count / 2], sizes[sizes.count - 1])
        if json {
            let line = try jsonLine(
                TrainReport(
                    output: output, layer: layer.description, clusters: clusters,
                    dimension: result.clusters.dimension, frames: frames, inertia: result.inertia, runs: result.runs,
                    smallest: smallest, median: median, largest: largest))
            return try Console.output(line)
        }
        try Console.output(
            """
            \(clusters) clusters of layer \(layer) (\(result.clusters.dimension) numbers a frame) from \(frames) frames: \
            \(output)
            inertia \(significant(result.inertia)) a frame\
            \(restarts > 1 ? "  (runs: \(result.runs.map(significant).joined(separator: ", ")))" : "")
            frames of a cluster: \(smallest) at least, \(median) in the middle, \(largest) at most
            """)
    }
}

/// Formats a number with six significant digits.
private func significant(_ number: Double) -> String { String(format: "%.6g", number) }

/// The object that `units train --json` prints.
private struct TrainReport: Encodable {
    var output: String
    var layer: String
    var clusters: Int
    var dimension: Int
    var frames: Int
    var inertia: Double
    var runs: [Double]
    var smallest: Int
    var median: Int
    var largest: Int
}
