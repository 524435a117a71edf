import Foundation
import W2VBase

/// Properties that utterances can be grouped by, such as the speaker.
public enum UtteranceTags {
    /// Reads a tag of each of a manifest's utterances.
    ///
    /// Without a table the list itself must have the tag: in JSON lines and lists a key of the utterance's object; in a
    /// Kaldi folder the file `utt2TAG`, or `spk2TAG` for a property of speakers (`speaker` is `utt2spk`); in a table of
    /// recordings another column.
    ///
    /// - Parameters:
    ///   - tag: The tag's name.
    ///   - manifest: The utterances, as read from disk.
    ///   - table: A table with tabs between its columns, whose first line names them. The column `path` has each
    ///     utterance's path as in the manifest, its file name, or the file name without its extension; the tag is
    ///     another column. Lines may be in any order, and may be about other utterances too.
    /// - Returns: Each utterance's value, nil if it has none.
    /// - Throws: `CorpusError` if no utterance has the tag.
    public static func read(_ tag: String, of manifest: Manifest, from table: URL? = nil) throws -> [String?] {
        if let table { return try column(tag, of: table, for: manifest) }
        var values: [String?] = []
        for number in manifest.sources.indices {
            let source = manifest.sources[number]
            let range = manifest.range(ofSource: number)
            switch source.format {
            case .jsonLines, .jsonList:
                values += try objects(tag, of: source, in: manifest, range)
            case .kaldi:
                values += try kaldi(tag, source, manifest, range)
            case .table:
                guard let rows = try TranscriptTable(URL(fileURLWithPath: source.name))?.values(of: tag) else {
                    throw CorpusError.noTag(tag: tag, list: source.name, reason: "the table has no such column")
                }
                values += range.map { rows[manifest.place(of: $0).line].flatMap { $0.isEmpty ? nil : $0 } }
            case .fairseq, .folder:
                throw CorpusError.noTag(
                    tag: tag, list: source.name,
                    reason: "this kind of list has no tags", advice: "give a table with the columns path and \(tag)")
            }
        }
        guard values.contains(where: { $0 != nil }) else {
            throw CorpusError.noTag(
                tag: tag, list: manifest.name, reason: "no utterance has it", advice: "check its name, or give a table")
        }
        return values
    }

    // MARK: - JSON

    private static func objects(
        _ tag: String, of source: Manifest.Source, in manifest: Manifest, _ range: Range<Int>
    ) throws -> [String?] {
        let url = URL(fileURLWithPath: source.name)
        var found: [JSONObject] = []
        if source.format == .jsonList {
            found = try JSONManifest.objects(url)
        } else {
            var reader = try LineReader(url)
            while let line = try reader.next() {
                found.append((try? JSONParser.value(ofLine: line).object) ?? [:])
            }
        }
        return try range.map { index in
            let line = manifest.place(of: index).line
            guard found.indices.contains(line - 1) else {
                throw CorpusError.noLine(
                    name: manifest.identifier(index), file: source.name, list: source.name, line: line)
            }
            return text(found[line - 1][tag])
        }
    }

    /// Formats a value as people write it; nil for `null`, lists and objects.
    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .number(let number): Int(exactly: number).map(String.init) ?? String(number)
        case .integer, .bool: value?.text
        default: nil
        }
    }

    // MARK: - Kaldi

    private static func kaldi(
        _ tag: String, _ source: Manifest.Source, _ manifest: Manifest, _ range: Range<Int>
    ) throws -> [String?] {
        let speakers = range.map { manifest[$0].speaker }
        if tag == "speaker" { return speakers }
        func values(_ file: String) throws -> [ExactText: String]? {
            let url = source.root.appendingPathComponent(file)
            guard FileManager.default.fileExists(atPath: url.path) else { return nil }
            var values: [ExactText: String] = [:]
            var reader = try LineReader(url)
            while let line = try reader.next() {
                guard let (key, value) = KeyedLines.split(line) else { continue }
                values[ExactText(String(decoding: key, as: UTF8.self))] = String(decoding: value, as: UTF8.self)
            }
            return values
        }
        if let own = try values("utt2" + tag) { return range.map { own[ExactText(manifest.identifier($0))] } }
        guard let ofSpeakers = try values("spk2" + tag) else {
            throw CorpusError.noTag(
                tag: tag, list: source.root.path, reason: "the folder has neither utt2\(tag) nor spk2\(tag)")
        }
        return speakers.map { $0.flatMap { ofSpeakers[ExactText($0)] } }
    }

    // MARK: - Tables

    /// Splits a line at tabs, code point by code point.
    private static func columns(_ line: String) -> [String] {
        line.unicodeScalars.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
    }

    private static func column(_ tag: String, of url: URL, for manifest: Manifest) throws -> [String?] {
        let lines = try Lines.read(url)
        let names = Self.columns(lines.first ?? "")
        guard let place = names.firstIndex(where: { $0.hasSameCodePoints(as: tag) }),
            let pathPlace = names.firstIndex(of: "path")
        else {
            throw CorpusError.badLine(
                file: url.path, line: 1, expected: "the columns path and \(tag), with a tab between them",
                found: lines.first ?? "")
        }
        var values: [Int: String] = [:]
        var keys = KeyedUtterances(url)
        for (number, line) in lines.enumerated().dropFirst() {
            if line.utf8.allSatisfy(Lines.isBlank) { continue }
            let fields = Self.columns(line)
            guard fields.count == names.count else {
                throw CorpusError.badLine(
                    file: url.path, line: number + 1, expected: "\(names.count) columns as in the first line",
                    found: line)
            }
            values[number + 1] = fields[place]
            guard keys.insert(fields[pathPlace], line: number + 1) else {
                throw CorpusError.badLine(
                    file: url.path, line: number + 1, expected: "a path that no other line has",
                    found: fields[pathPlace])
            }
        }
        let found = try keys.lines(of: manifest).map { line -> String? in
            line.flatMap { values[$0] }.flatMap { $0.isEmpty ? nil : $0 }
        }
        guard found.contains(where: { $0 != nil }) else {
            throw CorpusError.noTag(
                tag: tag, list: manifest.name,
                reason: "no line of \(url.path) is about one of its utterances",
                advice: "write paths as the manifest has them")
        }
        return found
    }
}
