import ArgumentParser
import Foundation
import W2VBackbone
import W2VBase
import W2VInterchange
import W2VTorch

/// `wav2vec2 checkpoint inspect`: architecture, task and size of a model on disk.
struct InspectCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a checkpoint contains, without loading its weights.",
        discussion: """
            PATH is a checkpoint's folder, a run's folder (its best/ is shown), a .pt file from fairseq or NVIDIA, or a \
            name on the hub. Tensors are listed under fairseq's names, whatever the format.

            Examples:
              wav2vec2 checkpoint inspect pretrained/best
              wav2vec2 checkpoint inspect finetuned/best --tensors
              wav2vec2 checkpoint inspect wav2vec_small.pt
            """)

    @Argument(help: "Checkpoint: a folder or a .pt file.", completion: .file())
    var path: String

    @Option(
        help: "Checkpoint with the same architecture, for a .pt file that does not describe its own.",
        completion: .file())
    var architectureFrom: String?

    @Flag(help: "List every tensor with its shape and type.")
    var tensors = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let checkpoint = try Checkpoint.read(
            modelURL(path), architectureFrom: architectureFrom.map(modelURL))
        let report = CheckpointReport(checkpoint, tensors: tensors)
        try Console.output(json ? try jsonLine(report) : report.text)
    }
}

/// The output of `checkpoint inspect`.
private struct CheckpointReport: Encodable {
    struct TensorEntry: Encodable {
        var name: String
        var shape: [Int]
        var type: String
    }

    var path: String
    var format: String
    var layout: String
    var task: String
    var parameters: Int
    var tensorCount: Int
    var types: [String: Int]
    var normalize: Bool
    var normalizeEpsilon: Double
    var labels: [String]
    /// The conversion of labels to text, as JSON, if it is not fairseq's.
    var textStyle: Nullable<String>
    var update: Nullable<Int>
    var bytes: Int
    var model: [String: String]
    var notCarriedOver: [String]
    var tensors: [TensorEntry]?

    init(_ checkpoint: Checkpoint, tensors wantsTensors: Bool) {
        let (description, state) = (checkpoint.description, checkpoint.state)
        format = checkpoint.format.rawValue
        layout = checkpoint.layout
        notCarriedOver = checkpoint.notCarriedOver
        path = checkpoint.url.relativePath
        task = description.task.name
        parameters = state.values.reduce(0) { $0 + $1.count }
        tensorCount = state.count
        types = Dictionary(state.values.map { (typeName($0.dtype), $0.count) }, uniquingKeysWith: +)
        normalize = description.normalize
        normalizeEpsilon = description.normalizeEpsilon
        textStyle = Nullable(description.text == TextStyle() ? nil : description.text.encoded)
        labels = description.labels
        // A converted file says 0.
        update = Nullable((checkpoint.update ?? trainingUpdate(checkpoint.url)).flatMap { $0 > 0 ? $0 : nil })
        bytes = state.values.reduce(0) { $0 + $1.count * $1.dtype.itemSize }
        model = Dictionary(
            ModelConfiguration.settings.map { ($0.name, $0.text(description.model)) }, uniquingKeysWith: { $1 })
        tensors =
            wantsTensors
            ? state.sorted { $0.key < $1.key }
                .map { TensorEntry(name: $0.key, shape: $0.value.shape, type: typeName($0.value.dtype)) } : nil
    }

    private static let purposes = [
        "ctc": "recognition (CTC)", "pretraining": "pre-training", "encoder": "fine-tuning: the encoder alone",
    ]

    var text: String {
        func value(_ key: String) -> String { model[key] ?? "" }
        let hourglass = value("hourglass")
        var lines = [
            "\(path): a model for \(Self.purposes[task] ?? task)",
            "  format      \(format)" + (layout.isEmpty ? "" : ", \(layout)"),
            "  extractor   \(value("conv_feature_layers")), \(value("extractor_mode")) normalization",
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
        } else if task == "ctc" {
            lines.append(
                "  labels      "
                    + (labels.isEmpty
                        ? "no dictionary" : "\(labels.count): \(labels.map(\.printable).joined(separator: " "))"))
            if let style = textStyle.value {
                lines.append("  text        " + style)
            }
        }
        let scaling = "zero mean and unit variance (\(normalizeEpsilon) added to the variance)"
        lines.append("  input       \(normalize ? scaling : "as recorded"), 16 kHz")
        let kinds = types.sorted { $0.key < $1.key }.map { "\($0.value) as \($0.key)" }.joined(separator: ", ")
        lines.append(
            "  parameters  \(decimal(Double(parameters) / 1e6, 2)) million in \(tensorCount) tensors (\(kinds)), "
                + "\(decimal(Double(bytes) / 1e6, 1)) MB")
        lines.append("  training    " + (update.value.map { "saved after update \($0)" } ?? "no training state"))
        lines += notCarriedOver.map { "  left behind \($0)" }
        for tensor in tensors ?? [] {
            lines.append("  \(tensor.type) [\(tensor.shape.map(String.init).joined(separator: ", "))] \(tensor.name)")
        }
        // Names of tensors and symbols come from the checkpoint.
        return lines.map(\.printable).joined(separator: "\n")
    }
}

/// Returns safetensors' name of a type.
private func typeName(_ type: DType) -> String { SafetensorsType(type)?.rawValue ?? "\(type)" }

/// Returns the update after which a checkpoint's training state was saved, if it has one.
private func trainingUpdate(_ folder: URL) -> Int? {
    struct State: Decodable { var update: Int }
    guard let data = try? Data(contentsOf: folder.appendingPathComponent("training_state.json")) else { return nil }
    return (try? JSONDecoder().decode(State.self, from: data))?.update
}
