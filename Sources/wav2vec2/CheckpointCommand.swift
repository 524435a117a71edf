import ArgumentParser
import Foundation
import Interchange
import Torch
import Wav2Vec2

/// `wav2vec2 checkpoint`: what is in checkpoints.
struct CheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "Look into checkpoints, average them, and fetch public ones.",
        subcommands: [InspectCommand.self, AverageCommand.self, FetchCommand.self])
}

/// `wav2vec2 checkpoint inspect`: architecture, task and size of a model on disk.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a checkpoint holds, without loading its weights.",
        discussion: """
            PATH is a checkpoint's folder, or a training folder, whose last/ is then shown.

            Examples:
              wav2vec2 checkpoint inspect pretrained/best
              wav2vec2 checkpoint inspect finetuned/best --tensors
            """)

    @ArgumentParser.Argument(help: "The checkpoint's folder.", completion: .directory)
    var path: String

    @Flag(help: "List every tensor with its shape and type.")
    var tensors = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        var url = fileURL(path)
        let last = url.appendingPathComponent("last")
        if !FileManager.default.fileExists(atPath: url.appendingPathComponent(Checkpoint.weightsName).path),
            FileManager.default.fileExists(atPath: last.path)
        {
            url = last
        }
        let checkpoint = try Checkpoint.read(url)
        let file = try SafetensorsFile(url.appendingPathComponent(Checkpoint.weightsName))
        let report = CheckpointReport(checkpoint, file, tensors: tensors)
        Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// What `checkpoint inspect` shows.
private struct CheckpointReport: Encodable {
    struct TensorEntry: Encodable {
        var name: String
        var shape: [Int]
        var type: String
    }

    var path: String
    var task: String
    var parameters: Int
    var tensorCount: Int
    var types: [String: Int]
    var normalize: Bool
    var labels: [String]
    var update: Nullable<Int>
    var bytes: Int
    var model: [String: String]
    var tensors: [TensorEntry]?

    init(_ checkpoint: Checkpoint, _ file: SafetensorsFile, tensors wantsTensors: Bool) {
        let description = checkpoint.description
        path = checkpoint.url.relativePath
        task = description.task.rawValue
        parameters = file.entries.reduce(0) { $0 + $1.elementCount }
        tensorCount = file.entries.count
        types = Dictionary(file.entries.map { ($0.type.rawValue, $0.elementCount) }, uniquingKeysWith: +)
        normalize = description.normalize
        labels = description.labels
        update = Nullable(trainingUpdate(checkpoint.url))
        bytes = file.entries.reduce(0) { $0 + $1.byteRange.count }
        model = Dictionary(
            ModelConfiguration.settings.map { ($0.name, $0.text(description.model)) }, uniquingKeysWith: { $1 })
        tensors =
            wantsTensors
            ? file.entries.sorted { $0.name < $1.name }
                .map { TensorEntry(name: $0.name, shape: $0.shape, type: $0.type.rawValue) } : nil
    }

    var text: String {
        func value(_ key: String) -> String { model[key] ?? "" }
        let hourglass = value("hourglass")
        var lines = [
            "\(path): a model for \(task == "ctc" ? "recognition (CTC)" : "pre-training")",
            "  extractor   \(value("conv_feature_layers")), \(value("extractor_mode")) normalisation",
            "  encoder     "
                + (hourglass == "off" ? "\(value("encoder_layers")) layers" : "Hourglass \(hourglass)")
                + ", \(value("encoder_embed_dim")) channels, \(value("encoder_attention_heads")) heads, feed-forward "
                + "\(value("encoder_ffn_embed_dim")), "
                + (value("layer_norm_first") == "true" ? "pre-norm" : "post-norm"),
        ]
        if task == "pretraining" {
            lines.append(
                "  quantizer   "
                    + (value("quantize_targets") == "true"
                        ? "\(value("latent_groups")) code books of \(value("latent_vars")) entries" : "none")
                    + ", targets of \(value("final_dim")) channels")
        } else {
            lines.append("  labels      \(labels.count): \(labels.joined(separator: " "))")
        }
        lines.append("  input       \(normalize ? "zero mean and unit variance" : "as recorded"), 16 kHz")
        let kinds = types.sorted { $0.key < $1.key }.map { "\($0.value) as \($0.key)" }.joined(separator: ", ")
        lines.append(
            "  parameters  \(decimal(Double(parameters) / 1e6, 2)) million in \(tensorCount) tensors (\(kinds)), "
                + "\(decimal(Double(bytes) / 1e6, 1)) MB")
        lines.append("  training    " + (update.value.map { "saved after update \($0)" } ?? "no training state"))
        for tensor in tensors ?? [] {
            lines.append("  \(tensor.type) [\(tensor.shape.map(String.init).joined(separator: ", "))] \(tensor.name)")
        }
        return lines.joined(separator: "\n")
    }
}

/// The update that a checkpoint's training state was saved after, if there is one.
private func trainingUpdate(_ folder: URL) -> Int? {
    struct State: Decodable { var update: Int }
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("training_state.json")) else { return nil }
    return (try? JSONDecoder().decode(State.self, from: data))?.update
}
