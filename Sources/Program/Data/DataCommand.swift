import ArgumentParser
import Foundation
import W2VCorpus

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

/// `wav2vec2 data dictionary`: makes a dictionary of labels' symbols.
struct DictionaryCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "dictionary",
        abstract: "Write a fairseq dictionary of all symbols in the labels of manifests.",
        discussion: """
            Letters in both cases, punctuation, digits and separate accents are pointed out, since a model learns each \
            of them as a symbol of its own.

            Example:
              wav2vec2 data dictionary data/train.tsv --output data/dict.ltr.txt
            """)

    @Argument(help: "Manifests with labels, of any format.", completion: .file())
    var manifests: [String]

    @Option(help: "Dictionary to write.", completion: .file())
    var output: String

    @Option(help: "Extension of the label files.")
    var labels = "ltr"

    @Flag(help: "Replace an existing dictionary with other content.")
    var force = false

    @OptionGroup var logging: LogOptions

    func run() throws {
        let lists = manifests.map(fileURL)
        try refuseReplacing(
            lists + lists.map { $0.deletingPathExtension().appendingPathExtension(labels) }, by: output)
        let manifest = try Manifest.joined(
            lists.map { (try Manifest.read($0, labels: labels), 1) })
        let dictionary = try LabelDictionary(counting: manifest)
        let empty = manifest.emptyLabelCount
        if empty > 0 { Console.log.warning("\(empty) of \(manifest.count) utterances have empty labels") }
        let file = fileURL(output)
        try makeFolder(of: file)
        try dictionary.write(to: file, replaces: force)
        if Manifest.transcriptLabels.contains(labels) {
            for sentence in LabelDoubts(symbols: dictionary.symbols.dropFirst(LabelDictionary.specials.count)).sentences
            {
                Console.log.warning("\(sentence)")
            }
        }
        let symbols = dictionary.count - LabelDictionary.specials.count
        Console.log.info("\(file.relativePath): \(symbols) symbols of \(manifest.count) utterances")
    }
}
