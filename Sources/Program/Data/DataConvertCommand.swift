import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VCorpus

extension AudioFileFormat: ExpressibleByArgument {}

/// `wav2vec2 data convert`: converts recordings to another format, sampling rate and speed.
struct DataConvertCommand: ParsableCommand, LoggingCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Convert the recordings of a manifest to another format, sampling rate or speed.",
        discussion: """
            Channels are averaged, and parts of recordings become files of their own. A different speed changes the \
            pitch too, as SoX's speed effect does; transcripts stay the same. Files that an earlier run completed are \
            kept, so a stopped command continues when you run it again. Recordings that cannot be converted are named \
            and left out; the exit code is then 65 unless --allow-unreadable is given.

            Examples:
              wav2vec2 data convert train.jsonl --output flac/train.tsv
              wav2vec2 data convert train.tsv --output faster/train.tsv --speed 0.9 1 1.1
            """)

    @Argument(help: "Manifest of the recordings, in any format.", completion: .file())
    var manifest: String

    @OptionGroup var output: ManifestOutput

    @Option(
        help: "Folder for the new recordings. (default: the new manifest's name without its extension)",
        completion: .directory)
    var audioFolder: String?

    @Option(help: "Format of the new recordings: \(AudioFileFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var encoding = AudioFileFormat.flac

    @Option(help: "Sampling rate of the new recordings, in hertz.")
    var sampleRate = AudioFile.modelSampleRate

    @Option(parsing: .upToNextOption, help: "Speeds at which to write every recording.")
    var speed = [1.0]

    @Option(help: "Number of recordings to convert in parallel.")
    var threads = 2

    @Flag(help: "Exit with 0 even if some recordings cannot be converted and are left out.")
    var allowUnreadable = false

    @OptionGroup var logging: LogOptions

    /// The folder of the new recordings.
    private var folder: URL { audioFolder.map(fileURL) ?? fileURL(output.output).deletingPathExtension() }

    func validate() throws {
        if folder.standardizedFileURL.path == fileURL(output.output).standardizedFileURL.path {
            throw ValidationError(
                audioFolder == nil
                    ? "--output \(output.output) has no extension, so that the folder for the recordings would have the same "
                        + "name; name it \(output.output).tsv, or give an --audio-folder."
                    : "--output and --audio-folder name the same file.")
        }
        if !(1...4096).contains(threads) {
            throw ValidationError("--threads is \(threads); it must be from 1 to 4096.")
        }
        if sampleRate < 1 { throw ValidationError("--sample-rate is \(sampleRate); it must be at least 1.") }
        if let reason = AudioFile.refusal(of: encoding, sampleRate: sampleRate) {
            throw ValidationError(
                "--encoding \(encoding.rawValue) cannot have --sample-rate \(sampleRate) (\(reason)).")
        }
        guard !speed.isEmpty, speed.allSatisfy({ (0.1...10).contains($0) }), Set(speed).count == speed.count else {
            throw ValidationError("--speed takes different numbers from 0.1 to 10.")
        }
    }

    func run() throws {
        try output.prepare()
        let url = fileURL(manifest)
        let found = try output.labelsToRead { try Manifest.hasLabels(url, labels: $0) }
        try output.protect([url], labels: found)
        let source = try Manifest.read(url, keepsTags: true)
        try source.validate()
        let signals = StopSignal()
        let signal = signals.check
        let converter = CorpusConverter(format: encoding, sampleRate: sampleRate, speeds: speed, threads: threads)
        let progress = CountProgress("convert", "files")
        let report = try withExtendedLifetime(signals) {
            try converter.convert(source, to: folder, stop: { signal() != nil }) { done, total in
                progress.show(done, of: total)
            }
        }
        for (utterance, reason) in report.failures {
            Console.log.warning("left out \(utterance): \(reason)", metadata: ["file": "\(utterance)"])
        }
        Console.log.info(
            "convert: \(report.converted) files written, \(report.kept) kept, \(report.failures.count) left out")
        if report.isStopped, let signal = signal() {
            Console.log.notice("stopped by signal \(signal): run the command again to continue")
            throw ExitCode(signal: signal)
        }
        guard let converted = report.manifest else {
            throw CorpusError.allUnreadable(
                folder: url.path, count: report.failures.count, reason: report.failures.first?.reason ?? "")
        }
        try output.write(labels: found) { labels in
            guard let labels else { return converted }
            return try converted.withLabels(
                of: Manifest.read(url, labels: labels, keepsTags: true), at: report.utterances)
        }
        let leftOut = report.failures.count
        try reportLeftOut(leftOut, of: leftOut + converted.count, allowed: allowUnreadable)
    }
}
