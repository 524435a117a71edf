import Foundation
import W2VAudio
import W2VBase

extension Manifest {
    /// The file formats of manifests that can be written.
    public enum OutputFormat: String, CaseIterable, Sendable {
        /// fairseq's manifest, with label files beside it.
        case tsv
        /// JSON lines, which hold transcripts and segments of recordings.
        case jsonl
    }

    /// Writes the list in a format.
    ///
    /// - Parameters:
    ///   - url: The file; an existing one is replaced.
    ///   - format: The file format.
    /// - Throws: `CorpusError`, for example for segments of recordings, which a `.tsv` cannot express.
    public func write(to url: URL, as format: OutputFormat) throws {
        let files = StagedFiles()
        try write(to: url, as: format, in: files)
        try files.commit()
    }

    /// Writes the list in a format, to be committed together with other files.
    ///
    /// - Parameters:
    ///   - url: The file; an existing one will be replaced.
    ///   - format: The file format.
    ///   - files: The files to commit together.
    /// - Throws: `CorpusError`, for example for segments of recordings, which a `.tsv` cannot express.
    public func write(to url: URL, as format: OutputFormat, in files: StagedFiles) throws {
        switch format {
        case .tsv: try writeTabs(to: url, in: files)
        case .jsonl: try writeJSONLines(to: url, in: files)
        }
    }

    /// Writes the list as a fairseq manifest: the root, then `path<TAB>samples`.
    ///
    /// If joined lists have different roots, the root is their common folder.
    ///
    /// - Parameter url: The file; an existing one is replaced.
    /// - Throws: `CorpusError`, for example for segments of recordings, which the format cannot express.
    public func write(to url: URL) throws { try write(to: url, as: .tsv) }

    private func writeTabs(to url: URL, in files: StagedFiles) throws {
        if let part = offsets?.firstIndex(where: { $0 >= 0 }) {
            throw CorpusError.notForTabs(
                file: url.path, reason: "\(identifier(part)) begins within its recording")
        }
        let breaks: Set<UInt8> = [0x09, 0x0A, 0x0D]
        if let bad = (0..<count).first(where: { paths.utf8($0).contains(where: breaks.contains) }) {
            throw CorpusError.notForTabs(
                file: url.path, reason: "the file name \"\(paths[bad])\" has a tab or a line break")
        }
        let roots = sources.map { $0.root.standardizedFileURL.path }
        let common = Self.commonFolder(roots)
        let prefixes = roots.map { root in
            let rest = Substring(root.utf8.dropFirst(common == "/" ? 1 : common.utf8.count).drop { $0 == 0x2F })
            return rest.isEmpty ? "" : rest + "/"
        }
        let entries = sources.indices.lazy.flatMap { number in
            range(ofSource: number).lazy.map { index in
                let path = paths[index]
                return (path.utf8.first == 0x2F ? path : prefixes[number] + path) + "\t\(sampleCounts[index])"
            }
        }
        try files.write(chain([common], entries), to: url)
    }

    /// Returns the deepest folder that contains all paths.
    private static func commonFolder(_ paths: [String]) -> String {
        // Bytes, as the file system compares them: a combining accent may follow a slash.
        let parts = paths.map { $0.utf8.split(separator: 0x2F).map { Substring($0) } }
        var common = parts.first ?? []
        for own in parts.dropFirst() {
            common = zip(common, own).prefix { $0.hasSameCodePoints(as: $1) }.map(\.0)
        }
        return "/" + common.joined(separator: "/")
    }

    private func writeJSONLines(to url: URL, in files: StagedFiles) throws {
        let labels = sources[0].labels
        let key = labels.map { Transcript.isSpelled($0) ? "text" : $0 }
        let lines = (0..<count).lazy.map { index in
            var line = "{\"audio_filepath\": \(audio(index).standardizedFileURL.path.jsonQuoted), "
            line += "\"duration\": \(seconds(sampleCounts[index]))"
            if let offset = offset(index) { line += ", \"offset\": \(seconds(offset))" }
            if let labelLines, let key {
                let text = labels == "ltr" ? Transcript.text(fromLetters: labelLines[index]) : labelLines[index]
                line += ", \(key.jsonQuoted): \(text.jsonQuoted)"
            }
            return line + (tags?.members[index] ?? "") + "}"
        }
        try files.write(lines, to: url)
    }

    /// Writes the label lines beside a manifest.
    ///
    /// - Parameters:
    ///   - manifest: The manifest's file.
    ///   - labels: The labels' extension.
    ///   - files: The files to commit together.
    /// - Returns: The label file.
    @discardableResult
    public func writeLabels(beside manifest: URL, labels: String, in files: StagedFiles) throws -> URL {
        guard let labelLines else { throw CorpusError.noLabels(manifest: name) }
        let file = manifest.deletingPathExtension().appendingPathExtension(labels)
        try files.write((0..<count).lazy.map { labelLines[$0] }, to: file)
        return file
    }
}

private func chain(_ first: [String], _ second: some Sequence<String>) -> AnySequence<String> {
    AnySequence {
        var head = first.makeIterator()
        var tail = second.makeIterator()
        return AnyIterator { head.next() ?? tail.next() }
    }
}
