import ArgumentParser
import Foundation
import W2VBase
import W2VRecognition

extension TranscriptFormat: ExpressibleByArgument {}

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
    /// - Throws: `ValidationError` when results would meet in one file; `CommandError` when there are files already.
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
        var seen: [ExactText: String] = [:]
        for (name, entry) in zip(names, inputs.entries) {
            if let other = seen.updateValue(entry.path, forKey: ExactText(name)) {
                throw ValidationError(
                    "\(other.printable) and \(entry.path.printable) would both be written to "
                        + "\(output.path)/\(name.printable).\(format.fileExtension); "
                        + "transcribe them apart.")
            }
        }
        let files = names.map { output.appendingPathComponent($0 + "." + format.fileExtension) }
        if !replaces, let present = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            throw CommandError(
                .failure, "\(present.path): exists already",
                "--force replaces what is there")
        }
        self.files = files
        // Before hours of work, not after.
        for file in Set(files.map { $0.deletingLastPathComponent() }).sorted(by: { $0.path < $1.path }) {
            try makeFolder(of: file.appendingPathComponent("result"))
            guard FileManager.default.isWritableFile(atPath: file.path) else {
                throw CommandError(
                    .failure, "\(file.path): cannot be written to",
                    "choose another --output")
            }
            AtomicFile.removeLeftovers(in: file)
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
        try writeResult(to: files?[index]) { body in
            if format == .text, !isBare, files == nil { try body(path.printable + "\t") }
            try format.write(transcription, path: path, name: names[index], to: body)
        }
    }
}
