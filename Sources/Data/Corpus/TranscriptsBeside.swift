import Foundation
import W2VBase

extension Manifest {
    /// Counts the recordings that have a transcript beside them.
    ///
    /// - Parameter labels: `ltr` and `wrd` look for a `.txt`, and for lines in a `*.trans.txt` like LibriSpeech's; any
    ///   other, for a file of that extension.
    /// - Throws: `CorpusError` if a `*.trans.txt` cannot be read.
    public func countTranscriptsBeside(_ labels: String) throws -> Int {
        var beside = TranscriptsBeside(labels)
        return try (0..<count).count { try beside.place(of: audio($0)) != nil }
    }

    /// Returns the same utterances with the transcripts beside their recordings.
    ///
    /// - Parameter labels: `ltr` and `wrd` read `.txt` files, and lines of `*.trans.txt` files; any other, the files of
    ///   that extension.
    /// - Throws: `CorpusError.noTranscripts` if some are missing; `CorpusError` if one cannot be read.
    public func labeledFromFiles(_ labels: String) throws -> Manifest {
        var lines = PackedStrings()
        for text in try transcriptsBeside(labels) {
            lines.append { Transcript.appendLine(Array(text.utf8), labels: labels, to: &$0) }
        }
        return withLabels(lines, labels: labels)
    }

    /// Reads the transcripts beside the recordings, one per utterance.
    ///
    /// - Parameter labels: As for ``labeledFromFiles(_:)``.
    /// - Throws: `CorpusError.noTranscripts` if some are missing; `CorpusError` if one cannot be read.
    public func transcriptsBeside(_ labels: String = "ltr") throws -> [String] {
        var beside = TranscriptsBeside(labels)
        let places = try (0..<count).map { try beside.place(of: audio($0)) }
        if let first = places.firstIndex(where: { $0 == nil }) {
            throw CorpusError.noTranscripts(
                folder: name, count: places.count { $0 == nil }, total: count,
                example: beside.ownFile(of: audio(first)).path)
        }
        return try places.compactMap { $0 }.map { place in
            let text = try place.text ?? Lines.read(place.file).joined(separator: " ")
            if Transcript.isSpelled(labels), text.contains("|") {
                throw CorpusError.badLine(
                    file: place.file.path, line: place.line, expected: "a transcript without the word boundary |",
                    found: text)
            }
            return text
        }
    }

    /// Reads the transcripts beside the recordings, nil for those without one.
    ///
    /// - Throws: `CorpusError` if a transcript cannot be read.
    public func availableTranscriptsBeside() throws -> [String?] {
        var beside = TranscriptsBeside("ltr")
        return try (0..<count).map { index in
            guard let place = try beside.place(of: audio(index)) else { return nil }
            return try place.text ?? Lines.read(place.file).joined(separator: " ")
        }
    }

    /// Returns the file and line of an utterance's transcript in a folder.
    func transcriptPlace(of index: Int, labels: String) -> (file: String, line: Int) {
        var beside = TranscriptsBeside(labels)
        guard let place = try? beside.place(of: audio(index)) else { return (beside.ownFile(of: audio(index)).path, 1) }
        return (place.file.path, place.line)
    }
}

/// Finds transcripts beside recordings.
private struct TranscriptsBeside {
    /// A transcript's file and line, and its text if it was read already.
    struct Place {
        var file: URL
        var line = 1
        var text: String?
    }

    private let pathExtension: String
    private let readsLists: Bool
    /// For each folder, the transcripts of its `*.trans.txt` files, by the recordings' names.
    private var folders: [ExactText: [ExactText: Place]] = [:]

    init(_ labels: String) {
        readsLists = Transcript.isSpelled(labels)
        pathExtension = readsLists ? "txt" : labels
    }

    /// Returns the file of a recording's own transcript, which may not exist.
    func ownFile(of audio: URL) -> URL { audio.deletingPathExtension().appendingPathExtension(pathExtension) }

    /// Finds a recording's transcript: its own file, or a line that begins with its name; nil if there is none.
    mutating func place(of audio: URL) throws -> Place? {
        let own = ownFile(of: audio)
        if access(own.path, F_OK) == 0 { return Place(file: own) }
        guard readsLists else { return nil }
        let folder = audio.deletingLastPathComponent()
        let key = ExactText(folder.path)
        let lines: [ExactText: Place]
        if let known = folders[key] {
            lines = known
        } else {
            lines = try Self.lists(in: folder)
            folders[key] = lines
        }
        return lines[ExactText(audio.lastPathComponent)]
            ?? lines[ExactText(audio.deletingPathExtension().lastPathComponent)]
    }

    /// Reads the lines of a folder's `*.trans.txt` files, each a name, white space and a transcript.
    private static func lists(in folder: URL) throws -> [ExactText: Place] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        var places: [ExactText: Place] = [:]
        for name in names.filter({ $0.hasSuffix(".trans.txt") }).sorted() {
            let file = folder.appendingPathComponent(name)
            for (number, line) in zip(1..., try Lines.read(file)) where !line.utf8.allSatisfy(Lines.isBlank) {
                let scalars = line.unicodeScalars
                let end = scalars.firstIndex(where: \.properties.isWhitespace) ?? scalars.endIndex
                let text = String(scalars[end...].drop(while: \.properties.isWhitespace))
                let place = Place(file: file, line: number, text: text)
                guard places.updateValue(place, forKey: ExactText(Substring(scalars[..<end]))) == nil else {
                    throw CorpusError.badLine(
                        file: file.path, line: number, expected: "the name of a recording that no other line has",
                        found: line)
                }
            }
        }
        return places
    }
}
