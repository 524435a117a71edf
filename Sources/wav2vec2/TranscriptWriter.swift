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

    /// What of a transcription is written.
    var detail: TranscriptionDetail {
        switch self {
        case .text: .text
        case .json, .srt, .vtt, .ctm: .words
        case .verboseJSON, .textgrid: .characters
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
        // Before hours of work, not after.
        for file in Set(files.map { $0.deletingLastPathComponent() }).sorted(by: { $0.path < $1.path }) {
            try makeFolder(of: file.appendingPathComponent("result"))
            guard FileManager.default.isWritableFile(atPath: file.path) else {
                throw OutputError(description: "\(file.path): cannot be written to; choose another --output.")
            }
        }
    }

    /// Whether the result of an input is in its file already.
    func hasWritten(_ index: Int) -> Bool {
        files.map { FileManager.default.fileExists(atPath: $0[index].path) } ?? false
    }

    /// Writes the result of a recording.
    ///
    /// - Parameters:
    ///   - transcription: The result.
    ///   - index: Which of the inputs it is of.
    ///   - path: What the input was called.
    /// - Throws: What `writeResult` throws.
    func write(_ transcription: Transcription, index: Int, path: String) throws {
        try writeResult(to: files?[index]) { try write(transcription, name: names[index], path: path, to: $0) }
    }

    private func write(
        _ transcription: Transcription, name: String, path: String, to body: (String) throws -> Void
    ) throws {
        switch format {
        case .text:
            if !isBare && files == nil { try body(path + "\t") }
            try body(transcription.text)
            try body("\n")
        case .json, .verboseJSON:
            var members: [String: JSONMember] = [
                "file": .value(path), "text": .value(transcription.text),
                "confidence": .value(transcription.confidence), "duration": .value(transcription.duration),
                "words": .list(transcription.words),
            ]
            if format == .verboseJSON {
                members["segments"] = .list(transcription.timed(as: path).captions())
                members["characters"] = .list(transcription.characters)
            }
            try writeJSONLine(members, to: body)
        case .srt, .vtt, .ctm, .textgrid:
            try TimedFormat(rawValue: format.rawValue)?.writer.write(transcription.timed(as: name), to: body)
        }
    }
}

/// A result that cannot be written ends the command.
struct OutputError: Error, CustomStringConvertible {
    let description: String
}
