import ArgumentParser
import Foundation
import W2VBase
import W2VDecoding
import W2VRecognition

extension TranscriptFormat: ExpressibleByArgument {
    /// The format of a result file by its extension; nil for a name without one of the formats' extensions.
    init?(fileNamed name: String?) {
        guard let name, let format = Self.allCases.first(where: { $0.isExtension(of: name) }) else { return nil }
        self = format
    }

    /// Whether a file's name has the format's extension, in any case.
    func isExtension(of name: String) -> Bool {
        fileURL(name).pathExtension.lowercased() == fileExtension.lowercased()
    }
}

/// Writes transcriptions to their destination.
struct TranscriptWriter {
    private let format: TranscriptFormat
    private let captions: CaptionLayout
    private let isBare: Bool
    private let names: [String]
    private let files: [URL]?

    /// Plans the destination of results.
    ///
    /// - Parameters:
    ///   - inputs: The inputs of the transcription.
    ///   - format: The output format.
    ///   - captions: The size of subtitles.
    ///   - output: A folder with one file per recording; nil for standard output.
    ///   - isFile: Whether the output is the file of a single recording instead.
    ///   - replaces: Whether existing files may be replaced.
    /// - Throws: `ValidationError` when two results would be in the same file; `CommandError` when files already exist.
    init(
        _ inputs: TranscriptionInputs, format: TranscriptFormat, captions: CaptionLayout, output: URL?, isFile: Bool,
        replaces: Bool
    ) throws {
        self.format = format
        self.captions = captions
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
        let files = isFile ? [output] : names.map { output.appendingPathComponent($0 + "." + format.fileExtension) }
        if !replaces, let present = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            throw CommandError(
                .failure, "\(present.path): exists already",
                "give --force to replace it, or --resume to keep it")
        }
        self.files = files
        // Fails before hours of work, not after.
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

    /// Whether the result of an input is already in its file.
    func hasWritten(_ index: Int) -> Bool {
        files.map { FileManager.default.fileExists(atPath: $0[index].path) } ?? false
    }

    /// Writes the result of a recording.
    ///
    /// - Parameters:
    ///   - transcription: The result.
    ///   - index: The input's index.
    ///   - path: The input's name.
    /// - Throws: The errors of `writeResult`.
    func write(_ transcription: Transcription, index: Int, path: String) throws {
        try writeResult(to: files?[index]) { body in
            if format == .text, !isBare, files == nil { try body(path.printable + "\t") }
            try format.write(transcription, path: path, name: names[index], captions: captions, to: body)
        }
    }
}
