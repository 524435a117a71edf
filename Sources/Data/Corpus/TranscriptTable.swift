import Foundation
import W2VAudio
import W2VBase

/// A table of recordings and their transcripts: Common Voice's `.tsv`, Hugging Face's `metadata.csv`, SpeechBrain's
/// `.csv`, LJSpeech's `metadata.csv`, or any other whose first line names its columns.
public struct TranscriptTable: Sendable {
    /// The columns of paths and transcripts, as a user names them.
    public struct Columns: Sendable, Equatable {
        /// The column of paths: its name, or its number from 1 in a table without names.
        public var path: String
        /// The column of transcripts, likewise; nil for none.
        public var text: String?

        /// Makes columns.
        ///
        /// - Parameters:
        ///   - path: The column of paths: its name, or its number from 1.
        ///   - text: The column of transcripts.
        public init(path: String, text: String? = nil) {
            self.path = path
            self.text = text
        }
    }

    /// A row of the table.
    struct Row {
        var line: Int
        var path: String
        var text: String
        var fields: [String]
    }

    /// The names of columns that hold paths, the surest first.
    static let pathNames = [
        "path", "file_name", "filename", "file", "audio_path", "audio_filepath", "audio_file", "audio", "wav",
        "wav_path", "wav_filename", "clip",
    ]
    /// The names of columns that hold transcripts, the surest first.
    static let textNames = [
        "sentence", "transcription", "transcript", "text", "normalized_text", "normalized_transcription", "wrd",
        "words",
    ]

    /// The file.
    public let url: URL
    /// The names of the columns; empty if the table does not name them.
    public let names: [String]
    let separator: UInt8
    let pathColumn: Int
    let textColumn: Int?

