import ArgumentParser
import Audio
import Corpus
import Foundation

/// `wav2vec2 data`: manifests, labels, dictionaries and corpora.
struct DataCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "data",
        abstract: "Prepare recordings and transcripts for training.",
        subcommands: [
            ManifestCommand.self, CombineCommand.self, DataConvertCommand.self, LabelsCommand.self,
            DictionaryCommand.self,
            LibriSpeechCommand.self,
        ])
}

/// Runs what writes recordings: a disk that takes no more is no fault of the data, and the exit code says so.
func endingOnWriteErrors<Result>(_ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch AudioError.unwritable(let file, let reason) {
        throw OutputError(
            description:
                "\(file): the recording cannot be written (\(reason)); make room or choose another folder, and "
                + "give the command again to go on.")
    } catch CorpusError.unwritable(let file, let reason) {
        throw OutputError(
            description: "\(file): cannot be written (\(reason)); make room or choose another folder, and give the "
                + "command again to go on.")
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
        let list = try Manifest.read(url)
        try refuseListsWithTheirOwnTranscripts(list)
        let texts = try Transcript.read(fileURL(transcripts), for: list)
        let files = try Transcript.writeLabels(uppercase ? texts.map { $0.uppercased() } : texts, beside: url)
        Console.error("\(files.letters.relativePath) and \(files.words.lastPathComponent): \(texts.count) transcripts")
    }
}

extension LabelsCommand {
    /// Only a `.tsv` has its labels in files beside it: those of any other list would be read by no command.
    private func refuseListsWithTheirOwnTranscripts(_ list: Manifest) throws {
        let place: String
        switch list.sources[0].format {
        case .fairseq: return
        case .jsonLines, .jsonList: place = "in its objects, under \"text\""
        case .kaldi: place = "in the folder's file text"
        case .folder: place = "in a .txt beside each recording"
        }
        throw CorpusError.badOption(
            name: manifest,
            reason: "expected a .tsv, which has its labels in files beside it, found a list that has its transcripts "
                + "\(place): write them there, or make a .tsv of it first with wav2vec2 data manifest")
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

    @Argument(help: "Manifests with labels, of any format.", completion: .file())
    var manifests: [String]

    @Option(help: "The dictionary to write.", completion: .file())
    var output: String

    @Option(help: "The labels' extension.")
    var labels = "ltr"

    func run() throws {
        let manifest = try Manifest.joined(
            manifests.map { (try Manifest.read(fileURL($0), labels: labels), 1) })
        let dictionary = try LabelDictionary(counting: manifest)
        let empty = manifest.emptyLabelCount
        if empty > 0 { Console.error("wav2vec2: \(empty) of \(manifest.count) utterances have empty labels") }
        let file = fileURL(output)
        try makeFolder(of: file)
        try dictionary.write(to: file)
        Console.error(
            "\(file.relativePath): \(dictionary.count - LabelDictionary.specials.count) symbols of \(manifest.count) utterances"
        )
    }
}
