import Foundation
import W2VAudio
import W2VBase

extension Manifest {
    /// Reads a list of utterances, in the format that its contents show.
    ///
    /// - Parameters:
    ///   - url: A fairseq `.tsv`; JSON lines with `audio_filepath`, and optionally `duration` (otherwise the
    ///     recording's header is read), `offset` and `text`; a JSON list of such objects, or of objects with
    ///     `transcript` and `files`; a ``TranscriptTable``; a Kaldi folder with `wav.scp`, `text` and optionally
    ///     `segments`; or a folder of recordings, for labels with a `.txt` beside each, or with LibriSpeech's
    ///     `*.trans.txt`.
    ///   - labels: The labels to read, as the extension of the file beside a `.tsv`: `ltr`, `wrd` or any other. In
    ///     lists with transcripts, `ltr` spells them and `wrd` takes them unchanged; any other names a key of JSON
    ///     objects, or the extension of the files beside a folder's recordings. Nil reads no labels.
    ///   - keepsTags: Whether the list's other metadata is kept, so that JSON lines can be written with it.
    /// - Returns: The utterances. Relative paths start from the root line's folder; a relative root, and relative paths
    ///   in other formats, start from the list's own folder.
    /// - Throws: `CorpusError` that names file and line.
    public static func read(_ url: URL, labels: String? = nil, keepsTags: Bool = false) throws -> Manifest {
        let manifest = try readAny(url, labels: labels, keepsTags: keepsTags)
        if manifest.count == 0 { throw CorpusError.emptyManifest(file: url.path) }
        return manifest
    }

    private static func readAny(_ url: URL, labels: String?, keepsTags: Bool) throws -> Manifest {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue {
            return FileManager.default.fileExists(atPath: url.appendingPathComponent("wav.scp").path)
                ? try KaldiFolder(url).read(labels: labels, keepsTags: keepsTags)
                : try ManifestBuilder().read(url, labels: labels)
        }
        if url.lastPathComponent == "wav.scp" {
            return try KaldiFolder(url.deletingLastPathComponent()).read(labels: labels, keepsTags: keepsTags)
        }
        switch try jsonForm(url) {
        case .jsonLines:
            var json = JSONManifest(url, labels: labels, keepsTags: keepsTags)
            return try json.readLines()
        case .jsonList:
            var json = JSONManifest(url, labels: labels, keepsTags: keepsTags)
            return try json.readList()
        default:
            if let table = try TranscriptTable(url) { return try table.read(labels: labels, keepsTags: keepsTags) }
            return try readFairseq(url, labels: labels)
        }
    }

    /// Returns a file's JSON form, by its first character that is not white space; nil if it is not JSON.
    private static func jsonForm(_ url: URL) throws -> Format? {
        var reader = try LineReader(url)
        // A file with a JSON extension is never in fairseq's format, however broken it is.
        let named: Format? = ["jsonl", "ndjson", "json"].contains(url.pathExtension.lowercased()) ? .jsonLines : nil
        while let line = try reader.next() {
            switch line.first(where: { !Lines.isBlank($0) }) {
            case nil: continue
            case UInt8(ascii: "{"): return .jsonLines
            case UInt8(ascii: "["): return .jsonList
            default: return named
            }
        }
        return named
    }

    /// Returns whether any utterance of a list has labels of an extension.
    ///
    /// - Parameters:
    ///   - url: A list as for ``read(_:labels:keepsTags:)``.
    ///   - labels: The labels, as there.
    /// - Throws: `CorpusError` if the list cannot be read.
    public static func hasLabels(_ url: URL, labels: String) throws -> Bool {
        let exists = { (file: URL) in FileManager.default.fileExists(atPath: file.path) }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue {
            if exists(url.appendingPathComponent("wav.scp")) {
                return exists(url.appendingPathComponent(Transcript.isSpelled(labels) ? "text" : labels))
            }
            return try ManifestBuilder().build(url).train.countTranscriptsBeside(labels) > 0
        }
        switch try jsonForm(url) {
        case .jsonLines: return try JSONManifest.hasLabels(url, labels: labels, isList: false)
        case .jsonList: return try JSONManifest.hasLabels(url, labels: labels, isList: true)
        default:
            if let table = try TranscriptTable(url) { return table.hasTexts && Transcript.isSpelled(labels) }
            return exists(url.deletingPathExtension().appendingPathExtension(labels))
        }
    }

    /// Extensions of label files that are looked for beside a `.tsv` by default.
    public static let labelExtensions = ["ltr", "wrd", "phn", "ph", "km"]

