import ArgumentParser
import Audio
import Cluster
import Decoding
import Foundation
import Recognition

/// `wav2vec2 transcribe`: text from recordings.
struct TranscribeCommand: AsyncParsableCommand {
    /// What is written for each recording.
    enum Format: String, CaseIterable, ExpressibleByArgument {
        case text
        case json
    }

    static let configuration = CommandConfiguration(
        commandName: "transcribe",
        abstract: "Write down what is said in recordings.",
        discussion: """
            Of a single file the text alone is printed; of several files or a folder one line each, the path, a tab and \
            the text. With --format json every file is one JSON object a line, with words, their times in seconds \
            and confidences from 0 to 1. With --output each file's result goes into a file of its own, named after it.

            'wav2vec2 launch' spreads the work over several processes.

            A file that cannot be read is named on standard error; the others are transcribed all the same, and the \
            exit code is 65.

            Examples:
              wav2vec2 transcribe --checkpoint best interview.mp3
              wav2vec2 transcribe --checkpoint best --format json recordings > words.jsonl
              wav2vec2 transcribe --checkpoint best --output texts recordings/*.flac
            """)

    @OptionGroup var model: CheckpointOptions

    @Option(help: "What is written: \(Format.allCases.map(\.rawValue).joined(separator: " or ")).")
    var format = Format.text

    @Option(help: "A folder for one .txt or .json file a recording; made if need be.", completion: .directory)
    var output: String?

    @OptionGroup(title: "Decoding") var decoding: DecodingOptions

    @OptionGroup var compute: ComputeOptions

    @Argument(
        help: "Recordings (WAV, FLAC, Ogg, Opus, MP3, others through ffmpeg), or folders of them.",
        completion: .file())
    var files: [String]

    func run() async throws {
        let failures = try await amongProcesses { try await run(among: $0) }
        if failures > 0 { throw ExitCode(EX_DATAERR) }
    }

    /// Gives the number of files that could not be transcribed; 0 in processes that leave speaking to another one.
    private func run(among cluster: Cluster?) async throws -> Int {
        try compute.apply()
        let recognizer = try model.recognizer(
            device: compute.device(among: cluster), decoder: decoding.recognitionDecoder)
        let (paths, hasFolder) = try list()
        let writer = try Writer(
            format: format, output: output.map(fileURL), bare: paths.count == 1 && !hasFolder, paths: paths)
        let isLeader = cluster?.isLeader ?? true
        let began = ContinuousClock.now
        var failures = 0
        var audioSeconds = 0.0
        // Results appear in order while later recordings still wait; within a group the longest goes first.
        for start in stride(from: 0, to: paths.count, by: 256) {
            let group = Array(paths[start..<min(start + 256, paths.count)])
            let opened = group.map { path in Result { try Recording(contentsOf: fileURL(path)) } }
            let total = paths.count
            let recordings = opened.compactMap { try? $0.get() }
            var recognized = try await recognizer.transcribe(recordings, among: cluster) { done in
                if isLeader { Console.progress("transcribe: \(start + done) of \(total) files") }
            }.makeIterator()
            guard isLeader else { continue }
            for (path, recording) in zip(group, opened) {
                do {
                    _ = try recording.get()
                    guard let transcription = try recognized.next()?.get() else { continue }
                    audioSeconds += transcription.duration
                    try writer.write(transcription, path: path)
                } catch let error as OutputError {
                    throw error
                } catch {
                    failures += 1
                    Console.error("wav2vec2: \(error)")
                }
            }
        }
        guard isLeader else { return 0 }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        Console.error(
            "transcribe: \(paths.count - failures) of \(paths.count) files, \(decimal(audioSeconds, 1)) s of audio in "
                + "\(decimal(seconds, 1)) s (real-time factor \(decimal(seconds / max(audioSeconds, 1e-9), 3)))")
        return failures
    }

    /// The recordings, folders replaced by what they hold.
    private func list() throws -> (paths: [String], hasFolder: Bool) {
        var hasFolder = false
        let paths = try files.flatMap { path in
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
                return [path]
            }
            hasFolder = true
            return try audioFiles(in: path)
        }
        return (paths, hasFolder)
    }
}

/// A result that cannot be written ends the command.
struct OutputError: Error, CustomStringConvertible {
    let description: String
}

/// Puts transcriptions where they were asked for.
private struct Writer {
    private let format: TranscribeCommand.Format
    private let output: URL?
    private let bare: Bool

    init(format: TranscribeCommand.Format, output: URL?, bare: Bool, paths: [String]) throws {
        self.format = format
        self.output = output
        self.bare = bare
        guard let output else { return }
        var seen: [String: String] = [:]
        for path in paths {
            if let other = seen.updateValue(path, forKey: fileURL(path).deletingPathExtension().lastPathComponent) {
                throw ValidationError(
                    "\(other) and \(path) would both be written to one file in \(output.path); transcribe them apart.")
            }
        }
        do {
            try FileManager.default.createDirectory(at: output, withIntermediateDirectories: true)
        } catch {
            throw OutputError(description: "\(output.path): the folder cannot be made (\(error.localizedDescription)).")
        }
    }

    func write(_ transcription: Transcription, path: String) throws {
        let line =
            switch format {
            case .json: try jsonLine(FileReport(file: path, transcription: transcription))
            case .text: bare || output != nil ? transcription.text : "\(path)\t\(transcription.text)"
            }
        guard let output else { return Console.output(line) }
        let file = output.appendingPathComponent(fileURL(path).deletingPathExtension().lastPathComponent)
            .appendingPathExtension(format == .json ? "json" : "txt")
        do {
            try Data((line + "\n").utf8).write(to: file, options: .atomic)
        } catch {
            throw OutputError(description: "\(file.path): cannot be written (\(error.localizedDescription)).")
        }
    }
}

/// A line that `transcribe --format json` prints.
private struct FileReport: Encodable {
    var file: String
    var text: String
    var confidence: Double
    var duration: Double
    var words: [TimedText]

    init(file: String, transcription: Transcription) {
        self.file = file
        text = transcription.text
        confidence = transcription.confidence
        duration = transcription.duration
        words = transcription.words
    }
}
