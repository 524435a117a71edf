import ArgumentParser
import Corpus
import Foundation

/// `wav2vec2 data`: manifests, labels, dictionaries and corpora.
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Prepare recordings and transcripts for training.",
        subcommands: [ManifestCommand.self, LabelsCommand.self, DictionaryCommand.self, LibriSpeechCommand.self])
}

/// `wav2vec2 data manifest`: the list of a folder's recordings.
struct ManifestCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manifest",
        abstract: "List a folder's recordings in a fairseq manifest.",
        discussion: """
            With --valid-percent some of the recordings go to a second manifest, valid.tsv beside the first (or \
            FILE-valid.tsv if the first has that name). Which ones depends on their paths and the seed only.

            Examples:
              wav2vec2 data manifest LibriSpeech/train-clean-100 --output data/train.tsv
              wav2vec2 data manifest recordings --output data/train.tsv --valid-percent 5
            """)

    @Argument(help: "The folder, searched with all its subfolders.", completion: .directory)
    var audioFolder: String

    @Option(help: "The manifest to write.", completion: .file(extensions: ["tsv"]))
    var output: String

    @Option(help: "How many percent of the recordings go to the validation manifest, from 0 to below 100.")
    var validPercent = 0.0

    @Option(help: "Chooses the recordings for validation.")
    var seed: UInt64 = 42

    @Option(
        parsing: .upToNextOption,
        help: "File name extensions that are taken, in any case.")
    var extensions = ManifestBuilder.defaultExtensions

    @Flag(help: "Decode every recording to its end, so that damaged ones are found now.")
    var decode = false

    func validate() throws {
        guard (0..<100).contains(validPercent) else {
            throw ValidationError("--valid-percent is \(validPercent); it must be at least 0 and below 100.")
        }
    }

    func run() throws {
        let wanted = extensions.flatMap { $0.split(whereSeparator: { $0 == "," || $0 == " " }) }
            .map { $0.hasPrefix(".") ? String($0.dropFirst()) : String($0) }
        let builder = ManifestBuilder(
            extensions: wanted, validShare: validPercent / 100,
            seed: seed, decodes: decode)
        let report = try builder.build(fileURL(audioFolder))
        for (path, reason) in report.unreadable { Console.error("wav2vec2: left out \(path): \(reason)") }
        let train = fileURL(output)
        try makeFolder(of: train)
        try report.train.write(to: train)
        summarize(report.train, train)
        guard let valid = report.valid else { return }
        let name = train.deletingPathExtension().lastPathComponent
        let file = train.deletingLastPathComponent()
            .appendingPathComponent(name == "valid" ? "valid-valid.tsv" : "valid.tsv")
        try valid.write(to: file)
        summarize(valid, file)
    }

    private func summarize(_ manifest: Manifest, _ file: URL) {
        let hours = Double(manifest.totalSamples) / 16_000 / 3600
        Console.error("\(file.relativePath): \(manifest.count) recordings, \(decimal(hours, 2)) hours")
    }
}

/// `wav2vec2 data labels`: transcripts as letters and words.
struct LabelsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "labels",
        abstract: "Write the .ltr and .wrd files beside a manifest from transcripts.",
        discussion: """
            The transcripts are one a line in the manifest's order, or lines of a key, a tab and the transcript in any \
            order; the key is a recording's path, its file name, or that without its extension.

            Example:
              wav2vec2 data labels --manifest data/train.tsv --transcripts texts.tsv
            """)

    @Option(help: "The manifest that the transcripts belong to.", completion: .file(extensions: ["tsv"]))
    var manifest: String

    @Option(help: "The transcripts.", completion: .file())
    var transcripts: String

    @Flag(help: "Write transcripts in capitals.")
    var uppercase = false

    func run() throws {
        let url = fileURL(manifest)
        let texts = try Transcript.read(fileURL(transcripts), for: Manifest.read(url))
        let files = try Transcript.writeLabels(uppercase ? texts.map { $0.uppercased() } : texts, beside: url)
        Console.error("\(files.letters.relativePath) and \(files.words.lastPathComponent): \(texts.count) transcripts")
    }
}

/// `wav2vec2 data dictionary`: the symbols of labels.
struct DictionaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dictionary",
        abstract: "Write a fairseq dictionary of all symbols in manifests' labels.",
        discussion: """
            Example:
              wav2vec2 data dictionary data/train.tsv --output data/dict.ltr.txt
            """)

    @Argument(help: "Manifests with labels beside them.", completion: .file())
    var manifests: [String]

    @Option(help: "The dictionary to write.", completion: .file())
    var output: String

    @Option(help: "The labels' extension.")
    var labels = "ltr"

    func run() throws {
        let lines = try manifests.flatMap { path in
            let manifest = try Manifest.read(fileURL(path), labels: labels)
            return (0..<manifest.count).map { manifest[$0].labels ?? "" }
        }
        let dictionary = LabelDictionary(counting: lines)
        let file = fileURL(output)
        try makeFolder(of: file)
        try dictionary.write(to: file)
        Console.error(
            "\(file.relativePath): \(dictionary.count - LabelDictionary.specials.count) symbols of \(lines.count) utterances"
        )
    }
}

/// Makes the folder that a file is to be written to.
func makeFolder(of file: URL) throws {
    let folder = file.deletingLastPathComponent()
    do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
        throw OutputError(description: "\(folder.path): the folder cannot be made (\(error.localizedDescription)).")
    }
}