    /// Returns the existing files that a list and its labels are read from, without the recordings.
    ///
    /// - Parameters:
    ///   - url: A list as for ``read(_:labels:keepsTags:)``.
    ///   - labels: Extensions of labels beside a `.tsv`, in addition to ``labelExtensions``.
    /// - Returns: The files; an empty list for a folder of recordings.
    /// - Throws: `CorpusError` if the list cannot be read.
    public static func files(of url: URL, labels: [String]) throws -> [URL] {
        var folder = url
        if url.lastPathComponent == "wav.scp" { folder.deleteLastPathComponent() }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder), isFolder.boolValue {
            guard FileManager.default.fileExists(atPath: folder.appendingPathComponent("wav.scp").path) else {
                return []
            }
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
            return names.map { folder.appendingPathComponent($0) }
        }
        if try jsonForm(url) != nil || TranscriptTable(url) != nil { return [url] }
        let base = url.deletingPathExtension()
        let beside = Set(labelExtensions + labels).sorted().map { base.appendingPathExtension($0) }
        return [url] + beside.filter { FileManager.default.fileExists(atPath: $0.path) }
    }

    /// Returns the same utterances with the labels of another list, and with its tags if they were kept.
    ///
    /// - Parameters:
    ///   - other: A list read with labels.
    ///   - indices: For each utterance, the index of its labels in the other list.
    /// - Throws: `CorpusError.noLabels`.
    public func withLabels(of other: Manifest, at indices: [Int]) throws -> Manifest {
        guard let lines = other.labelLines else { throw CorpusError.noLabels(manifest: other.name) }
        var result = withLabels(lines.selecting(indices), labels: other.sources[0].labels)
        if let tags = other.tags { result.tags = tags.selecting(indices) }
        return result
    }

    /// The labels that are made from transcripts: letters and words.
    public static let transcriptLabels = ["ltr", "wrd"]

    /// Returns the same utterances with their transcripts in another form.
    ///
    /// - Parameters:
    ///   - labels: The labels that were read; others than letters and words stay as they are.
    ///   - form: The form.
    public func labels(_ labels: String, in form: TextForm) -> Manifest {
        guard let labelLines, Transcript.isSpelled(labels), !form.isUnchanging else { return self }
        var lines = PackedStrings()
        lines.reserve(strings: count, bytes: labelLines.byteCount)
        for index in 0..<count {
            let line = labelLines[index]
            // A letter may become several: the text is formed, and spelled again.
            let text = form(labels == "ltr" ? Transcript.text(fromLetters: line) : line)
            lines.append { Transcript.appendLine(Array(text.utf8), labels: labels, to: &$0) }
        }
        return withLabels(lines, labels: labels)
    }

    /// The symbols of these labels that a model should probably not learn.
    public var labelDoubts: LabelDoubts {
        guard let labelLines else { return LabelDoubts(symbols: []) }
        return LabelDoubts(texts: (0..<count).lazy.map { labelLines[$0] })
    }

    func withLabels(_ lines: PackedStrings, labels: String?) -> Manifest {
        var sources = sources
        for index in sources.indices { sources[index].labels = labels }
        var result = Manifest(
            name: name, sources: sources, sampleCounts: sampleCounts, paths: paths, labelLines: lines,
            offsets: offsets, identifiers: identifiers, speakers: speakers, lines: self.lines,
            labelNumbers: labelNumbers)
        result.tags = tags
        return result
    }

    private static func readFairseq(_ url: URL, labels: String?) throws -> Manifest {
        var paths = PackedStrings()
        var counts: [Int] = []
        var reader = try LineReader(url)
        guard let first = try reader.next() else { throw CorpusError.emptyManifest(file: url.path) }
        if first.contains(0x09) { throw CorpusError.missingRoot(file: url.path) }
        let root = String(decoding: first, as: UTF8.self)
        var read = first.count + 1
        while let line = try reader.next() {
            guard let (pathLength, count) = fields(line) else {
                throw CorpusError.badLine(
                    line, number: reader.number, in: url, expected: "a path, a tab and a count of samples")
            }
            paths.append(UnsafeRawBufferPointer(rebasing: line[..<pathLength]))
            counts.append(count)
            read += line.count + 1
            if counts.count == 1000 {
                paths.reserveRest(read: read, of: reader.size)
                counts.reserveCapacity(Int(1.02 * Double(reader.size) / Double(read) * 1000))
            }
        }
        let folder = url.deletingLastPathComponent()
        let labelFile = labels.map { url.deletingPathExtension().appendingPathExtension($0) }
        let source = Source(
            name: url.path, format: .fairseq,
            root: root.hasPrefix("/") ? URL(fileURLWithPath: root) : folder.appendingPathComponent(root),
            labelFile: labelFile?.path, labels: labels, firstLine: 2)
        return Manifest(
            name: url.path, sources: [source], sampleCounts: counts, paths: paths,
            labelLines: try labelFile.map { try readLabels($0, count: counts.count, manifest: url.path) })
    }

    /// Returns the path's length and the sample count of a line, or nil if it does not have that form.
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
        var reader: LineReader
        do throws(CorpusError) {
            reader = try LineReader(url)
        } catch {
            guard case .notFound = error else { throw error }
            throw CorpusError.missingLabels(file: url.path, manifest: manifest)
        }
        lines.reserve(strings: count, bytes: reader.size)
        while let line = try reader.next() {
            // fairseq splits symbols at any white space; after this only spaces separate them.
            if line.contains(where: { (0x09...0x0D).contains($0) }) {
                lines.append(line.map { (0x09...0x0D).contains($0) ? 0x20 : $0 })
            } else {
                lines.append(line)
            }
        }
        guard lines.count == count else {
            throw CorpusError.labelCount(labels: url.path, found: lines.count, manifest: manifest, expected: count)
        }
        return lines
    }
}
