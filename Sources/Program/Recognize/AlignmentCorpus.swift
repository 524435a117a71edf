import ArgumentParser
import Foundation
import W2VBase
import W2VCorpus
import W2VRecognition

/// Recordings with transcripts, to be aligned.
struct AlignmentCorpus {
    /// The recordings.
    let manifest: Manifest
    /// Their transcripts, as they are written.
    let transcripts: [String]
    /// Sentences about recordings that cannot be read or lack a transcript.
    let failures: [String]

    /// Reads a folder, or a manifest with labels in any format.
    ///
    /// - Throws: `CorpusError`.
    init(_ url: URL) throws {
        if try isPlainFolder(url) {
            let report = try ManifestBuilder().build(url)
            let texts = try report.train.availableTranscriptsBeside()
            let there = texts.indices.filter { texts[$0] != nil }
            manifest = report.train.subset(there, name: url.path)
            transcripts = texts.compactMap { $0 }
            failures =
                report.unreadable.map { "\($0.path): \($0.reason)" }
                + texts.indices.filter { texts[$0] == nil }.map {
                    "\(report.train.path($0)): has no transcript: there is no .txt beside it, and no line in a *.trans.txt"
                }
            return
        }
        if let table = try TranscriptTable(url), table.hasTexts {
            let report = try table.build()
            (manifest, transcripts) = (report.manifest, report.texts)
            failures = report.unreadable.map { "\($0.path): \($0.reason)" }
            return
        }
        // Words keep their spelling; letters are often in one case.
        let kind = try Manifest.hasLabels(url, labels: "wrd") ? "wrd" : "ltr"
        let list = try Manifest.read(url, labels: kind)
        try list.validate()
        manifest = list
        transcripts = (0..<list.count).map {
            Transcript.text(ofLine: list[$0].labels ?? "", isSpelled: kind == "ltr")
        }
        failures = []
    }
}

/// The files of a corpus's alignments, in folders that mirror those of the recordings.
struct AlignmentFiles {
    private let names: [String]
    private let files: [URL]

    /// Plans the files.
    ///
    /// - Parameters:
    ///   - corpus: The recordings.
    ///   - format: The format of the files.
    ///   - folder: The folder, created if needed.
    ///   - replaces: Whether existing files may be replaced.
    ///   - resumes: Whether existing files are kept.
    /// - Throws: `ValidationError` if two results would be in the same file; `CommandError` if files exist already.
    init(_ corpus: AlignmentCorpus, format: AlignmentFormat, folder: URL, replaces: Bool, resumes: Bool) throws {
        names = Self.names(corpus.manifest)
        files = names.map { folder.appendingPathComponent($0 + "." + format.fileExtension) }
        var seen: Set<ExactText> = []
        if let twice = names.first(where: { !seen.insert(ExactText($0)).inserted }) {
            throw ValidationError("Two recordings would both be written to \(folder.path)/\(twice.printable).")
        }
        if !replaces, !resumes, let present = files.first(where: { FileManager.default.fileExists(atPath: $0.path) }) {
            throw CommandError(
                .failure, "\(present.path): exists already", "give --force to replace it, or --resume to keep it")
        }
        for place in Set(files.map { $0.deletingLastPathComponent() }).sorted(by: { $0.path < $1.path }) {
            try makeFolder(of: place.appendingPathComponent("result"))
            AtomicFile.removeLeftovers(in: place)
        }
    }

    /// Returns a recording's file.
    func file(_ index: Int) -> URL { files[index] }

    /// Returns a recording's name in the formats.
    func name(_ index: Int) -> String { fileURL(names[index]).lastPathComponent }

    /// Whether a recording's file is already there.
    func isWritten(_ index: Int) -> Bool { FileManager.default.fileExists(atPath: files[index].path) }

    /// Returns a name for each utterance: its path without the extension, relative to the recordings' common folder, and
    /// for a part of a recording its start in seconds.
    private static func names(_ manifest: Manifest) -> [String] {
        let paths = (0..<manifest.count).map { manifest[$0].audio.standardizedFileURL.pathComponents }
        let folders = (0..<manifest.count).map { index in
            manifest.path(index).hasPrefix("/")
                ? Array(paths[index].dropLast()) : manifest.source(of: index).root.standardizedFileURL.pathComponents
        }
        var common = folders.first ?? []
        for folder in folders { common = zip(common, folder).prefix { $0.hasSameCodePoints(as: $1) }.map(\.0) }
        let whole = paths.map { $0.dropFirst(common.count).joined(separator: "/") }
        let stems = whole.map { ($0 as NSString).deletingPathExtension }
        var first: [ExactText: String] = [:]
        // Recordings that differ only in their extensions keep them.
        var shared: Set<ExactText> = []
        for (name, stem) in zip(whole, stems) {
            let other = first.updateValue(name, forKey: ExactText(stem))
            if let other, !other.hasSameCodePoints(as: name) { shared.insert(ExactText(stem)) }
        }
        return zip(whole, stems).enumerated().map { index, pair in
            let name = shared.contains(ExactText(pair.1)) ? pair.0 : pair.1
            guard let offset = manifest[index].offset else { return name }
            return "\(name)@\(decimal(Double(offset) / 16_000, 3))"
        }
    }
}
