import ArgumentParser
import Foundation
import W2VBackbone
import W2VCluster
import W2VFeatures

extension Pooling: ExpressibleByArgument {}
extension FeatureWriter.Format: ExpressibleByArgument {}
extension NumPyFile.Element: ExpressibleByArgument {}

/// The options of the model whose features are extracted.
struct FeatureModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("c"), .long],
        help: """
            Model, pre-trained or fine-tuned: a folder of this program, a run or Hugging Face, a .pt file of fairseq or \
            NVIDIA, or a name on the hub, such as facebook/wav2vec2-base. (default: \(DefaultCheckpoint.variable))
            """, completion: .file())
    var checkpoint: String?

    @Option(
        help: "Checkpoint with the same architecture, for a .pt file that does not describe its own.",
        completion: .file())
    var architectureFrom: String?

    @OptionGroup var precision: PrecisionOptions

    @OptionGroup(title: "Long recordings and batches") var passes: PassOptions

    @OptionGroup var compute: ComputeOptions

    func validate() throws { _ = try DefaultCheckpoint.require(checkpoint) }

    /// Loads the model.
    func featurizer() async throws -> Featurizer {
        // Every process would write the same files.
        if let layout = try ProcessLayout.current(environment: ProcessInfo.processInfo.environment), layout.size > 1 {
            throw ValidationError("This command runs in one process; give each process a manifest of its own.")
        }
        try compute.apply()
        let checkpoint = try DefaultCheckpoint.require(self.checkpoint)
        let featurizer = try await Featurizer(
            checkpoint: modelURL(checkpoint), architectureFrom: architectureFrom.map(modelURL), device: compute.device,
            batchSeconds: passes.batchSeconds, windows: passes.windows,
            precision: ModelPrecision(precision.precision))
        Console.notes(featurizer.notes, of: checkpoint)
        return featurizer
    }
}

/// Parses a selection of layers on the command line.
func layerSelection(_ text: String) throws -> LayerSelection {
    do {
        return try LayerSelection(text)
    } catch {
        throw ValidationError("--layer: \(error)")
    }
}

/// `wav2vec2 features`: writes hidden states of recordings.
struct FeaturesCommand: AsyncParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Extract a model's hidden states: any layer, per frame or pooled.",
        discussion: """
            Layers are given as numbers and ranges, separated by commas. N is the output of transformer layer N, \
            counted from 1, as in fairseq's output_layer and Hugging Face's hidden_states[N]; 0 is the input of the \
            first layer; all is 0 to the last. extractor is the output of the convolutions, normalized is the same \
            after LayerNorm, and context is the model's output after its last norm. The layers of an Hourglass are \
            numbered consecutively; the shortened ones have fewer frames unless --upsample repeats them.

            If --output ends in .npy or .safetensors, one file is written. Otherwise, it is a folder with one file per \
            recording, which --resume continues after an interruption. A manifest beside the features has a JSON line \
            per recording and layer with id, audio, path, layer, frames, dimension and rate (frames per second). An \
            .npy file of several recordings has their frames one after the other, and a .len file their counts, as \
            HuBERT's scripts expect.

            Recordings that cannot be read are named on standard error and left out; the exit code is then 65.

            Examples:
              wav2vec2 features --checkpoint best speech.flac --layer 6 --output speech.npy
              wav2vec2 features --checkpoint best --manifest a.tsv \\
                --layer 4-9 --output feats
              wav2vec2 features --checkpoint best folder --pool mean --output vectors.npy
            """)

    @OptionGroup var audio: AudioSelection

    @OptionGroup var model: FeatureModelOptions

    @Option(help: "Layers to extract, such as 6, 4-9, 0,6,context, extractor, normalized or all.")
    var layer = "context"

    @Option(help: "Pooling of the frames into one vector per recording.")
    var pool = Pooling.none

    @Flag(help: "Repeat the frames of an Hourglass's shortened layers to the rate of the others.")
    var upsample = false

    @Option(help: "Format of the files in a folder. (default: npy)")
    var format: FeatureWriter.Format?

    @Option(help: "Number format of the features.")
    var dtype = NumPyFile.Element.float32

    @Option(
        name: [.customShort("o"), .long], help: "Folder to write, or a file that ends in .npy or .safetensors.",
        completion: .file())
    var output: String

    @Flag(help: "Continue the folder of an interrupted run.")
    var resume = false

    @OptionGroup var logging: LogOptions

    func validate() throws {
        _ = try layerSelection(layer)
        if let format, let named = FeatureWriter.Format(rawValue: fileURL(output).pathExtension), named != format {
            throw ValidationError("--format is \(format.rawValue), but --output ends in .\(named.rawValue).")
        }
    }

    func run() async throws {
        let recordings = try audio.recordings()
        let featurizer = try await model.featurizer()
        let request = FeatureRequest(
            try layerSelection(layer).layers(of: featurizer.configuration), pooling: pool, upsamples: upsample)
        var options = FeatureWriter.Options()
        options.format = format ?? .npy
        options.element = dtype
        options.resumes = resume
        options.windows = model.passes.windows
        options.precision = model.precision.precision.rawValue
        let writer = try FeatureWriter(
            fileURL(output), sources: recordings.map(\.source), request, of: featurizer, options: options)
        var tally = try RecordingTally(
            "features", recordings, skipping: Set(recordings.indices.filter(writer.isWritten)))
        for try await pass in try featurizer.features(of: tally.recordings, request) {
            for (number, features) in tally.take(pass) {
                if let features { try writer.write(features, of: number) }
            }
        }
        try writer.finish()
        Console.log.info("features: \(tally.summary): \(output)")
        try tally.end()
    }
}
