import ArgumentParser
import Decoding
import Foundation
import Recognition

/// What `transcribe` writes of a recording.
enum TranscriptFormat: String, CaseIterable, ExpressibleByArgument {
    case text, json
    case verboseJSON = "verbose-json"
    case srt, vtt, ctm, textgrid

    /// How the files' names end.
    var fileExtension: String {
        switch self {
        case .text: "txt"
        case .json, .verboseJSON: "json"
        default: TimedFormat(rawValue: rawValue)?.fileExtension ?? rawValue
        }
    }

    /// Whether results of several recordings can follow one another on standard output.
    var isLineByLine: Bool { [.text, .json, .verboseJSON, .ctm].contains(self) }
}

/// Puts transcriptions where they were asked for.
struct TranscriptWriter {
    private let format: TranscriptFormat
    private let isBare: Bool
    private let names: [String]
    private let files: [URL]?

    /// Plans where results go.
    ///
    /// - Parameters:
    ///   - inputs: What will be transcribed.
    ///   - format: What is written.
    ///   - output: A folder for one file a recording; nil for standard output.
    ///   - replaces: Whether files that are there may be replaced.
    /// - Throws: `ValidationError` when results would meet in one file; `OutputError` when there are files already.
    init(_ inputs: TranscriptionInputs, format: TranscriptFormat, output: URL?, replaces: Bool) throws {
        self.format = format
        isBare = inputs.isSingle
        names = inputs.outputNames()
        guard let output else {
            files = nil
            if !format.isLineByLine && inputs.entries.count > 1 {
                throw ValidationError(
                    "--format \(format.rawValue) of several recordings needs a folder with a file for each: --output.")
            }
            return
        }
        var seen: [String: String] = [:]
        for (name, entry) in zip(names, inputs.entries) {
            if let other = seen.updateValue(entry.path, forKey: name) {
                throw ValidationError(
                    "\(other) and \(entry.path) would both be written to \(output.path)/\(name).\(format.fileExtension); "
                        + "transcribe them apart.")
            }
        }
        let files = names.map { output.appendingPathComponent($0 + "." + format.fileExtension) }
        if !replaces, let present = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            throw OutputError(description: "\(present.path): is there already; --force replaces what is there.")
        }
        self.files = files
    }

    /// Writes the result of a recording.
    ///
    /// - Parameters:
    ///   - transcription: The result.
    ///   - index: Which of the inputs it is of.
    ///   - path: What the input was called.
    /// - Throws: `OutputError` when a file cannot be written.
    func write(_ transcription: Transcription, index: Int, path: String) throws {
        let text = try text(transcription, name: names[index], path: path)
        guard let file = files?[index] else {
            if !text.isEmpty { Console.output(text.hasSuffix("\n") ? String(text.dropLast()) : text) }
            return
        }
        do {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file, options: .atomic)
        } catch {
            throw OutputError(description: "\(file.path): cannot be written (\(error.localizedDescription)).")
        }
    }

    private func text(_ transcription: Transcription, name: String, path: String) throws -> String {
        switch format {
        case .text: (isBare || files != nil ? transcription.text : "\(path)\t\(transcription.text)") + "\n"
        case .json: try jsonLine(TranscriptReport(path, transcription, isVerbose: false)) + "\n"
        case .verboseJSON: try jsonLine(TranscriptReport(path, transcription, isVerbose: true)) + "\n"
        case .srt, .vtt, .ctm, .textgrid:
            TimedFormat(rawValue: format.rawValue)?.text(transcription.timed(as: name)) ?? ""
        }
    }
}

/// A line that `transcribe --format json` prints; the verbose one has captions and characters too.
private struct TranscriptReport: Encodable {
    var file: String
    var text: String
    var confidence: Double
    var duration: Double
    var words: [TimedText]
    var segments: [TimedText]?
    var characters: [TimedText]?

    init(_ file: String, _ transcription: Transcription, isVerbose: Bool) {
        self.file = file
        text = transcription.text
        confidence = transcription.confidence
        duration = transcription.duration
        words = transcription.words
        if isVerbose {
            segments = transcription.timed(as: file).captions()
            characters = transcription.characters
        }
    }
}

/// A result that cannot be written ends the command.
struct OutputError: Error, CustomStringConvertible {
    let description: String
}
