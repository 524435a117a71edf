import ArgumentParser
import Foundation
import W2VBackbone
import W2VBase
import W2VFeatures
import W2VInterchange
import W2VServing
import W2VTorch

/// A path on the command line with an optional name before it: `NAME=PATH`.
struct NamedPath: Equatable {
    var name: String?
    var path: String

    init(name: String?, path: String) {
        self.name = name
        self.path = path
    }

    /// Parses an argument.
    ///
    /// The text before the first `=` is a name, unless it has a `/`, or there is a file or folder of the whole text.
    init(_ text: String) {
        let sign = text.firstIndex(of: "=")
        guard let sign, sign > text.startIndex, !text[..<sign].contains("/"),
            !FileManager.default.fileExists(atPath: text)
        else {
            path = text
            return
        }
        name = String(text[..<sign])
        path = String(text[text.index(after: sign)...])
    }
}

/// The options of the models that a server offers.
struct ServedModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("c"), .long],
        help: ArgumentHelp(
            """
            Model: a folder of this program, a run or Hugging Face, a .pt file of fairseq or NVIDIA, or a name on the \
            hub. Repeatable, each with the name by which requests choose it; the folder's name if none is given. \
            (default: \(DefaultCheckpoint.variable))
            """, valueName: "name=path"), completion: .file())
    var checkpoint: [String] = []

    @OptionGroup(title: "Reading the models") var reading: CheckpointReadingOptions

    @Option(
        help: ArgumentHelp(
            """
            Clusters for /v1/units: a file from 'units train'; repeatable. The name is that of the model that they were \
            trained on; the first model if none is given.
            """, valueName: "name=file"), completion: .file())
    var units: [String] = []

    @Option(
        help: "Most memory for all models' weights in MB; the least recently used ones are dropped. (default: no limit)"
    )
    var maxModelMemoryMb: Int?

    func validate() throws {
        _ = try DefaultCheckpoint.require(checkpoint.first)
        if let maxModelMemoryMb, !(1...1 << 24).contains(maxModelMemoryMb) {
            throw ValidationError("--max-model-memory-mb is \(maxModelMemoryMb); it must be from 1 to 16777216.")
        }
    }

    /// Describes the models, without loading their weights.
    ///
    /// - Parameters:
    ///   - device: The models' device.
    ///   - decoding: The decoding of text.
    /// - Throws: The errors of the checkpoints and clusters; `ValidationError` for options that do not fit them.
    func models(device: Device, decoding: DecodingOptions) throws -> [ServedModel] {
        let given = try checkpoint.isEmpty ? [DefaultCheckpoint.require(nil)] : checkpoint
        let named = given.map { NamedPath($0) }
        let architecture = try reading.architectureFrom.map(modelURL)
        let checkpoints = try named.map { try Checkpoint.read(modelURL($0.path), architectureFrom: architecture) }
        var models = zip(named, checkpoints).map { model($0, $1, device: device, decoding: decoding) }
        for (index, model) in models.enumerated()
        where models[..<index].contains(where: { $0.name.hasSameCodePoints(as: model.name) }) {
            throw ValidationError(
                "Two models are called \(model.name.printable); give them names: --checkpoint NAME=PATH.")
        }
        for text in units {
            let file = NamedPath(text)
            let index = file.name.map { name in models.firstIndex { $0.name.hasSameCodePoints(as: name) } } ?? 0
            guard let index else {
                throw ValidationError(
                    "--units \(text.printable): no model has this name; the names are "
                        + "\(models.map(\.name.printable).joined(separator: ", ")).")
            }
            guard models[index].clusters == nil else {
                throw ValidationError("--units is given twice for the model \(models[index].name.printable).")
            }
            let clusters = try UnitModel(contentsOf: fileURL(file.path))
            try clusters.require(checkpoints[index], path: file.path)
            models[index].clusters = clusters
        }
        if let most = maxModelMemoryMb, let largest = models.max(by: { $0.bytes < $1.bytes }),
            largest.bytes > most << 20
        {
            throw ValidationError(
                "--max-model-memory-mb is \(most), and the model \(largest.name.printable) takes "
                    + "\((largest.bytes + (1 << 20) - 1) >> 20) MB.")
        }
        return models
    }

    private func model(
        _ named: NamedPath, _ checkpoint: Checkpoint, device: Device, decoding: DecodingOptions
    ) -> ServedModel {
        let (reading, path) = (reading, named.path)
        let description = checkpoint.description
        let writesText = description.task.outputLayer != nil
        let facts = ModelFacts(
            model: path, device: device.description, precision: reading.precision.precision.rawValue,
            decoder: writesText ? decoding.summary : "none", version: Program.version)
        var model = ServedModel(
            name: named.name, facts: facts, writesText: writesText,
            hasQuantizer: description.task.hasQuantizer && description.model.quantizeTargets,
            bytes: Self.bytes(checkpoint, reading.precision.precision),
            recognizer: { try await reading.recognizer(path, device: device, decoding: decoding) },
            featurizer: { try await reading.featurizer(path, device: device) })
        model.takesHotWords = decoding.isBeamSearch
        return model
    }

    /// The bytes of a model's weights: matrices in the number format, and the rest in FP32.
    private static func bytes(_ checkpoint: Checkpoint, _ precision: ModelPrecision.Mode) -> Int {
        let size =
            switch precision {
            case .int8, .fp8: 1
            case .fp16, .bf16: 2
            case .fp32, .tf32: 4
            }
        return checkpoint.state.values.reduce(0) { $0 + $1.count * ($1.rank > 1 ? size : 4) }
    }
}

extension CheckpointReadingOptions {
    /// Loads a model for features.
    ///
    /// - Throws: An error of the checkpoint.
    func featurizer(_ checkpoint: String, device: Device) async throws -> Featurizer {
        try await Featurizer(
            checkpoint: modelURL(checkpoint), architectureFrom: architectureFrom.map(modelURL), device: device,
            batchSeconds: passes.batchSeconds, windows: passes.windows, precision: ModelPrecision(precision.precision))
    }
}
