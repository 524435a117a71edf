import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VFetching
import W2VLibriSpeech

/// `wav2vec2 data librispeech`: prepares the recipes' corpus for training.
struct LibriSpeechCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "librispeech",
        abstract: "Download LibriSpeech and write manifests for training.",
        discussion: """
            The parts are dev-clean, dev-other, test-clean, test-other, train-clean-100, train-clean-360 and \
            train-other-500. Each becomes OUTPUT/PART.tsv with label files beside it (.ltr and .wrd); the three \
            training parts together also become train-full-960.tsv. OUTPUT/dict.ltr.txt is fairseq's dictionary. All \
            seven parts take 64 GB, and 31 GB more during the download.

            An interrupted run continues where it stopped, and complete parts are not downloaded again. Every archive \
            is checked against its published checksum.

            Examples:
              wav2vec2 data librispeech --output data --parts dev-other,train-clean-100
              wav2vec2 data librispeech --output data --source /corpora/LibriSpeech
              wav2vec2 data librispeech --output data --parts dev-other --libri-light
            """)

    @Option(help: "Folder for recordings and manifests.", completion: .directory)
    var output: String

    @Option(help: "Parts to prepare, separated by commas; or all, or none.")
    var parts = "all"

    @Flag(help: "Add Libri-light's limited supervision: train-10min-0 to -5, train-1h and train-10h.")
    var libriLight = false

    @Option(
        help: "Folder with parts already on disk, unpacked or as archives; missing parts are downloaded.",
        completion: .directory)
    var source: String?

    @Option(
        name: .customLong("mirror"),
        help: ArgumentHelp(
            "Mirror of the archives to use instead of openslr.org and its mirrors; repeatable.",
            valueName: "url"))
    var mirrors: [String] = []

    @Option(
        help: "MD5 sums in md5sum's format, for a mirror that has repacked the parts.", completion: .file())
    var checksums: String?

    @Flag(help: "Keep the archives in OUTPUT/archives.")
    var keepArchives = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var fetching: FetchingOptions

    @OptionGroup var logging: LogOptions

    func validate() throws {
        do {
            if try LibriSpeech.parts(named: parts, limited: libriLight).isEmpty {
                throw ValidationError("--parts is \(parts), which names nothing; name a part, or add --libri-light.")
            }
        } catch let error as LibriSpeechError {
            throw ValidationError(error.description)
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
            Console.log.info("\(list.manifest.relativePath): \(list.utterances) recordings, \(hours) hours")
        }
        if json {
            try Console.output(try jsonLine(Summary(report, (ContinuousClock.now - start) / .seconds(1))))
        }
    }

    /// The output of `--json`.
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
