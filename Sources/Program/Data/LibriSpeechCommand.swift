import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VFetching

/// `wav2vec2 data librispeech`: the corpus that the recipes are made for, ready to train on.
struct LibriSpeechCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "librispeech",
        abstract: "Download LibriSpeech and list it for training.",
        discussion: """
            Parts: dev-clean, dev-other, test-clean, test-other, train-clean-100, train-clean-360, train-other-500. Each \
            becomes OUTPUT/PART.tsv with labels beside it (.ltr and .wrd); the three training parts together also \
            become train-full-960.tsv. OUTPUT/dict.ltr.txt is fairseq's dictionary. All seven need 64 GB, and 31 GB \
            more while they come.

            A run that was stopped goes on where it was, and what is complete is not done again. Every archive is \
            compared with its published checksum.

            Examples:
              wav2vec2 data librispeech --output data --parts dev-other,train-clean-100
              wav2vec2 data librispeech --output data --source /corpora/LibriSpeech
              wav2vec2 data librispeech --output data --parts dev-other --libri-light
            """)

    @Option(help: "The folder for recordings and lists.", completion: .directory)
    var output: String

    @Option(help: "Which parts, separated by commas; all, or none.")
    var parts = "all"

    @Flag(help: "Also Libri-light's limited supervision: train-10min-0 to -5, train-1h and train-10h.")
    var libriLight = false

    @Option(
        help: "A folder with parts already on disk, unpacked or as archives; parts that are not there are downloaded.",
        completion: .directory)
    var source: String?

    @Option(
        name: .customLong("mirror"),
        help: ArgumentHelp(
            "Where the archives are to be had, in place of openslr.org and its mirrors; may be given several times.",
            valueName: "url"))
    var mirrors: [String] = []

    @Option(
        help: "MD5 sums as md5sum writes them, for a mirror that has packed the parts anew.", completion: .file())
    var checksums: String?

    @Flag(help: "Keep the archives in OUTPUT/archives.")
    var keepArchives = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var fetching: FetchingOptions

    func validate() throws {
        do {
            if try LibriSpeech.parts(named: parts, limited: libriLight).isEmpty {
                throw ValidationError("--parts is \(parts), which names nothing; name a part, or add --libri-light.")
            }
        } catch let error as LibriSpeechError {
            throw ValidationError("\(error)")
        }
        try FetchingOptions.validate(mirrors, option: "--mirror")
    }

    func run() throws {
        let start = ContinuousClock.now
        let signal = StopSignal()
        var chosen = try LibriSpeech.parts(named: parts, limited: libriLight)
        if let checksums { chosen = try LibriSpeech.replacingChecksums(of: chosen, by: fileURL(checksums)) }
        var preparation = LibriSpeechPreparation(chosen, output: fileURL(output))
        preparation.source = source.map(fileURL)
        preparation.mirrors = mirrors
        preparation.keepsArchives = keepArchives
        preparation.downloader = fetching.downloader()
        preparation.monitor = FetchingOptions.monitor(signal)
        let report = try preparation.run()
        for list in report.lists {
            let hours = decimal(Double(list.samples) / 16_000 / 3600, 2)
            Console.error("\(list.manifest.relativePath): \(list.utterances) recordings, \(hours) hours")
        }
        if json {
            try Console.output(try jsonLine(Summary(report, (ContinuousClock.now - start) / .seconds(1))))
        }
    }

    /// What `--json` prints.
    private struct Summary: Encodable {
        struct List: Encodable {
            var name: String
            var manifest: String
            var utterances: Int
            var hours: Double
        }

        var lists: [List]
        var dictionary: String
        var receivedBytes: Int
        var seconds: Double

        init(_ report: LibriSpeechPreparation.Report, _ seconds: Double) {
            lists = report.lists.map { list in
                List(
                    name: list.name, manifest: list.manifest.relativePath, utterances: list.utterances,
                    hours: Double(list.samples) / 16_000 / 3600)
            }
            dictionary = report.dictionary.relativePath
            receivedBytes = report.received
            self.seconds = seconds
        }
    }
}