    /// Looks at a file's first line.
    ///
    /// - Parameters:
    ///   - url: The file.
    ///   - columns: The columns to read; nil to find them by their usual names.
    /// - Returns: The table; nil if `columns` is nil and the file is not a table with known columns.
    /// - Throws: `CorpusError` if the file cannot be read, or lacks the columns.
    public init?(_ url: URL, columns: Columns? = nil) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue { return nil }
        var reader = try LineReader(url)
        let first: String
        do {
            first = try reader.next().map { String(decoding: $0, as: UTF8.self) } ?? ""
        } catch {
            // Other readers describe better what is wrong with a file that is not UTF-8.
            guard columns != nil else { return nil }
            throw error
        }
        // fairseq's manifests begin with a folder, whose name may have separators.
        if columns == nil, Self.isFolder(first, beside: url) { return nil }
        let found = try Self.layouts(of: url, beginning: first, columns: columns).first
        guard let found else {
            guard let columns else { return nil }
            let wanted = [columns.path, columns.text].compactMap { $0 }.joined(separator: " and ")
            throw CorpusError.badLine(
                file: url.path, line: 1,
                expected: "the columns \(wanted) with tabs, commas, semicolons or bars between them", found: first)
        }
        self.url = url
        names = found.names
        separator = found.separator
        pathColumn = found.path
        textColumn = found.text
        try refuseSegments()
    }

    private static func isFolder(_ line: String, beside url: URL) -> Bool {
        let path = line.hasPrefix("/") ? line : url.deletingLastPathComponent().path + "/" + line
        var isFolder: ObjCBool = false
        return line.hasPrefix("/")
            || FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// The columns of a table.
    private struct Layout {
        var separator: UInt8
        var names: [String]
        var path: Int
        var text: Int?
    }

    /// Returns the ways to read a file as a table, the most likely first.
    private static func layouts(of url: URL, beginning: String, columns: Columns?) throws -> [Layout] {
        let separators = [UInt8(ascii: "\t"), UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "|")]
        return try separators.filter { beginning.utf8.contains($0) }.compactMap { separator -> Layout? in
            var rows = try DelimitedRows(url, separator: separator)
            guard let fields = try? rows.next()?.fields, fields.count > 1 else { return nil }
            if let columns {
                return try chosen(columns, in: fields).map {
                    Layout(separator: separator, names: $0.hasNames ? fields : [], path: $0.path, text: $0.text)
                }
            }
            if let path = index(of: pathNames, in: fields) {
                return Layout(separator: separator, names: fields, path: path, text: index(of: textNames, in: fields))
            }
            // LJSpeech: name, text, and the text with its numbers written out.
            guard separator == UInt8(ascii: "|"), fields.count <= 3,
                recording(fields[0], under: url.deletingLastPathComponent()) != nil
            else { return nil }
            return Layout(separator: separator, names: [], path: 0, text: fields.count - 1)
        }
    }

    /// Whether the table has transcripts.
    public var hasTexts: Bool { textColumn != nil }

    /// The columns that are read, for people.
    public var description: String {
        let columns: [(place: Int?, meaning: String)] = [(pathColumn, "recordings"), (textColumn, "transcripts")]
        return columns.compactMap { column in
            column.place.map { place in
                let name = names.isEmpty ? "\(place + 1)" : "\"\(names[place].printable)\""
                return "column \(name) for \(column.meaning)"
            }
        }.joined(separator: ", ")
    }

    private static func chosen(
        _ columns: Columns, in fields: [String]
    ) throws -> (path: Int, text: Int?, hasNames: Bool)? {
        func index(_ name: String) -> Int? { fields.firstIndex { trimmed($0).hasSameCodePoints(as: name) } }
        if let path = index(columns.path) {
            guard let text = columns.text else { return (path, nil, true) }
            return index(text).map { (path, $0, true) }
        }
        func number(_ name: String) -> Int? { Int(name).flatMap { (1...fields.count).contains($0) ? $0 - 1 : nil } }
        guard let path = number(columns.path) else { return nil }
        guard let text = columns.text else { return (path, nil, false) }
        return number(text).map { (path, $0, false) }
    }

    private static func trimmed(_ name: String) -> String { name.trimmingCharacters(in: .whitespaces) }

    private static func index(of known: [String], in fields: [String]) -> Int? {
        let names = fields.map { trimmed($0).lowercased() }
        return known.lazy.compactMap { names.firstIndex(of: $0) }.first
    }

    /// Refuses a table of parts of recordings, whose transcripts would otherwise be given to whole ones.
    private func refuseSegments() throws {
        let names = Set(names.map { Self.trimmed($0).lowercased() })
        for (start, end) in [("start", "stop"), ("start", "end"), ("start_time", "end_time"), ("offset", "duration")]
        where names.contains(start) && names.contains(end) {
            throw CorpusError.badLine(
                file: url.path, line: 1,
                expected: "a table of whole recordings; JSON lines with \"offset\" and \"duration\" list parts of them",
                found: "the columns \(start) and \(end)")
        }
    }

    /// Calls `body` with each row in order.
    ///
    /// - Throws: `CorpusError.badLine` for a row with another number of columns than the first, or without a path.
    func forEachRow(_ body: (Row) throws -> Void) throws {
        var rows = try DelimitedRows(url, separator: separator)
        if !names.isEmpty { _ = try rows.next() }
        var count = names.isEmpty ? nil : names.count
        while let (fields, line) = try rows.next() {
            let expected = count ?? fields.count
            count = expected
            guard fields.count == expected else {
                throw CorpusError.badLine(
                    file: url.path, line: line, expected: "\(expected) columns as in the first line",
                    found: "\(fields.count): \(fields.joined(separator: " "))")
            }
            guard !fields[pathColumn].isEmpty else {
                throw CorpusError.badLine(
                    file: url.path, line: line, expected: "the path of a recording in column \(pathColumn + 1)",
                    found: fields.joined(separator: " "))
            }
            let text = textColumn.map { fields[$0] } ?? ""
            try body(Row(line: line, path: fields[pathColumn], text: text, fields: fields))
        }
    }

    // MARK: - Recordings

    /// Folders of recordings beside a table: Common Voice's and LJSpeech's.
    private static let folders = ["", "clips/", "wavs/", "audio/"]

    /// Returns a recording's path relative to a folder, or absolute; nil if there is no such file.
    ///
    /// - Parameters:
    ///   - name: The table's name for it: a path that may lack its extension, or begin with a placeholder such as
    ///     SpeechBrain's `$data_root`.
    ///   - root: The folder.
    static func recording(_ name: String, under root: URL) -> String? {
        func exists(_ path: String) -> Bool {
            access(path.hasPrefix("/") ? path : root.path + "/" + path, F_OK) == 0
        }
        var names = [name]
        if let slash = name.firstIndex(of: "/"), name.hasPrefix("$") || name.hasPrefix("{") {
            names.append(String(name[name.index(after: slash)...]))
        }
        for name in names {
            for folder in name.hasPrefix("/") ? [""] : folders where exists(folder + name) { return folder + name }
        }
        guard (name as NSString).pathExtension.isEmpty || !name.contains("/") else { return nil }
        for folder in folders {
            for suffix in ManifestBuilder.defaultExtensions where exists("\(folder)\(name).\(suffix)") {
                return "\(folder)\(name).\(suffix)"
            }
        }
        return nil
    }

    /// The recordings of a table.
    public struct Report: Sendable {
        /// The readable recordings, in the table's order, without labels.
        public var manifest: Manifest
        /// Their transcripts; empty without a column of them.
        public var texts: [String]
        /// Recordings that do not exist or cannot be read, with the reason.
        public var unreadable: [(path: String, reason: String)]

        /// Returns the manifest with its transcripts as labels.
        ///
        /// - Parameters:
        ///   - labels: `ltr` spells the transcripts, `wrd` takes their words.
        ///   - form: The form of the transcripts.
        /// - Throws: `CorpusError.badLine` for a transcript with the word boundary.
        public func labeled(_ labels: String, form: TextForm = TextForm()) throws -> Manifest {
            var lines = PackedStrings()
            for (index, text) in texts.enumerated() {
                let text = form(text)
                if Transcript.isSpelled(labels), text.utf8.contains(UInt8(ascii: "|")) {
                    let place = manifest.place(of: index)
                    throw CorpusError.badLine(
                        file: place.file, line: place.line, expected: "a transcript without the word boundary |",
                        found: text)
                }
                lines.append { Transcript.appendLine(Array(text.utf8), labels: labels, to: &$0) }
            }
            return manifest.withLabels(lines, labels: labels)
        }
    }

    /// Finds and measures the recordings.
    ///
    /// - Parameters:
    ///   - root: The folder of the recordings; nil for the table's own.
    ///   - keepsTags: Whether the other columns are kept, so that JSON lines can be written with them.
    ///   - decodes: Whether each file is decoded to its end, to find damaged ones now.
    /// - Throws: `CorpusError` about the table, or if no recording can be read.
    public func build(root: URL? = nil, keepsTags: Bool = false, decodes: Bool = false) throws -> Report {
        let root = (root ?? url.deletingLastPathComponent()).standardizedFileURL
        var rows: [(line: Int, path: String, text: String, tags: [UInt8])] = []
        let other = names.indices.filter { $0 != pathColumn && $0 != textColumn }
        var tagNames: Set<ExactText> = []
        try forEachRow { row in
            var members: [UInt8] = []
            if keepsTags {
                for column in other where !row.fields[column].isEmpty {
                    tagNames.insert(ExactText(names[column]))
                    members += ", \(names[column].jsonQuoted): \(row.fields[column].jsonQuoted)".utf8
                }
            }
            rows.append((row.line, row.path, row.text, members))
        }
        let table = rows
        let results = ParallelMap.map(count: table.count) { index -> (String, Int) in
            let name = table[index].path
            guard let path = Self.recording(name, under: root) else { throw CorpusError.notFound(file: name) }
            let file = URL(fileURLWithPath: path.hasPrefix("/") ? path : root.path + "/" + path)
            return (path, try ManifestBuilder.sampleCount(file, decodes: decodes))
        }
        var (paths, tags) = (PackedStrings(), CarriedTags())
        var (counts, texts): ([Int], [String]) = ([], [])
        var lines: [UInt32] = []
        var unreadable: [(path: String, reason: String)] = []
        for (row, result) in zip(table, results) {
            switch result {
            case .success((let path, let count)):
                paths.append(path.utf8)
                counts.append(count)
                if hasTexts { texts.append(row.text) }
                lines.append(UInt32(clamping: row.line))
                tags.members.append(row.tags)
            case .failure(let error as AudioError) where error.kind == .failure: throw error
            case .failure(CorpusError.notFound):
                unreadable.append((row.path, "there is no such file (\(url.lastPathComponent):\(row.line))"))
            case .failure(let error): unreadable.append((row.path, "\(error)"))
            }
        }
        if table.isEmpty { throw CorpusError.emptyManifest(file: url.path) }
        if counts.isEmpty {
            throw CorpusError.noTableAudio(
                table: url.path, count: table.count, root: root.path, reason: unreadable.first?.reason ?? "",
                example: unreadable.first?.path ?? "")
        }
        var manifest = Manifest(
            name: url.path, sources: [.init(name: url.path, format: .table, root: root)], sampleCounts: counts,
            paths: paths, lines: lines)
        if keepsTags {
            tags.names = tagNames
            manifest.tags = tags
        }
        return Report(manifest: manifest, texts: texts, unreadable: unreadable)
    }

    /// Reads the table as a list in which all recordings must be readable.
    func read(labels: String?, keepsTags: Bool) throws -> Manifest {
        let report = try build(keepsTags: keepsTags)
        if let first = report.unreadable.first {
            throw CorpusError.someUnreadable(
                folder: url.path, count: report.unreadable.count, reason: "\(first.path): \(first.reason)")
        }
        guard let labels else { return report.manifest }
        guard hasTexts else { throw CorpusError.noTableTexts(table: url.path) }
        guard Transcript.isSpelled(labels) else {
            throw CorpusError.badOption(name: "labels", reason: "a table gives letters and words, not \(labels)")
        }
        return try report.labeled(labels)
    }

    /// Returns a column's values by line.
    func values(of column: String) throws -> [Int: String]? {
        guard let place = names.firstIndex(where: { $0.hasSameCodePoints(as: column) }) else { return nil }
        var values: [Int: String] = [:]
        try forEachRow { values[$0.line] = $0.fields[place] }
        return values
    }
}
