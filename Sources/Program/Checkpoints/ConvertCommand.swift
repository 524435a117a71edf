import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VInterchange

/// `wav2vec2 checkpoint convert`: a checkpoint in another program's format.
struct ConvertCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Convert a checkpoint to the format of this program, fairseq, NVIDIA or Hugging Face.",
        discussion: """
            The input's format is detected from its content. Without --to, the output's format follows from its name: \
            model-fairseq.pt is fairseq's. Otherwise a .pt file is fairseq's or NVIDIA's, a folder is this program's \
            or Hugging Face's, and of the two the input's own format is ruled out.

            Settings that the new format cannot store are listed. A model that the new format cannot represent is \
            refused.

            Examples:
              wav2vec2 checkpoint convert wav2vec_small.pt pretrained --to native
              wav2vec2 checkpoint convert finetuned/best my-model --to huggingface
              wav2vec2 checkpoint convert tuned.pt tuned --to native \\
                --dictionary dict.ltr.txt
            """)

    @Argument(help: "Checkpoint: a folder or a .pt file.", completion: .file())
    var input: String

    @Argument(help: "Folder or .pt file to write.", completion: .file())
    var output: String

    @Option(help: "Format to write. (default: inferred from the output's name)")
    var to: CheckpointFormat?

    @Option(
        help: "fairseq dictionary (dict.ltr.txt) of a recognizer, instead of the checkpoint's own.",
        completion: .file())
    var dictionary: String?

    @Option(
        help: "Checkpoint with the same architecture, for a .pt file that does not describe its own.",
        completion: .file())
    var architectureFrom: String?

    @Flag(help: "Replace an existing checkpoint.")
    var force = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let url = fileURL(output)
        var checkpoint = try Checkpoint.read(
            modelURL(input), architectureFrom: architectureFrom.map(modelURL))
        if let dictionary {
            checkpoint = try checkpoint.labeled(
                LabelDictionary(contentsOf: fileURL(dictionary)).symbols, from: dictionary)
            Console.notes(checkpoint.notes.filter { $0.subject == .dictionary }, of: input)
        }
        let format = try to ?? Self.format(of: url.lastPathComponent, from: checkpoint.format)
        let left = try checkpoint.convert(to: url, format: format, replacing: force)
        let report = ConversionReport(checkpoint, input: input, output: output, to: format, notCarriedOver: left)
        try Console.output(json ? try jsonLine(report) : report.text)
    }

    /// Returns the format for a file name.
    ///
    /// - Throws: `ValidationError` if it could be either of two.
    static func format(of name: String, from source: CheckpointFormat) throws -> CheckpointFormat {
        let lowered = name.lowercased()
        let words = CheckpointFormat.allCases.filter { lowered.contains($0.rawValue) }
        if words.count == 1 { return words[0] }
        let isFile = [".pt", ".pth"].contains { lowered.hasSuffix($0) }
        let possible = CheckpointFormat.allCases.filter { $0.isFolder != isFile && $0 != source }
        guard possible.count == 1 else {
            let choices = possible.map { "--to \($0.rawValue)" }.joined(separator: " or ")
            throw ValidationError("\(name) could be of more than one format: say \(choices).")
        }
        return possible[0]
    }
}

/// The output of `checkpoint convert`.
private struct ConversionReport: Encodable {
    var input: String
    var output: String
    var from: String
    var to: String
    var task: String
    var parameters: Int
    var tensorCount: Int
    var labels: Int
    var notCarriedOver: [String]

    init(_ checkpoint: Checkpoint, input: String, output: String, to: CheckpointFormat, notCarriedOver: [String]) {
        self.input = input
        self.output = output
        from = checkpoint.format.rawValue
        self.to = to.rawValue
        task = checkpoint.description.task.name
        parameters = checkpoint.state.values.reduce(0) { $0 + $1.count }
        tensorCount = checkpoint.state.count
        labels = checkpoint.description.labels.count
        self.notCarriedOver = notCarriedOver
    }

    var text: String {
        var lines = [
            "\(output): \(decimal(Double(parameters) / 1e6, 2)) million parameters in \(to) format, from \(from)"
        ]
        if !notCarriedOver.isEmpty { lines.append("not carried over:") }
        return (lines + notCarriedOver.map { "  \($0)" }).joined(separator: "\n")
    }
}
