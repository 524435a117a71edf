import ArgumentParser
import Foundation
import W2VAudio
import W2VBase
import W2VCorpus

extension AudioFileFormat: ExpressibleByArgument {}

/// `wav2vec2 data convert`: recordings in another format, sampling rate and speed.
struct DataConvertCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Write a manifest's recordings in another format, sampling rate or speed.",
        discussion: """
            Channels are averaged, and parts of recordings become files of their own. Another speed changes the pitch \
            too, as SoX' speed does; transcripts stay. What was converted before and is whole is kept, so a stopped \
            command continues when you run it again. Recordings that cannot be converted are named and left out; the \
            exit code is then 65 unless --allow-unreadable accepts that.

            Examples:
              wav2vec2 data convert train.jsonl --output flac/train.tsv
              wav2vec2 data convert train.tsv --output faster/train.tsv --speed 0.9 1 1.1
            """)

    @Argument(help: "The manifest of the recordings, of any format.", completion: .file())
    var manifest: String

    @OptionGroup var output: ManifestOutput

    @Option(
        help: "The folder for the new recordings. (default: the new manifest's name without its extension)",
        completion: .directory)
    var audioFolder: String?

    @Option(help: "Their format: \(AudioFileFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
    var encoding = AudioFileFormat.flac

    @Option(help: "Their samples per second.")
    var sampleRate = AudioFile.modelSampleRate

    @Option(parsing: .upToNextOption, help: "The speeds at which every recording is written.")
    var speed = [1.0]

    @Option(help: "How many recordings are converted at a time.")
    var threads = 2

    @Flag(help: "Accept a manifest without the recordings that cannot be converted: the exit code is then 0.")
    var allowUnreadable = false

    /// Where the new recordings go.
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
        let report = try endingOnWriteErrors {
            try converter.convert(source, to: folder, stop: { signal() != nil }) { done, total in
                progress.show(done, of: total)
            }
        }
        for (utterance, reason) in report.failures { Console.error("wav2vec2: left out \(utterance): \(reason)") }
        Console.error(
            "convert: \(report.converted) files written, \(report.kept) kept, \(report.failures.count) left out")
        if report.isStopped, let signal = signal() {
            Console.error("stopped by signal \(signal): give the command again to go on")
            throw ExitCode(128 + signal)
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
