import Audio
import Foundation

extension Manifest {
    /// Reads a manifest; its content tells the format.
    ///
    /// - Parameters:
    ///   - url: A fairseq `.tsv`, or JSON lines with `audio_filepath`, `duration` and optionally `offset` and `text`.
    ///   - labels: Which labels to read, by the extension of the file beside a `.tsv`: `ltr`, `wrd` or any other. Of JSON
    ///     lines, `ltr` spells the `text`, `wrd` takes it as it is, and any other names the key. Nil reads none.
    /// - Returns: The utterances; relative paths start from the root line's folder, and a relative root, like relative
    ///   paths in JSON lines, from the manifest's own folder.
    /// - Throws: `CorpusError`, naming file and line.
    public static func read(_ url: URL, labels: String? = nil) throws -> Manifest {
        let data = try Lines.map(url)
        let manifest = try data.withUnsafeBytes { bytes in
            let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
            return first == UInt8(ascii: "{")
                ? try readJSONLines(bytes, url: url, labels: labels)
                : try readFairseq(bytes, url: url, labels: labels)
        }
        if manifest.count == 0 { throw CorpusError.emptyManifest(file: url.path) }
        return manifest
    }

    private static func readFairseq(_ bytes: UnsafeRawBufferPointer, url: URL, labels: String?) throws -> Manifest {
        var root = ""
        var paths = PackedStrings()
        var counts: [Int] = []
        paths.reserve(strings: bytes.count / 64, bytes: bytes.count)
        try Lines.forEach(in: bytes) { number, line in
            if number == 1 {
                if line.contains(0x09) { throw CorpusError.missingRoot(file: url.path) }
                root = String(decoding: line, as: UTF8.self)
                return
            }
            guard let (pathLength, count) = fields(line) else {
                throw CorpusError.badLine(
                    file: url.path, line: number, expected: "a path, a tab and a count of samples",
                    found: String(decoding: line.prefix(200), as: UTF8.self))
            }
            paths.append(line[..<pathLength])
            counts.append(count)
        }
        let folder = url.deletingLastPathComponent()
        let labelFile = labels.map { url.deletingPathExtension().appendingPathExtension($0) }
        return Manifest(
            name: url.path, format: .fairseq,
            root: root.hasPrefix("/") ? URL(fileURLWithPath: root) : folder.appendingPathComponent(root),
            labelFile: labelFile?.path, sampleCounts: counts, paths: paths,
            labelLines: try labelFile.map { try readLabels($0, count: counts.count, manifest: url.path) }, offsets: nil)
    }

    /// The path's length and the sample count of a line, or nil if it is not of that form.
    private static func fields(_ line: UnsafeRawBufferPointer) -> (pathLength: Int, count: Int)? {
        guard let base = line.baseAddress, let tab = memchr(base, 0x09, line.count) else { return nil }
        let pathLength = UnsafeRawPointer(tab) - base
        let digits = line[(pathLength + 1)...]
        guard pathLength > 0, (1...18).contains(digits.count) else { return nil }
        var count = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            count = count * 10 + Int(digit - 0x30)
        }
        return (pathLength, count)
    }

    private static func readLabels(_ url: URL, count: Int, manifest: String) throws -> PackedStrings {
        var lines = PackedStrings()
        try Lines.map(url).withUnsafeBytes { bytes in
            lines.reserve(strings: count, bytes: bytes.count)
            Lines.forEach(in: bytes) { _, line in lines.append(line) }
        }
        guard lines.count == count else {
            throw CorpusError.labelCount(labels: url.path, found: lines.count, manifest: manifest, expected: count)
        }
        return lines
    }

    private static func readJSONLines(_ bytes: UnsafeRawBufferPointer, url: URL, labels: String?) throws -> Manifest {
        var paths = PackedStrings()
        var lines = PackedStrings()
        var counts: [Int] = []
        var offsets: [Int] = []
        let rate = Double(AudioFile.modelSampleRate)
        let labelKey = labels.map { ["ltr", "wrd"].contains($0) ? "text" : $0 }
        try Lines.forEach(in: bytes) { number, line in
            func bad(_ expected: String) -> CorpusError {
                .badLine(
                    file: url.path, line: number, expected: expected,
                    found: String(decoding: line.prefix(200), as: UTF8.self))
            }
            guard let object = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
                throw bad("one JSON object")
            }
            guard let path = object["audio_filepath"] as? String, !path.isEmpty else {
                throw bad("\"audio_filepath\" with a path")
            }
            guard let duration = object["duration"] as? Double, (0...1e9).contains(duration) else {
                throw bad("\"duration\" with a number of seconds")
            }
            let offset = object["offset"] as? Double
            guard (object["offset"] == nil || offset != nil), (0...1e9).contains(offset ?? 0) else {
                throw bad("\"offset\" with a number of seconds")
            }
            paths.append(path.utf8)
            counts.append(Int((duration * rate).rounded()))
            offsets.append(offset.map { Int(($0 * rate).rounded()) } ?? -1)
            if let labelKey {
                guard let text = object[labelKey] as? String else { throw bad("\"\(labelKey)\" with a transcript") }
                lines.append((labels == "ltr" ? Transcript.letters(text) : text).utf8)
            }
        }
        return Manifest(
            name: url.path, format: .jsonLines, root: url.deletingLastPathComponent(), labelFile: nil,
            sampleCounts: counts, paths: paths, labelLines: labels == nil ? nil : lines,
            offsets: offsets.allSatisfy { $0 < 0 } ? nil : offsets)
    }
}
