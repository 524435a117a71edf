import ArgumentParser
import Foundation
import W2VFeatures

/// `wav2vec2 units apply`: writes the cluster of each frame.
struct UnitsApplyCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply",
        abstract: "Write the nearest cluster of each frame.",
        discussion: """
            The model must be the one that the clusters were trained on. Recordings that cannot be read are named on \
            standard error and left out, or have an empty line in a .km file; the exit code is then 65.

            Examples:
              wav2vec2 units apply --units units.safetensors --checkpoint best \\
                speech.flac --collapse
              wav2vec2 units apply --units units.safetensors --checkpoint best \\
                --manifest train.tsv --format km --output train.km \\
                --dictionary dict.km.txt
            """)

    @OptionGroup var audio: AudioSelection

    @Option(help: "Clusters: a file from 'units train'.", completion: .file())
    var units: String

    @OptionGroup var model: FeatureModelOptions

    @OptionGroup var output: UnitOutput

    @OptionGroup var logging: LogOptions

    func run() async throws {
        let recordings = try audio.recordings()
        let units = try UnitModel(contentsOf: fileURL(units))
        let featurizer = try await model.featurizer()
        try units.require(featurizer, path: self.units)
        let device = model.compute.device
        let tally = RecordingTally("units apply", recordings)
        let results = try featurizer.features(of: tally.recordings, units.request) { features in
            try units.units(features[0], on: device).map(String.init)
        }
        try await output.write(results, tally, symbols: (0..<units.clusters.count).map(String.init))
    }
}
